"""An Office 365 mailbox by IMAP: Dovecot, our plugin and the simulator."""

import email
import email.policy
import glob
import imaplib
import os
import random
import re
import threading
import time

import pytest

from imaptools import MESSAGE, bodies, ok
from rig import MARKER, Rig

pytestmark = pytest.mark.usefixtures("clean_log")


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=("alice@example.com", "bob@example.com"),
              sim_args=["--sample", "--locale", "de"]).start()
    yield rig
    rig.close()


@pytest.fixture
def imap(rig):
    conn = rig.imap()
    yield conn
    try:
        conn.logout()
    except imaplib.IMAP4.abort:
        pass


def test_list_special_use(imap):
    lines = b"\n".join(ok(imap.list())).decode()
    for name, use in (("Entw&APw-rfe", "Drafts"),
                      ("Gesendete Elemente", "Sent"), ("Archiv", "Archive"),
                      ("Junk-E-Mail", "Junk")):
        assert re.search(rf"\\{use}\).*{re.escape(name)}", lines), lines
    assert re.search(r'"/" "?INBOX', lines)
    assert "Posteingang" not in lines
    assert "Projects/Harbour bridge" in lines


def test_request_counts(rig, imap):
    ok(imap.select())
    rig.sim("log/clear")
    ok(imap.fetch("1:*", "(FLAGS ENVELOPE INTERNALDATE)"))
    ok(imap.fetch("1:*", "(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM TO "
                  "CC SUBJECT DATE MESSAGE-ID REFERENCES IN-REPLY-TO "
                  "CONTENT-TYPE)])"))
    ok(imap.sort("DATE", "UTF-8", "ALL"))
    ok(imap.thread("REFERENCES", "UTF-8", "ALL"))
    assert rig.requests() == []
    ok(imap.select())
    assert len(rig.requests()) == 1
    ok(imap.noop())
    assert len(rig.requests()) == 2
    rig.sim("log/clear")
    ok(imap.store("1:10", "+FLAGS", "(\\Answered)"))
    assert len(rig.requests()) == 1


def test_bodies_are_stable_and_sized(imap):
    ok(imap.select())
    first = bodies(imap)
    assert first == bodies(imap) and len(first) > 10
    sizes = re.findall(rb"RFC822.SIZE (\d+)",
                       b" ".join(ok(imap.fetch("1:*", "(RFC822.SIZE)"))))
    assert [int(s) for s in sizes] == [len(b) for b in first]
    chunks = b"".join(
        bodies(imap, f"BODY.PEEK[]<{n}.97>", "2")[0]
        for n in range(0, len(first[1]), 97))
    assert chunks == first[1]


def test_size_estimate_is_never_too_small(rig):
    conn = rig.imap("bob@example.com")
    ok(conn.select())
    sizes = re.findall(rb"RFC822.SIZE (\d+)",
                       b" ".join(ok(conn.fetch("1:*", "(RFC822.SIZE)"))))
    for size, body in zip(sizes, bodies(conn)):
        assert int(size) >= len(body)
    conn.logout()


def test_store_both_ways(rig, imap):
    ok(imap.select())
    ok(imap.store("1", "+FLAGS", "(\\Flagged $Forwarded my_tag plain)"))
    ok(imap.store("2", "-FLAGS", "(\\Seen)"))
    uid = re.search(rb"UID (\d+)", ok(imap.fetch("1", "(UID)"))[0])
    assert uid
    inbox = sorted(rig.messages(folder="inbox"), key=lambda m: m["received"])
    assert inbox[0]["flag"] == "flagged" and inbox[0]["verb"] in (102, 104)
    assert set(inbox[0]["categories"]) >= {"my tag", "plain"}
    assert not inbox[1]["isRead"]
    rig.sim("patch", id=inbox[2]["id"], isRead=False, flag="flagged",
            categories=["Blue (sea)"], verb=104)
    ok(imap.noop())
    flags = ok(imap.fetch("3", "(FLAGS)"))[-1]
    assert b"\\Flagged" in flags and b"$Forwarded" in flags
    assert b"Blue_=28sea=29" in flags and b"\\Seen" not in flags


