"""Two sessions in one folder, where what one is told by Graph is out of date by
the time it arrives, since the other has done something meanwhile."""

import contextlib
import threading
import time

import pytest

import transcript
from rig import Rig

NAMES = ["flag", "ghost", "copy", "copies", "draft", "pin", "pinned", "wait",
         "stuck"]
# Graph would give it back otherwise
ODD = (r"{=From: a@b.example\r\nX-Odd:   spaces \r\nSubject:  odd   one\r\n"
       r"Message-ID: <o1@x>\r\n\r\nhello   \r\n\r\nbye\r\n}")


@pytest.fixture(scope="module")
def rig():
    # evicted at once
    rig = Rig(settings={"msgraph_body_cache_size": "2000"}).start()
    rig.boxes = transcript.prepare(rig, NAMES)
    yield rig
    rig.close()


class Play:
    """Session 1 does something that takes a while, session 2 what it does
    meanwhile, in the folder of that name."""

    def __init__(self, rig, name):
        self.rig, self.box = rig, rig.boxes[name]
        self.first = transcript.Scenario(rig, self.box)
        self.second = transcript.Scenario(rig, self.box)
        self.run("1 SELECT BOX\n2 SELECT BOX")

    def run(self, text):
        for line in text.strip().splitlines():
            scene = self.first if line.strip()[0] == "1" else self.second
            scene.step(line.strip())
            scene.judge("OK|NO")

    @contextlib.contextmanager
    def while_1(self, text):
        thread = threading.Thread(target=self.run, args=(text,))
        thread.start()
        time.sleep(0.7)
        yield
        thread.join()


def test_flag_taken_back(rig):
    """What session 1 hears late would delete a message that is to stay."""
    play = Play(rig, "flag")
    play.run(r"2 STORE 1 +FLAGS (\Deleted)")
    rig.sim("fault", path="messages/delta", phase="after", delay=2)
    with play.while_1("1 NOOP"):
        play.run(r"2 STORE 1 -FLAGS (\Deleted)")
    play.run("1 EXPUNGE\n2 NOOP")
    play.second.step("graph BOX m1 m2 m3")


def test_expunged_comes_not_back(rig):
    play = Play(rig, "ghost")
    play.run(r"2 STORE 1 +FLAGS (\Flagged)")
    rig.sim("fault", path="messages/delta", phase="after", delay=2)
    with play.while_1("1 NOOP"):
        play.run("2 STORE 1 +FLAGS (\\Deleted)\n2 EXPUNGE")
    play.run("1 FETCH 1:* (UID)")
    assert len(play.first.untagged) == 2


def test_lost_answer_of_a_draft(rig):
    """The other session has listed the draft before it is looked for."""
    play = Play(rig, "draft")
    play.run("2 SELECT Drafts")
    before = len(rig.messages(folder="drafts"))
    rig.sim("fault", method="GET", path="drafts/messages", delay=3)
    rig.sim("fault", method="POST", path="messages$", phase="after",
            reset=True)
    with play.while_1(r"1 APPEND Drafts (\Draft) {m7}"):
        time.sleep(0.8)
        play.run("2 NOOP")
    assert play.first.tagged.startswith("OK")
    assert len(rig.messages(folder="drafts")) == before + 1


def test_lost_answer_of_a_copy(rig):
    play = Play(rig, "copy")
    dest = rig.boxes["copies"]
    play.run("2 SELECT " + dest)
    for effect in ({"delay": 3}, {"reset": True}):
        rig.sim("fault", method="POST", path="batch", phase="after", **effect)
    with play.while_1("1 COPY 3 " + dest):
        time.sleep(0.8)
        play.run("2 NOOP")
    assert play.first.tagged.startswith("OK")
    assert len(rig.messages(folder=dest)) == 4


def test_moved_keeps_its_bytes(rig):
    """The other session hears first that it is gone."""
    play = Play(rig, "pin")
    dest = rig.boxes["pinned"]
    play.run("1 APPEND BOX " + ODD + "\n1 NOOP\n1 FETCH 4 (BODY.PEEK[])")
    sent = play.first.untagged[0].partition("BODY[]")[2]
    play.run("2 NOOP")
    rig.sim("fault", path="batch", phase="after", delay=2)
    with play.while_1("1 MOVE 4 " + dest):
        play.run("2 NOOP")
    rig.sim("deliver", folder=dest, count=12)
    play.run(f"1 SELECT {dest}\n1 FETCH 5:* (BODY.PEEK[])")
    play.run(f"3 SELECT {dest}\n3 FETCH 4 (BODY.PEEK[])")
    assert play.second.untagged[0].partition("BODY[]")[2] == sent


def test_edited_draft_under_its_old_uid(rig):
    play = Play(rig, "draft")
    play.run("1 APPEND BOX (\\Draft) {m8}\n1 NOOP\n2 NOOP\n"
             "2 FETCH 4 (BODY.PEEK[TEXT])")
    assert "w8ord" in play.second.untagged[0]
    play.second.step("sim patch m8 subject=better text=another")
    play.run("1 NOOP\n2 FETCH 4 (BODY.PEEK[TEXT])")
    assert not any("YW5v" in line for line in play.second.untagged)


def test_nobody_waits_for_the_other_one(rig):
    play = Play(rig, "wait")
    rig.sim("fault", path="batch", delay=8)
    with play.while_1(r"1 STORE 1:3 +FLAGS (\Seen)"):
        start = time.time()
        play.run("2 FETCH 2 (FLAGS)")
        assert time.time() - start < 4
    play.second.step("graph m1 isRead=true")


def test_one_that_cannot_be_changed(rig):
    """It is given up, and what others do to the rest is not undone."""
    play = Play(rig, "stuck")
    play.second.step("sim patch m2 poison=500")
    play.run(r"1 STORE 1:3 +FLAGS (\Flagged)")
    play.second.step("graph m1 flag=flagged")
    play.second.step("sim patch m1 flag=notFlagged")
    rig.sim("log/clear")
    play.run("1 NOOP")
    assert not [e for e in rig.requests(True) if e["method"] == "PATCH"]
    play.second.step("graph m1 flag=notFlagged")
