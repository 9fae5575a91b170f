"""More programs that people use: offlineimap, neomutt, getmail, PHP's c-client
(mbsync and curl are in test_clients.py)."""

import base64
import glob
import json
import os
import pwd
import shutil
import subprocess
import time

import pytest

import dovecot
from imaptools import MESSAGE
from rig import PASSWORD, Rig, free_port

USER = "alice@example.com"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(sim_args=["--sample", "--locale", "de"])
    rig.pop3_port = free_port()
    rig.extra = dovecot.delivery_extra(rig.pop3_port)
    rig.start()
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


def run(argv, env=None, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=120,
                          stderr=subprocess.STDOUT, text=True,
                          errors="replace", env=dict(os.environ,
                                                     **(env or {})), **more)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def far(rig, folder):
    return {m["internetMessageId"]: m for m in rig.messages(folder=folder)}


def shown(rig):
    return [m for m in rig.messages()
            if m["role"] != "recoverableitemsdeletions"]


def files(path):
    return [f for sub in ("cur", "new")
            for f in glob.glob(f"{path}/**/{sub}/*", recursive=True)]


def holding(path, ident):
    found = []
    for name in files(path):
        with open(name, "rb") as f:
            if ident.encode() in f.read():
                found.append(name)
    assert len(found) == 1, (ident, found)
    return found[0]


def test_offlineimap(rig, tmp_path):
    store = tmp_path / "Mail"
    conf = tmp_path / "offlineimaprc"
    conf.write_text(f"""
[general]
accounts = a
metadata = {tmp_path}/meta
socktimeout = 60
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {store}
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {rig.imap_port}
remoteuser = {USER}
remotepass = {PASSWORD}
ssl = no
starttls = no
auth_mechanisms = PLAIN
""")

    def sync():
        return run(["offlineimap", "-o", "-c", str(conf), "-u", "basic"],
                   {"HOME": str(tmp_path)})

    sync()
    assert len(files(store)) == len(shown(rig))
    before = rig.messages()
    rig.sim("log/clear")
    sync()
    assert rig.messages() == before
    assert not [e for e in rig.requests() if "value" in e["path"]]
    inbox = sorted(far(rig, "inbox").values(), key=lambda m: m["received"])
    unread = next(m for m in inbox if not m["isRead"])
    gone = next(m for m in inbox if m["isRead"])
    # what is done here goes up
    name = holding(store / "INBOX", unread["internetMessageId"])
    base = os.path.basename(name).split(":")[0]
    os.rename(name, store / "INBOX" / "cur" / f"{base}:2,FRS")
    os.unlink(holding(store / "INBOX", gone["internetMessageId"]))
    (store / "INBOX" / "new" / "1.local").write_bytes(
        (MESSAGE % 555).replace(b"\r\n", b"\n"))
    # and what others do comes down
    rig.sim("deliver", mime=(MESSAGE % 557).decode())
    sync()
    sync()
    now = far(rig, "inbox")
    assert now[unread["internetMessageId"]]["flag"] == "flagged"
    assert now[unread["internetMessageId"]]["isRead"]
    assert gone["internetMessageId"] not in now
    assert not now["<555@example.net>"]["isDraft"]
    holding(store / "INBOX", "<557@example.net>")
    assert len(files(store)) == len(shown(rig))


def test_neomutt(rig, tmp_path):
    rig.sim("folder", op="create", path="Mutt")
    for n in (1, 2, 3):
        rig.sim("deliver", folder="Mutt", received=1600000000 + n,
                mime=(MESSAGE % (600 + n)).decode())
    rig.sim("folder", op="create", path="Mutt2")
    time.sleep(1.05)
    conf = tmp_path / "muttrc"
    conf.write_text(f"""
set imap_user = "{USER}"
set imap_pass = "{PASSWORD}"
set ssl_starttls = no
set ssl_force_tls = no
set imap_authenticators = "login"
set sort = mailbox-order
set confirmappend = no
set confirmcreate = no
set delete = yes
set resolve = no
set move = no
set quit = yes
set wait_key = no
set header_cache = "{tmp_path}/cache"
set message_cachedir = "{tmp_path}/bodies"
push "<first-entry><set-flag>!<next-entry><set-flag>r<next-entry>\\
<save-message>=Mutt2<enter><sync-mailbox><display-message><exit><quit>"
set folder = "imap://127.0.0.1:{rig.imap_port}/"
""")
    run(["script", "-qec", f"neomutt -n -F {conf} -f =Mutt", "/dev/null"],
        {"TERM": "xterm", "HOME": str(tmp_path)}, stdin=subprocess.DEVNULL)
    here = far(rig, "Mutt")
    assert sorted(here) == ["<601@example.net>", "<602@example.net>"]
    assert here["<601@example.net>"]["flag"] == "flagged"
    assert here["<602@example.net>"]["verb"] in (102, 103)
    assert list(far(rig, "Mutt2")) == ["<603@example.net>"]


