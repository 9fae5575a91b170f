"""Two sessions, other people and faults, at random but repeatable: after each
command the mailbox is what the command's answer says, no UID ever shows another
message or another version of a draft, and now and then and in the end what IMAP
shows is what is there. MSGRAPH_RANDOM_STEPS=20000 makes a long
run of each seed, MSGRAPH_RANDOM_SEEDS="7 8" other seeds."""

import os
import random
import re
import time
from collections import Counter

import pytest

from rig import Rig

FOLDERS = ("INBOX", "A", "B")
STEPS = int(os.environ.get("MSGRAPH_RANDOM_STEPS", 100))
SEEDS = [int(n) for n in
         os.environ.get("MSGRAPH_RANDOM_SEEDS", "1 2").split()]
CHECK_EVERY = 250
FAULTS = (
    {"status": 429, "code": "ApplicationThrottled", "retry_after": 0.2},
    {"status": 503, "code": ""}, {"status": 500, "code": "UnknownError"},
    {"reset": True}, {"reset": True, "phase": "after"},
    {"status": 401, "code": "InvalidAuthenticationToken"},
    {"status": 410, "code": "resyncRequired", "path": "delta"},
    {"status": 412, "code": "ErrorIrresolvableConflict", "method": "PATCH"})


def mime(ident):
    return (f"From: a@example.net\r\nSubject: x\r\nMessage-ID: <{ident}@r>\r\n"
            f"Date: Tue, 01 Sep 2020 10:00:00 +0200\r\n\r\n{ident}\r\n")


