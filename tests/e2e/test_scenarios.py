"""Sessions, other people and refusals, as transcripts."""

import pytest

import transcript
from rig import Rig

REFUSED = [
    ("a STORE that is refused is undone and told", r"""
        1 SELECT BOX
        sim fault method=PATCH status=403 code=ErrorAccessDenied
        1 STORE 1 +FLAGS (\Seen \Flagged)
        * NO .*not accepted.*undone
        * 1 FETCH \(FLAGS \((\\Recent)?\)\)
        graph m1 isRead=false flag=notFlagged
        1 NOOP
        ! FETCH
        1 FETCH 1 (FLAGS)
        ! Flagged
    """),
    ("also when it was silent", r"""
        1 SELECT BOX
        sim fault method=PATCH status=400 code=ErrorInvalidRequest
        1 STORE 1:2 +FLAGS.SILENT (\Flagged)
        * NO .*undone
        * 1 FETCH .*FLAGS \((\\Recent)?\)
        graph m1 flag=notFlagged
        graph m2 flag=flagged
    """),
    ("what others have set stays when ours is undone", r"""
        1 SELECT BOX
        sim patch m1 isRead=true categories=theirs|
        sim fault method=PATCH status=403 code=ErrorAccessDenied
        1 STORE 1 +FLAGS (\Flagged mine)
        * 1 FETCH .*\\Seen.*theirs
        ! FETCH .*mine
        graph m1 flag=notFlagged categories=theirs|
    """),
    ("the other session sees it undone, too", r"""
        1 SELECT BOX
        2 SELECT BOX
        sim fault method=PATCH status=403 code=ErrorAccessDenied
        1 STORE 1 +FLAGS (\Flagged)
        2 NOOP
        2 FETCH 1 (FLAGS)
        ! Flagged
    """),
    ("an EXPUNGE that is refused leaves the message", r"""
        1 SELECT BOX
        1 STORE 1:2 +FLAGS (\Deleted)
        sim fault method=POST path=move$ status=403 code=ErrorAccessDenied
        sim fault method=DELETE status=403 code=ErrorAccessDenied
        1 EXPUNGE
        * NO .*undone
        graph BOX m1 m3
        1 NOOP
        1 FETCH 1:* (UID FLAGS)
        * UID 1 FLAGS .*Deleted
        ! UID 2 
        sim faults/clear
        1 EXPUNGE
        graph BOX m3
    """),
    ("a whole batch that is refused stays pending", r"""
        1 SELECT BOX
        sim fault path=batch status=403 code=ErrorAccessDenied count=20
        1 STORE 1 +FLAGS (\Flagged)
        graph m1 flag=notFlagged
        1 FETCH 1 (FLAGS)
        * Flagged
        sim faults/clear
        1 NOOP
        graph m1 flag=flagged
    """),
]

SIZES = [
    ("an APPEND that cannot fit is refused before it is sent", r"""
        1 APPEND BOX {300000000}
        NO LIMIT.*larger than
        1 NOOP
        graph BOX m1 m2 m3
    """),
    ("one that the mailbox has no room for leaves nothing behind", r"""
        1 SELECT BOX
        sim fault method=POST path=messages$ status=507 code=ErrorQuotaExceeded count=9
        1 APPEND BOX {m4}
        NO OVERQUOTA
        sim faults/clear
        graph BOX m1 m2 m3
        1 APPEND BOX {}
        BAD|NO
        1 NOOP
        ! EXISTS
    """),
]

SCENARIOS = REFUSED + SIZES


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    rig.boxes = transcript.prepare(rig, transcript.ids(SCENARIOS))
    yield rig
    rig.close()


@pytest.fixture(autouse=True)
def no_faults(rig):
    rig.sim("faults/clear")
    yield
    rig.sim("faults/clear")


@pytest.mark.parametrize("name,text", SCENARIOS,
                         ids=transcript.ids(SCENARIOS))
def test_scenario(rig, name, text):
    transcript.Scenario(rig, rig.boxes[name]).run(text)
    assert rig.log_errors() == []
