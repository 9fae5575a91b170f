"""What the tests that kill imap in the middle of a command have in common."""

import imaplib
import re

MESSAGE = (b"From: Ann <ann@example.net>\r\nTo: alice@example.com\r\nSubject: "
           b"kill\r\nMessage-ID: <%d@kill>\r\nDate: Tue, 01 Sep 2020 10:00:00 "
           b"+0200\r\n\r\nText\r\n")


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


# Each tells whether the client was told OK.

def store(conn):
    return conn.store("1:3", "+FLAGS", "(\\Flagged kw)")[0] == "OK"


def append(conn):
    return conn.append("INBOX", "(\\Seen)", None, MESSAGE % 1000)[0] == "OK"


def copy(conn):
    return conn.copy("1:2", "Dest")[0] == "OK"


def move(conn):
    return conn._simple_command("MOVE", "1:2", "Dest")[0] == "OK"


def expunge(conn):
    conn.store("1:2", "+FLAGS", "(\\Deleted)")
    return conn.expunge()[0] == "OK"


def check(rig, command, before, dest_before, told):
    """What a killed command may have left, and what not; and what must be once
    the client was told OK."""
    here, there = message_ids(rig, "inbox"), message_ids(rig, "Dest")
    if command is store:
        state = sorted((m["received"], m["flag"] == "flagged",
                        m["categories"]) for m in rig.messages(folder="inbox"))
        flagged = [(f, c) for _, f, c in state]
        assert flagged[:3] == [(True, ["kw"])] * 3 or \
            (not told and flagged[:3] == [(False, [])] * 3)
        assert flagged[3:] == [(False, [])] * 2
    elif command is append:
        assert [i for i in here if i != "<1000@kill>"] == before
        assert here.count("<1000@kill>") in ((1,) if told else (0, 1))
    elif command is copy:
        assert here == before
        new = list(there)
        for ident in dest_before:
            new.remove(ident)
        assert len(new) == len(set(new)) and set(new) <= set(before[:2])
        assert not told or len(new) == 2
    elif command is move:
        assert sorted(here + there) == sorted(before + dest_before)
        assert not told or set(before[:2]) <= set(there)
    elif command is expunge:
        gone = sorted(set(before) - set(here))
        assert gone == before[:2] or (not told and gone == [])
        kept = message_ids(rig, "recoverableitemsdeletions")
        assert all(kept.count(i) == 1 for i in gone)


def prepare(rig):
    """A session on an inbox of five, and what is there and in Dest."""
    rig.sim("folder", op="empty", path="Dest")
    rig.sim("folder", op="empty", id="inbox")
    rig.sim("folder", op="empty", id="recoverableitemsdeletions")
    for n in range(5):
        rig.sim("deliver", mime=(MESSAGE % n).decode(),
                received=1600000000 + n)
    conn = rig.imap()
    shown(conn, "Dest")
    shown(conn, "INBOX")
    return conn, message_ids(rig, "inbox"), message_ids(rig, "Dest")


def finish(rig, command, before, dest_before, told):
    """A whole session comes after all that were killed."""
    conn = rig.imap()
    for _ in range(2):
        assert shown(conn, "INBOX") == message_ids(rig, "inbox")
        assert shown(conn, "Dest") == message_ids(rig, "Dest")
    conn.select()
    conn.noop()
    check(rig, command, before, dest_before, told)
    conn.logout()
    no_other_errors(rig)


def run(command, conn):
    """(whether the client was told OK, whether the server died)"""
    try:
        return command(conn), False
    except (imaplib.IMAP4.abort, OSError):
        return False, True


def no_other_errors(rig):
    assert not [line for line in rig.log_errors()
                if not re.search(r"killed with signal 9", line)]


COMMANDS = (store, append, copy, move, expunge)
