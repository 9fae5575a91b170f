"""demo.sh refuses wrong input with one line, before it starts anything."""

import os
import socket
import subprocess

import pytest

from rig import ROOT

REAL = ["--graph-url", "https://localhost:1", "--client-id", "x"]


def demo(*args):
    done = subprocess.run([os.path.join(ROOT, "demo.sh"), *args], timeout=60,
                          capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("args", [
    ["--bogus"], ["extra"], ["--dir"], ["--imap-port", "abc"],
    ["--imap-port", "99999999999999999999"], ["--imap-port", "0"],
    ["--imap-port", "18365"], ["--user", "bob"], ["--password", "a b"],
    ["--graph-url", "http://localhost:1", "--client-id", "x"],
    ["--graph-url", "https://localhost:1"], ["--login-url", "https://x"],
    REAL + ["--ca-file", "/nonexistent"],
    REAL + ["--client-secret-file", "/tmp"],
    REAL + ["--dovecot-conf", "/nonexistent"],
    ["--dir", "/proc/x"], ["--dir", "/tmp/with blank"],
    ["--dir", "/tmp/" + "x" * 80]], ids=" ".join)
def test_wrong_input(args):
    status, out, err = demo(*args)
    assert status not in (0, 127)
    assert out == "" and err.startswith("demo.sh: ")
    assert err.count("\n") == 1
    assert not os.path.exists("/tmp/" + "x" * 80)


def test_port_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, _, err = demo("--imap-port", port)
    assert status == 1
    assert f"port {port} is taken" in err and err.count("\n") == 1
