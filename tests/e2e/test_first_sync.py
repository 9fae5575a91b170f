"""The first listing of a folder: few requests, and what has come is not asked
for again after a kill or a lost connection."""

import os
import re
import signal
import threading
import time

import pytest

import transcript
from imaptools import ok
from rig import Rig

COUNT, PAGE = 2000, 200
PAGES = COUNT // PAGE


@pytest.fixture
def rig():
    rig = Rig(sim_args=["--generate", str(COUNT), "--switch",
                        f"delta_page_max={PAGE}"]).start()
    yield rig
    errors = [line for line in rig.log_errors()
              if not line.endswith("killed with signal 9")]
    rig.close()
    assert errors == []


def pages(rig):
    return sum(e["path"].endswith("/messages/delta") for e in rig.requests())


def select_until(rig, page):
    """A SELECT whose listing stands still at that page."""
    rig.sim("fault", delay=20, path="/messages/delta", skip=page)
    conn = rig.imap()

    def run():
        try:
            conn.select()
        except Exception:
            pass

    thread = threading.Thread(target=run)
    thread.start()
    end = time.time() + 20
    while pages(rig) < page and time.time() < end:
        time.sleep(0.05)
    time.sleep(0.3)
    return thread


def check_whole(rig, conn):
    """All are there once, oldest first; returns the pages asked for."""
    rig.sim("log/clear")
    assert ok(conn.select()) == [str(COUNT).encode()]
    asked = pages(rig)
    lines = ok(conn.fetch("1:*", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
    numbers = [int(re.search(rb" (\d+)\r\n", part[1]).group(1))
               for part in lines if isinstance(part, tuple)]
    assert numbers == list(range(COUNT))
    return asked


def kill(rig):
    for pid in rig.imap_pids():
        os.kill(pid, signal.SIGKILL)


def told(rig, session, command, pages):
    """What the client hears of a listing of which each page takes long."""
    rig.sim("fault", delay=1.2, path="/messages/delta", count=pages)
    untagged, tagged = session.run(command)
    rig.sim("faults/clear")
    assert tagged.startswith("OK")
    return [int(number) for line in untagged
            for number in re.findall(r"^\* OK .*: (\d+) so far", line)]


def test_progress(rig):
    """While there is more to come, and not of the last page."""
    session = transcript.Session(rig.imap_port, rig.users[0])
    numbers = told(rig, session, "SELECT INBOX", 3)
    assert len(numbers) >= 2 and numbers == sorted(set(numbers))
    assert numbers[0] >= PAGE and numbers[-1] < COUNT
    rig.sim("deliver", count=1)
    assert told(rig, session, "NOOP", 1) == []
    session.close()


def test_pages_and_no_more(rig):
    conn = rig.imap()
    assert check_whole(rig, conn) == PAGES
    assert len(rig.requests()) <= PAGES + 5
    conn.logout()


def test_goes_on_after_kill(rig):
    thread = select_until(rig, 6)
    kill(rig)
    thread.join()
    rig.sim("faults/clear")
    # meanwhile: one goes that was listed, one comes
    gone = rig.messages(folder="inbox")[3]["id"]
    rig.sim("delete", id=gone)
    rig.sim("deliver", folder="inbox")
    conn = rig.imap()
    rig.sim("log/clear")
    ok(conn.select())
    assert pages(rig) <= PAGES - 6 + 1
    ok(conn.noop())
    subjects = [part[1] for part in ok(conn.fetch(
        "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
        if isinstance(part, tuple)]
    assert len(subjects) == COUNT and b"delivered" in subjects[-1]
    assert not any(b" 3\r\n" in s for s in subjects)
    conn.logout()
    left = [name for _, _, names in os.walk(rig.file("mail"))
            for name in names if "spool" in name]
    assert left == []


def test_goes_on_twice(rig):
    for page in (3, 4):
        thread = select_until(rig, page)
        kill(rig)
        thread.join()
        rig.sim("faults/clear")
        rig.sim("log/clear")
    conn = rig.imap()
    assert check_whole(rig, conn) <= PAGES - 7 + 1
    conn.logout()


def test_goes_on_after_an_outage(rig):
    """The service is gone in the middle: the client is told, and the next
    SELECT asks for the rest alone."""
    rig.sim("fault", status=403, code="ErrorAccessDenied", count=99,
            path="/messages/delta", skip=5)
    conn = rig.imap()
    assert conn.select()[0] == "NO"
    rig.sim("faults/clear")
    assert check_whole(rig, conn) <= PAGES - 5 + 1
    conn.logout()


@pytest.mark.parametrize("spoil", ["tokens", "file"])
def test_starts_again_where_it_must(rig, spoil):
    thread = select_until(rig, 5)
    kill(rig)
    thread.join()
    rig.sim("faults/clear")
    if spoil == "tokens":
        rig.sim("lose-tokens")
    else:
        for root, _, names in os.walk(rig.file("mail")):
            for name in names:
                if name == "msgraph.spool":
                    with open(os.path.join(root, name), "r+b") as f:
                        f.seek(40)
                        f.write(b"\xff" * 5000)
    conn = rig.imap()
    assert PAGES <= check_whole(rig, conn) <= PAGES + 1
    conn.logout()


def test_cache_file_is_written_once():
    """Fields that no message has are no reason for Dovecot to do it again."""
    rig = Rig(sim_args=["--generate", "300"],
              extra="mail_debug = yes\n").start()
    try:
        conn = rig.imap()
        ok(conn.select())
        ok(conn.noop())
        ok(conn.fetch("1:*", "(ENVELOPE)"))
        conn.logout()
        with open(rig.file("dovecot.log"), errors="replace") as log:
            # "Purging" is the word also for making one
            purged = [line for line in log if "Purging (" in line]
        assert len(purged) == 1 and "creating cache" in purged[0], purged
        assert rig.log_errors() == []
    finally:
        rig.close()