def test_append_is_kept(rig, imap):
    message = MESSAGE % 1
    ok(imap.select())
    answer = imap.append("INBOX", "(\\Seen kw)",
                         '"02-Jan-2021 03:04:05 +0000"', message)
    uid = re.search(rb"APPENDUID \d+ (\d+)", ok(answer)[0]).group(1)
    stored = [m for m in rig.messages(folder="inbox")
              if m["internetMessageId"] == "<1@example.net>"]
    assert len(stored) == 1 and not stored[0]["isDraft"]
    assert stored[0]["received"] == 1609556645 and stored[0]["isRead"]
    assert stored[0]["categories"] == ["kw"]
    data = ok(imap.uid("FETCH", uid.decode(),
                       "(INTERNALDATE FLAGS BODY.PEEK[])"))[0]
    assert data[1] == message
    assert b'"02-Jan-2021 03:04:05 +0000"' in data[0]
    ok(imap.noop())
    assert len(rig.messages(folder="inbox")) == len(ok(imap.search(
        None, "ALL"))[0].split())


def test_append_draft_and_big(rig, imap):
    ok(imap.append('"Entw&APw-rfe"', "(\\Draft)", None, MESSAGE % 2))
    assert [m["isDraft"] for m in rig.messages(folder="drafts")] == [True]
    big = email.message.EmailMessage(policy=email.policy.SMTP)
    big["Subject"], big["From"] = "big", "a@example.net"
    big.set_content("see attachment\n")
    data = random.Random(1).randbytes(5_000_000)
    big.add_attachment(data, maintype="application", subtype="octet-stream",
                       filename="big.bin")
    raw = big.as_bytes()
    ok(imap.append("Archiv", None, None, raw))
    stored = [m for m in rig.messages(folder="archive")
              if m["subject"] == "big"]
    assert stored[0]["attachments"][0]["size"] == len(data)
    ok(imap.select("Archiv"))
    assert raw in bodies(imap)


def test_copy_move_expunge(rig, imap):
    ok(imap.create("Target"))
    ok(imap.select())
    before = len(rig.messages(folder="inbox"))
    assert b"COPYUID" in ok(imap.copy("1:2", "Target"))[0]
    ok(imap._simple_command("MOVE", "3:4", "Target"))
    assert len(rig.messages(folder="Target")) == 4
    assert len(rig.messages(folder="inbox")) == before - 2
    ok(imap.store("1", "+FLAGS", "(\\Deleted)"))
    ok(imap.expunge())
    assert len(rig.messages(folder="inbox")) == before - 3
    assert len(rig.messages(folder="recoverableitemsdeletions")) == 1
    assert len(rig.messages(folder="Target")) == 4
    ok(imap.select("Target"))
    assert len(bodies(imap)) == 4


def test_folders(rig, imap):
    for name in ("A", "A/B", '"With space &- and %"', '"2024*"'):
        ok(imap.create(name)) if "*" not in name else imap.create(name)
    ok(imap.rename("A/B", "B-moved"))
    assert "B-moved" in [f["path"] for f in rig.sim("state")["folders"]]
    ok(imap.subscribe("B-moved"))
    assert b"B-moved" in b"".join(ok(imap.lsub()))
    ok(imap.delete("B-moved"))
    ok(imap.delete("A"))
    rig.sim("folder", op="create", path="Slash")
    rig.sim("folder", op="rename", path="Slash", name="a/b 100% \U0001f600")
    time.sleep(1.1)
    lines = b"\n".join(ok(imap.list())).decode()
    assert "a%2fb 100% " in lines
    for bad, text in (("NoSuch", "NO"), ("x" * 400, "NO")):
        answer = imap.select(bad) if text == "NO" and bad == "NoSuch" \
            else imap.create(bad)
        assert answer[0] == "NO" and len(answer[1][0]) > 20
    ok(imap.noop())


def test_rename_past_namesakes(rig, imap):
    """Graph renames and moves by two requests."""
    def paths():
        return {f["path"] for f in rig.sim("state")["folders"]}

    for name in ("R1", "R2", "R1/x", "R1/y", "R2/z"):
        ok(imap.create(name))
    ok(imap.rename("R1/x", "R2/y"))       # in R1 there is a y
    assert {"R1/y", "R2/y"} <= paths() and "R1/x" not in paths()
    ok(imap.create("R1/z"))
    ok(imap.rename("R1/z", "R2/w"))       # in R2 there is a z
    assert {"R2/z", "R2/w"} <= paths() and "R1/z" not in paths()
    ok(imap.create("R1/v"))
    rig.sim("fault", path="/move$", status=403, code="ErrorAccessDenied")
    assert imap.rename("R1/v", "R2/u")[0] == "NO"
    assert "R1/v" in paths() and "R1/u" not in paths()


