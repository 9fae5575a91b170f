"""Programs that people use: mbsync, curl, imaplib."""

import glob
import imaplib
import os
import re
import subprocess
import time

import pytest

import compare
from imaptools import MESSAGE, ok, quoted
from rig import PASSWORD, Rig

USER = "alice@example.com"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(sim_args=["--sample", "--locale", "de"]).start()
    rig.sim("folder", op="create", path="Lists/Ümläut & co")
    for n in range(5):
        rig.sim("deliver", folder="Lists/Ümläut & co")
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


class Mbsync:
    def __init__(self, rig, path):
        self.store = path / "Maildir"
        self.store.mkdir()
        self.conf = path / "mbsyncrc"
        self.conf.write_text(f"""
IMAPAccount a
Host 127.0.0.1
Port {rig.imap_port}
User {USER}
Pass {PASSWORD}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
Path {self.store}/
Inbox {self.store}/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")

    def run(self):
        done = subprocess.run(
            ["mbsync", "-V", "-c", str(self.conf), "c"], timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def files(self, folder):
        return {path: open(path, "rb").read() for path in
                glob.glob(f"{self.store}/{folder}/cur/*") +
                glob.glob(f"{self.store}/{folder}/new/*")}

    def find(self, folder, ident):
        """The file of a message, by its Message-ID."""
        found = [p for p, raw in self.files(folder).items()
                 if ident.encode() in raw]
        assert len(found) == 1, (folder, ident)
        return found[0]

    def total(self):
        return sum(name in ("cur", "new") and len(files) or 0
                   for path, _, files in os.walk(self.store)
                   for name in [os.path.basename(path)])


def far(rig, folder):
    return {m["internetMessageId"]: m for m in rig.messages(folder=folder)}


def shown_by_imap(rig):
    """Messages in folders that a client sees."""
    return [m for m in rig.messages()
            if m["role"] != "recoverableitemsdeletions"]


def test_mbsync(rig, tmp_path):
    mbsync = Mbsync(rig, tmp_path)
    mbsync.run()
    assert mbsync.total() == len(shown_by_imap(rig))
    assert len(mbsync.files("Projects/Harbour bridge")) == \
        len(far(rig, "Projects/Harbour bridge"))
    # again: nothing to do
    before = rig.messages()
    rig.sim("log/clear")
    mbsync.run()
    assert not [e for e in rig.requests() if e["method"] != "GET" and
                not e["path"].endswith("$batch")]
    assert not [e for e in rig.requests() if "value" in e["path"]]
    assert rig.messages() == before

    # what is done here goes up
    inbox = sorted(far(rig, "inbox").values(), key=lambda m: m["received"])
    unread = next(m for m in inbox if not m["isRead"])
    path = mbsync.find("INBOX", unread["internetMessageId"])
    name = os.path.basename(path).split(":")[0]
    os.rename(path, f"{mbsync.store}/INBOX/cur/{name}:2,FRS")
    gone = next(m for m in inbox if m["isRead"])
    path = mbsync.find("INBOX", gone["internetMessageId"])
    os.rename(path, path + "T")
    with open(f"{mbsync.store}/INBOX/new/1.local", "wb") as f:
        f.write((MESSAGE % 555).replace(b"\r\n", b"\n"))
    os.makedirs(f"{mbsync.store}/Made here/cur")
    for sub in ("new", "tmp"):
        os.makedirs(f"{mbsync.store}/Made here/{sub}")
    with open(f"{mbsync.store}/Made here/new/2.local", "wb") as f:
        f.write((MESSAGE % 556).replace(b"\r\n", b"\n"))
    mbsync.run()
    now = far(rig, "inbox")
    changed = now[unread["internetMessageId"]]
    assert changed["isRead"] and changed["flag"] == "flagged"
    assert changed["verb"] in (102, 103)
    assert gone["internetMessageId"] not in now
    assert not now["<555@example.net>"]["isDraft"]
    assert len(now) == len(inbox)
    assert list(far(rig, "Made here")) == ["<556@example.net>"]

    # what others do comes down
    rig.sim("deliver", folder="inbox", mime=(MESSAGE % 557).decode())
    other = next(m for m in now.values()
                 if m["flag"] != "flagged" and m["isRead"])
    rig.sim("patch", id=other["id"], flag="flagged")
    removed = inbox[-1] if inbox[-1] not in (unread, gone) else inbox[-2]
    rig.sim("delete", id=removed["id"])
    mbsync.run()
    mbsync.find("INBOX", "<557@example.net>")
    if other["id"] != removed["id"]:
        path = mbsync.find("INBOX", other["internetMessageId"])
        assert "F" in path.rsplit(":2,", 1)[1]
    assert not any(removed["internetMessageId"].encode() in raw
                   for raw in mbsync.files("INBOX").values())
    assert mbsync.total() == len(shown_by_imap(rig))


def curl(rig, path, *args):
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "60", "-u", f"{USER}:{PASSWORD}",
         f"imap://127.0.0.1:{rig.imap_port}/{path}", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl(rig, tmp_path):
    assert b"Gesendete Elemente" in curl(rig, "")
    uids = curl(rig, "INBOX", "-X", "UID SEARCH SUBJECT \"A picture\"")
    uid = re.search(rb"SEARCH (\d+)", uids).group(1).decode()
    raw = curl(rig, f"INBOX;UID={uid}")
    assert compare.View(raw).msg["Subject"] == "A picture for you"
    mail = tmp_path / "mail.eml"
    mail.write_bytes(MESSAGE % 600)
    curl(rig, "Archiv", "-T", str(mail))
    stored = far(rig, "archive")["<600@example.net>"]
    assert not stored["isDraft"]
    found = curl(rig, "Archiv", "-X",
                 "UID SEARCH HEADER Message-ID 600@example.net")
    uid = re.search(rb"SEARCH (\d+)", found).group(1).decode()
    assert curl(rig, f"Archiv;UID={uid}") == MESSAGE % 600
    curl(rig, "Archiv", "-X", f"UID STORE {uid} +FLAGS (\\Flagged)")
    assert far(rig, "archive")["<600@example.net>"]["flag"] == "flagged"


def test_imaplib(rig):
    conn = rig.imap()
    name = quoted("Lists/Ümläut & co")
    assert any(name.strip('"').encode() in line for line in ok(conn.list()))
    ok(conn.select(name))
    first = ok(conn.fetch("1", "(RFC822)"))[0][1]
    assert compare.View(first).texts [0][1] == "Hello 0"
    assert any(m["isRead"] for m in rig.messages(folder="Lists/Ümläut & co"))
    date = imaplib.Time2Internaldate(1600000000)
    ok(conn.append(name, "\\Flagged", date, MESSAGE % 700))
    ok(conn.select(name))
    number = ok(conn.search(None, "FLAGGED"))[0].decode()
    answer = ok(conn.fetch(number, "(INTERNALDATE RFC822)"))[0]
    assert answer[1] == MESSAGE % 700
    assert time.mktime(imaplib.Internaldate2tuple(answer[0])) == 1600000000
    ok(conn.store(number, "+FLAGS", "\\Deleted"))
    ok(conn.expunge())
    assert "<700@example.net>" not in far(rig, "Lists/Ümläut & co")
    ok(conn.close())
    conn.logout()
