"""Random changes by two IMAP sessions and by others, interleaved: in the end
everybody sees the same, and no UID has been used twice."""

import collections
import random
import re

import pytest

from imaptools import command, flags_by_uid, ok, uidvalidity
from rig import Rig

FOLDERS = ("INBOX", "Work", "Done")
STEPS = 50


@pytest.fixture(scope="module")
def rig():
    rig = Rig(settings={"msgraph_poll_interval": "1s"}).start()
    yield rig
    rig.close()


def mime(ident):
    return (f"From: Ann <ann@example.net>\r\nSubject: {ident}\r\n"
            f"X-Model: {ident}\r\nMessage-ID: <{ident}@example.net>\r\n"
            "Date: Tue, 01 Sep 2020 10:00:00 +0200\r\n\r\nbody\r\n").encode()


class Model:
    def __init__(self, rig, seed):
        self.rig, self.rng = rig, random.Random(seed)
        self.prefix = f"S{seed}-"
        self.folders = [self.prefix + f for f in FOLDERS]
        self.made = 0
        self.seen = collections.defaultdict(dict)   # folder: {uid: message}
        self.validity = {}
        for folder in self.folders:
            rig.sim("folder", op="create", path=folder)
            for _ in range(6):
                self.deliver(folder)
        self.conns = [self.connect() for _ in range(2)]

    # helpers

    def ident(self):
        self.made += 1
        return f"{self.prefix}{self.made}"

    def connect(self):
        conn = self.rig.imap()
        conn.folder = self.rng.choice(self.folders)
        self.select(conn, conn.folder)
        return conn

    def select(self, conn, folder):
        ok(conn.select(folder))
        conn.folder = folder
        validity = uidvalidity(conn)
        assert self.validity.setdefault(folder, validity) == validity
        self.look(conn)

    def look(self, conn):
        """Each UID shows the message that it always has shown."""
        shown = idents(conn)
        for uid, ident in shown.items():
            assert self.seen[conn.folder].setdefault(uid, ident) == ident
        return shown

    def there(self):
        return [m for m in self.rig.messages()
                if m["folder"] in self.folders]

    # what others do

    def deliver(self, folder=None):
        self.rig.sim("deliver", folder=folder or self.rng.choice(self.folders),
                     mime=mime(self.ident()).decode())

    def remote(self):
        msg = self.rng.choice(self.there())
        what = self.rng.randrange(8)
        if what == 0:
            self.rig.sim("move", id=msg["id"],
                         folder=self.rng.choice(self.folders))
        elif what == 1:
            self.rig.sim("delete", id=msg["id"])
        elif what == 2:
            self.rig.sim("copy", id=msg["id"],
                         folder=self.rng.choice(self.folders))
        elif what == 3:
            self.rig.sim("patch", id=msg["id"],
                         flag=self.rng.choice(("flagged", "notFlagged")))
        elif what == 4:
            self.rig.sim("patch", id=msg["id"], isRead=not msg["isRead"])
        elif what == 5:
            self.rig.sim("patch", id=msg["id"], categories=["red"])
        else:
            self.deliver()

    # what the sessions do

    def local(self, conn):
        uids = list(idents(conn))
        what = self.rng.randrange(9)
        if what == 0 or not uids:
            ident = self.ident()
            ok(conn.append(self.rng.choice(self.folders), "(\\Seen)", None,
                           mime(ident)))
            return
        some = ",".join(map(str, self.rng.sample(uids,
                                                 min(len(uids), 2))))
        target = self.rng.choice(self.folders)
        if what == 1:
            self.refusable(conn.uid("COPY", some, target))
        elif what == 2:
            self.refusable(conn.uid("MOVE", some, target))
        elif what == 3:
            ok(conn.uid("STORE", some, "+FLAGS", "(\\Deleted)"))
            ok(conn.uid("EXPUNGE", some))
        elif what == 4:
            self.select(conn, target)
        elif what == 5:
            ok(conn.uid("STORE", some, "+FLAGS", "(\\Flagged blue)"))
        else:
            ok(conn.uid("STORE", some, self.rng.choice(("+FLAGS", "-FLAGS")),
                        self.rng.choice(("\\Seen", "\\Answered",
                                         "\\Flagged"))))

    @staticmethod
    def refusable(answer):
        """A message that another has just removed cannot be copied."""
        assert answer[0] == "OK" or b"Microsoft 365" in answer[1][0] or \
            b"EXPUNGED" in answer[1][0].upper() or \
            b"no longer" in answer[1][0], answer

    def step(self, number):
        if number == STEPS // 2:
            self.rig.restart_dovecot()
            self.conns = [self.connect() for _ in self.conns]
        elif number % 17 == 16:
            self.conns[0].logout()
            self.conns[0] = self.connect()
        self.remote()
        self.local(self.conns[number % 2])

    # in the end

    def compare(self):
        state = collections.defaultdict(list)
        for m in self.there():
            state[m["folder"]].append(
                (m["subject"], m["isRead"], m["flag"] == "flagged",
                 tuple(sorted(m["categories"])), m["verb"] in (102, 103)))
        conn = self.conns[0]
        for folder in self.folders:
            self.select(conn, folder)
            shown = idents(conn)
            got = [(shown[uid], "\\Seen" in f, "\\Flagged" in f,
                    tuple(sorted(f & {"red", "blue"})), "\\Answered" in f)
                   for uid, f in flags_by_uid(conn).items()]
            assert sorted(got) == sorted(state[folder]), folder
            assert len(shown) == len(got)

    def close(self):
        for conn in self.conns:
            conn.logout()


def idents(conn):
    """{uid: message}"""
    out = {}
    for part in ok(conn.uid("FETCH", "1:*",
                            "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")):
        if isinstance(part, tuple):
            uid = int(re.search(rb"UID (\d+)", part[0]).group(1))
            out[uid] = part[1].split(b":", 1)[1].strip().decode()
    return out


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_interleaved(rig, seed):
    model = Model(rig, seed)
    for number in range(STEPS):
        model.step(number)
    for conn in model.conns:
        ok(command(conn, "NOOP"))
    model.compare()
    model.close()
    assert rig.log_errors() == []
