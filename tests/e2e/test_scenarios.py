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

OTHERS = [
    ("new mail by others appears in both sessions", r"""
        1 SELECT BOX
        2 SELECT BOX
        sim deliver m4
        1 NOOP
        * 4 EXISTS
        2 NOOP
        * 4 EXISTS
        2 UID FETCH 4 (ENVELOPE)
        * <m4@
    """),
    ("a deletion by others appears in both sessions", r"""
        1 SELECT BOX
        2 SELECT BOX
        sim delete m1
        2 NOOP
        * 1 EXPUNGE
        1 NOOP
        * 1 EXPUNGE
        1 UID FETCH 2 (FLAGS)
        * UID 2
    """),
    ("FETCH shows no EXPUNGE, NOOP does", r"""
        1 SELECT BOX
        2 SELECT BOX
        2 STORE 2 +FLAGS (\Deleted)
        2 EXPUNGE
        1 FETCH 3 (FLAGS)
        ! EXPUNGE
        1 NOOP
        * 2 EXPUNGE
    """),
    ("a message that is gone while it is fetched", r"""
        1 SELECT BOX
        sim delete m2
        1 FETCH 1:3 (BODY.PEEK[])
        NO|OK
        * 1 FETCH .*m1@
        1 NOOP
        * 2 EXPUNGE
        1 FETCH 1:2 (BODY.PEEK[HEADER])
        * m3@
    """),
    ("a STORE on a message that others have deleted", r"""
        1 SELECT BOX
        sim delete m2
        1 STORE 1:3 +FLAGS (\Flagged)
        graph m1 flag=flagged
        graph m3 flag=flagged
        1 NOOP
        * 2 EXPUNGE
    """),
    ("a STORE on a message that others have moved away", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        sim move m2 folder=BOX/sub
        1 UID STORE 2 +FLAGS (\Answered)
        * 2 EXPUNGE
        graph BOX/sub m2
        1 SELECT BOX/sub
        * 1 EXISTS
    """),
    ("an EXPUNGE never follows a message that others have moved", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        1 STORE 2 +FLAGS (\Deleted)
        sim move m2 folder=BOX/sub
        1 EXPUNGE
        graph BOX/sub m2
        graph BOX m1 m3
    """),
    ("COPY of a message that others have deleted is refused", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        sim delete m2
        1 COPY 1:3 BOX/sub
        NO
        graph BOX/sub
    """),
    ("MOVE of a message that others have moved first", r"""
        1 CREATE BOX/sub
        1 CREATE BOX/two
        1 SELECT BOX
        sim move m1 folder=BOX/two
        1 MOVE 1 BOX/sub
        NO|OK
        1 NOOP
        1 SELECT BOX/sub
        2 SELECT BOX/two
        2 UID SEARCH ALL
    """),
    ("two flags by two sides merge", r"""
        1 SELECT BOX
        sim patch m1 isRead=true
        1 STORE 1 +FLAGS (\Flagged)
        1 NOOP
        1 FETCH 1 (FLAGS)
        * \\Flagged.*\\Seen|\\Seen.*\\Flagged
        graph m1 isRead=true flag=flagged
    """),
    ("two keywords by two sides merge", r"""
        1 SELECT BOX
        sim patch m1 categories=theirs|
        1 STORE 1 +FLAGS (mine)
        graph m1 categories=theirs|mine
        1 NOOP
        1 FETCH 1 (FLAGS)
        * mine theirs|theirs mine
    """),
    ("a keyword that others have taken away stays away", r"""
        1 SELECT BOX
        1 STORE 1 +FLAGS (one two)
        sim patch m1 categories=two|
        1 STORE 1 +FLAGS (three)
        graph m1 categories=two|three
        1 NOOP
        1 FETCH 1 (FLAGS)
        ! FLAGS .* one
    """),
    ("the last word is the last one's", r"""
        1 SELECT BOX
        1 STORE 1 +FLAGS (\Seen)
        sim patch m1 isRead=false
        1 NOOP
        * 1 FETCH \(FLAGS \((\\Recent)?\)\)
        1 STORE 1 +FLAGS (\Seen)
        graph m1 isRead=true
    """),
    ("STORE by both sessions on one message", r"""
        1 SELECT BOX
        2 SELECT BOX
        1 STORE 1 +FLAGS (\Flagged)
        2 STORE 1 +FLAGS (\Answered)
        * 1 FETCH .*\\Answered.*\\Flagged
        1 NOOP
        * 1 FETCH .*\\Answered.*\\Flagged
        graph m1 flag=flagged verb=102
    """),
    ("STORE FLAGS replaces, and says what it could not", r"""
        1 SELECT BOX
        1 STORE 1 +FLAGS (\Seen \Flagged kw)
        1 STORE 1 FLAGS (\Answered)
        * 1 FETCH .*\\Answered
        ! Flagged
        graph m1 isRead=false flag=notFlagged categories=| verb=102
    """),
    ("FETCH BODY[] marks as read, also for others", r"""
        1 SELECT BOX
        2 SELECT BOX
        1 FETCH 1 (BODY[TEXT])
        * \\Seen
        graph m1 isRead=true
        2 NOOP
        * 1 FETCH .*\\Seen
    """),
    ("both sessions expunge the same message", r"""
        1 SELECT BOX
        2 SELECT BOX
        1 STORE 1 +FLAGS (\Deleted)
        2 NOOP
        1 EXPUNGE
        * 1 EXPUNGE
        2 EXPUNGE
        graph BOX m2 m3
        2 NOOP
        ! 2 EXPUNGE
    """),
    ("the mailbox is emptied by others", r"""
        1 SELECT BOX
        sim folder op=empty path=BOX
        1 NOOP
        * 3 EXPUNGE|1 EXPUNGE
        1 SEARCH ALL
        * SEARCH$
        1 APPEND BOX {m4}
        * 1 EXISTS
        1 FETCH 1 (UID)
        * UID 4
    """),
    ("a to b to a between two looks keeps the message", r"""
        1 CREATE BOX/b
        1 SELECT BOX
        2 SELECT BOX/b
        sim move m1 folder=BOX/b
        2 NOOP
        * 1 EXISTS
        sim move m1 folder=BOX
        2 NOOP
        * 1 EXPUNGE
        1 NOOP
        1 FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])
        * <m1@
    """),
    ("flags set in the folder where it went come back with it", r"""
        1 CREATE BOX/b
        1 SELECT BOX
        1 MOVE 1 BOX/b
        sim patch m1 flag=flagged
        sim move m1 folder=BOX
        1 NOOP
        * 3 EXISTS
        1 FETCH 3 (UID FLAGS)
        * UID 4 FLAGS .*Flagged
    """),
]

FOLDERS = [
    ("the selected folder is renamed by others", r"""
        1 CREATE BOX/x
        1 APPEND BOX/x {m5}
        1 SELECT BOX/x
        * UIDVALIDITY (?P<val>\d+)
        sim folder op=rename path=BOX/x name=y
        1 NOOP
        1 FETCH 1 (BODY.PEEK[])
        * m5@
        wait 1.1
        2 LIST "" BOX/*
        * BOX/y
        ! BOX/x
        2 SELECT BOX/y
        * UIDVALIDITY $val
    """),
    ("the selected folder is moved by others", r"""
        1 CREATE BOX/x
        1 CREATE BOX/z
        1 APPEND BOX/x {m5}
        1 SELECT BOX/x
        sim folder op=move path=BOX/x to=BOX/z
        1 NOOP
        1 STORE 1 +FLAGS (\Flagged)
        graph m5 flag=flagged
        wait 1.1
        2 SELECT BOX/z/x
        * 1 EXISTS
    """),
    ("a folder renamed by the other session", r"""
        1 CREATE BOX/x
        1 APPEND BOX/x {m5}
        1 SELECT BOX/x
        2 RENAME BOX/x BOX/y
        1 NOOP
        1 FETCH 1 (FLAGS)
        * FETCH
        2 SELECT BOX/y
        * 1 EXISTS
        2 SELECT BOX/x
        NO
    """),
    ("a folder with children is renamed", r"""
        1 CREATE BOX/p/q
        1 APPEND BOX/p/q {m5}
        1 RENAME BOX/p BOX/r
        1 SELECT BOX/r/q
        * 1 EXISTS
        graph BOX/r/q m5
    """),
    ("a folder with children cannot be deleted first", r"""
        1 CREATE BOX/p/q
        1 DELETE BOX/p
        NO
        1 DELETE BOX/p/q
        1 DELETE BOX/p
    """),
    ("CREATE of what is there", r"""
        1 CREATE BOX
        NO ALREADYEXISTS
        1 CREATE INBOX
        NO
    """),
    ("RENAME to what is there", r"""
        1 CREATE BOX/x
        1 CREATE BOX/y
        1 RENAME BOX/x BOX/y
        NO
        1 RENAME BOX/nosuch BOX/z
        NO NONEXISTENT
    """),
    ("default folders stay", r"""
        1 DELETE "Sent Items"
        NO
        1 RENAME "Deleted Items" Bin
        NO
        1 DELETE INBOX
        NO
    """),
    ("a name with odd characters", r"""
        1 CREATE "BOX/a &- b (c) [d]"
        1 LIST "" BOX/*
        * a &- b
        1 SELECT "BOX/a &- b (c) [d]"
        1 RENAME "BOX/a &- b (c) [d]" BOX/plain
        1 DELETE BOX/plain
    """),
    ("delete and create again: another UIDVALIDITY", r"""
        1 CREATE BOX/x
        1 SELECT BOX/x
        * UIDVALIDITY (?P<val>\d+)
        1 UNSELECT
        1 DELETE BOX/x
        1 CREATE BOX/x
        1 SELECT BOX/x
        ! UIDVALIDITY $val
    """),
    ("subscriptions are ours and outlive the folder", r"""
        1 CREATE BOX/x
        1 SUBSCRIBE BOX/x
        1 LSUB "" BOX/*
        * BOX/x
        1 DELETE BOX/x
        1 LSUB "" BOX/*
        * BOX/x
        1 UNSUBSCRIBE BOX/x
    """),
    ("STATUS of a folder that others fill", r"""
        1 SELECT INBOX
        1 STATUS BOX (MESSAGES UNSEEN)
        * MESSAGES 3 UNSEEN 3
        sim deliver m4
        sim patch m1 isRead=true
        1 STATUS BOX (MESSAGES UNSEEN UIDNEXT)
        * MESSAGES 4 UIDNEXT 5 UNSEEN 3
    """),
    ("STATUS of what is not there", r"""
        1 STATUS BOX/nosuch (MESSAGES)
        NO exist
        1 SELECT BOX/nosuch
        NO exist
        1 APPEND BOX/nosuch {m4}
        NO TRYCREATE
        1 COPY 1 BOX/nosuch
        BAD|NO
    """),
    ("the delta link called not found twice is given up", r"""
        1 SELECT BOX
        sim fault path=messages/delta status=404 code=ErrorItemNotFound
        sim deliver m4
        1 NOOP
        sim fault path=messages/delta\?\$deltatoken status=404 code=ErrorItemNotFound count=99
        1 NOOP
        * 4 EXISTS
        sim faults/clear
        1 FETCH 1:* (UID)
        * 1 FETCH \(UID 1\)
    """),
]

WRITES = [
    (f"{name}: APPEND, the same bytes, and again in a new session", r"""
        1 APPEND BOX (\Flagged) "02-Jan-2001 03:04:05 +0000" {%s}
        OK APPENDUID
        1 SELECT BOX
        1 FETCH 4 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[] BODYSTRUCTURE)
        * \\Flagged
        * 02-Jan-2001 03:04:05
        * <%s@
        1 COPY 4 BOX
        * 5 EXISTS
        1 FETCH 5 (BODY.PEEK[])
        * <%s@
        end 1
        1 SELECT BOX
        1 FETCH 4:5 (INTERNALDATE)
        * 5 FETCH .*02-Jan-2001
        graph BOX m1 m2 m3 %s %s
    """ % ((kind + "7",) * 5))
    for name, kind in (("plain", "m"), ("attachment", "p"), ("HTML", "h"),
                       ("inline image", "i"), ("message inside", "n"))
] + [
    ("APPEND with waiting literals", r"""
        1 APPEND BOX (\Seen) {+m4}
        OK APPENDUID
        1 SELECT BOX
        1 FETCH 4 (FLAGS BODY.PEEK[TEXT])
        * \\Seen.*Text of m4
    """),
    ("APPEND to the selected folder is seen at once", r"""
        1 SELECT BOX
        2 SELECT BOX
        1 APPEND BOX {m4}
        * 4 EXISTS
        2 NOOP
        * 4 EXISTS
        2 FETCH 4 (BODY.PEEK[])
        * m4@
    """),
    ("APPEND with a date far away", r"""
        1 APPEND BOX "01-Jan-1970 00:00:01 +0000" {m4}
        1 APPEND BOX "31-Dec-2019 23:59:59 -1200" {m5}
        1 SELECT BOX
        1 FETCH 4:5 (INTERNALDATE)
        * 4 FETCH .*01-Jan-1970 00:00:01
        * 5 FETCH .*0[01]-Jan-2020 11:59:59
    """),
    ("APPEND of nothing but a header", r"""
        1 APPEND BOX {=Subject: only\r\n\r\n}
        1 SELECT BOX
        1 FETCH 4 (RFC822.SIZE BODY.PEEK[])
        * RFC822.SIZE 17.*Subject: only
    """),
    ("APPEND of no mail at all", r"""
        1 APPEND BOX {=x}
        1 SELECT BOX
        1 FETCH 4 (BODY.PEEK[])
        * BODY\[\] \{
    """),
    ("APPEND of 8-bit text", r"""
        1 APPEND BOX {=Subject: caf\xe9\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nna\xefve\r\n}
        1 SELECT BOX
        1 SEARCH CHARSET UTF-8 TEXT caf
        * SEARCH 4
        1 FETCH 4 (BODY.PEEK[])
        * caf
    """),
    ("APPEND whose answer is lost is there once", r"""
        1 SELECT BOX
        sim fault method=POST path=messages$ phase=after reset=true
        1 APPEND BOX {m4}
        OK APPENDUID
        graph BOX m1 m2 m3 m4
        1 NOOP
        1 SEARCH ALL
        * SEARCH 1 2 3 4$
    """),
    ("APPEND that never arrived is sent again", r"""
        sim fault method=POST path=messages$ reset=true
        1 APPEND BOX {m4}
        OK APPENDUID
        graph BOX m1 m2 m3 m4
    """),
    ("a draft stays a draft, elsewhere nothing is one", r"""
        1 APPEND BOX (\Draft \Seen) {m4}
        1 APPEND BOX (\Seen) {m5}
        graph m4 isDraft=true
        graph m5 isDraft=false
        1 SELECT BOX
        1 SEARCH DRAFT
        * SEARCH 4$
        1 STORE 4 -FLAGS (\Draft)
        1 FETCH 4 (FLAGS)
        * \\Draft
    """),
    ("COPY keeps flags and keywords", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        1 STORE 1 +FLAGS (\Seen \Flagged \Answered kw)
        1 COPY 1 BOX/sub
        1 SELECT BOX/sub
        1 FETCH 1 (FLAGS)
        * \\Answered \\Flagged.*\\Seen.*kw
    """),
    ("MOVE keeps flags, keywords and the date", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        1 STORE 1 +FLAGS (\Flagged $Forwarded kw)
        1 FETCH 1 (INTERNALDATE)
        * (?P<date>INTERNALDATE "[^"]*")
        1 MOVE 1 BOX/sub
        1 SELECT BOX/sub
        1 FETCH 1 (FLAGS INTERNALDATE)
        * \\Flagged.*\$Forwarded.*kw.*$date|\\Flagged.*kw.*\$Forwarded.*$date
    """),
    ("MOVE there and back gives a new UID", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        1 MOVE 1 BOX/sub
        1 SELECT BOX/sub
        1 MOVE 1 BOX
        1 SELECT BOX
        1 UID SEARCH ALL
        * SEARCH 2 3 4$
        graph BOX m1 m2 m3
    """),
    ("COPY into itself", r"""
        1 SELECT BOX
        1 COPY 2 BOX
        OK COPYUID \d+ 2 4
        1 NOOP
        1 FETCH 4 (ENVELOPE)
        * <m2@
    """),
    ("COPY with a lost answer is there once", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        sim fault method=POST path=batch phase=after reset=true
        1 COPY 1:3 BOX/sub
        OK COPYUID
        graph BOX/sub m1 m2 m3
    """),
    ("MOVE with a lost answer is there once", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        sim fault method=POST path=batch phase=after reset=true
        1 MOVE 1:2 BOX/sub
        graph BOX/sub m1 m2
        graph BOX m3
    """),
    ("EXPUNGE with a lost answer takes no other", r"""
        1 SELECT BOX
        1 STORE 1:2 +FLAGS (\Deleted)
        sim fault method=POST path=batch phase=after reset=true skip=1
        1 EXPUNGE
        1 NOOP
        graph BOX m3
    """),
]

READS = [
    ("Thunderbird opens a folder", r"""
        1 SELECT BOX
        clear
        1 UID FETCH 1:* (FLAGS)
        * 1 FETCH \(UID 1 FLAGS
        1 UID FETCH 1:3 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])
        * RFC822.SIZE \d+.*Subject: subject 1.*Message-ID: <m1@
        requests 0
        1 UID FETCH 2 (UID RFC822.SIZE BODY.PEEK[])
        * UID 2 RFC822.SIZE (?P<size>\d+) BODY\[\] \{(?P=size)\}
        requests 1
        1 UID STORE 2 +FLAGS (\Seen)
        graph m2 isRead=true
        1 IDLE
        1 DONE
    """),
    ("Thunderbird reads in chunks", r"""
        sim deliver p4
        1 SELECT BOX
        clear
        1 UID FETCH 4 (UID BODY.PEEK[HEADER] BODYSTRUCTURE)
        * p4.bin
        1 UID FETCH 4 (UID BODY.PEEK[]<0.1000>)
        * BODY\[\]<0> \{1000\}
        1 UID FETCH 4 (UID BODY.PEEK[]<1000.1000>)
        * BODY\[\]<1000> \{1000\}
        1 UID FETCH 4 (BODY.PEEK[2.MIME] BODY.PEEK[2]<10.20>)
        * BODY\[2\]<10> \{20\}
        requests 1
    """),
    ("Thunderbird deletes into the trash", r"""
        1 SELECT BOX
        1 UID COPY 2 "Deleted Items"
        1 UID STORE 2 +FLAGS (\Deleted \Seen)
        1 EXPUNGE
        graph BOX m1 m3
        1 SELECT "Deleted Items"
        1 SEARCH HEADER Message-ID <m2@BOX>
        * SEARCH \d
    """),
    ("Outlook and iOS: RFC822.HEADER and FAST, ALL, FULL", r"""
        1 SELECT BOX
        1 FETCH 1 (RFC822.HEADER RFC822.SIZE)
        * Subject: subject 1
        1 FETCH 1 FAST
        * INTERNALDATE.*RFC822.SIZE
        1 FETCH 2 ALL
        * ENVELOPE
        1 FETCH 3 FULL
        * BODY \(
    """),
    ("search by what a listing tells costs nothing", r"""
        sim patch m2 flag=flagged
        1 SELECT BOX
        clear
        1 SEARCH FLAGGED SUBJECT "subject 2" FROM ann2 TO alice
        * SEARCH 2$
        1 SEARCH SINCE 1-Jan-2020 SENTBEFORE 4-Sep-2020 HEADER Message-ID m1
        * SEARCH 1$
        1 SEARCH OR SUBJECT 1 SUBJECT 3 UNSEEN LARGER 1 KEYWORD nosuch
        * SEARCH$
        requests 0
    """),
    ("search in bodies", r"""
        sim deliver h4
        1 SELECT BOX
        1 SEARCH BODY w2ord
        * SEARCH 2$
        1 SEARCH TEXT "Text of"
        * SEARCH 1 2 3 4
        clear
        1 SEARCH BODY w3ord
        * SEARCH 3$
        requests 0
    """),
    ("keywords with odd names come as atoms and go back", r"""
        sim patch m1 categories=Red_category|ümläut,x|(paren)
        1 SELECT BOX
        1 FETCH 1 (FLAGS)
        * =5F
        1 STORE 1 +FLAGS (plain)
        graph m1 categories=Red_category|ümläut,x|(paren)|plain
    """),
    ("two names that differ by case only", r"""
        sim patch m1 categories=Work|WORK
        1 SELECT BOX
        1 STORE 1 +FLAGS (\Flagged)
        graph m1 categories=Work|WORK
        1 STORE 1 -FLAGS (work)
        graph m1 categories=|
    """),
    ("a category that others rename", r"""
        sim patch m1 categories=old|
        1 SELECT BOX
        1 SEARCH KEYWORD old
        * SEARCH 1$
        sim patch m1 categories=new|
        1 NOOP
        * 1 FETCH .*new
        1 SEARCH KEYWORD old
        * SEARCH$
    """),
    ("a body that cannot be had just now is a NO", r"""
        1 SELECT BOX
        sim fault path=value status=503 count=99
        1 FETCH 1 (BODY.PEEK[])
        NO
        1 FETCH 1:3 (ENVELOPE)
        * m3@
        sim faults/clear
        1 FETCH 1 (BODY.PEEK[])
        * m1@
    """),
    ("a copy whose answer does not name it", r"""
        1 CREATE BOX/sub
        1 SELECT BOX
        sim fault path=copy$ phase=after inner=true omit=id
        1 COPY 1 BOX/sub
        OK
        1 STATUS BOX/sub (MESSAGES)
        * MESSAGES 1
    """),
    ("a category that is too long for a keyword", rf"""
        1 SELECT BOX
        sim patch m1 categories={"x" * 70000}|short
        1 NOOP
        1 FETCH 1 (FLAGS)
        * FLAGS .*short
        ! xxx
        1 STORE 1 +FLAGS (other)
        2 SELECT BOX
        2 FETCH 1 (FLAGS)
        * short.*other|other.*short
    """),
    ("EXAMINE changes nothing, SELECT does", r"""
        1 EXAMINE BOX
        1 FETCH 1 (BODY[])
        graph m1 isRead=false
        1 SELECT BOX
        1 FETCH 1 (BODY[])
        graph m1 isRead=true
    """),
    ("IDLE hears the other session", r"""
        1 SELECT BOX
        1 IDLE
        2 APPEND BOX {m4}
        1? 4 EXISTS
        2 SELECT BOX
        2 STORE 1 +FLAGS (\Flagged)
        1? 1 FETCH .*Flagged
        2 STORE 2 +FLAGS (\Deleted)
        2 EXPUNGE
        1? 2 EXPUNGE
        1 DONE
    """),
]

SCENARIOS = REFUSED + SIZES + OTHERS + FOLDERS + WRITES + READS


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
