"""Continuous access evaluation: Graph refuses a token and says which claims the
next one must have."""

import json

import pytest

from rig import Rig

ALICE = "alice@example.com"
CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"%d"}}}'


@pytest.fixture(scope="module")
def rig():
    with_cp1 = "continuous_access = yes\n"
    rig = Rig(users=(ALICE,))
    rig.write("secret", "the-client-secret-value\n", 0o600)
    rig.start_sim()
    rig.start_oauthd(edit=lambda text: text + with_cp1)
    rig.link(ALICE)
    rig.start_dovecot()
    rig.sim("deliver", count=2)
    yield rig
    rig.close()


def tokens(rig):
    return len([e for e in rig.sim("log")["log"]
                if e["path"] == "/login/token"])


def test_answered_once(rig):
    conn = rig.imap()
    assert conn.select("INBOX")[1] == [b"2"]
    for number in range(2):
        rig.sim("token", op="cae", claims=CLAIMS % number)
        rig.sim("log/clear")
        assert conn.fetch("1:2", "(BODY.PEEK[])")[0] == "OK"
        rig.sim("deliver")
        conn.noop()
        assert conn.select("INBOX")[1] == [b"%d" % (3 + number)]
        assert tokens(rig) == 1
    conn.logout()
    assert rig.log_errors() == []


def test_answered_inside_a_batch(rig):
    """Exchange refuses single parts of a batch that Graph has let in."""
    conn = rig.imap()
    conn.select("INBOX")
    rig.sim("switch", challenge_at="workload")
    rig.sim("token", op="cae", claims=CLAIMS % 5)
    rig.sim("log/clear")
    assert conn.store("1:3", "+FLAGS", "(\\Flagged)")[0] == "OK"
    assert conn.noop()[0] == "OK"
    assert [m["flag"] for m in rig.messages()][:3] == ["flagged"] * 3
    assert tokens(rig) == 1
    rig.sim("switch", challenge_at="gateway")
    conn.logout()
    assert rig.log_errors() == []


def test_capability_is_told(rig):
    """cp1 is asked for beside what the challenge wants."""
    rig.sim("token", op="cae", claims=json.dumps({"access_token": {
        "nbf": {"value": "9"}, "xms_cc": {"values": ["cp1"]}}}))
    conn = rig.imap()
    rig.sim("deliver")
    assert conn.select("INBOX")[1] == [b"5"]
    conn.logout()


def test_interaction_is_demanded(rig):
    rig.sim("token", op="cae", claims=CLAIMS % 77)
    rig.sim("token", op="fail", grant="refresh_token", code=50076,
            error="interaction_required", count=100)
    conn = rig.imap()
    typ, text = conn.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")
    assert typ == "NO" and b"AADSTS50076" in text[0], text
    assert b"/start?i=" in text[0]
    # what is known stays readable
    assert conn.select("INBOX")[1] == [b"5"]
    conn.logout()
    out = rig.ctl("status", ALICE).stdout
    assert "needs_sign_in" in out and "further proof" in out
    rig.sim("token", op="heal")
    rig.link(ALICE)
    assert rig.ctl("status", ALICE).returncode == 0


def test_claims_that_are_never_met(rig):
    """One new token, then the error: no loop."""
    rig.sim("fault", path="/messages/delta", status=401, count=1000,
            code="InvalidAuthenticationToken", headers={
                "WWW-Authenticate": 'Bearer realm="", '
                'error="insufficient_claims", claims="e30="'})
    rig.sim("log/clear")
    conn = rig.imap()
    conn.select("INBOX")
    conn.logout()
    assert tokens(rig) <= 2
    rig.sim("faults/clear")
