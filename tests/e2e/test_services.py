"""POP3, LMTP and doveadm on a mailbox of Graph."""

import glob
import os
import poplib
import shutil
import smtplib
import time

import pytest

import dovecot
import transcript
from imaptools import MESSAGE, bodies, ok
from rig import MAIL_UID, PASSWORD, Rig, free_port

pytestmark = pytest.mark.usefixtures("clean_log")

USER = "alice@example.com"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(sim_args=["--sample"])
    rig.pop3_port = free_port()
    rig.extra = dovecot.delivery_extra(rig.pop3_port)
    rig.start()
    yield rig
    rig.close()


#
# POP3
#

def pop3(rig):
    conn = poplib.POP3("127.0.0.1", rig.pop3_port, timeout=60)
    conn.user(USER)
    conn.pass_(PASSWORD)
    return conn


def uidls(rig):
    conn = pop3(rig)
    out = [line.split()[1] for line in conn.uidl()[1]]
    conn.quit()
    return out


def test_pop3_uidl_is_stable(rig):
    first = uidls(rig)
    assert len(first) == len(set(first)) == len(rig.messages(folder="inbox"))
    assert uidls(rig) == first
    rig.restart_dovecot()
    assert uidls(rig) == first
    for path in glob.glob(rig.file("mail", "*", "msgraph", "mailboxes", "*",
                                   "dovecot.index.cache")):
        os.unlink(path)
    assert uidls(rig) == first
    rig.stop("dovecot")
    shutil.rmtree(rig.file("mail", USER, "msgraph"))
    rig.start_dovecot()
    assert uidls(rig) == first


def test_pop3_reads_and_deletes(rig):
    for n in (1, 2):
        rig.sim("deliver", mime=(MESSAGE % n).decode(),
                received=1900000000 + n)
    conn = pop3(rig)
    count, _ = conn.stat()
    listed = int(conn.list(count).split()[2])
    raw = b"\r\n".join(conn.retr(count)[1]) + b"\r\n"
    assert listed >= len(raw) and b"Stored" in raw
    # what has been read is known to the byte
    assert int(conn.list(count).split()[2]) >= len(raw)
    top = b"\r\n".join(conn.top(count, 0)[1])
    assert b"Message-ID" in top and len(top) < len(raw)
    conn.dele(count)
    conn.rset()
    conn.retr(count)
    conn.dele(count - 1)
    conn.quit()
    left = rig.messages(folder="inbox")
    assert len(left) == count - 1
    assert [m["isRead"] for m in left
            if m["internetMessageId"] in ("<1@example.net>",
                                          "<2@example.net>")] == [True]


#
# LMTP
#

def lmtp(rig, rcpts, raw):
    with smtplib.LMTP(rig.file("run", "lmtp"), timeout=60) as conn:
        return conn.sendmail("ann@example.net", rcpts, raw)


def find(rig, ident):
    return [m for m in rig.messages()
            if m["internetMessageId"] == f"<{ident}@example.net>"]


def test_lmtp(rig):
    assert lmtp(rig, [USER], MESSAGE % 10) == {}
    stored = find(rig, 10)
    assert len(stored) == 1 and stored[0]["role"] == "inbox"
    assert not stored[0]["isDraft"] and not stored[0]["isRead"]
    assert abs(stored[0]["received"] - time.time()) < 60
    conn = rig.imap()
    ok(conn.select())
    number = ok(conn.search(None, "HEADER", "Message-ID", "10@example.net"))
    raw = bodies(conn, ids=number[0].decode())[0]
    assert raw.startswith(b"Return-Path: <ann@example.net>")
    assert raw.endswith((MESSAGE % 10).split(b"\r\n\r\n")[1])
    conn.logout()


def test_lmtp_to_a_folder(rig):
    local, domain = USER.split("@")
    assert lmtp(rig, [f'"{local}+Junk Email"@{domain}'], MESSAGE % 11) == {}
    assert [m["role"] for m in find(rig, 11)] == ["junkemail"]


def test_lmtp_refuses_who_is_not_there(rig):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        lmtp(rig, ["nobody@example.com"], MESSAGE % 12)
    assert refused.value.recipients["nobody@example.com"][0] == 550


