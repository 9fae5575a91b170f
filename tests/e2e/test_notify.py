"""NOTIFY (RFC 5465) of folders that are not selected."""

import re
import socket
import time

import pytest

import transcript
from rig import Rig

ALL = ("(MessageNew MessageExpunge FlagChange MailboxName "
       "SubscriptionChange)")
# as they are, in literals, or from 2.4.5 on as mUTF-7
SIZE = "(?:Größe|Gr&APYA3w-e)"
JAPANESE = "(?:日本語|&ZeVnLIqe-)"
GREEK = "(?:Ελληνικά|&A5UDuwO7A7cDvQO5A7oDrA-)"
SCENARIOS = [
    ("mail that comes, is read and goes", rf"""
        1 NOTIFY SET (personal {ALL})
        sim deliver m4
        1? STATUS BOX \(MESSAGES 4 UIDNEXT 5 UNSEEN 4
        sim patch m1 isRead=true
        1? STATUS BOX \(UNSEEN 3
        sim delete m2
        1? STATUS BOX \(MESSAGES 3 UIDNEXT 5 UNSEEN 2
    """),
    ("what comes is what STATUS then says", rf"""
        1 NOTIFY SET (personal {ALL})
        sim deliver m4 m5 m6
        sim delete m1
        1? STATUS BOX \(MESSAGES 5 UIDNEXT 7 UNSEEN 5
        1 STATUS BOX (MESSAGES UIDNEXT UNSEEN)
        * STATUS BOX \(MESSAGES 5 UIDNEXT 7 UNSEEN 5\)
    """),
    ("a message moved by Outlook, in both folders", rf"""
        sim folder op=create path=BOX/to
        1 STATUS BOX/to (MESSAGES)
        1 NOTIFY SET (personal {ALL})
        sim move m1 folder=BOX/to
        1? STATUS BOX \(MESSAGES 2 UIDNEXT 4 UNSEEN 2
        sim move m2 folder=BOX/to
        1? STATUS BOX/to \(MESSAGES 2 UIDNEXT 3 UNSEEN 2
    """),
    ("a flag that is not \\Seen, with CONDSTORE", rf"""
        1 ENABLE CONDSTORE
        1 NOTIFY SET (personal {ALL})
        sim patch m1 flag=flagged
        1? STATUS BOX \(.*HIGHESTMODSEQ \d+
    """),
    ("flags and categories of every kind, with CONDSTORE", rf"""
        1 ENABLE CONDSTORE
        1 NOTIFY SET (personal {ALL})
        sim patch m2 categories=Red|Blue
        1? STATUS BOX \(.*HIGHESTMODSEQ (?P<first>\d+)
        sim patch m2 verb=102
        1? STATUS BOX \(.*HIGHESTMODSEQ (?!$first\b)\d+
    """),
    ("folders with names that are not ASCII", rf"""
        sim folder op=create path=BOX/Größe
        sim folder op=create path=BOX/a&b
        1 STATUS BOX/Gr&APYA3w-e (MESSAGES)
        1 STATUS BOX/a&-b (MESSAGES)
        1 NOTIFY SET (personal {ALL})
        sim deliver m4 folder=BOX/Größe
        1? STATUS (?:.\d+.\s+)?BOX/{SIZE} \(MESSAGES 1 UIDNEXT 2 UNSEEN 1
        sim patch m4 isRead=true
        1? STATUS (?:.\d+.\s+)?BOX/{SIZE} \(UNSEEN 0
        sim deliver m5 folder=BOX/a&b
        1? STATUS (?:.\d+.\s+)?BOX/a&-?b \(MESSAGES 1
        sim folder op=create path=BOX/Größe/日本語
        1? LIST \(.*\) "/" (?:.\d+.\s+)?BOX/{SIZE}/{JAPANESE}
        sim folder op=rename path=BOX/Größe/日本語 name=Ελληνικά
        1? LIST \(.*\) "/" (?:.\d+.\s+)?BOX/{SIZE}/{GREEK} \("OLDNAME" \((?:.\d+.\s+)?BOX/{SIZE}/{JAPANESE}\)\)
        sim folder op=delete path=BOX/Größe/Ελληνικά
        1? LIST \(\\NonExistent\) "/" (?:.\d+.\s+)?BOX/{SIZE}/{GREEK}
    """),
    ("STATUS of all at once", rf"""
        1 NOTIFY SET STATUS (personal {ALL})
        * STATUS BOX \(MESSAGES 3 UIDNEXT 4 UIDVALIDITY \d+ UNSEEN 3 HIGH
        * STATUS INBOX
        sim deliver m4
        1? STATUS BOX \(MESSAGES 4
    """),
    ("folders made, renamed, moved and deleted by Outlook", rf"""
        1 NOTIFY SET (personal {ALL})
        sim folder op=create path=BOX/new
        1? LIST \(.*HasNoChildren.*\) "/" BOX/new$
        sim folder op=rename path=BOX/new name=old
        1? LIST \(.*\) "/" BOX/old \("OLDNAME" \(BOX/new\)\)
        sim deliver m4 folder=BOX/old
        1? STATUS BOX/old \(MESSAGES 1
        sim folder op=delete path=BOX/old
        1? LIST \(\\NonExistent\) "/" BOX/old
    """),
    ("a folder with others in it", rf"""
        sim folder op=create path=BOX/a
        sim folder op=create path=BOX/a/b
        1 LIST "" BOX/*
        1 NOTIFY SET (personal {ALL})
        sim folder op=rename path=BOX/a name=z
        1? LIST \(.*\) "/" BOX/z(?P<one>|/b) \("OLDNAME" \(BOX/a(?P=one)\)\)
        1? LIST \(.*\) "/" BOX/z(?!$one )(|/b) \("OLDNAME" \(BOX/a\1\)\)
    """),
    ("only what is asked for", r"""
        1 NOTIFY SET (subtree BOX (MailboxName))
        sim deliver m4
        sim folder op=create path=Other
        sim folder op=create path=BOX/new
        1? ^\* LIST .* BOX/new
        1 NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge))
        sim deliver m5
        sim deliver m6 folder=INBOX
        1? ^\* STATUS INBOX
        1 NOTIFY NONE
        sim deliver m7
        wait 3
        1 NOOP
        ! STATUS
    """),
    ("beside IDLE and the selected mailbox", rf"""
        sim folder op=create path=BOX/else
        1 SELECT BOX
        1 NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (personal {ALL})
        1 IDLE
        sim deliver m4
        1? ^\* 4 EXISTS
        sim deliver m5 folder=BOX/else
        1? ^\* STATUS BOX/else \(MESSAGES 1
        sim delete m1
        1? ^\* 1 EXPUNGE
        sim patch m2 isRead=true
        1? ^\* 1 FETCH .*Seen
        1 DONE
        ! STATUS BOX "?\(
        1 FETCH 1:* (FLAGS)
        * 1 FETCH .*Seen
        * 3 FETCH
    """),
    ("without IDLE, the selected mailbox too", rf"""
        1 SELECT BOX
        1 NOTIFY SET (selected (MessageNew (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]) MessageExpunge)) (personal {ALL})
        sim deliver m4
        1? ^\* 4 FETCH .*(?s:.)*subject 4
        sim deliver m5 folder=INBOX
        1? ^\* STATUS INBOX
    """),
    ("two sessions hear the same", rf"""
        1 NOTIFY SET (personal {ALL})
        2 NOTIFY SET (personal {ALL})
        sim deliver m4
        1? STATUS BOX \(MESSAGES 4
        2? STATUS BOX \(MESSAGES 4
        sim folder op=create path=BOX/new
        1? LIST .* BOX/new
        2? LIST .* BOX/new
    """),
    ("what the session does itself", rf"""
        1 NOTIFY SET (personal {ALL})
        1 APPEND BOX {{m4}}
        1? STATUS BOX \(MESSAGES 4
        1 CREATE BOX/mine
        1? LIST .* BOX/mine
    """),
]
# of another client, at once: nobody polls
LOCAL = [
    ("a message stored, changed and expunged", rf"""
        1 STATUS BOX (MESSAGES)
        1 NOTIFY SET (personal {ALL})
        2 SELECT BOX
        2 APPEND BOX {{m4}}
        1? STATUS BOX \(MESSAGES 4 UIDNEXT 5 UNSEEN 4
        2 STORE 1 +FLAGS (\Seen)
        1? STATUS BOX \(UNSEEN 3
        2 STORE 2 +FLAGS (\Deleted)
        2 EXPUNGE
        1? STATUS BOX \(MESSAGES 3 UIDNEXT 5 UNSEEN 2
    """),
    ("a message copied and moved", rf"""
        2 CREATE BOX/to
        1 STATUS BOX/to (MESSAGES)
        1 STATUS BOX (MESSAGES)
        1 NOTIFY SET (personal {ALL})
        2 SELECT BOX
        2 COPY 1 BOX/to
        1? STATUS BOX/to \(MESSAGES 1 UIDNEXT 2 UNSEEN 1
        2 MOVE 2 BOX/to
        1? STATUS BOX \(MESSAGES 2 UIDNEXT 4 UNSEEN 2
    """),
    ("folders and subscriptions", rf"""
        1 LIST "" *
        1 NOTIFY SET (personal {ALL})
        2 CREATE BOX/new
        1? LIST .* BOX/new
        2 SUBSCRIBE BOX/new
        1? LIST \(.*Subscribed.*\) "/" BOX/new
        2 UNSUBSCRIBE BOX/new
        1? LIST \([^)]*\) "/" BOX/new
        2 RENAME BOX/new BOX/other
        1? LIST .* BOX/other \("OLDNAME" \(BOX/new\)\)
        2 DELETE BOX/other
        1? LIST \(\\NonExistent\) "/" BOX/other
    """),
    ("NOOP says it without delay", rf"""
        1 STATUS BOX (MESSAGES)
        1 NOTIFY SET (personal {ALL})
        2 APPEND BOX {{m4}}
        1 NOOP
        * STATUS BOX \(MESSAGES 4
    """),
]


