"""@azure/msal-node, the other judge of the login host."""

import json
import os
import shutil
import subprocess

import pytest

from served import CLIENT, REDIRECT

HERE = os.path.join(os.path.dirname(__file__), "../judge")
USER = "alice@example.com"


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A directory with the library, as the lock file says."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm is not here")
    path = tmp_path_factory.mktemp("judge")
    for name in os.listdir(HERE):
        shutil.copy(os.path.join(HERE, name), path)
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=300)
    if done.returncode and any(word in done.stdout for word in (
            "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT",
            "E403", "E404")):
        pytest.skip("the npm registry is not here")
    assert done.returncode == 0, done.stdout
    return path


def sign_in(judge, served, sim, secret):
    sim.login.client_secret = secret
    sim.login.auto_consent = True
    out = subprocess.run(
        ["node", "sign-in.js", json.dumps(dict(
            url=sim.url, tid=sim.login.tid, client=CLIENT, secret=secret,
            user=USER, redirect=REDIRECT))],
        cwd=judge, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=dict(os.environ, NODE_EXTRA_CA_CERTS=served.ca), timeout=120)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def test_code_and_client_credentials(judge, served, sim):
    assert sign_in(judge, served, sim, "s") == {
        "state": "s&t", "user": USER, "tenant": sim.login.tid,
        "renewed": True, "again": {"code": "invalid_grant", "no": 54005},
        "token": True, "wrong": {"code": "invalid_client", "no": 7000215}}


def test_device_code(judge, served, sim):
    assert sign_in(judge, served, sim, None) == {"user": USER}
