"""kill -9 of the imap process at every request of every command that writes:
nothing is lost, nothing is there twice, nothing else is touched."""

import os
import signal
import threading
import time

import pytest

from killing import (COMMANDS, MESSAGE, finish, no_other_errors,
                     prepare, run, shown)
from rig import Rig

HELD_SECS = 1.2
REQUESTS_MAX = 9


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    rig.sim("folder", op="create", path="Dest")
    yield rig
    rig.close()


def run_and_kill(rig, conn, command, number):
    """(whether the command was killed, when its request number had taken
    effect, or had ended before; whether the client was told OK)"""
    rig.sim("fault", phase="after", delay=HELD_SECS, skip=number, inner=False,
            path="^/v1.0")

    told = []
    thread = threading.Thread(target=lambda: told.append(run(command, conn)[0]))
    thread.start()
    thread.join(HELD_SECS / 2)
    killed = thread.is_alive()
    if killed:
        for pid in rig.imap_pids():
            os.kill(pid, signal.SIGKILL)
    thread.join()
    rig.sim("faults/clear")
    return killed, told[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_kill(rig, command):
    for number in range(REQUESTS_MAX):
        conn, before, dest_before = prepare(rig)
        killed, told = run_and_kill(rig, conn, command, number)
        # the session that mends it is killed as well
        if killed and number % 2 == 0:
            run_and_kill(rig, rig.imap(), lambda c: c.select(), 1)
        finish(rig, command, before, dest_before, told)
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
        killed, _ = run_and_kill(rig, conn,
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
        no_other_errors(rig)
        if not killed:
            assert number > 0
            return
    pytest.fail("the command does not end")
