"""doveadm msgraph status, sync and verify."""

import json
import time

import pytest

from imaptools import MESSAGE, bodies, flags_by_uid, ok, uidvalidity
from rig import Rig

pytestmark = pytest.mark.usefixtures("clean_log")

USER, OTHER = "alice@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(USER, OTHER), sim_args=["--generate", "30"],
              settings={"msgraph_request_timeout": "2s"}).start()
    yield rig
    rig.close()


def parse(out):
    """Some versions print numbers as such."""
    return [{key: str(value) for key, value in row.items()}
            for row in json.loads(out or "[]")]


def rows(rig, command, *args, **more):
    """The rows of a command's JSON. Words of command come before -u."""
    return parse(rig.doveadm("-f json msgraph " + command, *args, **more))


def by_mailbox(rows):
    return {row["mailbox"]: row for row in rows}


def opened(rig):
    conn = rig.imap()
    ok(conn.select())
    return conn


def test_status(rig):
    assert by_mailbox(rows(rig, "status"))["INBOX"]["delta"] == "new"
    opened(rig).logout()
    rig.sim("log/clear")
    inbox = by_mailbox(rows(rig, "status"))["INBOX"]
    assert rig.requests() == []
    assert inbox["messages"] == "30" and inbox["delta"] == "ok"
    assert inbox["pending"] == "0" and inbox["sign_in"] == "ok"
    assert inbox["account"] == USER
    age = time.time() - time.mktime(time.strptime(inbox["synced"],
                                                  "%Y-%m-%d %H:%M:%S"))
    assert -2 < age < 60
    # folders that nobody has opened are not made known by it
    assert by_mailbox(rows(rig, "status"))["Drafts"]["synced"] == "never"
    assert list(by_mailbox(rows(rig, "status", "Drafts"))) == ["Drafts"]


def test_status_of_pending_changes(rig):
    conn = opened(rig)
    rig.sim("fault", path="batch", status=503, code="", count=999)
    rig.sim("fault", method="PATCH", path="messages/", status=503, code="",
            count=999)
    ok(conn.store("1:3", "+FLAGS", "(\\Flagged)"))
    assert by_mailbox(rows(rig, "status"))["INBOX"]["pending"] == "3"
    rig.sim("faults/clear")
    assert by_mailbox(rows(rig, "sync", "INBOX"))["INBOX"]["sent"] == "3"
    assert by_mailbox(rows(rig, "status"))["INBOX"]["pending"] == "0"
    assert [m["flag"] for m in rig.messages(folder="inbox")].count(
        "flagged") == 3
    conn.logout()


def test_status_without_the_daemon(rig):
    rig.stop("oauthd")
    done = rig.try_doveadm("-f json msgraph status", "INBOX")
    assert done.returncode == 0
    assert parse(done.stdout)[0]["sign_in"] not in ("ok", "")
    assert f"{USER}: " in done.stderr
    rig.start_oauthd()


def test_all_users_and_formats(rig):
    names = {row["username"] for row in rows(rig, "status -A", user=False)}
    assert names == {USER, OTHER}
    table = rig.doveadm("-f table msgraph status", "INBOX").splitlines()
    assert table[0].split()[:3] == ["mailbox", "messages", "synced"]
    assert table[1].split()[:2] == ["INBOX", "30"]
    assert "mailbox=INBOX messages=30 " in rig.doveadm(
        "-f flow msgraph status", "INBOX")


def test_through_the_server(rig):
    socket = rig.file("run", "doveadm-server")
    out = rows(rig, f"status -S {socket}")
    assert by_mailbox(out)["INBOX"]["messages"] == "30"
    assert "INBOX" in by_mailbox(rows(rig, f"sync -S {socket}"))
    assert rows(rig, f"verify --repair -S {socket}") == []


