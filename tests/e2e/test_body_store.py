"""Copies of messages on disk: compressed, ours by what zstd itself reads; one
that is damaged is not served but fetched again."""

import ctypes
import glob
import os
import random

import pytest

from imaptools import by_uid, ok
from rig import Rig

TEXT = (b"From: Ann <ann@example.net>\r\nSubject: long\r\n\r\n" +
        b"".join(b"line %d of what is written here\r\n" % n
                 for n in range(20000)))


@pytest.fixture
def rig():
    rig = Rig(sim_args=["--sample"]).start()
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


def files(rig, suffix):
    return sorted(glob.glob(rig.file("mail", rig.users[0], "msgraph", "bodies",
                                     "??", "*" + suffix)))


def unpacked(path):
    with open(path, "rb") as f:
        packed = f.read()
    out = ctypes.create_string_buffer(10 * len(TEXT))
    decompress = ctypes.CDLL("libzstd.so.1").ZSTD_decompress
    decompress.restype = ctypes.c_size_t
    size = decompress(out, ctypes.c_size_t(len(out)), packed,
                      ctypes.c_size_t(len(packed)))
    assert size <= len(out), "not zstd's"
    return out.raw[:size]


def test_own_bytes_are_compressed(rig):
    conn = rig.imap()
    ok(conn.append("INBOX", None, None, TEXT))
    path, = files(rig, ".own.zst")
    assert os.path.getsize(path) < len(TEXT) / 4
    assert unpacked(path) == TEXT
    ok(conn.select())
    uid = max(by_uid(conn, "BODY.PEEK[]<0.1>"))
    assert by_uid(conn, "BODY.PEEK[]", str(uid))[uid] == TEXT
    rng = random.Random(1)
    for _ in range(30):
        start = rng.randrange(len(TEXT))
        part = by_uid(conn, f"BODY.PEEK[]<{start}.70000>", str(uid))[uid]
        assert part == TEXT[start:start + 70000]
    conn.logout()


def test_downloads_are_compressed(rig):
    rig.sim("deliver", folder="INBOX", count=1)
    conn = rig.imap()
    ok(conn.select())
    raw = by_uid(conn, "BODY.PEEK[]")
    assert sorted(map(unpacked, files(rig, ".zst"))) == sorted(raw.values())
    conn.logout()


def test_damaged_copy_is_fetched_again(rig):
    conn = rig.imap()
    ok(conn.select())
    raw = by_uid(conn, "BODY.PEEK[]", "*")
    (uid, whole), = raw.items()
    path, = files(rig, ".zst")
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 3)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))
    try:
        damaged = by_uid(conn, "BODY.PEEK[]", str(uid))
    except conn.abort:
        damaged = {}             # the literal had been announced
    assert whole not in damaged.values() and uid not in damaged
    conn = rig.imap()
    ok(conn.select())
    again = by_uid(conn, "BODY.PEEK[]", str(uid))[uid]
    assert again.split(b"\r\n\r\n", 1)[1] == whole.split(b"\r\n\r\n", 1)[1]
    assert unpacked(path) == again
    conn.logout()
    assert all("damaged" in line for line in rig.log_errors())
