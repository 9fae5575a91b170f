"""STATUS of folders that are not selected: few requests, and no lie."""

import re
import time

import pytest

from imaptools import command, ok
from rig import Rig

NAMES = [f"S{n:02}" for n in range(45)]
ITEMS = "(MESSAGES UIDNEXT UNSEEN)"


@pytest.fixture
def rig():
    rig = Rig().start()
    for name in NAMES:
        rig.sim("folder", op="create", path=name)
        rig.sim("deliver", folder=name, count=2)
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


def numbers(line):
    return tuple(int(n) for n in re.findall(rb"(?:MESSAGES|UIDNEXT|UNSEEN) "
                                            rb"(\d+)", line))


def list_status(conn):
    """{name: (messages, uidnext, unseen)} by one command."""
    ok(command(conn, "LIST", '""', '"S*"', "RETURN", f"(STATUS {ITEMS})"))
    conn.response("LIST")
    lines = conn.response("STATUS")[1]
    return {re.match(rb'"?(\w+)', line).group(1).decode(): numbers(line)
            for line in lines if line.startswith(b"S")}


def one_by_one(conn):
    return {name: numbers(ok(conn.status(name, ITEMS))[0]) for name in NAMES}


def cost(rig, what, *args):
    rig.sim("log/clear")
    return what(*args), len(rig.requests())


def deliver(rig, names):
    for name in names:
        rig.sim("deliver", folder=name)


def want(twos, threes=()):
    out = {name: (2, 3, 2) for name in twos}
    out.update({name: (3, 4, 3) for name in threes})
    return out


@pytest.mark.parametrize("ask", [list_status, one_by_one])
def test_only_what_has_changed_is_read(rig, ask):
    conn = rig.imap()
    answer, requests = cost(rig, ask, conn)
    # the tree and the default folders; one delta; 45 folders of two messages.
    # On a busy machine those that are asked singly may come too late to be one
    # row; and the first of them is asked before it is known to be one.
    more = 0 if ask is list_status else 25
    assert answer == want(NAMES) and requests <= 3 + 1 + 3 + more
    changed = NAMES[::5]
    deliver(rig, changed)
    answer, requests = cost(rig, ask, conn)
    assert answer == want(NAMES, changed) and requests <= 2 + more
    # the client has not asked for Drafts and the like, so nobody has
    time.sleep(1.1)                   # a LIST holds for so long
    answer, requests = cost(rig, ask, conn)
    assert answer == want(NAMES, changed) and requests <= 1 + more
    conn.logout()
    # what one session has seen in the folder delta, another one knows
    deliver(rig, ["S07"])
    first, second = rig.imap(), rig.imap()
    ok(first.list())
    answer, requests = cost(rig, ask, second)
    assert answer == want(NAMES, changed + ["S07"]) and requests <= 3 + more
    first.logout()
    second.logout()


def test_three_hundred(rig):
    """One folder delta, and one batch for each twenty that need it."""
    names = NAMES + [f"S{n}" for n in range(45, 300)]
    for name in names[45:]:
        rig.sim("folder", op="create", path=name)
    conn = rig.imap()
    ok(conn.select())
    time.sleep(1.1)
    answer, requests = cost(rig, list_status, conn)
    assert len(answer) == 300 and requests <= 1 + 1 + 15
    deliver(rig, names[::30])
    time.sleep(1.1)
    answer, requests = cost(rig, list_status, conn)
    assert requests <= 2
    assert {name for name in names if answer[name][0] in (1, 3)} == \
        set(names[::30])
    # what has changed elsewhere is no reason, more than once
    ok(conn.status("Drafts", ITEMS))
    rig.sim("deliver", folder="Drafts")
    list_status(conn)
    time.sleep(1.1)
    assert cost(rig, list_status, conn)[1] == 1
    conn.logout()


def test_flags_of_others(rig):
    conn = rig.imap()
    list_status(conn)
    ident = rig.messages(folder="S03")[0]["id"]
    rig.sim("patch", id=ident, isRead=True)
    assert list_status(conn)["S03"] == (2, 3, 1)
    rig.sim("delete", id=ident)
    assert list_status(conn)["S03"] == (1, 3, 1)
    assert list_status(conn)["S04"] == (2, 3, 2)
    conn.logout()


@pytest.mark.parametrize("ask", [list_status, one_by_one])
def test_folder_delta_without_counts(rig, ask):
    """It is not relied on before it has been seen to tell them."""
    rig.sim("switch", folder_counts="no")
    conn = rig.imap()
    ask(conn)
    for round_ in range(2):
        changed = NAMES[round_::7]
        deliver(rig, changed)
        answer, requests = cost(rig, ask, conn)
        for name in changed:
            assert answer[name][0] > 2, name
        assert requests <= 1 + 1 + 3 + (0 if ask is list_status else 25)
    conn.logout()


def test_folder_delta_that_falls_silent(rig):
    """Free places of a batch find it out, some folders at a time."""
    conn = rig.imap()
    list_status(conn)
    deliver(rig, ["S00"])
    list_status(conn)
    rig.sim("switch", folder_counts="no")
    deliver(rig, NAMES)
    for n in range(2):
        # a new folder has to be read, and others with it
        rig.sim("folder", op="create", path=f"Snew{n}")
        time.sleep(1.1)               # a LIST holds for so long
        list_status(conn)
    answer = list_status(conn)
    assert {answer[name][0] for name in NAMES[1:]} == {3}
    conn.logout()


def test_one_folder_again_and_again(rig):
    """One request, and always what is there now."""
    conn = rig.imap()
    ok(conn.status("S01", ITEMS))
    for count in range(3, 6):
        deliver(rig, ["S01"])
        answer, requests = cost(rig, conn.status, "S01", ITEMS)
        assert numbers(ok(answer)[0])[0] == count and requests == 1
    conn.logout()
