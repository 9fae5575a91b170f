"""kill -9 of the imap process at every request of every command that writes:
nothing is lost, nothing is there twice, nothing else is touched."""

import imaplib
import os
import re
import signal
import threading
import time

import pytest

from rig import Rig

MESSAGE = (b"From: Ann <ann@example.net>\r\nTo: alice@example.com\r\nSubject: "
           b"kill\r\nMessage-ID: <%d@kill>\r\nDate: Tue, 01 Sep 2020 10:00:00 "
           b"+0200\r\n\r\nText\r\n")
HELD_SECS = 1.2
REQUESTS_MAX = 9


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    rig.sim("folder", op="create", path="Dest")
    yield rig
    rig.close()


def imap_pids(rig):
    """Processes of this Dovecot that serve a logged-in client."""
    master = rig.processes["dovecot"].pid
    out = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                comm, rest = f.read().split(" ", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if comm == "(imap" and int(rest.split()[1]) == master:
            out.append(int(pid))
    return out


def message_ids(rig, folder):
    return sorted(m["internetMessageId"]
                  for m in rig.messages(folder=folder))


def shown(conn, name):
    status, count = conn.select(name)
    assert status == "OK"
    if count == [b"0"]:
        return []
    answer = conn.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    return sorted(re.search(rb"<\S+>", part[1]).group().decode()
                  for part in answer[1] if isinstance(part, tuple))


def run_and_kill(rig, conn, command, number):
    """True if the command was killed when its request number had taken effect,
    False if it had ended before."""
    rig.sim("fault", phase="after", delay=HELD_SECS, skip=number, inner=False,
            path="^/v1.0")

    def run():
        try:
            command(conn)
        except (imaplib.IMAP4.abort, OSError):
            pass

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(HELD_SECS / 2)
    killed = thread.is_alive()
    if killed:
        for pid in imap_pids(rig):
            os.kill(pid, signal.SIGKILL)
    thread.join()
    rig.sim("faults/clear")
    return killed


def store(conn):
    conn.store("1:3", "+FLAGS", "(\\Flagged kw)")


def append(conn):
    conn.append("INBOX", "(\\Seen)", None, MESSAGE % 1000)


def copy(conn):
    conn.copy("1:2", "Dest")


def move(conn):
    conn._simple_command("MOVE", "1:2", "Dest")


def expunge(conn):
    conn.store("1:2", "+FLAGS", "(\\Deleted)")
    conn.expunge()


def check(rig, command, before, dest_before):
    """What a killed command may have left, and what not."""
    here, there = message_ids(rig, "inbox"), message_ids(rig, "Dest")
    if command is store:
        flagged = sorted((m["received"], m["flag"], m["categories"])
                         for m in rig.messages(folder="inbox"))
        assert [f[1:] for f in flagged[:3]] == [("flagged", ["kw"])] * 3
        assert all(f[1] != "flagged" for f in flagged[3:])
    elif command is append:
        assert [i for i in here if i != "<1000@kill>"] == before
        assert here.count("<1000@kill>") <= 1
    elif command is copy:
        assert here == before
        new = list(there)
        for ident in dest_before:
            new.remove(ident)
        assert len(new) == len(set(new)) and set(new) <= set(before[:2])
    elif command is move:
        assert sorted(here + there) == sorted(before + dest_before)
    elif command is expunge:
        gone = sorted(set(before) - set(here))
        assert gone in ([], before[:2])
        kept = message_ids(rig, "recoverableitemsdeletions")
        assert all(kept.count(i) == 1 for i in gone)


@pytest.mark.parametrize("command", [store, append, copy, move, expunge])
def test_kill(rig, command):
    for number in range(REQUESTS_MAX):
        rig.sim("folder", op="empty", path="Dest")
        rig.sim("folder", op="empty", id="inbox")
        rig.sim("folder", op="empty", id="recoverableitemsdeletions")
        for n in range(5):
            rig.sim("deliver", mime=(MESSAGE % n).decode(),
                    received=1600000000 + n)
        conn = rig.imap()
        shown(conn, "Dest")
        shown(conn, "INBOX")
        before = message_ids(rig, "inbox")
        dest_before = message_ids(rig, "Dest")
        killed = run_and_kill(rig, conn, command, number)
        # the session that mends it is killed as well
        conn = rig.imap()
        if killed and number % 2 == 0:
            run_and_kill(rig, conn, lambda c: c.select(), 1)
            conn = rig.imap()
        for _ in range(2):
            assert shown(conn, "INBOX") == message_ids(rig, "inbox")
            assert shown(conn, "Dest") == message_ids(rig, "Dest")
        conn.select()
        conn.noop()
        check(rig, command, before, dest_before)
        conn.logout()
        assert not [line for line in rig.log_errors()
                    if not re.search(r"killed with signal 9", line)]
        if not killed:
            assert number > 0
            return
    pytest.fail("the command does not end")


def test_kill_rename(rig):
    """Into another folder under another name: two requests. The folder is
    never lost, never there twice, and what it holds stays in it; the client
    can finish the rename."""
    def places():
        return [f["path"] for f in rig.sim("state")["folders"]
                if f["path"] in ("K1/x", "K1/y", "K2/x", "K2/y")]

    for number in range(REQUESTS_MAX):
        for path in ("K1", "K2", "K1/x"):
            rig.sim("folder", op="create", path=path)
        rig.sim("folder", op="empty", path="K1/x")
        rig.sim("deliver", folder="K1/x", mime=(MESSAGE % 1).decode())
        time.sleep(1.05)
        conn = rig.imap()
        conn.list()
        killed = run_and_kill(rig, conn,
                              lambda c: c.rename("K1/x", "K2/y"), number)
        assert len(places()) == 1, places()
        time.sleep(1.05)
        conn = rig.imap()
        now = places()[0]
        if now != "K2/y":
            assert conn.rename(now, "K2/y")[0] == "OK"
        assert places() == ["K2/y"]
        assert shown(conn, "K2/y") == ["<1@kill>"]
        conn.logout()
        rig.sim("folder", op="delete", path="K2/y")
        assert not [line for line in rig.log_errors()
                    if not re.search(r"killed with signal 9", line)]
        if not killed:
            assert number > 0
            return
    pytest.fail("the command does not end")
