"""What the commands cost in requests (docs: the budget), and manners."""

import os
import signal
import threading
import time

import pytest

from imaptools import MESSAGE, by_uid, command, ok
from rig import Rig

COUNT = 100


@pytest.fixture(scope="module")
def rig():
    rig = Rig(sim_args=["--generate", "300"],
              settings={"msgraph_poll_interval": "60s"}).start()
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


@pytest.fixture
def imap(rig):
    conn = rig.imap()
    ok(conn.select())
    yield conn
    conn.logout()


def cost(rig, what):
    rig.sim("log/clear")
    what()
    return rig.requests()


def writes(requests):
    return [e for e in requests if e["method"] != "GET"]


def test_listing_costs_nothing(rig, imap):
    assert cost(rig, lambda: ok(imap.fetch(
        "1:*", "(FLAGS ENVELOPE INTERNALDATE)"))) == []
    assert cost(rig, lambda: ok(imap.search(None, "UNSEEN"))) == []
    assert cost(rig, lambda: ok(imap.search(None, "FROM", "person1"))) == []


def test_select_costs_one(rig, imap):
    assert len(cost(rig, lambda: ok(imap.select()))) == 1
    assert len(cost(rig, lambda: ok(imap.noop()))) == 1
    other = rig.imap()
    assert len(cost(rig, lambda: ok(other.select()))) == 1
    other.logout()


def test_select_of_what_was_just_read():
    """Clients open a folder with several connections: one of them asks."""
    rig = Rig(sim_args=["--generate", "20"],
              settings={"msgraph_poll_interval": "60s",
                        "msgraph_request_timeout": "1s",
                        "msgraph_select_fresh": "3s"}).start()
    try:
        first, second, third = rig.imap(), rig.imap(), rig.imap()
        # of its own process's index, too
        ok(third.append("INBOX", None, None, MESSAGE % 900))
        assert ok(third.select())[-1] == b"21"
        ok(third.close())
        ok(first.select())
        ok(first.store("1", "+FLAGS", r"(\Flagged)"))
        rig.sim("deliver", folder="INBOX", count=1)
        # what this account does itself is there, from the index
        assert cost(rig, lambda: ok(second.select())) == []
        assert b"Flagged" in ok(second.fetch("1", "(FLAGS)"))[0]
        assert ok(second.select("INBOX"))[-1] == b"21"
        # a client that asks is answered, and so is all that comes later
        assert len(cost(rig, lambda: ok(second.noop()))) == 1
        assert ok(third.select())[-1] == b"22"
        assert len(cost(rig, lambda: ok(third.noop()))) == 1
        rig.sim("deliver", folder="INBOX", count=1)
        time.sleep(3.1)
        assert len(cost(rig, lambda: ok(first.select()))) == 1
        assert ok(first.select())[-1] == b"23"
        # a failure does not count as a look
        time.sleep(3.1)
        rig.sim("fault", path="delta", status=503, count=100)
        ok(second.select())
        rig.sim("faults/clear")
        assert len(cost(rig, lambda: ok(third.select()))) == 1
        for conn in (first, second, third):
            conn.logout()
        assert rig.log_errors() == []
    finally:
        rig.close()


