"""The shipped configuration, and what becomes of a wrong one."""

import os
import re
import subprocess

import imaplib
import pytest

import dovecot
from rig import BUILD, ROOT, Rig, wait_for

CONF = os.path.join(ROOT, "conf.d", dovecot.CONF_D, "90-msgraph.conf")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("dovecot") / "modules")
    dovecot.make_modules(BUILD, path)
    return path


def doveconf(modules, text, *args):
    path = os.path.join(os.path.dirname(modules), "dovecot.conf")
    head = dovecot.VERSION_24 if dovecot.IS_24 else "mail_plugins =\n"
    with open(path, "w", encoding="utf-8") as f:
        f.write(head + text)
    return subprocess.run(
        dovecot.private(modules, "doveconf", "-c", path, *args), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)


def shipped():
    with open(CONF, encoding="utf-8") as f:
        return f.read()


def test_shipped(modules):
    text = re.sub(r"#(?=msgraph_\w+ =)", "", shipped())
    defaults = dict(re.findall(r"^ *(msgraph_\w+) = ?(.*)$", text, re.M))
    assert len(defaults) == 13
    run = doveconf(modules, text)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    for key, value in defaults.items():
        if dovecot.IS_24:
            # what doveconf says without our file
            run = doveconf(modules, "", "-h", key)
            got = run.stdout.strip().replace(" ", "")
            assert re.sub(r"\b(\d+)secs?$", r"\1s", got) == value, run
        else:
            assert f"{key} = {value}".strip() in run.stdout


@pytest.mark.parametrize("key,value,words", [
    ("msgraph_brokr", "/x", "msgraph_brokr"),
    ("msgraph_poll_interval", "0s", "must be a time from 1s to 86400s"),
    ("msgraph_poll_interval", "soon", "soon"),
    ("msgraph_select_fresh", "2h", "must be a time from 0s to 3600s"),
    ("msgraph_expunge", "sometimes", "must be one of: recoverable"),
    ("msgraph_url", "http://graph.example.com", "must start with https://"),
    ("msgraph_body_cache_size", "big", "big"),
])
def test_wrong_setting(modules, key, value, words):
    if dovecot.IS_24:
        run = doveconf(modules, f"{key} = {value}\n")
        assert run.returncode != 0 and words in run.stderr, run
        return
    # doveconf takes any key in plugin {}; so the session says it
    rig = Rig(settings={key: value})
    try:
        rig.start()
        with pytest.raises((imaplib.IMAP4.error, AssertionError)):
            conn = rig.imap()
            status, _ = conn.select()
            assert status == "OK"
        wait_for(f"{words} in the log",
                 lambda: any(words in l for l in rig.log_errors()))
    finally:
        rig.close()
