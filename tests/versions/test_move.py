"""What one version of Dovecot has kept is read by a newer one: the same UIDs,
flags and bodies, and nothing is listed again."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from rig import BUILD, Rig, wait_for  # noqa: E402

# SUITE=BUILD-DIRECTORY, by blanks: chroots whose build is there
OTHERS = dict(pair.split("=") for pair in
              os.environ.get("MSGRAPH_OTHER_BUILDS", "").split())
MESSAGE = (b"From: Ann <ann@example.net>\r\nSubject: mine\r\n\r\n"
           b"kept  byte for byte \r\n")


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


class MovableRig(Rig):
    """Its Dovecot can be that of another release."""

    def start_other(self, suite):
        shutil.rmtree(self.file("modules"))
        self._start("dovecot", [
            os.path.join(ROOT, "tests/chroot"), "--bind", self.path, "--bind",
            BUILD, "--bind", OTHERS[suite], suite, "env",
            f"MSGRAPH_BUILD_DIR={OTHERS[suite]}", "python3",
            os.path.join(ROOT, "tests/versions/serve.py"), self.path,
            str(self.imap_port), json.dumps(self.dovecot_settings())])
        wait_for("dovecot", self._port_open)


@pytest.fixture
def rig():
    rig = MovableRig(sim_args=["--sample"],
                     settings={"msgraph_request_timeout": "2s"}).start()
    yield rig
    rig.close()


def folders(conn):
    lines = b"\n".join(ok(conn.list())).decode()
    return re.findall(r'"/" (.+)', lines)


def seen(conn):
    """What a client knows of every message, by folder."""
    out = {}
    for name in folders(conn):
        ok(conn.select(name))
        status = ok(conn.status(name, "(UIDVALIDITY UIDNEXT UNSEEN)"))
        rows = conn.uid("FETCH", "1:*", "(FLAGS INTERNALDATE RFC822.SIZE "
                                 "ENVELOPE BODY.PEEK[])")[1]
        out[name] = (status, [row for row in rows if row is not None])
    return out


def listings(rig):
    """Requests that begin a listing of messages, or fetch a message."""
    return [e["path"] for e in rig.requests(inner=False) if
            re.search(r"/messages(/delta)?$|\$value$", e["path"])
            and "$deltatoken" not in e["query"]]


@pytest.mark.parametrize("suite", OTHERS)
def test_move(rig, suite):
    conn = rig.imap()
    ok(conn.append("INBOX", r"(\Flagged Kept)", None, MESSAGE))
    ok(conn.select())
    ok(conn.store("1", "+FLAGS", r"(\Answered Blue)"))
    seen(conn)
    # no message is recent any more
    old = seen(conn)
    assert len(old) > 5 and sum(len(rows) for _, rows in old.values()) > 10
    # one change that Graph does not have yet
    ok(conn.select())
    rig.sim("fault", path="v1.0/", status=503, count=10000)
    conn.store("2", "+FLAGS", "(Moved)")
    flags = ok(conn.fetch("2", "(FLAGS)"))
    conn.logout()
    rig.stop("dovecot")
    rig.log_errors()
    rig.sim("faults/clear")
    rig.sim("log/clear")
    rig.start_other(suite)
    conn = rig.imap()
    ok(conn.select())
    assert ok(conn.fetch("2", "(FLAGS)")) == flags
    wait_for("push", lambda: [m for m in rig.messages(folder="inbox")
                              if "Moved" in m["categories"]])
    ok(conn.store("2", "-FLAGS", "(Moved)"))
    assert seen(conn) == old
    assert listings(rig) == []
    conn.logout()
    assert rig.log_errors() == []
