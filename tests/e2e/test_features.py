"""Each of Dovecot's IMAP extensions, on a mailbox of Graph."""

import pytest

import transcript

SCENARIOS = [
    ("uidplus: APPENDUID is the message's", r"""
        1 APPEND BOX {m4}
        OK APPENDUID \d+ (?P<uid>\d+)
        1 SELECT BOX
        1 UID FETCH $uid (BODY.PEEK[HEADER.FIELDS (SUBJECT)])
        * subject 4
    """),
    ("uidplus: COPYUID names both", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        1 UID COPY 1:2 BOX/sub
        OK COPYUID \d+ 1:2 1:2
        graph BOX/sub m1 m2
        graph BOX m1 m2 m3
    """),
    ("uidplus: UID EXPUNGE takes only those", r"""
        1 SELECT BOX
        1 STORE 1:3 +FLAGS (\Deleted)
        1 UID EXPUNGE 2
        * 2 EXPUNGE
        ! 1 EXPUNGE
        graph BOX m1 m3
    """),
    ("move: COPYUID before EXPUNGE", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        1 MOVE 1,3 BOX/sub
        * OK \[COPYUID \d+ 1,3 1:2\]
        * 3 EXPUNGE
        * 1 EXPUNGE
        graph BOX m2
        graph BOX/sub m1 m3
    """),
    ("move: to where it does not exist", r"""
        1 SELECT BOX
        1 MOVE 1 BOX/nosuch
        NO TRYCREATE
        graph BOX m1 m2 m3
    """),
    ("condstore: each change has a higher MODSEQ", r"""
        1 SELECT BOX (CONDSTORE)
        * HIGHESTMODSEQ (?P<first>\d+)
        1 STORE 1 +FLAGS (\Flagged)
        * 1 FETCH .*MODSEQ \((?P<second>\d+)\)
        1 FETCH 1:* (FLAGS) (CHANGEDSINCE $first)
        * 1 FETCH .*Flagged
        ! [23] FETCH
    """),
    ("condstore: a change by others, too", r"""
        1 SELECT BOX (CONDSTORE)
        * HIGHESTMODSEQ (?P<first>\d+)
        sim patch m2 isRead=true
        1 NOOP
        * 2 FETCH .*MODSEQ .*Seen|2 FETCH .*Seen.*MODSEQ
        1 FETCH 1:* (FLAGS) (CHANGEDSINCE $first)
        * 2 FETCH
        ! [13] FETCH
    """),
    ("condstore: UNCHANGEDSINCE refuses what has changed", r"""
        1 SELECT BOX (CONDSTORE)
        * HIGHESTMODSEQ (?P<first>\d+)
        2 SELECT BOX
        2 STORE 2 +FLAGS (\Answered)
        1 STORE 1:3 (UNCHANGEDSINCE $first) +FLAGS (\Flagged)
        OK MODIFIED 2
        graph m1 flag=flagged
        graph m2 flag=notFlagged
    """),
    ("condstore: own changes coming back are no news", r"""
        1 SELECT BOX (CONDSTORE)
        1 STORE 1 +FLAGS (\Flagged $Forwarded kw)
        * MODSEQ \((?P<mod>\d+)\)
        1 NOOP
        ! FETCH
        1 NOOP
        ! FETCH
        1 FETCH 1 (MODSEQ)
        * MODSEQ \($mod\)
    """),
    ("qresync: VANISHED for what went while away", r"""
        1 ENABLE QRESYNC
        1 SELECT BOX
        * UIDVALIDITY (?P<val>\d+)
        * HIGHESTMODSEQ (?P<mod>\d+)
        end 1
        sim delete m2
        sim patch m3 isRead=true
        sim deliver m4
        1 ENABLE QRESYNC
        1 SELECT BOX (QRESYNC ($val $mod))
        * VANISHED \(EARLIER\) 2
        * FETCH \(UID 3 .*Seen
        * FETCH \(UID 4
        ! FETCH \(UID 1
    """),
    ("qresync: moved away by others", r"""
        1 CREATE BOX/sub
        1 ENABLE QRESYNC
        1 SELECT BOX
        * UIDVALIDITY (?P<val>\d+)
        * HIGHESTMODSEQ (?P<mod>\d+)
        1 UNSELECT
        sim move m1 folder=BOX/sub
        sim move m3 folder=BOX/sub
        1 SELECT BOX (QRESYNC ($val $mod))
        * VANISHED \(EARLIER\) 1,3
        1 SELECT BOX/sub
        * 2 EXISTS
    """),
    ("qresync: VANISHED in place of EXPUNGE", r"""
        1 ENABLE QRESYNC
        1 SELECT BOX
        sim delete m1
        1 NOOP
        * VANISHED 1
        ! EXPUNGE
        1 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)
        * VANISHED \(EARLIER\) 1
    """),
    ("qresync: after a lost delta link", r"""
        1 ENABLE QRESYNC
        1 SELECT BOX
        * UIDVALIDITY (?P<val>\d+)
        * HIGHESTMODSEQ (?P<mod>\d+)
        1 UNSELECT
        sim delete m3
        sim lose-tokens
        1 SELECT BOX (QRESYNC ($val $mod))
        * VANISHED \(EARLIER\) 3
        ! FETCH \(UID [12]
    """),
    ("qresync: another UIDVALIDITY, another mailbox", r"""
        1 ENABLE QRESYNC
        1 SELECT BOX (QRESYNC (1234 1))
        ! VANISHED
        * 3 EXISTS
    """),
    ("esearch", r"""
        1 SELECT BOX
        1 SEARCH RETURN (MIN MAX COUNT ALL) SUBJECT subject
        * ESEARCH .*MIN 1 MAX 3 ALL 1:3 COUNT 3
        1 UID SEARCH RETURN () FLAGGED
        * ESEARCH \(TAG "t\d+"\) UID$
    """),
    ("esearch: PARTIAL", r"""
        1 SELECT BOX
        1 SEARCH RETURN (PARTIAL 2:3) ALL
        * ESEARCH .*PARTIAL \(2:3 2:3\)
    """),
    ("searchres", r"""
        1 SELECT BOX
        1 SEARCH RETURN (SAVE) SUBJECT "subject 2"
        1 FETCH $ (UID)
        * 2 FETCH
        ! [13] FETCH
        1 STORE $ +FLAGS (\Flagged)
        graph m2 flag=flagged
        graph m1 flag=notFlagged
    """),
    ("searchres: what is gone is out of it", r"""
        1 SELECT BOX
        1 SEARCH RETURN (SAVE) ALL
        sim delete m2
        1 NOOP
        1 UID SEARCH $
        * SEARCH 1 3$
    """),
    ("context=search: UPDATE tells of others' changes", r"""
        1 SELECT BOX
        1 UID SEARCH RETURN (UPDATE ALL) UNSEEN
        * ESEARCH .*ALL 1:3
        sim patch m1 isRead=true
        sim deliver m4
        1 NOOP
        * ESEARCH .*REMOVEFROM \(0 1\)
        * ESEARCH .*ADDTO \(0 4\)
    """),
    ("sort", r"""
        sim deliver m9
        1 SELECT BOX
        1 SORT (REVERSE DATE) UTF-8 ALL
        * SORT 4 3 2 1
        1 UID SORT (SUBJECT) UTF-8 UNSEEN
        * SORT 1 2 3 4
        clear
        1 SORT (FROM REVERSE SIZE CC TO ARRIVAL) UTF-8 ALL
        requests 0
    """),
    ("sort: DISPLAYFROM, and ESORT", r"""
        1 SELECT BOX
        1 SORT RETURN (COUNT MIN) (DISPLAYFROM) UTF-8 ALL
        * ESEARCH .*MIN 1 COUNT 3
    """),
    ("thread", r"""
        sim deliver r5_1 received=1600000005
        sim deliver r6_1 received=1600000006
        1 SELECT BOX
        clear
        1 THREAD REFERENCES UTF-8 ALL
        * THREAD \(1 \(4\)\(5\)\)\(2\)\(3\)
        1 UID THREAD REFS UTF-8 ALL
        * THREAD .*\(1 \(4\)\(5\)\)
        1 THREAD ORDEREDSUBJECT UTF-8 ALL
        * THREAD
        requests 0
    """),
    ("list-extended", r"""
        1 CREATE BOX/one/two
        1 SUBSCRIBE BOX/one/two
        1 LIST (SUBSCRIBED RECURSIVEMATCH) "" "BOX/%"
        * BOX/one \(CHILDINFO
        1 LIST "" (BOX BOX/one/two) RETURN (CHILDREN SUBSCRIBED)
        * HasChildren.* BOX$
        * Subscribed.*HasNoChildren.*BOX/one/two|HasNoChildren.*Subscribed.*BOX/one/two
        ! BOX/one$
        1 LIST (SPECIAL-USE) "" "*"
        * \\Sent
        ! INBOX
    """),
    ("list-status", r"""
        sim patch m1 isRead=true
        1 LIST "" BOX RETURN (STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ))
        * LIST .* BOX$
        * STATUS BOX \(MESSAGES 3 UIDNEXT 4 UIDVALIDITY \d+ UNSEEN 2 HIGHESTMODSEQ \d+\)
    """),
    ("status: SIZE", r"""
        1 STATUS BOX (MESSAGES SIZE)
        * SIZE [1-9]\d\d\d*
        clear
        1 STATUS BOX (SIZE)
        requests 1
    """),
    ("special-use: also in RETURN", r"""
        1 LIST "" "%" RETURN (SPECIAL-USE)
        * \\Drafts.* Drafts$
        * \\Trash.*"Deleted Items"
        * \\Junk.*"Junk Email"
        * \\Sent.*"Sent Items"
    """),
    ("create-special-use is not offered: the roles are Exchange's", r"""
        1 CAPABILITY
        * CAPABILITY .*SPECIAL-USE
        ! CREATE-SPECIAL-USE
        clear
        1 CREATE BOX/mine (USE (\Archive))
        NO USEATTR
        1 CREATE {=mine} (OTHER x USE (\Drafts \Sent))
        NO USEATTR
        requests 0
        1 LIST "" BOX/*
        ! mine
        1 CREATE {+=mine} (use (\Junk))
        NO USEATTR
        1 CREATE BOX/plain (USE ())
        1 CREATE BOX/also
        1 CREATE {+=other}
        1 CREATE
        BAD
        1 CREATE (USE (\Junk))
        BAD
        1 LIST "" BOX/* RETURN (SPECIAL-USE)
        * LIST \([^)]*\) "/" BOX/plain
        * LIST \([^)]*\) "/" BOX/also
        ! Archive.* BOX
        ! mine
    """),
    ("metadata of a mailbox and of the server", r"""
        1 SETMETADATA BOX (/private/comment {=My comment} /private/vendor/x "y")
        1 GETMETADATA BOX /private/comment
        * METADATA .*My comment
        2 GETMETADATA (DEPTH infinity) BOX /private
        * vendor/x
        1 SETMETADATA BOX (/private/comment NIL)
        1 GETMETADATA BOX /private/comment
        * comment NIL
        1 SETMETADATA "" (/private/vendor/z "of the server")
        1 GETMETADATA "" /private/vendor/z
        * of the server
    """),
    ("metadata stays with a folder that is renamed", r"""
        1 CREATE BOX/meta
        1 SETMETADATA BOX/meta (/private/comment "kept")
        1 RENAME BOX/meta BOX/meta2
        1 GETMETADATA BOX/meta2 /private/comment
        * kept
    """),
    ("binary", r"""
        1 APPEND BOX {p4}
        1 SELECT BOX
        1 FETCH 4 (BINARY.SIZE[2] BINARY.PEEK[1])
        * BINARY.SIZE\[2\] 3000
        * BINARY\[1\] .*Text of p4
        1 FETCH 4 (BINARY.PEEK[2]<0.10>)
        * BINARY\[2\]<0> ~?\{10\}
    """),
    ("binary: of what Graph makes anew", r"""
        sim deliver p5
        1 SELECT BOX
        1 FETCH 4 (BINARY.SIZE[2])
        * BINARY.SIZE\[2\] 3000
    """),
    ("preview without a download", r"""
        1 SELECT BOX
        clear
        1 FETCH 1:3 (PREVIEW)
        * 1 FETCH .*Text of m1
        * 3 FETCH .*Text of m3
        1 FETCH 1:3 (PREVIEW (LAZY))
        * Text of m2
        requests 0
    """),
    ("preview of what was appended here", r"""
        1 APPEND BOX {h4}
        1 SELECT BOX
        clear
        1 FETCH 4 (PREVIEW)
        * Text of h4
        requests 0
    """),
    ("savedate", r"""
        1 APPEND BOX "02-Jan-2001 03:04:05 +0000" {m4}
        1 SELECT BOX
        1 FETCH 4 (SAVEDATE INTERNALDATE)
        * INTERNALDATE "02-Jan-2001 03:04:05 \+0000"
        ! SAVEDATE "02-Jan-2001
        1 SEARCH SAVEDSINCE 1-Jan-2025
        * SEARCH 4
        sim deliver m5 received=1500000000
        1 NOOP
        1 SEARCH SAVEDSINCE 1-Jan-2025
        * SEARCH 4 5
        1 COPY 1 BOX
        1 NOOP
        1 SEARCH SAVEDSINCE 1-Jan-2025
        * SEARCH 4 5 6
    """),
    ("multiappend", r"""
        1 APPEND BOX (\Seen) {m4} (\Flagged kw) "02-Jan-2001 03:04:05 +0000" {m5} {m6}
        OK APPENDUID \d+ (4:6|4,5,6)
        graph BOX m1 m2 m3 m4 m5 m6
        graph m5 flag=flagged categories=kw|
        graph m4 isRead=true
    """),
    ("multiappend: all or none", r"""
        1 SELECT BOX
        sim fault method=POST path=messages$ status=400 code=ErrorInvalidRecipients skip=1 count=9
        1 APPEND BOX {m4} {m5} {m6}
        NO
        sim faults/clear
        graph BOX m1 m2 m3
        1 NOOP
        ! EXISTS
    """),
    ("catenate", r"""
        1 APPEND BOX {m4}
        1 SELECT BOX
        * UIDVALIDITY (?P<val>\d+)
        1 APPEND BOX CATENATE (TEXT {=Subject: glued\r\n\r\n} URL "/BOX;UIDVALIDITY=$val/;UID=4/;SECTION=TEXT" TEXT {=end\r\n})
        OK APPENDUID \d+ (?P<uid>\d+)
        1 NOOP
        1 UID FETCH $uid (BODY.PEEK[])
        * Subject: glued\r\n\r\nText of m4.*end
    """),
    ("catenate: of a message that is gone", r"""
        1 SELECT BOX
        1 APPEND BOX CATENATE (URL "/BOX/;UID=99")
        NO BADURL
        graph BOX m1 m2 m3
    """),
    ("compress", r"""
        1 COMPRESS DEFLATE
        1 SELECT BOX
        * 3 EXISTS
        1 APPEND BOX {+p4}
        1 FETCH 4 (BODY.PEEK[])
        * p4.bin
    """),
    ("id", r"""
        1 ID ("name" "transcript" "version" "1")
        * ID \("name" "Dovecot"
    """),
    ("enable and namespace", r"""
        1 ENABLE CONDSTORE QRESYNC UTF8=ACCEPT
        * ENABLED .*QRESYNC
        1 NAMESPACE
        * NAMESPACE \(\("" "/"\)\) NIL NIL
    """),
    ("unselect keeps what close would expunge", r"""
        1 SELECT BOX
        1 STORE 1 +FLAGS (\Deleted)
        1 UNSELECT
        graph BOX m1 m2 m3
        1 SELECT BOX
        1 CLOSE
        graph BOX m2 m3
    """),
    ("within", r"""
        sim deliver m4 received=1790000000
        1 SELECT BOX
        1 SEARCH OLDER 100000000
        * SEARCH 1 2 3$
    """),
    ("idle", r"""
        1 SELECT BOX
        1 IDLE
        sim deliver m4
        1? 4 EXISTS
        sim delete m1
        1? 1 EXPUNGE
        sim patch m3 isRead=true
        1? FETCH .*Seen
        1 DONE
    """),
    ("examine is read-only", r"""
        1 EXAMINE BOX
        OK READ-ONLY
        1 FETCH 1 (BODY[])
        1 STORE 1 +FLAGS (\Flagged)
        NO|OK
        graph m1 isRead=false flag=notFlagged
    """),
]


@pytest.fixture(scope="module")
def rig():
    rig = transcript.polling_rig(SCENARIOS)
    yield rig
    rig.close()


@pytest.mark.parametrize("name,text", SCENARIOS,
                         ids=transcript.ids(SCENARIOS))
def test_feature(rig, name, text):
    transcript.Scenario(rig, rig.boxes[name]).run(text)
    assert rig.log_errors() == []
