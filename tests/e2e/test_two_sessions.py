"""What one session does to folders is seen by the other at once."""

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