@pytest.mark.parametrize("kind", ["IMAP", "POP3"])
def test_getmail(rig, kind):
    # it delivers nothing as root
    who = pwd.getpwnam("nobody")
    home = rig.file("mail", f"getmail-{kind}")
    store = os.path.join(home, "Maildir")
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(store, sub))
    port = rig.imap_port if kind == "IMAP" else rig.pop3_port
    # getmail 6.19 looks for the pid of a delivery before it has noted it, when
    # the delivery ends at once: its own Maildir delivery often does
    deliver = rig.write(os.path.join(home, "deliver"), f"""#!/bin/sh
cat > {store}/tmp/$$ && mv {store}/tmp/$$ {store}/new/$(date +%s%N).$$ &&
sleep 0.3
""", 0o755)
    rig.write(os.path.join(home, "getmailrc"), f"""
[retriever]
type = Simple{kind}Retriever
server = 127.0.0.1
port = {port}
username = {USER}
password = {PASSWORD}
[destination]
type = MDA_external
path = {deliver}
[options]
read_all = false
delivered_to = false
received = false
""")

    for top, names, _ in os.walk(home):
        for name in [top] + [os.path.join(top, n) for n in names]:
            os.chown(name, who.pw_uid, who.pw_gid)

    def fetch():
        run(["getmail", "-g", home], {"HOME": home}, user=who.pw_uid,
            group=who.pw_gid, extra_groups=[], stdin=subprocess.DEVNULL)

    fetch()
    inbox = far(rig, "inbox")
    assert len(files(store)) == len(inbox)
    # again, and in a new process of the server: nothing is new
    rig.sim("deliver", mime=(MESSAGE % 620).decode())
    fetch()
    assert len(files(store)) == len(inbox) + 1
    holding(store, "<620@example.net>")
    rig.sim("delete", id=far(rig, "inbox")["<620@example.net>"]["id"])


PHP = """<?php
$server = "{127.0.0.1:$argv[1]/imap/notls/novalidate-cert}";
$box = imap_open($server . "INBOX", $argv[2], $argv[3]) or
	die(imap_last_error());
$out = ["folders" => imap_list($box, $server, "*"),
	"count" => imap_num_msg($box)];
imap_createmailbox($box, $server . "PHP") or die(imap_last_error());
imap_append($box, $server . "PHP", file_get_contents($argv[4]), "\\\\Seen",
	"02-Jan-2021 03:04:05 +0000") or die(imap_last_error());
imap_append($box, $server . "PHP", str_replace("<700@", "<701@",
	file_get_contents($argv[4]))) or die(imap_last_error());
imap_reopen($box, $server . "PHP");
$out["overview"] = imap_fetch_overview($box, "1:*");
$out["header"] = imap_headerinfo($box, 1);
$out["structure"] = imap_fetchstructure($box, 1);
$out["raw"] = base64_encode(imap_fetchheader($box, 1) . imap_body($box, 1,
	FT_PEEK));
$out["sorted"] = imap_sort($box, SORTARRIVAL, 1);
$out["found"] = imap_search($box, 'UNSEEN');
$out["thread"] = imap_thread($box);
$out["status"] = imap_status($box, $server . "INBOX", SA_ALL);
imap_setflag_full($box, "1", "\\\\Flagged") or die(imap_last_error());
imap_mail_copy($box, "1", "INBOX") or die(imap_last_error());
imap_mail_move($box, "2", "INBOX") or die(imap_last_error());
imap_expunge($box);
imap_close($box);
echo json_encode($out);
"""


def has_php_imap():
    done = shutil.which("php") and subprocess.run(
        ["php", "-m"], stdout=subprocess.PIPE, text=True)
    return bool(done) and "imap" in done.stdout.split()


@pytest.mark.skipif(not has_php_imap(), reason="this Debian has no php-imap")
def test_php(rig, tmp_path):
    (tmp_path / "x.php").write_text(PHP)
    (tmp_path / "mail").write_bytes(MESSAGE % 700)
    before = len(far(rig, "inbox"))
    out = run(["php", str(tmp_path / "x.php"), str(rig.imap_port), USER,
               PASSWORD, str(tmp_path / "mail")])
    # c-client's notices may follow
    said = json.JSONDecoder().raw_decode(out)[0]
    assert any("Archiv" in name for name in said["folders"])
    assert said["count"] == before == said["status"]["messages"]
    assert [m["seen"] for m in said["overview"]] == [1, 0]
    assert said["overview"][0]["udate"] == 1609556645
    assert said["header"]["message_id"] == "<700@example.net>"
    assert said["found"] == [2] and len(said["sorted"]) == 2

    assert base64.b64decode(said["raw"]) == MESSAGE % 700
    here = far(rig, "PHP")
    assert list(here) == ["<700@example.net>"]
    assert here["<700@example.net>"]["flag"] == "flagged"
    now = far(rig, "inbox")
    assert {"<700@example.net>", "<701@example.net>"} <= set(now)
    assert len(now) == before + 2