def test_sync(rig):
    assert by_mailbox(rows(rig, "sync", "INBOX"))["INBOX"]["new"] == "0"
    ids = rig.sim("deliver", count=2)["ids"]
    first = rig.messages(folder="inbox")[0]["id"]
    rig.sim("patch", id=first, isRead=True, categories=["Red"])
    assert rows(rig, "sync", "INBOX") == [
        {"mailbox": "INBOX", "new": "2", "gone": "0", "changed": "1",
         "sent": "0"}]
    rig.sim("delete", ids=ids)
    rig.sim("patch", id=first, categories=[])
    # all mailboxes, also one that nobody here has heard of
    rig.sim("folder", op="create", path="Made elsewhere")
    out = by_mailbox(rows(rig, "sync"))
    assert out["INBOX"]["gone"] == "2" and "Made elsewhere" in out
    assert by_mailbox(rows(rig, "status"))["Drafts"]["delta"] == "ok"


def test_errors(rig):
    done = rig.try_doveadm("msgraph sync", "Nowhere")
    assert done.returncode == 68 and "Nowhere" in done.stderr
    rig.sim("fault", path="delta", status=403, code="ErrorAccessDenied",
            count=99)
    done = rig.try_doveadm("msgraph sync", "INBOX")
    assert done.returncode == 77 and "Microsoft 365" in done.stderr
    rig.sim("faults/clear")
    rig.sim("fault", path="delta", status=503, code="", count=99)
    assert rig.try_doveadm("msgraph verify", "INBOX").returncode == 75
    # what is known is told all the same
    assert rows(rig, "status", "INBOX")[0]["messages"] == "30"


def test_verify_finds_nothing(rig):
    opened(rig).logout()
    rig.sim("log/clear")
    assert rows(rig, "verify", "INBOX") == []
    # the folders, a delta, a listing
    assert len(rig.requests()) <= 3
    assert rig.try_doveadm("msgraph verify").returncode == 0


def test_verify_after_silent_changes(rig):
    """The service has lost some changes: its delta never tells of them."""
    conn = rig.imap()
    ok(conn.append("INBOX", None, None, MESSAGE % 78))
    ok(conn.select())
    before, valid = flags_by_uid(conn), uidvalidity(conn)
    inbox = [m for m in rig.messages(folder="inbox") if not m["isRead"]]
    gone, changed = inbox[0]["id"], inbox[1]["id"]
    rig.sim("delete", id=gone)
    rig.sim("patch", id=changed, isRead=True, categories=["Blue"])
    new = rig.sim("deliver")["ids"][0]
    rig.sim("forget-changes")
    assert by_mailbox(rows(rig, "sync", "INBOX"))["INBOX"]["new"] == "0"
    done = rig.try_doveadm("-f json msgraph verify", "INBOX")
    assert done.returncode == 65
    found = {(row["difference"], row["id"], row["mended"])
             for row in parse(done.stdout)}
    assert found == {("missing", new, "no"), ("gone", gone, "no"),
                     ("flags", changed, "no")}
    ok(conn.noop())
    assert flags_by_uid(conn) == before

    mended = rows(rig, "verify --repair", "INBOX")
    assert {(row["difference"], row["mended"]) for row in mended} == {
        ("missing", "yes"), ("gone", "yes"), ("flags", "yes")}
    assert rows(rig, "verify", "INBOX") == []
    conn.logout()
    conn = opened(rig)
    after = flags_by_uid(conn)
    assert len(after) == len(before) and uidvalidity(conn) == valid
    assert len(set(before) - set(after)) == 1
    assert [u for u in set(before) & set(after)
            if before[u] != after[u]] == [
                int(row["uid"]) for row in mended
                if row["difference"] == "flags"]
    assert b"Body of the message" in b"".join(bodies(conn))
    conn.logout()


def test_ids_that_have_all_changed(rig):
    """A mailbox that was moved to another place: UIDs and our own bytes
    stay."""
    conn = rig.imap()
    raw = MESSAGE % 79
    ok(conn.append("INBOX", None, None, raw))
    ok(conn.select())
    before, valid = flags_by_uid(conn), uidvalidity(conn)
    conn.logout()
    rig.sim("new-ids")
    rig.sim("lose-tokens")
    rows(rig, "sync", "INBOX")
    conn = opened(rig)
    assert (flags_by_uid(conn), uidvalidity(conn)) == (before, valid)
    assert bodies(conn, ids="*") == [raw]
    ok(conn.store("1", "+FLAGS", "(\\Answered)"))
    conn.logout()
    assert rows(rig, "verify", "INBOX") == []
