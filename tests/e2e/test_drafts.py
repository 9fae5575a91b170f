"""Drafts that others edit: what was shown under a UID stays what it was."""

import pytest

import transcript
from imaptools import by_uid, ok
from rig import Rig

SCENARIOS = [
    ("a draft that others edit gets a new UID", r"""
        1 APPEND BOX (\Draft) {m4}
        1 SELECT BOX
        * 4 EXISTS
        1 FETCH 4 (UID FLAGS BODY.PEEK[])
        * UID 4 .*Draft
        1 NOOP
        ! EXPUNGE
        sim patch m4 subject=better text=another
        1 NOOP
        * 4 EXPUNGE
        * 4 EXISTS
        1 FETCH 4 (ENVELOPE PREVIEW BODY.PEEK[HEADER.FIELDS (SUBJECT)])
        * PREVIEW .*another.* ENVELOPE .*"better".*Subject: better
        1 FETCH 4 (UID FLAGS BODY.PEEK[])
        * UID 5 .*Draft
        * Subject: better
        * YW5vdGhlcg==
        1 NOOP
        ! EXPUNGE
        sim patch m4 flag=flagged
        1 NOOP
        * 4 FETCH .*Flagged
        ! EXPUNGE
    """),
    ("... also when that is before it is listed", r"""
        1 APPEND BOX (\Seen \Draft) {m4}
        sim patch m4 subject=better text=another
        1 SELECT BOX
        1 FETCH 4 (UID FLAGS BODY.PEEK[])
        * UID 5 .*Draft
        * Subject: better
        * YW5vdGhlcg==
    """),
    ("... or while it is in another folder", r"""
        1 CREATE BOX/sub
        1 SELECT BOX/sub
        1 APPEND BOX (\Draft) {m4}
        1 SELECT BOX
        1 NOOP
        1 MOVE 4 BOX/sub
        1 COPY 1 BOX/sub
        sim patch m4 subject=better text=another
        1 SELECT BOX/sub
        1 FETCH 1:* (UID FLAGS BODY.PEEK[])
        * Subject: better
        * YW5vdGhlcg==
        ! w4ord
    """),
    ("... or on its way there, as when it is sent", r"""
        1 CREATE BOX/sub
        1 SELECT BOX/sub
        1 APPEND BOX (\Draft) {m4}
        1 SELECT BOX
        1 FETCH 4 (BODY.PEEK[])
        * w4ord
        sim patch m4 subject=better text=another
        sim move m4 folder=BOX/sub
        1 SELECT BOX/sub
        1 FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])
        * "better"
        * Subject: better
        * YW5vdGhlcg==
        ! w4ord
    """),
    ("... which the flags that come with it are not", r"""
        1 APPEND BOX (\Seen \Flagged \Draft kw) {m4}
        sim patch m4 isRead=false categories=Red|kw
        1 SELECT BOX
        1 FETCH 4 (UID FLAGS BODY.PEEK[])
        * UID 4 .*Flagged .*Draft.*Red
        * w4ord
    """),
    ("a draft that others have edited is not expunged", r"""
        1 APPEND BOX (\Draft) {m4}
        1 SELECT BOX
        1 STORE 4 +FLAGS (\Deleted)
        sim patch m4 subject=better text=another
        1 EXPUNGE
        * 4 EXPUNGE
        graph BOX m1 m2 m3 m4
        1 NOOP
        * 4 EXISTS
        1 FETCH 4 (UID FLAGS BODY.PEEK[])
        * UID 5 .*Draft
        ! Deleted
        * Subject: better
        1 EXPUNGE
        graph BOX m1 m2 m3 m4
    """),
    ("... nor with the next EXPUNGE of who had marked it before", r"""
        1 APPEND BOX (\Draft) {m4}
        1 SELECT BOX
        1 STORE 4 +FLAGS (\Deleted \Flagged)
        sim patch m4 subject=better text=another
        1 NOOP
        * 4 EXPUNGE
        1 FETCH 4 (UID FLAGS)
        * UID 5 .*Flagged
        ! Deleted
        1 EXPUNGE
        2 SELECT BOX
        2 FETCH 4 (UID FLAGS)
        * UID 5 .*Flagged
        ! Deleted
        graph BOX m1 m2 m3 m4
        2 STORE 4 +FLAGS (\Deleted)
        1 NOOP
        * 4 FETCH .*Deleted
        2 EXPUNGE
        graph BOX m1 m2 m3
    """),
]


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    rig.boxes = transcript.prepare(rig, transcript.ids(SCENARIOS))
    yield rig
    rig.close()


@pytest.mark.parametrize("name,text", SCENARIOS,
                         ids=transcript.ids(SCENARIOS))
def test_draft(rig, name, text):
    rig.sim("faults/clear")
    transcript.Scenario(rig, rig.boxes[name]).run(text)
    assert rig.log_errors() == []


def test_edit_that_the_preview_does_not_show(rig):
    """Nor do the size, the subject and the recipients."""
    box = rig.boxes[SCENARIOS[0][0]]
    text = "x " * 600 + "old"
    imap = rig.imap()
    ok(imap.create(f"{box}/long"))
    ok(imap.append(f"{box}/long", r"(\Draft)", None,
                   f"Subject: s\r\n\r\n{text}\r\n".encode()))
    ok(imap.select(f"{box}/long"))
    ok(imap.noop())
    assert list(by_uid(imap, "BODY.PEEK[]")) == [1]
    (ident,) = [m["id"] for m in rig.messages() if m["subject"] == "s"]
    rig.sim("patch", id=ident, text=text[:-3] + "new")
    ok(imap.noop())
    found = by_uid(imap, "BODY.PEEK[]")
    assert list(found) == [2]
    imap.logout()