def make_rig(scenarios, interval):
    rig = transcript.polling_rig(scenarios, interval)
    # folders that clients know already
    session = transcript.Session(rig.imap_port, rig.users[0])
    for box in [*rig.boxes.values(), "INBOX"]:
        session.run(f"STATUS {box} (MESSAGES)")
    session.close()
    return rig


@pytest.fixture(scope="module")
def rig():
    rig = make_rig(SCENARIOS, "1s")
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def quiet():
    rig = make_rig(LOCAL, "600s")
    yield rig
    rig.close()


@pytest.mark.parametrize("name,text", SCENARIOS,
                         ids=transcript.ids(SCENARIOS))
def test_by_others(rig, name, text):
    transcript.Scenario(rig, rig.boxes[name]).run(text)
    assert rig.log_errors() == []


@pytest.mark.parametrize("name,text", LOCAL, ids=transcript.ids(LOCAL))
def test_by_another_client(quiet, name, text):
    transcript.Scenario(quiet, quiet.boxes[name]).run(text)
    assert quiet.log_errors() == []


# What it costs, and what can go wrong

NAMES = [f"N{n:02}" for n in range(45)]


@pytest.fixture
def many():
    rig = Rig(settings={"msgraph_poll_interval": "2s"}).start()
    for name in NAMES:
        rig.sim("folder", op="create", path=name)
        rig.sim("deliver", folder=name, count=2)
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