def test_folder_made_anew(rig, imap):
    ok(imap.create("Anew"))
    imap.append("Anew", None, None, MESSAGE % 300)
    ok(imap.select("Anew"))
    first = imap.response("UIDVALIDITY")[1]
    rig.sim("folder", op="delete", path="Anew")
    rig.sim("folder", op="create", path="Anew")
    rig.sim("deliver", folder="Anew", count=2)
    with pytest.raises(imaplib.IMAP4.abort):
        imap.noop()                       # this one is gone
    conn = rig.imap()
    assert ok(conn.select("Anew")) == [b"2"]
    assert conn.response("UIDVALIDITY")[1] != first
    conn.logout()


def test_sent_copy_that_is_shown_already(rig, imap):
    """Exchange files what was submitted; the client appends it, too."""
    message = MESSAGE % 301
    sent = '"Gesendete Elemente"'
    rig.sim("deliver", folder="sentitems", mime=message.decode())
    ok(imap.select(sent))
    before = bodies(imap)
    answer = ok(imap.append(sent, "(\\Seen)", None, message))[0]
    assert len(rig.messages(folder="sentitems")) == len(before)
    ok(imap.noop())
    assert bodies(imap) == before
    uids = ok(imap.uid("SEARCH", "HEADER", "Message-ID", "<301@"))[0]
    assert re.search(rb"APPENDUID \d+ (\d+)", answer).group(1) == uids
    # but twice is twice
    ok(imap.append(sent, None, None, MESSAGE % 302))
    ok(imap.append(sent, None, None, MESSAGE % 302))
    assert len(rig.messages(folder="sentitems")) == len(before) + 2


def test_other_session_sees_it_first(rig, imap):
    """What we save is pulled by another session before we have its UID."""
    other = rig.imap()
    ok(imap.create("First"))
    ok(imap.select())
    ok(other.select("First"))
    for command in (lambda: imap.append("First", "(\\Seen)", None,
                                        MESSAGE % 310),
                    lambda: imap.copy("1:2", "First"),
                    lambda: imap._simple_command("MOVE", "3:4", "First")):
        answers = []
        rig.sim("fault", method="POST", path="(messages|batch)$", delay=1,
                phase="after", inner=False)
        thread = threading.Thread(target=lambda: answers.append(command()))
        thread.start()
        time.sleep(0.5)
        ok(other.noop())
        seen = ok(other.fetch("1:*", "(UID ENVELOPE)"))
        thread.join()
        rig.sim("faults/clear")
        assert answers[0][0] == "OK"
        ok(other.noop())
        uids = [re.search(rb"UID (\d+)", line).group(1) for line in seen]
        after = ok(other.fetch("1:*", "(UID ENVELOPE)"))
        assert [re.search(rb"UID (\d+)", l).group(1) for l in after] == uids
        match = re.search(rb"(?:APPENDUID \d+|COPYUID \d+ \S+) ([\d:]+)",
                          answers[0][1][0])
        if match:
            assert match.group(1).split(b":")[-1] == uids[-1]
        assert len(uids) == len(rig.messages(folder="First"))
    assert MESSAGE % 310 in bodies(other)
    for conn in (other, rig.imap()):
        conn.select("First")
        # as the bytes have it, not as Graph's UTC
        assert b"Tue, 01 Sep 2020 10:00:00 +0200" in ok(conn.fetch(
            "1", "(ENVELOPE)"))[0]
        conn.logout()


def test_lost_answer_of_a_copy_without_message_id(rig, imap):
    ok(imap.create("Nameless"))
    ok(imap.create("Nameless2"))
    for number in range(3):
        ok(imap.append("Nameless", None, None,
                       b"Subject: nameless %d\r\n\r\nText\r\n" % number))
    ok(imap.select("Nameless"))
    rig.sim("fault", method="POST", path="batch", phase="after", reset=True)
    assert b"COPYUID" in ok(imap.copy("1:3", "Nameless2"))[0]
    assert len(rig.messages(folder="Nameless2")) == 3


def test_lost_answer_of_a_copy(rig, imap):
    ok(imap.create("Copies"))
    ok(imap.select())
    rig.sim("fault", method="POST", path="batch", phase="after", reset=True)
    assert b"COPYUID" in ok(imap.copy("1:2", "Copies"))[0]
    assert len(rig.messages(folder="Copies")) == 2
    rig.sim("fault", method="POST", path="batch", phase="after", reset=True)
    before = len(rig.messages())
    ok(imap._simple_command("MOVE", "1:2", "Copies"))
    assert len(rig.messages(folder="Copies")) == 4
    assert len(rig.messages()) == before