def test_batches_of_twenty(rig, imap):
    ok(imap.create("Batch"))
    some = f"1:{COUNT}"
    batches = -(-COUNT // 20)
    store = cost(rig, lambda: ok(imap.store(some, "+FLAGS", "(\\Flagged)")))
    assert len(store) == batches
    copied = cost(rig, lambda: ok(imap.copy(some, "Batch")))
    assert len(writes(copied)) == batches and len(copied) <= batches + 2
    moved = cost(rig, lambda: ok(command(imap, "MOVE", some, "Batch")))
    assert len(writes(moved)) == batches and len(moved) <= batches + 2
    # where each message is now is asked first: immutable ids survive moves
    ok(imap.store(some, "+FLAGS.SILENT", "(\\Deleted)"))
    gone = cost(rig, lambda: ok(imap.expunge()))
    assert len(writes(gone)) <= 2 * batches and len(gone) <= 2 * batches + 1
    assert len(rig.messages(folder="Batch")) == 2 * COUNT
    assert len(rig.messages(folder="inbox")) == 300 - 2 * COUNT


def test_batches_go_side_by_side(rig, imap):
    """Of many changes, four batches are on their way at a time."""
    rig.sim("settings", latency=500)
    try:
        sent = cost(rig, lambda: ok(imap.store("1:100", "+FLAGS",
                                               "(\\Answered)")))
        stats = rig.sim("stats")
    finally:
        rig.sim("settings", latency=0)
    assert len(sent) == 5
    assert max(stats["max_in_flight"].values()) == 4
    assert stats["throttled"] == 0


def test_a_message_is_downloaded_once(rig):
    """Also when two sessions want it at the same time, and in pieces."""
    rig.sim("folder", op="create", path="Once")
    rig.sim("deliver", folder="Once", count=6)
    time.sleep(1.1)                   # a LIST holds for so long
    conns, got = [rig.imap() for _ in range(3)], {}
    for conn in conns:
        ok(conn.select("Once"))
    rig.sim("settings", latency=300)
    rig.sim("log/clear")

    def fetch(n):
        got[n] = by_uid(conns[n], "BODY.PEEK[]<0.100>") if n else \
            by_uid(conns[n], "BODY.PEEK[]")

    threads = [threading.Thread(target=fetch, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rig.sim("settings", latency=0)
    values = [e["path"] for e in rig.requests()
              if e["path"].endswith("$value")]
    assert len(values) == 6 and len(set(values)) == 6
    assert got[1] == got[2] == {k: v[:100] for k, v in got[0].items()}
    for conn in conns:
        conn.logout()


def test_one_is_kept_for_who_waits(rig, imap):
    """While others read and write a lot, one message is not kept waiting for
    all of that."""
    rig.sim("folder", op="create", path="Crowd")
    rig.sim("deliver", folder="Crowd", count=60)
    rig.sim("folder", op="create", path="Single")
    rig.sim("deliver", folder="Single", count=12)
    time.sleep(1.1)                   # a LIST holds for so long
    ok(imap.select("Single"))
    stop, failures, before = threading.Event(), [], []

    def session(n):
        try:
            conn = rig.imap()
            ok(conn.select("Crowd"))
            while not stop.is_set():
                ok(conn.store("1:60", "+-"[n % 2] + "FLAGS.SILENT",
                              f"(\\Flagged k{n})"))
            conn.logout()
        except Exception as err:      # shown by the assertion below
            failures.append(err)

    rig.sim("settings", latency=150)
    threads = [threading.Thread(target=session, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    try:
        for n in range(1, 13):
            rig.sim("log/clear")
            ok(imap.fetch(str(n), "(BODY.PEEK[])"))
            # those that were answered before ours, started after the command
            before.append(sum(not e["path"].endswith("$value")
                              for e in rig.requests()))
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        rig.sim("settings", latency=0)
    assert failures == []
    # three others are under way, and as many may end meanwhile; without
    # precedence it is 18 and more
    assert sorted(before)[len(before) // 2] <= 6, before
    stats = rig.sim("stats")
    assert stats["throttled"] == 0


def test_four_in_flight(rig):
    """Several sessions at once never have more than four requests running,
    and nobody is throttled for it."""
    rig.sim("folder", op="create", path="Busy")
    rig.sim("deliver", folder="Busy", count=40)
    rig.sim("settings", latency=20)
    failures = []

    def session(n):
        try:
            conn = rig.imap()
            ok(conn.select("Busy"))
            assert len(by_uid(conn, "BODY.PEEK[]")) >= 40
            ok(conn.store(f"{n * 8 + 1}:{n * 8 + 8}", "+FLAGS", "(\\Seen)"))
            ok(conn.append("Busy", None, None, MESSAGE % (800 + n)))
            conn.logout()
        except Exception as err:      # shown by the assertion below
            failures.append(err)

    threads = [threading.Thread(target=session, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rig.sim("settings", latency=0)
    assert failures == []
    stats = rig.sim("stats")
    assert max(stats["max_in_flight"].values()) == 4
    assert stats["throttled"] == 0
    assert len(rig.messages(folder="Busy")) == 45


def test_a_download_that_was_cut_is_left_to_others(rig):
    """The last test here: the service goes on with what the killed session has
    asked for, so one more than four may be in flight."""
    rig.sim("folder", op="create", path="Left")
    rig.sim("deliver", folder="Left", count=1)
    time.sleep(1.1)
    first, second = rig.imap(), rig.imap()
    for conn in (first, second):
        ok(conn.select("Left"))
    pids = rig.imap_pids()
    rig.sim("fault", delay=5, path="[$]value")

    def fetch():
        try:
            first.fetch("1", "(BODY.PEEK[])")
        except Exception:
            pass

    thread = threading.Thread(target=fetch)
    thread.start()
    time.sleep(0.5)
    holder = [pid for pid in pids if any(
        os.readlink(f"/proc/{pid}/fd/{fd}").find("/bodies/tmp/") > 0
        for fd in os.listdir(f"/proc/{pid}/fd"))]
    assert len(holder) == 1
    os.kill(holder[0], signal.SIGKILL)
    thread.join()
    assert len(by_uid(second, "BODY.PEEK[]")) == 1
    second.logout()
    assert [line for line in rig.log_errors()
            if "killed with signal 9" not in line] == []