def listen(rig, events=ALL, warm=True):
    session = transcript.Session(rig.imap_port, rig.users[0])
    if warm:
        session.run("LIST \"\" * RETURN (STATUS (MESSAGES))")
    tagged = session.run(f"NOTIFY SET (personal {events})")[1]
    assert tagged.startswith("OK"), tagged
    return session


def asked(rig):
    """(requests for folders, other requests, parts of batches for messages)"""
    outer, inner = rig.requests(), rig.requests(inner=True)
    folders = [e for e in outer if "mailFolders/delta" in e["path"]]
    return (len(folders), len(outer) - len(folders),
            len([e for e in inner if "/messages/delta" in e["path"]]))


def hear_all(session, patterns, seconds=20):
    """In any order."""
    rest, end, heard = set(patterns), time.time() + seconds, []
    while rest and time.time() < end:
        session.sock.settimeout(max(0.1, end - time.time()))
        try:
            heard.append(session.line())
        except socket.timeout:
            break
        finally:
            session.sock.settimeout(30)
        rest = {p for p in rest if not re.search(p, heard[-1])}
    assert not rest, (rest, heard)


def learn_counts(rig, session):
    """The folder delta is seen to tell of messages."""
    rig.sim("deliver", folder="N44")
    session.hear(r"STATUS N44 \(MESSAGES 3")