def test_lost_answer_of_a_copy_and_namesakes(rig, imap):
    """Others of the same Message-ID, in the source and new in the target, are
    not taken for a copy that did not come to be, which is made again."""
    twin = b"Message-ID: <twin@example.net>\r\n\r\nText\r\n"
    for name in ("Twins", "Twins2"):
        ok(imap.create(name))
    for second in (1, 2):
        rig.sim("deliver", folder="Twins", mime=twin.decode(),
                received=1600000000 + second)
    ok(imap.select("Twins"))
    rig.sim("deliver", folder="Twins2", mime=twin.decode())
    rig.sim("fault", method="POST", path="batch", reset=True)
    for phase, there in (("before", 3), ("after", 5)):
        rig.sim("fault", method="POST", path="batch", phase=phase, reset=True)
        assert b"COPYUID" in ok(imap.copy("1:2", "Twins2"))[0]
        assert len(rig.messages(folder="Twins2")) == there
    assert sorted(m["received"] for m in rig.messages(folder="Twins2"))[:4] \
        == [1600000001] * 2 + [1600000002] * 2
    ok(imap.select("Twins2"))
    assert len(ok(imap.fetch("1:*", "(UID)"))) == 5
    assert rig.log_errors() == []


def test_lost_cache(rig):
    """What it held comes back with the next full listing, else by reading the
    messages; either way it is the same."""
    rig.sim("folder", op="create", path="Cached")
    rig.sim("deliver", folder="Cached", count=6)
    conn = rig.imap()
    ok(conn.select("Cached"))
    items = "(UID ENVELOPE INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
    before = ok(conn.fetch("1:*", items))
    for lose_token in (True, False):
        conn.logout()
        for path in glob.glob(rig.file("mail", "*", "msgraph", "mailboxes",
                                       "*", "dovecot.index.cache")):
            os.unlink(path)
        if lose_token:
            rig.sim("lose-tokens")
        conn = rig.imap()
        ok(conn.select("Cached"))
        rig.sim("log/clear")
        assert ok(conn.fetch("1:*", items)) == before
        assert (len(rig.requests()) == 0) == lose_token
    conn.logout()


def test_status_search_idle(rig, imap):
    rig.sim("deliver", count=1)
    status = ok(imap.status("INBOX", "(MESSAGES UNSEEN)"))[0]
    assert str(len(rig.messages(folder="inbox"))).encode() in status
    ok(imap.select())
    assert ok(imap.search(None, "SUBJECT", "delivered"))[0]
    assert ok(imap.search(None, "BODY", "Hello"))[0]
    imap.send(b"x IDLE\r\n")
    assert b"idling" in imap.readline()
    rig.sim("deliver", count=1)
    imap.sock.settimeout(15)
    assert b"EXISTS" in imap.readline()
    imap.send(b"DONE\r\n")
    while not imap.readline().startswith(b"x OK"):
        pass


def test_uids_survive(rig, imap):
    ok(imap.select())
    uids = ok(imap.fetch("1:*", "(UID)"))
    validity = imap.response("UIDVALIDITY")[1]
    imap.logout()
    rig.restart_dovecot()
    conn = rig.imap()
    ok(conn.select())
    assert ok(conn.fetch("1:*", "(UID)")) == uids
    assert conn.response("UIDVALIDITY")[1] == validity
    rig.sim("lose-tokens")
    ok(conn.noop())
    assert ok(conn.fetch("1:*", "(UID)")) == uids
    conn.logout()


@pytest.mark.parametrize("fault", [
    {"status": 429, "code": "ApplicationThrottled", "retry_after": 1},
    {"status": 503, "code": "UnknownError"},
    {"status": 401, "code": "InvalidAuthenticationToken"},
    {"reset": True}, {"reset": True, "phase": "after"},
    {"status": 410, "code": "syncStateNotFound", "path": "delta"},
])
def test_one_fault_is_not_noticed(rig, imap, fault):
    ok(imap.select())
    rig.sim("deliver", count=1)
    rig.sim("fault", **fault)
    ok(imap.noop())
    count = int(imap.response("EXISTS")[1][-1])
    assert count == len(rig.messages(folder="inbox"))
    rig.sim("fault", **dict(fault, path="value"))
    ok(imap.fetch(str(count), "(BODY.PEEK[])"))


