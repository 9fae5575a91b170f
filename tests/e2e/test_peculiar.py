"""What Graph may do though it seldom does: refuse what is a courtesy, lead to a
list's rows by an empty page, fail once where nothing has happened yet, not
know the way that a message should go."""

import email.message
import email.policy
import json
import random
import re
import time
import urllib.request

import pytest

from imaptools import MESSAGE, ok
from rig import Rig


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


@pytest.fixture
def imap(rig):
    rig.sim("faults/clear")
    conn = rig.imap()
    yield conn
    conn.logout()
    rig.sim("faults/clear")


def named(conn, use):
    """The mailbox of this special use."""
    return [line for line in ok(conn.list())
            if use.encode() in line][0].split(b'"/" ')[1].decode()


def copies(rig, number):
    return [m["id"] for m in rig.messages()
            if m["internetMessageId"] == f"<{number}@example.net>"]


def graph(rig, method, path, body):
    """What another program asks of Graph."""
    token = rig.ask(op="token", account=rig.users[0])["token"]
    req = urllib.request.Request(
        f"{rig.url}/v1.0{path}", json.dumps(body).encode(), method=method,
        headers={"Authorization": "Bearer " + token,
                 "Content-Type": "application/json"})
    with urllib.request.urlopen(req, context=rig.context) as resp:
        return json.load(resp)


def test_headers_of_a_program(rig, imap):
    """It can give x- fields only, which are not all that the message has."""
    graph(rig, "POST", "/me/mailFolders/inbox/messages", {
        "subject": "Invoice 77",
        "body": {"contentType": "text", "content": "hi"},
        "from": {"emailAddress": {"name": "Bob",
                                  "address": "bob@example.net"}},
        "toRecipients": [{"emailAddress": {"name": "A",
                                           "address": "a@example.com"}}],
        "internetMessageHeaders": [{"name": "x-ticket", "value": "77"}],
        "singleValueExtendedProperties": [{"id": "Integer 0x0E07",
                                           "value": "1"}]})
    ok(imap.select())
    line = ok(imap.fetch("*", "(ENVELOPE)"))[0]
    assert b"Invoice 77" in line and b"bob" in line
    assert ok(imap.search(None, "SUBJECT", "Invoice"))[0]


def test_sent_without_a_look(rig, imap):
    """Whether Exchange has filed a copy cannot be asked."""
    rig.sim("fault", method="GET", path="filter=internetMessageId", count=100,
            status=400, code="ErrorRestrictionTooComplex")
    ok(imap.append(named(imap, "\\Sent"), "(\\Seen)", None, MESSAGE % 71))


@pytest.fixture
def empty_pages(rig):
    rig.sim("switch", list_empty_pages="yes")
    yield
    rig.sim("switch", list_empty_pages="no")


def test_sent_behind_an_empty_page(rig, imap, empty_pages):
    message = MESSAGE % 72
    graph_id = rig.sim("deliver", folder="sentitems",
                       mime=message.decode())["ids"][0]
    ok(imap.append(named(imap, "\\Sent"), "(\\Seen)", None, message))
    assert copies(rig, 72) == [graph_id]


def test_lost_answers_behind_an_empty_page(rig, imap, empty_pages):
    ok(imap.create("Pages"))
    ok(imap.select("Pages"))
    rig.sim("fault", method="POST", path="messages$", phase="after",
            status=504, code="")
    ok(imap.append("Pages", None, None, MESSAGE % 73))
    assert len(rig.messages(folder="Pages")) == 1
    ok(imap.create("Pages/copy"))
    ok(imap.noop())
    rig.sim("fault", method="POST", path="batch", phase="after", reset=True)
    ok(imap.copy("1", "Pages/copy"))
    assert len(copies(rig, 73)) == 2


@pytest.mark.parametrize("fault", [
    {"inner": True, "path": "/copy$", "skip": 3, "status": 503,
     "code": "ErrorServerBusy"},
    {"path": "batch$", "status": 503, "code": "ServiceNotAvailable"},
    {"path": "batch$", "status": 502, "code": ""},
    {"path": "batch$", "status": 504, "code": ""},
], ids=["part", "503", "502", "504"])
def test_copy_that_fails_once(rig, imap, fault):
    """It is looked for, once for all, and what is surely not there is made
    again."""
    box = f"Copies-{fault['status']}-{len(fault)}"
    rig.sim("deliver", folder=box + "-from", count=25)
    ok(imap.create(box))
    ok(imap.select(box + "-from"))
    rig.sim("fault", method="POST", **fault)
    start = time.time()
    assert b"COPYUID" in ok(imap.copy("1:25", box))[0]
    assert time.time() - start < 15
    ids = [m["internetMessageId"] for m in rig.messages(folder=box)]
    assert len(ids) == len(set(ids)) == 25