def test_lmtp_without_graph_is_tried_again(rig):
    rig.sim("fault", method="POST", path="messages$", status=503, code="",
            count=99)
    with pytest.raises((smtplib.SMTPDataError,
                        smtplib.SMTPRecipientsRefused)) as failed:
        lmtp(rig, [USER], MESSAGE % 13)
    assert "45" in str(failed.value)
    rig.sim("faults/clear")
    assert find(rig, 13) == []
    assert lmtp(rig, [USER], MESSAGE % 13) == {}
    assert len(find(rig, 13)) == 1


def test_lmtp_lost_answer_is_no_duplicate(rig):
    rig.sim("fault", method="POST", path="messages$", phase="after",
            reset=True)
    assert lmtp(rig, [USER], MESSAGE % 14) == {}
    assert len(find(rig, 14)) == 1


#
# doveadm
#

def test_doveadm_search_and_fetch(rig):
    rig.sim("deliver", folder="Adm", mime=(MESSAGE % 20).decode())
    time.sleep(1.05)
    found = rig.doveadm("search", "mailbox", "Adm", "subject", "Stored")
    assert len(found.splitlines()) == 1
    text = rig.doveadm("fetch", "hdr.subject flags date.received body",
                       "mailbox", "Adm")
    assert "Stored" in text and "body:" in text


def for_mail_user(rig, name, raw):
    path = rig.file("mail", name)
    with open(path, "wb") as f:
        f.write(raw)
    return path


def test_doveadm_save_copy_move_expunge(rig):
    rig.doveadm("save", "-m", "Adm", for_mail_user(rig, "21", MESSAGE % 21))
    assert len(rig.messages(folder="Adm")) == 2
    rig.sim("folder", op="create", path="Adm2")
    time.sleep(1.05)
    rig.doveadm("copy", "Adm2", "mailbox", "Adm", "ALL")
    assert len(rig.messages(folder="Adm2")) == 2
    rig.doveadm("move", "Adm2", "mailbox", "Adm", "HEADER", "Message-ID",
                "21@")
    assert len(rig.messages(folder="Adm2")) == 3
    assert len(rig.messages(folder="Adm")) == 1
    rig.doveadm("flags add", "\\Flagged", "mailbox", "Adm2", "ALL")
    assert {m["flag"] for m in rig.messages(folder="Adm2")} == {"flagged"}
    rig.doveadm("expunge", "mailbox", "Adm2", "ALL")
    assert rig.messages(folder="Adm2") == []


def listing(rig, folders, options=()):
    out = []
    for folder in folders:
        text = rig.doveadm("fetch", "guid flags date.received size.virtual",
                           "mailbox", folder, options=options)
        out += [(folder, normal(block)) for block in text.split("\f")
                if block.strip()]
    return sorted(out)


def normal(block):
    """flags in one order, without \\Recent, and without what 2.4.5's mdbox
    says of attachments by default"""
    fields = dict(line.split(": ", 1) if ": " in line else (line, "")
                  for line in block.strip().splitlines())
    fields = {key.rstrip(":"): text for key, text in fields.items()}
    fields["flags"] = " ".join(sorted(set(fields["flags"].split()) -
                                      {"\\Recent", "$HasAttachment",
                                       "$HasNoAttachment"}))
    return tuple(sorted(fields.items()))


def own_dir(rig, name):
    path = rig.file("mail", name)
    os.makedirs(path)
    os.chown(path, MAIL_UID, MAIL_UID)
    return path


COUNT = int(os.environ.get("MSGRAPH_BACKUP_MESSAGES", 150))


