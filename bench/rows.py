"""The rows of the table. Each is a generator: what comes before its `yield` is
preparation, what the yielded function does is measured, what comes after it
puts things back. In the order in which they are run: the later rows need what
the earlier ones have brought."""

import random
import re
import threading
import time

FOLDERS, CHANGED = 300, 10
BIG, CHUNK = 30 * 1000 * 1000, 64 * 1024
HEADERS = ("From To Cc Subject Date Message-ID References In-Reply-To "
           "Content-Type")
STATUS = "STATUS (MESSAGES UIDNEXT UNSEEN)"
SESSIONS = 50
ROWS = {}


def row(name, limit=None):
    """limit: (requests, wall) that the row may cost at most, as functions of
    (messages, requests made, latency in s); wall None = a matter of CPU."""
    def add(make):
        ROWS[name] = (make, limit)
        return make
    return add


class Bench:
    """One mailbox, one session."""

    def __init__(self, backend, messages):
        self.backend, self.messages = backend, messages
        self.conn = backend.imap()
        self.some = min(1000, messages)

    def run(self, text):
        self.conn.run(text)

    def reconnect(self):
        self.conn.logout()
        self.conn = self.backend.imap()


def floor(factor):
    return lambda messages, requests, latency: \
        max(1, requests / 4) * latency * factor


def chain(factor):
    """each page of a listing names the next one"""
    return lambda messages, requests, latency: requests * latency * factor


def trips(count):
    return lambda messages, requests, latency: count * latency


def at_most(count):
    return lambda messages: count


