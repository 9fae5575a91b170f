"""The account store: two daemons on one database, a daemon that is killed, a
database that fails. With SQLite and with PostgreSQL."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

from rig import SECRET, Browser, Rig, free_port, wait_for

ALICE = "alice@example.com"


@pytest.fixture(scope="module", params=["sqlite", "pgsql"])
def rig(request):
    rig = Rig(users=(ALICE,))
    rig.database = request.param
    rig.write("secret", SECRET + "\n", 0o600)
    rig.start_sim()
    if rig.database == "pgsql":
        rig.use_postgres()
    rig.start_oauthd()
    # what must be nowhere but sealed; with those of the simulator's refresh
    # tokens
    rig.markers = {SECRET, "pg-password-marker", "0.AX"}
    yield rig
    try:
        assert rig.leaks(rig.markers) == []
    finally:
        rig.close()


@pytest.fixture(autouse=True)
def clean(rig):
    if "oauthd" not in rig.processes:
        rig.start_oauthd()
    rig.sim("faults/clear")
    rig.ctl("unlink", ALICE)
    yield
    rig.stop("second")


@pytest.fixture
def linked(rig, clean):
    rig.link(ALICE)
    rig.forget_tokens()
    rig.stop("oauthd")
    rig.start_oauthd()
    rig.sim("log/clear")


def second(rig):
    """Another daemon on the same database."""
    port = free_port()
    rig.start_oauthd(name="second", keep=True, edit=lambda text: re.sub(
        r"(listen = .*:)\d+", rf"\g<1>{port}", text).replace(
            "broker.sock", "second.sock"))


def ask(rig, daemon="broker", **request):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(rig.file(daemon + ".sock"))
        s.sendall(json.dumps(dict({"op": "token", "account": ALICE},
                                  **request)).encode() + b"\n")
        answer = json.loads(s.makefile().readline() or '{"status": "none"}')
    if "token" in answer:
        rig.markers.add(answer["token"])
    return answer


def spent(rig):
    """How often a code or refresh token was taken by the login host."""
    return len([e for e in rig.sim("log")["log"]
                if e["path"] == "/login/token"])


def slow_login(rig, phase, seconds=2):
    rig.sim("fault", path="/login/token", delay=seconds, phase=phase)


def in_background(function, *args, **kwargs):
    """Runs it, whatever becomes of it."""
    def run():
        with contextlib.suppress(OSError, ValueError):
            function(*args, **kwargs)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def version(rig):
    return rig.sql("SELECT version FROM account")[0][0]


def is_ok(rig):
    return rig.ctl("status", ALICE).stdout.split()[1:2] == ["ok"]


def end_leases(rig):
    """The 25 seconds are over."""
    rig.sql("UPDATE account SET lease_until = 1")


def test_no_core(rig):
    pid = rig.processes["oauthd"].pid
    with open(f"/proc/{pid}/limits", encoding="ascii") as f:
        assert re.search(r"core file size +0 +0 ", f.read())


# two daemons

def test_200_askers_of_two(rig, linked):
    second(rig)
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(
            lambda n: ask(rig, ("broker", "second")[n % 2]), range(200)))
    assert {a["status"] for a in answers} == {"ok"}
    assert len({a["token"] for a in answers}) == 1
    assert spent(rig) == 1
    # a token that Graph has refused: one of them asks, both have the new one
    old = answers[0]["token"]
    digest = subprocess.run(["sha256sum"], input=old, text=True, check=True,
                            stdout=subprocess.PIPE).stdout.split()[0]
    answers = [ask(rig, d, **{"not": digest}) for d in ("broker", "second")]
    assert len({a["token"] for a in answers} - {old}) == 1
    assert spent(rig) == 2
    # unlinked at one, gone at the other; linked at one, there at the other
    assert rig.ctl("unlink", ALICE).returncode == 0
    assert ask(rig, "second")["status"] == "unknown_account"
    rig.link(ALICE)
    assert ask(rig, "second")["status"] == "ok"
    assert spent(rig) == 3


def test_holder_of_the_lease_is_killed(rig, linked):
    second(rig)
    slow_login(rig, "before", 3)
    first = in_background(ask, rig)
    wait_for("the lease", lambda: rig.sql(
        "SELECT lease_owner FROM account")[0][0] not in ("", "None"))
    rig.kill("oauthd")
    answers = []
    waiter = in_background(lambda: answers.append(ask(rig, "second")))
    time.sleep(1)
    # the other one does not spend the token while the lease holds
    assert not answers
    first.join()
    time.sleep(2.5)
    assert not answers and spent(rig) <= 1
    end_leases(rig)
    waiter.join()
    assert answers[0]["status"] == "ok"
    assert spent(rig) <= 2


# killed at each step

def stuck_store(rig):
    """The database takes no write until the context is left."""
    if rig.database == "sqlite":
        db = sqlite3.connect(rig.file("accounts.sqlite"),
                             isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        return contextlib.closing(db)
    return Lock(rig)


class Lock:
    def __init__(self, rig):
        with open(rig.file("pg", "password"), encoding="ascii") as f:
            env = dict(os.environ, PGPASSWORD=f.read().strip())
        self.psql = subprocess.Popen(
            ["psql", "-qAt", "-h", rig.file("pg"), "-U", "msgraph", "-d",
             "postgres"], env=env, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.psql.stdin.write("BEGIN; LOCK TABLE account IN EXCLUSIVE MODE; "
                              "SELECT 'locked';\n")
        self.psql.stdin.flush()
        assert self.psql.stdout.readline() == "locked\n"

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.psql.communicate("ROLLBACK;\n")


# how often the login host is asked in all, at most: when the answer was lost
# with the daemon, the older refresh token goes once more, and the login host
# takes it
@pytest.mark.parametrize("step,total", [
    ("before the effect", 2), ("after the effect", 2),
    ("before it is stored", 2), ("after it is stored", 1)])
def test_killed_in_a_refresh(rig, linked, step, total):
    old = version(rig)
    if step == "before the effect":
        slow_login(rig, "before", 2)
    elif step != "after it is stored":
        slow_login(rig, "after", 1)
    asker = in_background(ask, rig)
    if step == "after it is stored":
        wait_for("the token", lambda: version(rig) != old)
    elif step == "before it is stored":
        wait_for("the effect", lambda: spent(rig) == 1)
        with stuck_store(rig):
            time.sleep(1.5)
            assert spent(rig) == 1
            rig.kill("oauthd")
    else:
        wait_for("the lease", lambda: rig.sql(
            "SELECT lease_owner FROM account")[0][0] != "")
        time.sleep(0.3)
    if "oauthd" in rig.processes:
        rig.kill("oauthd")
    asker.join()
    # which comes all the same, unless it was not even asked
    with contextlib.suppress(RuntimeError):
        wait_for("the effect", lambda: spent(rig) == 1, 3)
    rig.start_oauthd(keep=True)
    # at once: the lease is its own
    started = time.time()
    answer = ask(rig)
    assert answer["status"] == "ok", answer
    assert time.time() - started < 15
    assert 1 <= spent(rig) <= total
    total = spent(rig)
    # and the account goes on
    rig.forget_tokens()
    rig.stop("oauthd")
    rig.start_oauthd()
    assert ask(rig)["status"] == "ok"
    assert spent(rig) == total + 1
    assert is_ok(rig)


@pytest.mark.parametrize("step", [
    "before the effect", "after the effect", "asking Graph",
    "before it is stored", "after it is stored"])
def test_killed_in_a_link(rig, step):
    url = rig.ctl("link", ALICE).stdout.strip()
    rig.sim("log/clear")
    if step == "before the effect":
        slow_login(rig, "before", 1)
    elif step == "after the effect":
        slow_login(rig, "after", 1)
    elif step == "asking Graph":
        rig.sim("fault", path="/me", delay=1, phase="after")
    lock = stuck_store(rig) if step == "before it is stored" else \
        contextlib.nullcontext()
    browser = in_background(Browser(rig.context).follow, url, ALICE)
    if step == "after it is stored":
        wait_for("the account", lambda: rig.sql(
            "SELECT state FROM account") == [("ok",)])
    elif step == "before the effect":
        time.sleep(0.6)
    else:
        wait_for("the effect", lambda: spent(rig) == 1)
        if step == "before it is stored":
            wait_for("Graph", lambda: any(
                e["path"] == "/v1.0/me" for e in rig.requests()))
        time.sleep(0.3)
    with lock:
        rig.kill("oauthd")
    browser.join()
    if step == "before the effect":
        # which comes all the same, unless it was not even asked
        with contextlib.suppress(RuntimeError):
            wait_for("the effect", lambda: spent(rig) == 1, 3)
    rig.start_oauthd(keep=True)
    if step == "after it is stored":
        # linked, and the token that came with it serves
        assert ask(rig)["status"] == "ok"
        assert spent(rig) == 1
        assert Browser(rig.context).open(url)[0] == 404
        return
    # nothing was linked, and the same link works again
    assert rig.sql("SELECT address FROM account") == []
    status, page = Browser(rig.context).follow(url, ALICE)
    assert status == 200 and "is linked" in page
    assert ask(rig)["status"] == "ok"


# sealing keys

def test_rekey(rig, linked):
    second(rig)
    with open(rig.file("seal.key"), encoding="ascii") as f:
        old = f.read()
    new = os.urandom(32).hex() + "\n"
    run = rig.ctl("rekey")
    assert run.returncode == 0 and "0 sealed anew" in run.stdout
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        busy = [pool.submit(ask, rig, ("broker", "second")[n % 2])
                for n in range(200)]
        rig.write("seal.key", old + new, 0o600)
        run = rig.ctl("rekey")
        assert run.returncode == 0 and "not needed" in run.stdout, run
        assert {f.result()["status"] for f in busy} == {"ok"}
    # without the old key, after a restart of one of them
    rig.write("seal.key", new, 0o600)
    rig.stop("oauthd")
    rig.start_oauthd(keep=True)
    assert {ask(rig, d)["status"] for d in ("broker", "second")} == {"ok"}
    assert spent(rig) == 1
    # a key that is lost
    rig.write("seal.key", old, 0o600)
    rig.stop("oauthd")
    rig.start_oauthd(keep=True)
    answer = ask(rig)
    key = rig.sql("SELECT refresh_token FROM account")[0][0].split(":")[1]
    assert answer["status"] == "blocked" and key in answer["message"]
    run = rig.ctl("rekey")
    assert run.returncode == 1 and "1 cannot be opened" in run.stderr
    # it comes back: all is well, without a restart
    rig.write("seal.key", new, 0o600)
    time.sleep(3.1)
    assert ask(rig)["status"] == "ok"
    rig.markers.update((old.strip(), new.strip()))


# a database that fails

def test_token_that_cannot_be_stored(rig, linked):
    slow_login(rig, "after", 1)
    asker = in_background(ask, rig)
    wait_for("the effect", lambda: spent(rig) == 1)
    with stuck_store(rig):
        # longer than the daemon waits for the database
        wait_for("the warning",
                 lambda: "kept in memory" in rig.output("oauthd"), 30)
        answer = ask(rig)
        assert answer["status"] == "unreachable"
        assert "cannot be written" in answer["message"]
        assert spent(rig) == 1
    asker.join()
    time.sleep(3)                   # until it asks again
    assert ask(rig)["status"] == "ok"
    assert spent(rig) == 1
    rig.stop("oauthd")
    rig.start_oauthd(keep=True)
    assert ask(rig)["status"] == "ok"
    assert spent(rig) == 1


@pytest.mark.parametrize("rig", ["pgsql"], indirect=True)
def test_server_restart(rig, linked):
    token = ask(rig)["token"]
    rig.postgres("kill")
    rig.postgres("start")
    # connected again; at once, unless it was asked in between
    wait_for("the server", lambda: is_ok(rig))
    rig.postgres("kill")
    try:
        # what is in memory is given out
        assert ask(rig)["token"] == token
        run = rig.ctl("status", ALICE)
        assert run.returncode == 1 and "cannot be read" in run.stderr
        run = rig.ctl("link", ALICE)
        assert run.returncode == 1 and "cannot be written" in run.stderr
        assert "tokens in memory are" in rig.output("oauthd")
    finally:
        rig.postgres("start")
    wait_for("the server", lambda: is_ok(rig))
    rig.forget_tokens()
    rig.stop("oauthd")
    rig.start_oauthd()
    assert ask(rig)["status"] == "ok"


@pytest.mark.parametrize("rig", ["pgsql"], indirect=True)
def test_server_hangs(rig, linked):
    token = ask(rig)["token"]
    server = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and
              started_in(pid, rig.file("pg", "data"))]
    assert len(server) > 1
    try:
        for pid in server:
            os.kill(pid, signal.SIGSTOP)
        started = time.time()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: ask(rig), range(20)))
        assert {a["token"] for a in answers} == {token}
        assert time.time() - started < 20
        started = time.time()
        assert ask(rig)["token"] == token
        assert time.time() - started < 3
        assert "does not answer" in rig.ctl("status", ALICE).stderr
    finally:
        for pid in server:
            os.kill(pid, signal.SIGCONT)
    rig.stop("oauthd")
    rig.start_oauthd()
    assert ask(rig)["status"] == "ok"


def started_in(pid, directory):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/cwd") == directory
    return False
