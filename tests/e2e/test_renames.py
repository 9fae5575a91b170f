"""Folders whose names meet: a name is only a name, messages, UIDs and
UIDVALIDITY stay with the folder."""

import pytest

import transcript

SWAP = """
        sim folder op=rename path=BOX/a name=tmp
        sim folder op=rename path=BOX/b name=a
        sim folder op=rename path=BOX/tmp name=b
"""
# a has m11 as UID 2, b has m12 as UID 1
TWO = r"""
        sim folder op=create path=BOX/a
        sim folder op=create path=BOX/b
        1 APPEND BOX/a {m19}
        1 SELECT BOX/a
        1 UID STORE 1 +FLAGS (\Deleted)
        1 EXPUNGE
        1 APPEND BOX/a {m11}
        1 APPEND BOX/b {m12}
        1 SELECT BOX/b
        * UIDVALIDITY (?P<bval>\d+)
        1 SELECT BOX/a
        * UIDVALIDITY (?P<aval>\d+)
        1 UNSELECT
"""
IS_A = r"""
        * UIDVALIDITY $aval
        1 FETCH 1:* (UID BODY.PEEK[])
        * UID 2 .*m11@
        ! UID 1
"""
IS_B = r"""
        * UIDVALIDITY $bval
        1 FETCH 1:* (UID BODY.PEEK[])
        * UID 1 .*m12@
        ! UID 2
"""
SCENARIOS = [
    ("two folders change places", TWO + SWAP + rf"""
        wait 1.1
        1 LIST "" BOX/*
        1 SELECT BOX/a
{IS_B}
        1 SELECT BOX/b
{IS_A}
        2 SELECT BOX/a
        * UIDVALIDITY $bval
    """),
    ("... while one of them is selected", TWO + r"""
        1 STATUS BOX/a (X-GUID)
        * X-GUID (?P<guid>\w+)
        1 SELECT BOX/a
""" + SWAP + rf"""
        wait 1.1
        2 LIST "" BOX/*
        1 NOOP
        1 UID FETCH 1:* (UID BODY.PEEK[])
        * UID 2 .*m11@
        1 STORE 1 +FLAGS (\Flagged)
        graph m11 flag=flagged
        graph m12 flag=notFlagged
        1 STATUS BOX/a (X-GUID)
        * X-GUID $guid
        sim deliver m13 folder=BOX/b
        sim deliver m14 folder=BOX/a
        1 NOOP
        * 2 EXISTS
        1 FETCH 2 (UID BODY.PEEK[])
        * UID 3 .*m13@
        1 STORE 1 +FLAGS (\Deleted)
        1 EXPUNGE
        graph BOX/b m13
        graph BOX/a m12 m14
        2 SELECT BOX/b
        * UIDVALIDITY $aval
        2 SELECT BOX/a
        * UIDVALIDITY $bval
    """),
    ("one after the other gets the next one's name", TWO + rf"""
        sim folder op=rename path=BOX/b name=c
        sim folder op=rename path=BOX/a name=b
        wait 1.1
        1 LIST "" BOX/*
        ! BOX/a
        1 SELECT BOX/c
{IS_B}
        1 SELECT BOX/b
{IS_A}
    """),
    ("one takes the name, and the other follows a poll later", TWO + rf"""
        sim folder op=rename path=BOX/a name=c
        sim folder op=rename path=BOX/b name=a
        wait 1.1
        1 LIST "" BOX/*
        sim folder op=rename path=BOX/c name=b
        wait 1.1
        1 LIST "" BOX/*
        ! BOX/c
        1 SELECT BOX/a
{IS_B}
        1 SELECT BOX/b
{IS_A}
    """),
    ("folders with others in them change places", r"""
        sim folder op=create path=BOX/a/x
        sim folder op=create path=BOX/b/x
        1 APPEND BOX/a/x {m11}
        1 APPEND BOX/b/x {m12}
        1 APPEND BOX/b/x {m14}
        1 STATUS BOX/a/x (UIDVALIDITY)
        * UIDVALIDITY (?P<aval>\d+)
        1 STATUS BOX/b/x (UIDVALIDITY)
        * UIDVALIDITY (?P<bval>\d+)
""" + SWAP + r"""
        wait 1.1
        1 LIST "" BOX/*
        1 STATUS BOX/a/x (UIDVALIDITY MESSAGES)
        * MESSAGES 2 UIDVALIDITY $bval
        1 STATUS BOX/b/x (UIDVALIDITY MESSAGES)
        * MESSAGES 1 UIDVALIDITY $aval
    """),
    ("somebody makes the folder whose name is wanted", TWO + rf"""
        sim folder op=create path=BOX/c
        sim deliver m14 folder=BOX/c
        1 RENAME BOX/a BOX/c
        NO ALREADYEXISTS
        1 LIST "" BOX/*
        * BOX/a$
        * BOX/c$
        1 SELECT BOX/a
{IS_A}
        1 STATUS BOX/c (MESSAGES)
        * MESSAGES 1
        graph BOX/a m11
        graph BOX/c m14
    """),
    ("... while it is being renamed", TWO + rf"""
        sim fault method=PATCH path=mailFolders/ status=409 code=ErrorFolderExists times=1
        1 RENAME BOX/a BOX/c
        NO ALREADYEXISTS
        sim folder op=create path=BOX/c
        1 LIST "" BOX/*
        * BOX/c
        1 SELECT BOX/a
{IS_A}
    """),
    ("the name is free again, and others know that first", TWO + rf"""
        sim folder op=rename path=BOX/b name=c
        wait 1.1
        1 RENAME BOX/a BOX/b
        1 SELECT BOX/b
{IS_A}
        1 SELECT BOX/c
{IS_B}
        sim folder op=delete path=BOX/c
        1 CREATE BOX/c
        1 SELECT BOX/c
        ! UIDVALIDITY $bval
        * 0 EXISTS
    """),
    ("a folder is renamed that others have renamed", TWO + rf"""
        sim folder op=rename path=BOX/a name=z
        wait 1.1
        1 RENAME BOX/a BOX/c
        NO NONEXISTENT
        1 RENAME BOX/z BOX/c
        1 SELECT BOX/c
{IS_A}
    """),
    ("a folder that others have made is renamed and deleted", r"""
        1 LIST "" BOX/*
        sim folder op=create path=BOX/fresh
        1 RENAME BOX/fresh BOX/mine
        1 LIST "" BOX/*
        * BOX/mine
        sim folder op=create path=BOX/fresh
        wait 1.1
        1 DELETE BOX/fresh
        1 LIST "" BOX/*
        ! BOX/fresh
    """),
    ("DELETE means the folder that has the name now", TWO + rf"""
        sim folder op=rename path=BOX/a name=keep
        sim folder op=create path=BOX/a
        1 DELETE BOX/a
        1 LIST "" BOX/*
        ! BOX/a$
        1 SELECT BOX/keep
{IS_A}
        graph BOX/keep m11
        sim folder op=rename path=BOX/keep name=save
        1 DELETE BOX/keep
        NO NONEXISTENT
        graph BOX/save m11
    """),
    ("only the case differs: by the client", TWO + rf"""
        1 RENAME BOX/a BOX/A
        1 LIST "" BOX/*
        * BOX/A$
        ! BOX/a$
        1 SELECT BOX/A
{IS_A}
        1 RENAME BOX/A BOX/B
        NO ALREADYEXISTS
        1 CREATE BOX/B
        NO ALREADYEXISTS
    """),
    ("only the case differs: by others", TWO + rf"""
        sim folder op=rename path=BOX/a name=A
        wait 1.1
        1 LIST "" BOX/*
        * BOX/A$
        ! BOX/a$
        1 SELECT BOX/A
{IS_A}
    """),
    ("deleted and made anew by others", TWO + r"""
        sim folder op=delete path=BOX/a
        sim folder op=create path=BOX/a
        sim deliver m14 folder=BOX/a
        wait 1.1
        1 LIST "" BOX/*
        1 SELECT BOX/a
        ! UIDVALIDITY $aval
        1 FETCH 1:* (UID BODY.PEEK[])
        * UID 1 .*m14@
    """),
    ("NOTIFY tells of the swap", TWO + r"""
        1 NOTIFY SET (personal (MailboxName MessageNew MessageExpunge))
""" + SWAP + r"""
        1? LIST .* "/" BOX/(?P<one>[ab]) \("OLDNAME" \(BOX/[ab]\)\)
        1? LIST .* "/" BOX/(?P<two>[ab]) \("OLDNAME" \(BOX/$one\)\)
        sim deliver m14 folder=BOX/a
        1? STATUS BOX/a \(MESSAGES 2
        sim deliver m15 folder=BOX/b
        1? STATUS BOX/b \(MESSAGES 2
    """),
]


@pytest.fixture(scope="module")
def rig():
    rig = transcript.polling_rig(SCENARIOS)
    yield rig
    rig.close()


@pytest.mark.parametrize("name,text", SCENARIOS,
                         ids=transcript.ids(SCENARIOS))
def test_names(rig, name, text):
    transcript.Scenario(rig, rig.boxes[name]).run(text)
    assert rig.log_errors() == []
