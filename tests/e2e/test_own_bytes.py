"""What was appended here reads back byte for byte: of any size with little
memory, of any shape, after a resync and when the cache is full.
MSGRAPH_BIG_MB=150 and MSGRAPH_SHAPES=1000 (see odd.py) make the long run."""

import base64
import glob
import os
import random
import re

import pytest

import odd
import transcript
from imaptools import by_uid, ok
from rig import Rig

BIG_MB = int(os.environ.get("MSGRAPH_BIG_MB", 20))
MEMORY_MAX_KB = 40000


@pytest.fixture(scope="module")
def rig():
    rig = Rig(settings={"msgraph_request_timeout": "60s",
                        "msgraph_body_cache_size": "2000"}).start()
    rig.sim("switch", window_bytes="9000000000", window_requests="1000000")
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


def peak_kb(rig):
    """Largest of the processes that serve a logged-in client."""
    peak = 0
    for pid in rig.imap_pids():
        with open(f"/proc/{pid}/status") as f:
            peak = max(peak, int(re.search(r"VmHWM:\s+(\d+)",
                                           f.read()).group(1)))
    return peak


def test_big(rig):
    head = (b"From: a@example.net\r\nSubject: big\r\nMessage-ID: <big@t>\r\n"
            b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x"
            b"\r\n\r\n--x\r\n\r\nhi\r\n--x\r\nContent-Type: application/"
            b"octet-stream\r\nContent-Disposition: attachment; filename=b.bin"
            b"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
    line = base64.b64encode(random.Random(1).randbytes(57)) + b"\r\n"
    count = BIG_MB * 1000000 // len(line)
    total = len(head) + count * len(line) + 7
    session = transcript.Session(rig.imap_port, rig.users[0])
    session.sock.settimeout(600)
    session.send(b"x APPEND INBOX {%d+}\r\n" % total + head)
    for first in range(0, count, 1000):
        session.send(line * min(1000, count - first))
    session.send(b"--x--\r\n\r\n")
    assert session.line().startswith("x OK")
    session.run("SELECT INBOX")
    session.run("FETCH 1 (BODYSTRUCTURE BODY.PEEK[2]<1000.10>)")
    assert 0 < peak_kb(rig) < MEMORY_MAX_KB
    session.close()
    stored = [m for m in rig.messages() if m["subject"] == "big"]
    assert [a["size"] for a in stored[0]["attachments"]] == [count * 57]
    assert not stored[0]["isDraft"]


def test_shapes(rig):
    """Also after a resync, in a new session, with a cache that holds none."""
    sent = {}
    conn = rig.imap()
    ok(conn.create("Shapes"))
    for name, raw in odd.generated().items():
        answer = conn.append("Shapes", None, None, raw)
        assert answer[0] == "OK", (name, answer, raw)
        uid = re.search(rb"APPENDUID \d+ (\d+)", answer[1][0]).group(1)
        sent[int(uid)] = raw
    ok(conn.select("Shapes"))
    assert by_uid(conn, "BODY.PEEK[]") == sent
    ok(conn.fetch("1:*", "(ENVELOPE BODYSTRUCTURE RFC822.SIZE)"))
    conn.logout()
    rig.doveadm("force-resync", "Shapes")
    rig.sim("lose-tokens")
    conn = rig.imap()
    ok(conn.select("Shapes"))
    assert by_uid(conn, "BODY.PEEK[]") == sent
    conn.logout()
    assert len(rig.messages(folder="Shapes")) == len(sent)


def fill_the_cache(rig):
    """What is not pinned goes."""
    rig.sim("deliver", folder="Filler", count=9)
    conn = rig.imap()
    ok(conn.select("Filler"))
    assert len(by_uid(conn, "BODY.PEEK[]")) >= 9
    conn.logout()


def own_bodies(rig):
    return len(glob.glob(rig.file("mail", rig.users[0], "msgraph", "bodies",
                                  "??", "*.own.zst")))


@pytest.mark.parametrize("polled", ["source first", "target first"])
def test_others_move_it(rig, polled):
    """It is the same message wherever it is."""
    raw = b"Subject: mine\r\nX-Odd:   a  \r\n\r\nmy very  own\r\n"
    rig.sim("folder", op="create", path="Filler")
    boxes = [f"{name} {polled[0]}" for name in ("From", "To", "Copy")]
    conn = rig.imap()
    for box in boxes:
        ok(conn.create(f'"{box}"'))
        ok(conn.select(f'"{box}"'))
    ok(conn.append(f'"{boxes[0]}"', None, None, raw))
    (message,) = rig.messages(folder=boxes[0])
    rig.sim("move", id=message["id"], folder=boxes[1])
    for box in boxes[:2] if polled == "source first" else boxes[1::-1]:
        ok(conn.select(f'"{box}"'))
    fill_the_cache(rig)
    ok(conn.select(f'"{boxes[1]}"'))
    assert list(by_uid(conn, "BODY.PEEK[]").values()) == [raw]
    ok(conn.copy("1", f'"{boxes[2]}"'))
    fill_the_cache(rig)
    ok(conn.select(f'"{boxes[2]}"'))
    assert list(by_uid(conn, "BODY.PEEK[]").values()) == [raw]
    # and when nobody has it any more, it is no longer kept
    kept = own_bodies(rig)
    for message in rig.messages(folder=boxes[1]):
        rig.sim("delete", id=message["id"])
    ok(conn.select(f'"{boxes[1]}"'))
    assert own_bodies(rig) == kept - 1
    conn.logout()