@pytest.mark.parametrize("command", ["COPY", "MOVE"])
def test_throttled_batch_is_a_424(rig, imap, command):
    rig.sim("deliver", folder=f"From-{command}", count=8)
    ok(imap.create(f"To-{command}"))
    ok(imap.select(f"From-{command}"))
    rig.sim("switch", batch_throttle="2", batch_status="424")
    try:
        ok(imap._simple_command(command, "1:8", f"To-{command}"))
    finally:
        rig.sim("switch", batch_throttle="0", batch_status="200")
    assert len(rig.messages(folder=f"To-{command}")) == 8


@pytest.mark.parametrize("mode,path,code", [
    ("recoverable", "/move$", "ErrorFolderNotFound"),
    ("recoverable", "/move$", "ErrorItemNotFound"),
    ("trash", "/move$", "ErrorItemNotFound"),
    ("permanent", "/permanentDelete$", "ResourceNotFound")])
def test_expunge_where_the_way_is_missing(mode, path, code):
    """That is no word about the message, which goes another way."""
    rig = Rig(settings={"msgraph_expunge": mode}).start()
    try:
        rig.sim("deliver", count=3)
        conn = rig.imap()
        ok(conn.select())
        before = len(rig.messages(folder="inbox"))
        rig.sim("fault", method="POST", path=path, inner=True, status=404,
                code=code, count=50)
        ok(conn.store("2", "+FLAGS", "(\\Deleted)"))
        ok(conn.expunge())
        ok(conn.noop())
        assert len(rig.messages(folder="inbox")) == before - 1
        assert len(ok(conn.fetch("1:*", "(UID)"))) == before - 1
        conn.logout()
        assert rig.log_errors() == []
    finally:
        rig.close()


@pytest.mark.parametrize("method,size", [("POST", 2000000), ("PUT", 5000000)])
def test_attachment_that_fails_once(rig, imap, method, size):
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = f"big {method}"
    message.set_content("x\n")
    for n in range(3):
        message.add_attachment(random.Random(n).randbytes(size),
                               maintype="application", subtype="zip",
                               filename=f"{n}.zip")
    for phase in ("before", "after"):
        rig.sim("fault", method=method, status=503, code="", phase=phase,
                path="attachments" if method == "POST" else ".")
        ok(imap.append("INBOX", None, None, message.as_bytes()))
        stored = [m for m in rig.messages() if m["subject"] == f"big {method}"]
        assert sorted(a["name"] for a in stored[-1]["attachments"]) == \
            ["0.zip", "1.zip", "2.zip"]
    assert len(stored) == 2


def list_status(conn):
    typ, _ = conn._simple_command("LIST", '""', '"new-*"', "RETURN",
                                  "(STATUS (MESSAGES))")
    assert typ == "OK"
    return [int(re.search(rb"MESSAGES (\d+)", line).group(1))
            for line in conn.untagged_responses.pop("STATUS")]


@pytest.mark.parametrize("how", ["created", "parent"])
def test_folders_that_do_not_tell_counts(how):
    """A row that comes for another reason, as of a folder of our own or of one
    that has a new child, is no news of counts."""
    rig = Rig(sim_args=["--switch", "folder_counts=no"]).start()
    try:
        conn = rig.imap()
        for n in range(4):
            ok(conn.create(f"new-{n}"))
        if how == "parent":
            list_status(conn)
            time.sleep(1)
        rig.sim("deliver", folder="new-1")
        if how == "parent":
            ok(conn.create("new-1/sub"))
        for _ in range(3):
            list_status(conn)
            time.sleep(0.4)
        rig.sim("deliver", folder="new-1")
        seen = []
        for _ in range(6):
            seen.append(list_status(conn)[1])
            time.sleep(0.5)
        assert seen[-1] == 2, seen
        conn.logout()
    finally:
        rig.close()
