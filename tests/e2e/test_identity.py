"""Whose account may be linked under an address."""

import sqlite3

import pytest

from rig import SECRET, Browser, Rig

ALICE, BOB, EVE = "alice@example.com", "bob@example.com", "eve@evil.example"
GUEST = "alice_example.com#EXT#@host.example"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE, BOB, EVE, GUEST))
    rig.write("secret", SECRET + "\n", 0o600)
    rig.start_sim()
    rig.start_oauthd()
    yield rig
    rig.close()


@pytest.fixture(autouse=True)
def clean(rig):
    for user in (ALICE, "info@example.com", "new@example.com"):
        rig.ctl("unlink", user)
    rig.sim("settings", user=ALICE, mail=ALICE, proxies=["SMTP:" + ALICE])


def follow(rig, address, user):
    link = rig.ctl("link", address).stdout.strip()
    return Browser(rig.context).follow(link, user)


def linked(rig, address):
    return rig.ctl("status", address).returncode == 0


@pytest.mark.parametrize("address", [ALICE, "Alice@Example.COM"])
def test_principal_name(rig, address):
    assert follow(rig, address, ALICE)[0] == 200
    assert linked(rig, ALICE)


@pytest.mark.parametrize("settings", [
    {"mail": "Info@example.com"}, {"proxies": ["smtp:INFO@example.com"]},
    {"proxies": ["SMTP:info@example.com"]}])
def test_alias(rig, settings):
    assert follow(rig, "info@example.com", ALICE)[0] == 403
    rig.sim("settings", user=ALICE, **settings)
    assert follow(rig, "info@example.com", ALICE)[0] == 200


@pytest.mark.parametrize("settings", [
    {"proxies": ["sip:info@example.com"]},
    {"proxies": ["X500:/o=x/cn=info@example.com", "info@example.com"]},
    {"mail": None}, {"mail": ""}, {"proxies": []}])
def test_no_alias(rig, settings):
    rig.sim("settings", user=ALICE, **settings)
    assert follow(rig, "info@example.com", ALICE)[0] == 403
    assert not linked(rig, "info@example.com")


def test_guest_is_another_account(rig):
    """A guest has an address of its home tenant in mail alone; here, not even
    there."""
    rig.sim("settings", user=GUEST, mail=None, proxies=[])
    status, page = follow(rig, ALICE, GUEST)
    assert status == 403 and "another account" in page
    assert not linked(rig, ALICE)


def test_personal_account(rig):
    """Without proxyAddresses: the name that was signed in with counts."""
    rig.sim("settings", user=EVE, mail=None, proxies=[])
    assert follow(rig, EVE, EVE)[0] == 200
    assert follow(rig, ALICE, EVE)[0] == 403


def test_wrong_account_page(rig):
    link = rig.ctl("link", ALICE).stdout.strip()
    browser = Browser(rig.context)
    status, page = browser.follow(link, EVE)
    assert status == 403 and EVE in page and ALICE in page
    assert "Choose the right account" in page and link in page
    # the choice is offered anew, and the invitation is not used up
    start, _, form = link.partition("?")
    assert "prompt=select_account" in browser.open(start, form.encode())[1]
    assert browser.follow(link, ALICE)[0] == 200


def test_pinned(rig):
    """From the first link on it is the object id that counts."""
    assert follow(rig, ALICE, ALICE)[0] == 200
    with sqlite3.connect(rig.file("accounts.sqlite")) as db:
        before = db.execute("SELECT tid, oid, refresh_token FROM account "
                            "WHERE address = ?", (ALICE,)).fetchone()
    # somebody else has the address now
    rig.sim("settings", user=BOB, proxies=["smtp:" + ALICE])
    status, page = follow(rig, ALICE, BOB)
    assert status == 403 and "another account" in page
    with sqlite3.connect(rig.file("accounts.sqlite")) as db:
        assert before == db.execute(
            "SELECT tid, oid, refresh_token FROM account WHERE address = ?",
            (ALICE,)).fetchone()
    # after an unlink it is theirs
    rig.ctl("unlink", ALICE)
    assert follow(rig, ALICE, BOB)[0] == 200
    rig.sim("settings", user=BOB, proxies=[])


def test_principal_name_changes():
    """The store knows the account by what signs in, and Graph by the token: the
    name in between may change, and nothing is listed again."""
    rig = Rig(users=(ALICE,)).start()
    try:
        rig.sim("deliver", count=3)
        conn = rig.imap()
        conn.select()
        uids = conn.uid("SEARCH", "ALL")[1]
        validity = conn.response("UIDVALIDITY")
        rig.sim("settings", user=ALICE, address="other@example.com")
        rig.sim("token", op="expire", user="other@example.com")
        rig.sim("log/clear")
        rig.sim("deliver", user="other@example.com")
        conn.noop()
        assert conn.search(None, "ALL")[1] == [b"1 2 3 4"]
        conn.logout()
        rig.restart_dovecot()
        conn = rig.imap()
        assert conn.select()[1] == [b"4"]
        assert conn.response("UIDVALIDITY") == validity
        assert conn.uid("SEARCH", "ALL")[1][0].startswith(uids[0] + b" ")
        assert conn.store("4", "+FLAGS", "(\\Flagged)")[0] == "OK"
        conn.noop()
        conn.logout()
        rounds = [e["query"] for e in rig.sim("log")["log"]
                  if e["path"].endswith("/messages/delta")]
        assert rounds and all("$deltatoken" in query for query in rounds)
        assert [m["flag"] for m in rig.messages("other@example.com")].count(
            "flagged") == 1
        assert rig.log_errors() == []
        assert rig.ctl("status", ALICE).returncode == 0
    finally:
        rig.close()


def test_renamed(rig):
    """The account has lost the address, but it is the same one."""
    rig.sim("settings", user=ALICE, mail="new@example.com", proxies=[])
    assert follow(rig, "new@example.com", ALICE)[0] == 200
    rig.sim("settings", user=ALICE, mail=ALICE, proxies=[])
    assert follow(rig, "new@example.com", ALICE)[0] == 200
    assert linked(rig, "new@example.com")
