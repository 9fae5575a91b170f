"""Messages that Graph names and cannot give hold up nothing."""

import glob
import json
import time

import pytest

from imaptools import bodies, by_uid, ok
from rig import Rig

USER = "alice@example.com"


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    yield rig
    rig.close()


@pytest.fixture
def bad(rig):
    """Three new messages; the bytes of one are not to be had: its number"""
    rig.log_errors()
    ids = rig.sim("deliver", count=3)["ids"]
    name = rig.sim("message", id=ids[1])["internetMessageId"]
    imap = rig.imap()
    ok(imap.select())
    found = ok(imap.search(None, "HEADER", "Message-ID", name))[0].split()
    yield imap, ids[1], int(found[0])
    rig.sim("faults/clear")
    imap.logout()
    rig.sim("delete", ids=[m["id"] for m in rig.messages(folder="inbox")])
    imap = rig.imap()
    ok(imap.select())
    imap.logout()
    assert rig.log_errors() == []
    assert status(rig) == 0


def status(rig):
    row = json.loads(rig.doveadm("-f json msgraph status", "INBOX"))[0]
    return int(row["quarantined"])


def value_fails(rig, ident, status, code="", **effect):
    rig.sim("fault", method="GET", path=f"{ident}/\\$value", status=status,
            code=code, count=99, **effect)


def values(rig):
    return [e for e in rig.requests() if e["path"].endswith("$value")]


def end_pause(rig):
    """As if the time had come."""
    for path in glob.glob(rig.file("mail", USER, "msgraph", "mailboxes", "*",
                                   "msgraph.quarantine")):
        with open(path, encoding="ascii") as f:
            words = f.read().split(" ")
        words[3] = "1"
        with open(path, "w", encoding="ascii") as f:
            f.write(" ".join(words))


def refused(answer):
    assert answer[0] == "NO", answer
    return answer[1][-1].decode()


@pytest.mark.parametrize("status_code,code", [
    (500, "ErrorInternalServerError"), (500, "ErrorCannotOpenFileAttachment"),
    (400, "ErrorInvalidRequest"), (502, "")])
def test_body_that_cannot_be_had(rig, bad, status_code, code):
    imap, ident, number = bad
    value_fails(rig, ident, status_code, code)
    text = refused(imap.fetch("1:*", "(BODY.PEEK[])"))
    assert "[PARSE]" in text and "Microsoft 365" in text
    assert (code or f"HTTP-{status_code}") in text
    # the others are there
    assert len([p for p in imap.response("FETCH")[1]
                if isinstance(p, tuple)]) == 2
    assert status(rig) == 1

    # asked for again it is refused at once, in other sessions, too
    rig.sim("log/clear")
    other = rig.imap()
    ok(other.select())
    for conn in (imap, other):
        before = time.time()
        assert "in 1 minute;" in refused(conn.fetch(str(number),
                                               "(BODY.PEEK[])"))
        assert time.time() - before < 1
    other.logout()
    assert values(rig) == []
    # what is known of it without its bytes
    assert b"delivered" in ok(imap.fetch(str(number), "(ENVELOPE)"))[-1]
    ok(imap.store(str(number), "+FLAGS", "(\\Flagged)"))
    # a search goes on without it
    assert ok(imap.search(None, "BODY", "Hello"))[0].split() == [
        str(n).encode() for n in range(1, 4) if n != number]

    # once more, then with a longer pause
    end_pause(rig)
    refused(imap.fetch(str(number), "(BODY.PEEK[])"))
    assert "2 minutes" in refused(imap.fetch(str(number), "(BODY.PEEK[])"))
    rig.sim("faults/clear")
    end_pause(rig)
    assert b"SGVs" in bodies(imap, ids=str(number))[0]
    assert status(rig) == 0


def test_what_is_no_message(rig, bad):
    """200, and then something else"""
    imap, ident, number = bad
    value_fails(rig, ident, 200, body="<html>Sorry</html>")
    assert "[PARSE]" in refused(imap.fetch(str(number), "(BODY.PEEK[])"))
    assert status(rig) == 1
    rig.sim("log/clear")
    refused(imap.fetch(str(number), "(BODY.PEEK[])"))
    assert values(rig) == []


def test_bytes_that_end_early(rig, bad):
    """each time, while the others can be had"""
    imap, ident, number = bad
    rig.sim("fault", method="GET", path=f"{ident}/\\$value", phase="after",
            cut=40, count=99)
    assert "[PARSE]" in refused(imap.fetch("1:*", "(BODY.PEEK[])"))
    assert status(rig) == 1
    rig.sim("log/clear")
    refused(imap.fetch(str(number), "(BODY.PEEK[])"))
    assert values(rig) == []
    rig.sim("faults/clear")
    end_pause(rig)
    assert b"SGVs" in bodies(imap, ids=str(number))[0]


def test_listed_but_not_found(rig, bad):
    """Only its bytes, or the whole message"""
    imap, ident, number = bad
    value_fails(rig, ident, 404, "ErrorItemNotFound")
    for _ in range(3):
        assert "[PARSE]" in refused(imap.fetch(str(number), "(BODY.PEEK[])"))
    assert status(rig) == 1


def test_listed_and_not_there(rig, bad):
    """At first it looks as if it had just been deleted."""
    imap, ident, number = bad
    rig.sim("patch", id=ident, poison=404)
    imap.fetch(str(number), "(BODY.PEEK[])")
    ok(imap.noop())
    rig.sim("log/clear")
    assert "[PARSE]" in refused(imap.fetch(str(number), "(BODY.PEEK[])"))
    assert values(rig) == []
    # and when it really is
    rig.sim("delete", id=ident)
    ok(imap.noop())
    assert status(rig) == 0


def test_outages_are_no_quarantine(rig, bad):
    imap, ident, number = bad
    for code in (503, 504, 403):
        value_fails(rig, ident, code)
        conn = rig.imap()
        ok(conn.select())
        refused(conn.fetch(str(number), "(BODY.PEEK[])"))
        conn.logout()
        rig.sim("faults/clear")
        assert status(rig) == 0
    assert b"SGVs" in bodies(imap, ids=str(number))[0]


def test_row_that_says_too_little(rig, bad):
    """A message that is only named and cannot be read comes later."""
    imap, _, number = bad
    rig.sim("switch", delta_rows="partial")
    ident = rig.sim("deliver")["ids"][0]
    rig.sim("patch", id=ident, isRead=True, poison=500)
    ok(imap.noop())
    rig.sim("switch", delta_rows="full")
    rig.sim("patch", id=ident, poison=None)
    ok(imap.noop())
    assert len(by_uid(imap, "BODY.PEEK[]")) == 4