@pytest.mark.parametrize("driver", ["maildir", "mdbox"])
def test_doveadm_backup(rig, driver):
    if not any(f["path"] == "Bulk" for f in rig.sim("state")["folders"]):
        for n in range(COUNT):
            made = rig.sim("deliver", folder="Bulk", received=1500000000 + n,
                           mime=transcript.mime(f"{'mphin'[n % 5]}{n}"
                                                ).decode())["ids"]
            if n % 3 == 0:
                rig.sim("patch", ids=made, isRead=n % 2 == 0,
                        flag="flagged", categories=["Blue sea", "kw"],
                        verb=102 if n % 4 == 0 else 104)
        time.sleep(1.05)
    path = own_dir(rig, driver)
    options = dovecot.other_store(driver, path)
    started = time.time()
    dest = f"{driver}:{path}" + ("" if dovecot.IS_24 else ":LAYOUT=fs")
    rig.doveadm("backup", dest)
    print(f"{driver}: {COUNT} messages in {time.time() - started:.1f} s")
    folders = ["INBOX", "Bulk", "Adm", "Sent Items"]
    here = listing(rig, folders)
    assert len(here) >= COUNT + 10
    assert listing(rig, folders, options) == here
    # again: what has changed since
    first = rig.messages(folder="Bulk")[0]
    rig.sim("patch", id=first["id"], categories=["fresh"])
    rig.sim("delete", id=rig.messages(folder="Bulk")[1]["id"])
    rig.sim("deliver", folder="Bulk")
    rig.doveadm("backup", dest)
    assert listing(rig, folders, options) == listing(rig, folders)


def test_doveadm_import(rig):
    path = own_dir(rig, "import")
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, sub))
    with open(os.path.join(path, "cur", "1.x:2,FRS"), "wb") as f:
        f.write((MESSAGE % 30).replace(b"\r\n", b"\n"))
    for top, names, files in os.walk(path):
        for name in [top] + [os.path.join(top, n) for n in names + files]:
            os.chown(name, MAIL_UID, MAIL_UID)
    rig.doveadm("import", f"maildir:{path}", "Imported", "ALL")
    stored = find(rig, 30)
    assert len(stored) == 1 and stored[0]["folder"].startswith("Imported")
    assert stored[0]["isRead"] and stored[0]["flag"] == "flagged"
    assert stored[0]["verb"] == 102


@pytest.mark.parametrize("guid", ["01" * 16, "ffffff3b" + "ff" * 12])
def test_doveadm_sync_folders_of_both(rig, guid):
    """Of the two identities of a folder that both sides have, dsync chooses
    one: that of Graph, which cannot change, whatever the other one is."""
    folders = ["INBOX", "Both " + guid[:8]]
    rig.sim("folder", op="create", path=folders[1])
    rig.sim("deliver", folder=folders[1])
    path = own_dir(rig, "both-" + guid[:8])
    dest = f"maildir:{path}" + ("" if dovecot.IS_24 else ":LAYOUT=fs")
    options = dovecot.other_store("maildir", path)
    rig.doveadm("mailbox create", folders[1], options=options)
    for n, name in enumerate(folders):
        rig.doveadm("mailbox update", "--uid-validity", "4000000000",
                    "--mailbox-guid", guid[:-2] + f"{n:02x}", name,
                    options=options)
    rig.doveadm("sync", dest)
    assert listing(rig, folders, options) == listing(rig, folders)
    for name in folders:
        here, there = (rig.doveadm("mailbox status", "guid uidvalidity", name,
                                   options=o) for o in ([], options))
        assert here == there


def test_doveadm_sync(rig):
    """Flags and deletions go both ways. New mail comes from Graph only: dsync
    needs to choose UIDs, which is refused instead of doubled."""
    path = own_dir(rig, "two-way")
    dest = f"maildir:{path}" + ("" if dovecot.IS_24 else ":LAYOUT=fs")
    options = dovecot.other_store("maildir", path)
    rig.doveadm("sync", dest)
    folders = ["INBOX", "Adm", "Sent Items"]
    assert listing(rig, folders, options) == listing(rig, folders)
    # nothing to do: nothing is changed
    state = rig.messages()
    rig.doveadm("sync", dest)
    assert rig.messages() == state
    rig.doveadm("flags add", "\\Flagged", "mailbox", "Adm", "ALL",
                options=options)
    rig.sim("deliver", mime=(MESSAGE % 32).decode())
    rig.doveadm("sync", dest)
    assert rig.messages(folder="Adm")[0]["flag"] == "flagged"
    assert listing(rig, folders, options) == listing(rig, folders)
    rig.doveadm("save", "-m", "INBOX",
                for_mail_user(rig, "31", MESSAGE % 31), options=options)
    state = rig.messages()
    for _ in range(2):
        with pytest.raises(AssertionError) as refused:
            rig.doveadm("sync", dest)
        assert "doveadm import" in str(refused.value)
        assert rig.messages() == state
