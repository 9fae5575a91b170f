"""Linking by a code that is entered on another device (RFC 8628)."""

import html
import os
import re
import subprocess
import time

import pytest

from rig import BUILD, SECRET, Browser, Rig, wait_for

ALICE, BOB = "alice@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE, BOB))
    rig.write("secret", SECRET + "\n", 0o600)
    rig.start_sim()
    rig.start_oauthd()
    yield rig
    output = rig.output("oauthd")
    rig.close()
    for marker in ("0.AX", "EwB", SECRET):
        assert marker not in output, "a secret is in the log"


@pytest.fixture
def invitation(rig):
    rig.ctl("unlink", ALICE)
    return rig.ctl("link", ALICE).stdout.strip()


class Ctl:
    """msgraphctl link --device under way."""

    def __init__(self, rig, user):
        self.proc = subprocess.Popen(
            [os.path.join(BUILD, "src/tool/msgraphctl"), "--socket",
             rig.file("broker.sock"), "link", user, "--device"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        lines = [self.proc.stdout.readline() for _ in range(3)]
        self.url = re.search(r"Open (https://\S+) in", lines[0])[1]
        self.code = re.search(r"code (\w+)", lines[1])[1]
        assert user in lines[2]

    def end(self):
        out, err = self.proc.communicate(timeout=30)
        return self.proc.returncode, out + err


def polls(rig):
    return [e for e in rig.sim("log")["log"] if e["path"] == "/login/token"]


def test_ctl(rig, invitation):
    rig.sim("log/clear")
    ctl = Ctl(rig, ALICE)
    assert rig.sim("device", user_code=ctl.code, user=ALICE)["known"]
    assert ctl.end() == (0, ALICE + " is linked\n")
    assert rig.ask(op="token", account=ALICE)["status"] == "ok"
    assert [e["status"] for e in polls(rig)] == [200]


def test_two_at_once_wrong_account_declined(rig, invitation):
    first, second = Ctl(rig, ALICE), Ctl(rig, BOB)
    assert first.code != second.code
    rig.sim("device", user_code=first.code, user=BOB)
    rig.sim("device", user_code=second.code, user=BOB, decision="cancel")
    status, text = first.end()
    assert status == 1 and BOB in text and "nothing was stored" in text
    status, text = second.end()
    assert status == 1 and "declined" in text
    assert rig.ctl("status", ALICE).returncode == 1


def test_page(rig, invitation):
    browser = Browser(rig.context)
    page = browser.open(invitation)[2]
    assert 'name="device" value="1"' in page
    url, _, form = invitation.partition("?")
    status, _, page = browser.open(url, (form + "&device=1").encode())
    assert status == 200 and "<script" not in page
    code = re.search(r"<b>([A-Z]{9})</b>", page)[1]
    again = html.unescape(re.search(r'content="15;url=([^"]*)"', page)[1])
    assert again == invitation + "&device=1"
    # the same code after the button was pressed twice
    assert code in browser.open(url, (form + "&device=1").encode())[2]
    rig.sim("log/clear")
    for _ in range(5):
        assert code in browser.open(again)[2]
    assert polls(rig) == []         # not before the interval has passed
    time.sleep(5.2)
    assert code in browser.open(again)[2]
    assert code in browser.open(again)[2]
    assert [e["status"] for e in polls(rig)] == [400]
    rig.sim("device", user_code=code, user=ALICE)
    wait_for("the link", lambda: "is linked" in browser.open(again)[2])
    assert browser.open(again)[0] == 404
    assert "linked" in rig.output("oauthd")


def test_page_wrong_account_then_right(rig, invitation):
    browser = Browser(rig.context)
    url, _, form = invitation.partition("?")
    for user, want in ((BOB, "another account"), (ALICE, "is linked")):
        page = browser.open(url, (form + "&device=1").encode())[2]
        code = re.search(r"<b>([A-Z]{9})</b>", page)[1]
        rig.sim("device", user_code=code, user=user)
        time.sleep(5.2)
        assert want in browser.open(invitation + "&device=1")[2]


def test_expired_and_forbidden(rig, invitation):
    rig.sim("token", op="fail", grant=GRANT, error="expired_token",
            code=70020, count=1)
    rig.sim("token", op="fail", grant=GRANT, error="invalid_grant",
            code=530036, count=1)
    ends = [ctl.end() for ctl in (Ctl(rig, ALICE), Ctl(rig, BOB))]
    assert [status for status, _ in ends] == [1, 1]
    text = ends[0][1] + ends[1][1]
    assert "AADSTS70020" in text and "expired" in text
    assert "policy forbids" in text


def test_slow_down(rig, invitation):
    """Five seconds more; the same for a fault that passes."""
    waits = []
    for user, error in ((ALICE, dict(error="slow_down", code=0)),
                        (BOB, dict(error="server_error", code=90033,
                                   status=500))):
        rig.ctl("unlink", user)
        waits.append((Ctl(rig, user), user))
        rig.sim("token", op="fail", grant=GRANT, count=1, **error)
    started = time.time()
    for ctl, user in waits:
        rig.sim("device", user_code=ctl.code, user=user)
    for ctl, _ in waits:
        assert ctl.end()[0] == 0
    assert time.time() - started > 13


GRANT = "urn:ietf:params:oauth:grant-type:device_code"
