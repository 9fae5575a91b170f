"""Every way in which Graph may tell of changes, times every change: what a
session sees is the same."""

import pytest

import transcript
from rig import Rig

SWITCHES = [
    ("delta_expand", "refused"), ("delta_expand", "ignored"),
    ("delta_expand", "plain"), ("delta_rows", "partial"),
    ("bool_strings", "yes"), ("removed_reason", "changed"),
    ("delta_page_max", "2"), ("delta_empty_pages", "yes"),
    ("delta_empty_last", "yes"), ("delta_duplicates", "yes"),
    ("delta_replay", "yes"), ("delta_order", "reversed"),
    ("sync_lost", "410 resyncRequired"), ("sync_lost", "400 badRequest"),
]
CHANGES = [
    ("new", r"""
        1 SELECT BOX
        sim deliver m4
        sim deliver m5
        1 NOOP
        * 5 EXISTS
        1 UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])
        * UID 1 .*<m1@
        * UID 4 .*<m[45]@
    """),
    ("gone", r"""
        1 SELECT BOX
        sim delete m2
        1 NOOP
        * 2 EXPUNGE
        1 UID SEARCH ALL
        * SEARCH 1 3$
    """),
    ("flags", r"""
        1 SELECT BOX
        sim patch m1 isRead=true
        sim patch m2 flag=flagged categories=kw|
        sim patch m3 verb=102 imapDeleted=true
        1 NOOP
        ! EXPUNGE
        1 FETCH 1:* (FLAGS)
        * 1 FETCH .*\\Seen
        * 2 FETCH .*\\Flagged.*kw
        * 3 FETCH .*\\Answered.*\\Deleted
    """),
    ("moved out and in", r"""
        1 CREATE BOX/sub
        1 SELECT BOX/sub
        sim move m1 folder=BOX/sub
        sim move m2 folder=BOX/sub
        1 NOOP
        * 2 EXISTS
        1 SELECT BOX
        * 1 EXISTS
        sim move m1 folder=BOX
        1 NOOP
        * 2 EXISTS
        1 UID FETCH 1:* (ENVELOPE)
        * UID 1 .*<m3@
        * UID 2 .*<m1@
    """),
    ("there and back between two looks", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        sim move m1 folder=BOX/sub
        sim move m1 folder=BOX
        1 NOOP
        1 FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])
        * <m1@
        * <m2@
        1 SELECT BOX/sub
        * 0 EXISTS
    """),
    ("changed and gone in one round", r"""
        1 SELECT BOX
        sim patch m1 isRead=true
        sim delete m1
        sim deliver m4
        sim patch m4 flag=flagged
        1 NOOP
        * 1 EXPUNGE
        1 SEARCH FLAGGED
        * SEARCH 3$
    """),
    ("the delta link is lost", r"""
        1 SELECT BOX
        * UIDVALIDITY (?P<val>\d+)
        sim lose-tokens
        sim delete m2
        sim deliver m4
        sim patch m3 isRead=true
        1 NOOP
        * 2 EXPUNGE
        * 3 EXISTS
        1 UID SEARCH ALL
        * SEARCH 1 3 4$
        1 SEARCH SEEN
        * SEARCH 2$
        1 SELECT BOX
        * UIDVALIDITY $val
    """),
    ("own changes come back", r"""
        1 SELECT BOX
        1 STORE 1 +FLAGS (\Seen \Flagged kw)
        1 NOOP
        ! FETCH
        1 STORE 2 +FLAGS (\Deleted)
        1 EXPUNGE
        1 APPEND BOX (\Answered) {m4}
        1 NOOP
        1 FETCH 1:* (FLAGS)
        * 1 FETCH .*\\Flagged.*kw
        * 3 FETCH .*\\Answered
        graph BOX m1 m3 m4
    """),
]
CASES = [(f"{switch}={value}: {change}", switch, value, text)
         for switch, value in SWITCHES for change, text in CHANGES]


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    rig.boxes = transcript.prepare(rig, [case[0] for case in CASES])
    yield rig
    rig.close()


@pytest.mark.parametrize("name,switch,value,text", CASES,
                         ids=[case[0] for case in CASES])
def test_delta(rig, name, switch, value, text):
    default = rig.sim("switch")[switch]
    rig.sim("switch", **{switch: value})
    try:
        transcript.Scenario(rig, rig.boxes[name]).run(text)
    finally:
        rig.sim("switch", **{switch: default})
    assert rig.log_errors() == []