def test_idle_sessions_poll_once(many):
    sessions = [listen(many) for _ in range(4)]
    learn_counts(many, sessions[0])
    time.sleep(1)
    many.sim("log/clear")
    time.sleep(9)
    folders, others, parts = asked(many)
    assert 3 <= folders <= 6 and others == 0, (folders, others, parts)
    for session in sessions:
        session.close()


def test_news_of_one_folder_cost_one_request(many):
    """And the STATUS that tells them costs none."""
    session = listen(many)
    learn_counts(many, session)
    many.sim("log/clear")
    for count in (3, 4):
        many.sim("deliver", folder="N05")
        session.hear(rf"STATUS N05 \(MESSAGES {count}")
    folders, others, _ = asked(many)
    assert others == 2 and folders >= 2, (folders, others)
    session.close()


def test_only_folders_with_news_are_read(many):
    session = listen(many)
    learn_counts(many, session)
    many.sim("log/clear")
    changed = NAMES[3:30:3]
    for name in changed:
        many.sim("deliver", folder=name)
    hear_all(session, [rf"STATUS {name} \(MESSAGES 3 UIDNEXT 4 UNSEEN 3\)"
                       for name in changed])
    time.sleep(2.5)
    folders, others, parts = asked(many)
    # two polls may have shared the news; one that was read before its messages
    # had come is read again
    assert folders <= 5 and others <= 3, (folders, others, parts)
    assert parts <= 2 * len(changed), parts
    session.close()


def test_flags_are_found_by_the_round(many):
    """Ten polls: 20 s; three batches, not 45 requests."""
    session = listen(many)
    session.run("ENABLE CONDSTORE")
    learn_counts(many, session)
    many.sim("log/clear")
    ident = many.messages(folder="N07")[0]["id"]
    many.sim("patch", id=ident, flag="flagged")
    hear_all(session, [r"STATUS N07 \(HIGHESTMODSEQ \d+\)"], 45)
    folders, others, parts = asked(many)
    assert folders <= 24 and others <= 8, (folders, others, parts)
    session.close()


def test_folder_delta_without_counts(many):
    """Then all folders are read, twenty a request."""
    many.sim("switch", folder_counts="no")
    session = listen(many)
    many.sim("log/clear")
    many.sim("deliver", folder="N03")
    many.sim("deliver", folder="N40")
    hear_all(session, [rf"STATUS {name} \(MESSAGES 3 UIDNEXT 4 UNSEEN 3\)"
                       for name in ("N03", "N40")])
    time.sleep(4)
    folders, others, _ = asked(many)
    assert others <= 3 * folders, (folders, others)
    session.close()


def test_names_alone_cost_no_messages(many):
    session = listen(many, "(MailboxName)", warm=False)
    many.sim("log/clear")
    many.sim("deliver", folder="N03")
    many.sim("folder", op="create", path="Nnew")
    session.hear(r"LIST .* Nnew")
    time.sleep(3)
    folders, others, parts = asked(many)
    assert folders >= 1 and parts == 0
    # the default folders are asked for anew when folders have come
    assert others <= 2, others
    session.close()


def test_large_answer_is_not_broken_into(many):
    text = b"Subject: large\r\n\r\n" + b"x" * 12000000
    session = listen(many)
    learn_counts(many, session)
    many.sim("deliver", folder="INBOX", mime=text.decode())
    session.run("SELECT INBOX")
    session.send(b"f FETCH 1 (BODY.PEEK[])\r\n")
    many.sim("deliver", folder="N05")
    time.sleep(5)
    line = session.line()
    size = int(re.search(r"\{(\d+)\}", line[:200]).group(1))
    assert line.endswith("x") or line.rstrip().endswith(")")
    assert "STATUS" not in line[:200] + line[-200:]
    body = line[line.index("\r\n") + 2:]
    assert len(body) >= size and "STATUS" not in body
    session.hear(r"STATUS N05 \(MESSAGES 3")
    session.close()


def test_outage(many):
    session = listen(many)
    learn_counts(many, session)
    many.sim("fault", path="mailFolders", status=503, times=1000)
    many.sim("deliver", folder="N05")
    time.sleep(5)
    many.sim("faults/clear")
    session.hear(r"STATUS N05 \(MESSAGES 3")
    session.close()
