"""Settings that differ by user, and by namespace."""

import pytest

import dovecot
from rig import Rig

ALICE, BOB, DESK = ("alice@example.com", "bob@example.com",
                    "desk@example.com")
SHARED = """
namespace bob {
  prefix = Bob/
  separator = /
  list = yes
  mail_path = ~/bob
  msgraph_mailbox = bob@example.com
}
"""


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE, BOB), extra=SHARED if dovecot.IS_24 else "")
    rig.logins[DESK] = (f"userdb_msgraph_account={ALICE} "
                        f"userdb_msgraph_mailbox={BOB}")
    rig.write("secret", "the-client-secret-value\n", 0o600)
    rig.start_sim()
    rig.start_oauthd(edit=lambda text: text + "features = read shared\n")
    rig.link(ALICE)
    rig.sim("settings", user=BOB, share_with=[ALICE])
    rig.sim("folder", user=BOB, op="create", path="Desk")
    rig.sim("deliver", user=BOB, folder="Desk", count=3)
    rig.start_dovecot()
    yield rig
    assert rig.log_errors() == []
    rig.close()


def test_of_a_user(rig):
    """A log-in without an account of its own reads a shared mailbox with the
    token of another"""
    conn = rig.imap(DESK)
    assert ok(conn.select("Desk")) == [b"3"]
    ok(conn.append("Desk", None, None, b"Subject: from desk\r\n\r\nx\r\n"))
    conn.logout()
    assert len(rig.messages(BOB)) == 4
    conn = rig.imap(ALICE)
    assert conn.select("Desk")[0] == "NO"
    conn.logout()


@pytest.mark.skipif(not dovecot.IS_24, reason="Dovecot 2.3 has no settings of "
                    "a namespace in plugin {}")
def test_of_a_namespace(rig):
    conn = rig.imap(ALICE)
    names = b"\n".join(ok(conn.list())).decode()
    assert "Bob/Desk" in names and "Bob/Bob" not in names, names
    assert int(ok(conn.select("Bob/Desk"))[0]) >= 3
    ok(conn.store("1", "+FLAGS", r"(\Flagged)"))
    ok(conn.select("INBOX"))
    conn.logout()
    assert [m for m in rig.messages(BOB) if m["flag"] == "flagged"]
    assert not rig.messages(ALICE)
