"""imap dies before each change that it makes to a file of ours, in every command
that writes, and the session that mends it dies as well: nothing is lost,
nothing is there twice, nothing else is touched."""

import os
import subprocess
import time

import pytest

from killing import (COMMANDS, MESSAGE, finish, no_other_errors, prepare, run,
                     shown)
from rig import Rig

STEPS_MAX = 120
IMAP = "/usr/lib/dovecot/imap"


@pytest.fixture(scope="module")
def rig():
    rig = Rig()
    here = os.path.dirname(os.path.abspath(__file__))
    shim, at = rig.file("crash.so"), rig.file("crash-at")
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o",
                    shim, os.path.join(here, "crash.c"), "-ldl"], check=True)
    wrapper = rig.write("imap", f"""#!/bin/sh
exec env LD_PRELOAD={shim} CRASH_DIR={rig.file('mail')} CRASH_AT={at} \\
	{IMAP} "$@"
""", 0o755)
    rig.extra += f"service imap {{\n  executable = {wrapper}\n}}\n"
    rig.start()
    rig.sim("folder", op="create", path="Dest")
    yield rig
    rig.close()


def run_and_crash(rig, command, conn, step):
    """(whether it died, whether the client was told OK)"""
    rig.write("crash-at", str(step))
    told, died = run(command, conn)
    # or after the client had its answer
    died |= run(lambda c: c.logout(), conn)[1]
    os.unlink(rig.file("crash-at"))
    return died, told


@pytest.mark.parametrize("command", COMMANDS)
def test_kill(rig, command):
    for step in range(1, STEPS_MAX):
        conn, before, dest_before = prepare(rig)
        died, told = run_and_crash(rig, command, conn, step)
        run_and_crash(rig, lambda c: c.select(), rig.imap(), 1 + step % 5)
        finish(rig, command, before, dest_before, told)
        if not died:
            assert step > 1
            print(command.__name__, step, "changes at most")
            return
    pytest.fail("the command does not end")


def test_kill_rename(rig):
    """The folder and what it holds are in one place; the client can finish."""
    names = ("A/x", "B/y")
    for path in ("A", "B"):
        rig.sim("folder", op="create", path=path)
    for step in range(1, STEPS_MAX):
        rig.sim("folder", op="create", path="A/x")
        rig.sim("deliver", folder="A/x", mime=(MESSAGE % 1).decode())
        time.sleep(1.05)
        conn = rig.imap()
        assert shown(conn, "A/x") == ["<1@kill>"]
        validity = conn.status("A/x", "(UIDVALIDITY)")[1]
        died, told = run_and_crash(
            rig, lambda c: c.rename("A/x", "B/y")[0] == "OK", conn, step)
        run_and_crash(rig, lambda c: c.list(), rig.imap(), 1 + step % 3)
        time.sleep(1.05)
        conn = rig.imap()
        there = [f["path"] for f in rig.sim("state")["folders"]
                 if f["path"] in names]
        assert there == ["B/y"] or (not told and there == ["A/x"])
        if there != ["B/y"]:
            assert conn.rename("A/x", "B/y")[0] == "OK"
        assert shown(conn, "B/y") == ["<1@kill>"]
        assert conn.status("B/y", "(UIDVALIDITY)")[1][0].split()[1:] == \
            validity[0].split()[1:]
        conn.delete("B/y")
        conn.logout()
        no_other_errors(rig)
        if not died:
            assert step > 1
            return
    pytest.fail("the command does not end")
