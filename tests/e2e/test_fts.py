"""Full-text search with a plugin of Debian's, which reads from this store as
from any other."""

import glob
import itertools

import pytest

import dovecot
from imaptools import ok
from rig import Rig

USER = "alice@example.com"
seconds = itertools.count(1600000000)


def deliver(rig, word):
    text = (f"From: Ann <ann@example.net>\r\nSubject: news\r\n\r\n"
            f"The {word}.\r\n")
    return rig.sim("deliver", received=next(seconds), mime=text)["ids"][0]


@pytest.fixture(scope="module")
def rig():
    extra = dovecot.fts_extra()
    if extra is None:
        pytest.skip("this Debian has no plugin for full-text search")
    rig = Rig(extra=extra).start()
    rig.sim("delete", ids=[m["id"] for m in rig.messages(folder="inbox")])
    for word in ("harbour", "lighthouse", "breakwater"):
        deliver(rig, word)
    yield rig
    rig.close()


def search(imap, word):
    return ok(imap.search(None, "BODY", word))[0].split()


def downloads(rig):
    return [e["path"] for e in rig.requests() if e["path"].endswith("$value")]


def end_pauses(rig, tries):
    """As if it had been tried so often, and the time had come."""
    for path in glob.glob(rig.file("mail", USER, "msgraph", "mailboxes", "*",
                                   "msgraph.quarantine")):
        with open(path, encoding="ascii") as f:
            words = f.read().split(" ")
        words[3:5] = "1", str(tries)
        with open(path, "w", encoding="ascii") as f:
            f.write(" ".join(words))


def test_search_downloads_once(rig):
    imap = rig.imap()
    ok(imap.select())
    rig.sim("log/clear")
    assert search(imap, "harbour") == [b"1"]
    assert len(downloads(rig)) == 3
    assert search(imap, "breakwater") == [b"3"]
    assert search(imap, "quay") == []
    assert len(downloads(rig)) == 3
    # and of what comes, that alone
    deliver(rig, "quay")
    ok(imap.noop())
    assert search(imap, "quay") == [b"4"]
    assert len(downloads(rig)) == 4
    imap.logout()


def test_index_ahead(rig):
    deliver(rig, "mooring")
    rig.doveadm("index", "INBOX")
    rig.sim("log/clear")
    imap = rig.imap()
    ok(imap.select())
    assert search(imap, "mooring") == [b"5"]
    assert downloads(rig) == []
    imap.logout()


def test_what_cannot_be_had_holds_up_the_index_for_a_while(rig):
    """Half a day: it may come to be had. Then a rescan brings it in."""
    ident = deliver(rig, "wreck")
    deliver(rig, "pilot")
    rig.sim("fault", method="GET", path=f"{ident}/\\$value", status=400,
            code="ErrorInvalidRequest", count=99)
    for tries in (1, 8):
        failed = rig.try_doveadm("index", "INBOX")
        assert failed.returncode != 0
        end_pauses(rig, tries)
    end_pauses(rig, 9)
    rig.doveadm("index", "INBOX")
    imap = rig.imap()
    ok(imap.select())
    assert search(imap, "pilot") == [b"7"]
    assert search(imap, "wreck") == []
    rig.sim("faults/clear")
    end_pauses(rig, 10)
    rig.doveadm("fts rescan")
    rig.doveadm("index", "INBOX")
    assert search(imap, "wreck") == [b"6"]
    imap.logout()
    errors = rig.log_errors()
    assert all("body cannot be had" in e or "Failed to read stream" in e
               for e in errors), errors
