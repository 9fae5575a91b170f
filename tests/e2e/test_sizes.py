"""RFC822.SIZE and BODY[]: one copy answers everything, also over reconnects;
without a copy the size is an estimate that is never too small, and the same
each time."""

import glob
import os
import re

import pytest

from imaptools import by_uid, ok
from rig import Rig


@pytest.fixture(scope="module", params=["estimate", "exact"])
def rig(request):
    # large enough for some of the messages only: copies get evicted
    rig = Rig(sim_args=["--sample"],
              settings={"msgraph_rfc822_size": request.param,
                        "msgraph_body_cache_size": "3000"}).start()
    rig.mode = request.param
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


def sizes(conn):
    lines = b" ".join(ok(conn.uid("FETCH", "1:*", "(UID RFC822.SIZE)")))
    return {int(u): int(s) for u, s in
            re.findall(rb"UID (\d+) RFC822.SIZE (\d+)", lines)}


def session(rig):
    conn = rig.imap()
    ok(conn.select())
    return conn


def test_sizes_over_sessions(rig):
    conn = session(rig)
    rig.sim("log/clear")
    first = sizes(conn)
    downloads = [e for e in rig.requests() if "value" in e["path"]]
    assert len(downloads) == (0 if rig.mode == "estimate" else len(first))
    assert sizes(conn) == first
    conn.logout()
    conn = session(rig)
    assert sizes(conn) == first
    raw = by_uid(conn, "BODY.PEEK[]")
    for uid, body in raw.items():
        assert first[uid] >= len(body)
    conn.logout()


def test_one_copy_answers(rig):
    """Size, whole, header, text and any slice in one session agree."""
    conn = session(rig)
    for uid in list(sizes(conn))[:5]:
        whole = by_uid(conn, "BODY.PEEK[]", str(uid))[uid]
        assert by_uid(conn, "BODY.PEEK[]", str(uid))[uid] == whole
        line = ok(conn.uid("FETCH", str(uid), "(RFC822.SIZE)"))[0]
        assert int(re.search(rb"SIZE (\d+)", line).group(1)) == len(whole)
        head = by_uid(conn, "BODY.PEEK[HEADER]", str(uid))[uid]
        text = by_uid(conn, "BODY.PEEK[TEXT]", str(uid))[uid]
        assert head + text == whole
        parts = b"".join(by_uid(conn, f"BODY.PEEK[]<{n}.100>", str(uid))[uid]
                         for n in range(0, len(whole), 100))
        assert parts == whole
    conn.logout()


def test_eviction(rig):
    """The service makes other bytes at each download: after an eviction size
    and structure are those of the new copy."""
    conn = session(rig)
    by_uid(conn, "BODY.PEEK[]")
    ok(conn.fetch("1:*", "(BODYSTRUCTURE RFC822.SIZE)"))
    conn.logout()
    copies = [path for path in glob.glob(
        rig.file("mail", rig.users[0], "msgraph", "bodies", "**"),
        recursive=True) if os.path.isfile(path)]
    # the cache's limit holds: not all of the mailbox is there
    assert 0 < sum(map(os.path.getsize, copies)) < 8000
    for path in copies:
        os.remove(path)
    conn = session(rig)
    uids = list(sizes(conn))
    for uid in uids[:6]:
        whole = by_uid(conn, "BODY.PEEK[]", str(uid))[uid]
        answer = ok(conn.uid("FETCH", str(uid), "(RFC822.SIZE BODYSTRUCTURE)"))
        assert int(re.search(rb"SIZE (\d+)", answer[0]).group(1)) == \
            len(whole)
    conn.logout()