class Model:
    def __init__(self, rig, rng):
        self.rig, self.rng, self.number = rig, rng, 0
        self.conns = []
        self.selected = ["INBOX", "INBOX"]
        self.seen = {}
        self.reconnect()

    def reconnect(self):
        """A long run on a fast machine spends the budget."""
        for conn in self.conns:
            conn.logout()
        self.rig.forget_spent()
        self.conns = [self.rig.imap(), self.rig.imap()]

    def new_id(self):
        self.number += 1
        return f"m{self.number}"

    def live(self, folder=None):
        wanted = {{"INBOX": "inbox"}.get(f, f) for f in
                  ([folder] if folder else FOLDERS)}
        return [m for m in self.rig.messages()
                if {m["folder"], m["role"]} & wanted]

    def count(self):
        return Counter(m["internetMessageId"][1:-3] for m in self.live())

    def shown(self, conn, folder):
        """(UID, id, subject) of each message."""
        status, number = conn.select(folder)
        assert status == "OK"
        if number == [b"0"]:
            return []
        validity = conn.response("UIDVALIDITY")[1][0]
        data = conn.uid("FETCH", "1:*",
                        "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID SUBJECT)])")[1]
        out = [(re.search(rb"UID (\d+)", p[0]).group(1).decode(),
                re.search(rb"<(\w+)@", p[1]).group(1).decode(),
                re.search(rb"Subject: (\w+)", p[1]).group(1).decode())
               for p in data if isinstance(p, tuple)]
        for uid, *what in out:
            assert self.seen.setdefault((folder, validity, uid), what) == what
        return out

    def somebody(self):
        rng, live = self.rng, self.live()
        what = rng.choice(["deliver", "move", "delete", "patch", "edit",
                           "nothing"])
        folder = rng.choice(("inbox",) + FOLDERS[1:])
        if what == "deliver" or len(live) < 15:
            self.rig.sim("deliver", folder=folder, mime=mime(self.new_id()))
        elif what == "move":
            self.rig.sim("move", id=rng.choice(live)["id"], folder=folder)
        elif what == "delete":
            self.rig.sim("delete", id=rng.choice(live)["id"])
        elif what == "patch":
            self.rig.sim("patch", id=rng.choice(live)["id"],
                         isRead=rng.random() < .5)
        elif what == "edit":
            for draft in [m for m in live if m["isDraft"]][-3:]:
                self.rig.sim("patch", id=draft["id"], subject=self.new_id(),
                             text="edited")

    def break_something(self):
        fault = dict(self.rng.choice(FAULTS), skip=self.rng.randrange(3))
        if self.rng.random() < .5:
            fault["inner"] = self.rng.random() < .5
        self.rig.sim("fault", **fault)

    def command(self, conn, here, picked):
        """Runs one; returns its name, what it answered, and the id saved."""
        rng = self.rng
        uids = ",".join(uid for uid, *_ in picked)
        name = rng.choice(["store", "append", "copy", "move", "expunge"])
        dest = rng.choice([f for f in FOLDERS if f != here])
        ident = None
        if name == "append":
            ident = self.new_id()
            status = conn.append(dest, rng.choice((None, "(\\Draft)")), None,
                                 mime(ident).encode())[0]
        elif not picked:
            name, status = "noop", conn.noop()[0]
        elif name == "store":
            status = conn.uid("STORE", uids, rng.choice("+-") + "FLAGS",
                              rng.choice(["(\\Flagged)", "(\\Seen)",
                                          "(kw)"]))[0]
        elif name == "expunge":
            conn.uid("STORE", uids, "+FLAGS", "(\\Deleted)")
            status = conn.uid("EXPUNGE", uids)[0]
        else:
            status = conn.uid(name.upper(), uids, dest)[0]
        return name, status, ident

    def step(self):
        k = self.rng.randrange(2)
        if self.rng.random() < .25:
            self.selected[k] = self.rng.choice(FOLDERS)
        have = self.shown(self.conns[k], self.selected[k])
        self.somebody()
        if self.rng.random() < .4:
            self.break_something()
        before, fresh = self.count(), {
            m["internetMessageId"][1:-3] for m in self.live()
            if m["created"] > time.time() - 3}
        picked = self.rng.sample(have, min(len(have), self.rng.randint(1, 4)))
        name, status, ident = self.command(self.conns[k], self.selected[k],
                                           picked)
        self.rig.sim("faults/clear")
        self.check(name, status, ident, before, Counter(
            i for _, i, _ in picked), fresh)

    def check(self, name, status, ident, before, picked, fresh):
        after = self.count()
        for i in set(before) | set(after):
            more = after[i] - before[i]
            what = (name, status, i, before[i], after[i])
            if name == "copy" and i in picked:
                # one that somebody has moved or deleted may be gone
                assert 0 <= more <= picked[i], what
                # where the answer is lost, a copy of the same message that
                # somebody else has put there at that moment is taken for ours
                assert status != "OK" or more == picked[i] or \
                    i in fresh, what
            elif name == "append" and i == ident:
                assert more == 1 if status == "OK" else more <= 1, what
            elif name == "expunge" and i in picked:
                assert -picked[i] <= more <= 0, what
            else:
                assert more == 0, what


def settled(rig, model):
    """With no faults, what IMAP shows is what is there."""
    model.reconnect()
    conn = rig.imap()
    for folder in FOLDERS:
        model.shown(conn, folder)
        conn.noop()
        live = model.live(folder)
        assert sorted(m[1:] for m in model.shown(conn, folder)) == sorted(
            (m["internetMessageId"][1:-3], m["subject"]) for m in live)
        flags = [] if not live else conn.fetch("1:*", "(FLAGS)")[1]
        assert sorted((b"\\Seen" in f, b"\\Flagged" in f, b"kw" in f)
                      for f in flags) == sorted(
            (m["isRead"], m["flag"] == "flagged", "kw" in m["categories"])
            for m in live)
    conn.logout()
    # what was expunged is not looked at again
    rig.sim("folder", op="empty", id="recoverableitemsdeletions")
    assert rig.log_errors() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_random(seed):
    rig = Rig().start()
    try:
        # what is not carried out for minutes is none of these commands' doing
        rig.sim("switch", window_requests="1000000")
        for name in FOLDERS[1:]:
            rig.sim("folder", op="create", path=name)
        model = Model(rig, random.Random(seed))
        for step in range(1, STEPS + 1):
            model.step()
            if step % CHECK_EVERY == 0 or step == STEPS:
                settled(rig, model)
    finally:
        rig.close()