def test_lost_answer_of_a_create(rig, imap):
    ok(imap.select())
    before = len(rig.messages(folder="inbox"))
    rig.sim("fault", method="POST", path="messages$", phase="after",
            reset=True)
    ok(imap.append("INBOX", None, None, MESSAGE % 77))
    assert len(rig.messages(folder="inbox")) == before + 1
    ok(imap.noop())
    assert int(imap.response("EXISTS")[1][-1]) == before + 1


def test_refusals_have_a_text(rig, imap):
    ok(imap.select())
    rig.sim("fault", method="POST", path="messages$", status=400,
            code="ErrorInvalidRecipients", message="no", count=9)
    answer = imap.append("INBOX", None, None, MESSAGE % 99)
    assert answer[0] == "NO" and b"Microsoft 365" in answer[1][0]
    rig.sim("faults/clear")
    rig.sim("fault", path="value", status=404, code="ErrorItemNotFound")
    rig.sim("deliver", count=1)
    ok(imap.noop())
    ok(imap.noop())


def test_folder_that_seems_gone(rig, imap):
    ok(imap.select())
    rig.sim("deliver", count=1)
    rig.sim("fault", path="messages/delta", status=404,
            code="ErrorItemNotFound")
    ok(imap.noop())
    ok(imap.noop())
    assert int(imap.response("EXISTS")[1][-1]) == \
        len(rig.messages(folder="inbox"))


def test_switches(rig):
    """Every position of what is uncertain about Graph."""
    for name, value in (("delta_expand", "refused"),
                        ("delta_expand", "ignored"),
                        ("delta_expand", "plain"),
                        ("delta_rows", "partial"), ("bool_strings", "yes"),
                        ("removed_reason", "changed"),
                        ("delta_page_max", "3"),
                        ("delta_empty_pages", "yes"),
                        ("delta_empty_last", "yes"),
                        ("delta_duplicates", "yes"),
                        ("move_recoverable", "refused"),
                        ("batch", "missing")):
        default = rig.sim("switch")[name]
        rig.sim("switch", **{name: value})
        rig.sim("folder", op="create", path=f"S-{name}-{value}")
        rig.sim("deliver", folder=f"S-{name}-{value}", count=8)
        time.sleep(1.05)
        conn = rig.imap()
        ok(conn.select(f"S-{name}-{value}"))
        assert len(ok(conn.search(None, "ALL"))[0].split()) == 8, name
        msgs = rig.messages(folder=f"S-{name}-{value}")
        rig.sim("patch", id=msgs[0]["id"], isRead=True)
        rig.sim("patch", id=msgs[1]["id"], verb=102)
        rig.sim("delete", id=msgs[2]["id"])
        ok(conn.noop())
        assert len(ok(conn.search(None, "ALL"))[0].split()) == 7, name
        assert len(ok(conn.search(None, "SEEN"))[0].split()) == 1, name
        assert len(ok(conn.search(None, "ANSWERED"))[0].split()) == 1, \
            (name, value)
        ok(conn.store("1:2", "+FLAGS", "(\\Deleted)"))
        ok(conn.expunge())
        assert len(rig.messages(folder=f"S-{name}-{value}")) == 5, name
        conn.logout()
        rig.sim("switch", **{name: default})


def test_dead_token_and_no_graph():
    rig = Rig(sim_args=["--sample"]).start()
    try:
        conn = rig.imap()
        ok(conn.select())
        ok(conn.fetch("1", "(BODY.PEEK[])"))
        rig.sim("token", op="revoke")
        conn.logout()
        rig.stop("oauthd")
        rig.start_oauthd()
        conn = rig.imap()
        ok(conn.select())             # as it was last known
        ok(conn.fetch("1", "(ENVELOPE BODY.PEEK[])"))
        answer = conn.append("INBOX", None, None, MESSAGE % 5)
        assert answer[0] == "NO" and b"link" in answer[1][0], answer
        answer = conn.select("Drafts")
        assert answer[0] == "NO" and b"http" in answer[1][0], answer
        ok(conn.noop())
        assert rig.ctl("status").returncode == 1
        rig.stop("sim")
        conn = rig.imap()
        ok(conn.select())
        ok(conn.fetch("1", "(BODY.PEEK[])"))
        assert conn.append("INBOX", None, None, MESSAGE % 6)[0] == "NO"
        assert rig.log_errors() == []
        out = rig.output("oauthd")
        assert MARKER not in out
    finally:
        rig.close()