def batches(messages):
    return -(-messages // 20)


@row("first SELECT", (lambda n: -(-n // 1000) + 5, chain(1.3)))
def first_select(b):
    yield lambda: b.conn.select()


@row("SELECT again", (at_most(1), trips(1.3)))
def select_again(b):
    yield lambda: b.conn.select()


@row("SELECT, new session", (at_most(1), trips(1.3)))
def select_new_session(b):
    b.reconnect()
    yield lambda: b.conn.select()


@row("NOOP", (at_most(1), trips(1.3)))
def noop(b):
    yield lambda: b.run("NOOP")


@row("FETCH FLAGS", (at_most(0), None))
def flags(b):
    yield lambda: b.run("FETCH 1:* (UID FLAGS)")


@row("FETCH ENVELOPE", (at_most(0), None))
def envelope(b):
    yield lambda: b.run("FETCH 1:* (UID ENVELOPE INTERNALDATE)")


@row("FETCH headers, SIZE", (at_most(0), None))
def headers(b):
    yield lambda: b.run("FETCH 1:* (UID RFC822.SIZE FLAGS "
                        f"BODY.PEEK[HEADER.FIELDS ({HEADERS})])")


@row("SEARCH FROM", (at_most(0), None))
def search_from(b):
    yield lambda: b.run("SEARCH FROM person7")


@row("SEARCH SINCE", (at_most(0), None))
def search_since(b):
    yield lambda: b.run("SEARCH SINCE 1-Sep-2017")


@row("1,000 BODY[]", (lambda n: min(1000, n), floor(1.15)))
def bodies(b):
    yield lambda: b.run(f"FETCH 1:{b.some} (UID BODY.PEEK[])")


@row("SEARCH BODY in 1,000", (at_most(0), None))
def search_body(b):
    yield lambda: b.run(f"SEARCH 1:{b.some} BODY contract")


@row("30 MB in 64 kB chunks", (at_most(1), None))
def chunks(b):
    b.backend.deliver("INBOX", 1, BIG)
    count = b.conn.select()

    def fetch():
        for start in range(0, BIG, CHUNK):
            b.run(f"FETCH {count} BODY.PEEK[]<{start}.{CHUNK}>")
    yield fetch
    b.run(f"STORE {count} +FLAGS.SILENT (\\Deleted)")
    b.run("EXPUNGE")


@row("STORE 1,000", (lambda n: batches(min(1000, n)), floor(1.3)))
def store(b):
    yield lambda: b.run(f"STORE 1:{b.some} +FLAGS (\\Flagged)")


@row("COPY 1,000", (lambda n: batches(min(1000, n)) + 5, floor(1.3)))
def copy(b):
    b.backend.folder("bench copy")
    b.run('STATUS "bench copy" (MESSAGES)')
    yield lambda: b.run(f'COPY 1:{b.some} "bench copy"')


@row("MOVE 1,000", (lambda n: batches(min(1000, n)) + 5, floor(1.3)))
def move(b):
    b.backend.folder("bench move")
    b.run('STATUS "bench move" (MESSAGES)')
    yield lambda: b.run(f'MOVE 1:{b.some} "bench move"')


@row("EXPUNGE 1,000", (lambda n: 2 * batches(min(1000, n)) + 5, floor(1.3)))
def expunge(b):
    b.conn.select("bench copy")
    b.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    yield lambda: b.run("EXPUNGE")
    b.conn.select()


@row("APPEND 100")
def append(b):
    from backend import message
    b.backend.folder("bench append")

    def add():
        for n in range(100):
            b.conn.append("bench append", message(10000 + n))
    yield add


@row("STATUS of 300, first time", (lambda n: 1 + 15 + 2, None))
def status_first(b):
    b.backend.folders(FOLDERS)
    yield lambda: b.run(f'LIST "" "status*" RETURN ({STATUS})')


@row("STATUS of 300, 10 changed", (at_most(3), trips(4)))
def status_changed(b):
    for n in range(CHANGED):
        b.backend.deliver(f"status{n * 7:03}", 1)
    yield lambda: b.run(f'LIST "" "status*" RETURN ({STATUS})')


@row("STATUS of 300, none changed", (at_most(1), trips(1.3)))
def status_same(b):
    time.sleep(1.5)
    yield lambda: b.run(f'LIST "" "status*" RETURN ({STATUS})')


@row("LIST", (at_most(1), trips(1.3)))
def listing(b):
    time.sleep(1.5)
    yield lambda: b.run('LIST "" "*"')


@row("new mail in IDLE")
def notice(b):
    b.backend.folder("bench idle")
    b.conn.select("bench idle")
    tag = b.conn.idle()

    def wait():
        b.backend.deliver("bench idle", 1)
        b.conn.wait_for(rb"EXISTS")
    yield wait
    b.conn.done(tag)
    b.conn.select()


class Crowd:
    """Sessions that all do something else to one mailbox."""

    def __init__(self, backend, sessions):
        self.backend, self.sessions = backend, sessions
        self.stop = threading.Event()
        self.failures, self.waits = [], []

    def _bulk(self, n):
        """Flags, bodies, moves, looks: no end of it."""
        rng = random.Random(n)
        conn = self.backend.imap()
        count = conn.select("bench crowd")
        while not self.stop.is_set():
            first = rng.randrange(1, max(2, count - 40))
            some = f"{first}:{first + 39}"
            conn.run(rng.choice((
                f"STORE {some} +FLAGS.SILENT (\\Flagged)",
                f"STORE {some} -FLAGS.SILENT (\\Flagged)",
                f"FETCH {some} BODY.PEEK[]", "NOOP",
                'STATUS "bench single" (MESSAGES)')))
        conn.logout()

    def _guarded(self, what, *args):
        try:
            what(*args)
        except Exception as err:      # shown with the row
            self.failures.append(repr(err))

    def _fetch_singly(self, uids):
        conn = self.backend.imap()
        conn.select("bench single")
        for uid in uids:
            start = time.monotonic()
            conn.run(f"UID FETCH {uid} (UID BODY.PEEK[])")
            self.waits.append(time.monotonic() - start)
            time.sleep(0.05)
        conn.logout()

    def p95(self, uids):
        self.waits = []
        self._guarded(self._fetch_singly, uids)
        return sorted(self.waits)[int(len(self.waits) * 0.95)] \
            if self.waits else float("nan")

    def run(self, uids):
        threads = [threading.Thread(target=self._guarded,
                                    args=(self._bulk, n))
                   for n in range(self.sessions)]
        for thread in threads:
            thread.start()
        time.sleep(3)
        out = self.p95(uids)
        self.stop.set()
        for thread in threads:
            thread.join()
        return out


@row("50 sessions at once")
def crowd(b):
    backend = b.backend
    backend.forget_spent()
    for name, count in (("bench crowd", 400), ("bench single", 80)):
        backend.folder(name)
        backend.deliver(name, count)
    conn = backend.imap()
    conn.select("bench single")
    uids = [int(re.search(rb"UID (\d+)", line).group(1))
            for line in conn.run("FETCH 1:* (UID)", True)
            if b"FETCH" in line]
    conn.logout()
    alone = Crowd(backend, 0).p95(uids[:40])
    many = Crowd(backend, SESSIONS - 1)
    notes = []

    def run():
        notes.append(many.run(uids[40:]))
    yield run
    b.note = (f"interactive FETCH p95 {notes[0] * 1000:.0f} ms, alone "
              f"{alone * 1000:.0f} ms = x {notes[0] / alone:.1f}; "
              f"{len(many.failures)} failed")
    if many.failures:
        b.note += f" ({many.failures[0]})"
