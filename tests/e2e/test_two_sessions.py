"""What one session does, as the other sees it."""

import re
import threading

import pytest

from rig import Rig


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    yield rig
    assert rig.log_errors() == []
    rig.close()


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def test_folders_of_the_other_session(rig):
    one, two = rig.imap(), rig.imap()
    for conn in (one, two):
        ok(conn.list())
    for _ in range(3):
        ok(one.create("Shared"))
        ok(two.append("Shared", None, None, b"Subject: x\r\n\r\ntext\r\n"))
        ok(one.select("Shared"))
        assert ok(one.search(None, "ALL"))[0] == b"1"
        ok(one.unselect() if hasattr(one, "unselect") else one.close())
        ok(two.rename("Shared", "Parted"))
        assert one.select("Shared")[0] == "NO"
        ok(one.status("Parted", "(MESSAGES)"))
        assert b"Parted" in b"".join(ok(one.list()))
        ok(one.delete("Parted"))
        assert two.select("Parted")[0] == "NO"
    one.logout()
    two.logout()


def test_subscribed_folder_that_is_gone(rig):
    conn = rig.imap()
    ok(conn.create("Gone"))
    ok(conn.subscribe("Gone"))
    ok(conn.delete("Gone"))
    typ, data = conn._simple_command("LIST", "(SUBSCRIBED)", '""', "*")
    assert typ == "OK"
    lines = conn._untagged_response(typ, data, "LIST")[1]
    assert any(b"NonExistent" in line and b"Gone" in line
               for line in lines), lines
    ok(conn.unsubscribe("Gone"))
    ok(conn.create("There"))
    ok(conn.subscribe("There"))
    typ, data = conn._simple_command("LIST", '""', "*", "RETURN",
                                     "(SUBSCRIBED)")
    lines = conn._untagged_response(typ, data, "LIST")[1]
    assert [b"There" in line for line in lines] == \
        [b"Subscribed" in line for line in lines]
    conn.logout()


def fetch(conn, what):
    return [(int(re.search(rb"UID (\d+)", part[0]).group(1)), part[1])
            for part in ok(conn.uid("FETCH", "1:*", f"({what})"))
            if isinstance(part, tuple)]


def test_message_read_while_it_is_being_stored(rig):
    """The service has it, the session that stores it does not know yet: what
    the other has read under a UID stays, our own bytes get another UID."""
    one, two = rig.imap(), rig.imap()
    ok(one.create("Busy"))
    ok(two.select("Busy"))
    rig.sim("fault", method="POST", path="messages$", phase="after",
            delay=3)
    raw, answers = b"Subject: busy\r\nX-Own: 1\r\n\r\nOur text\r\n", []
    thread = threading.Thread(target=lambda: answers.append(
        one.append("Busy", None, None, raw)))
    thread.start()
    early = []
    while thread.is_alive() and not early:
        ok(two.noop())
        early = fetch(two, "BODY.PEEK[] BODYSTRUCTURE")
    thread.join()
    assert len(early) == 1 and early[0][1] != raw
    appended = int(re.search(rb"APPENDUID \d+ (\d+)",
                             ok(answers[0])[0]).group(1))
    ok(two.noop())
    for conn in (one, two):
        ok(conn.select("Busy"))
        assert fetch(conn, "BODY.PEEK[] BODYSTRUCTURE") == [(appended, raw)]
        ok(conn.fetch("1:*", "(BODY.PEEK[TEXT] BODY.PEEK[1])"))
    assert appended > early[0][0]
    assert len(rig.messages(folder="Busy")) == 1
    one.logout()
    two.logout()
