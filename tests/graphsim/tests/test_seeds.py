"""Where a mailbox's first content comes from."""

import os
import subprocess
import sys
import time

from conftest import ROOT
from graphsim import seed
from graphsim.sim import Simulator
from graphsim.switches import SWITCHES

RUN = [sys.executable, "-m", "graphsim"]
ENV = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "tests"))


def generated(count, number=1):
    box = Simulator(["a@example.com"]).boxes["a@example.com"]
    seed.generate(box, count, number)
    return box


def facts(box):
    return [(m.id, m.subject, m.received, m.is_read, m.message_id)
            for m in box.messages.values()]


def test_generator_is_deterministic():
    assert facts(generated(50)) == facts(generated(50))
    assert facts(generated(50)) != facts(generated(50, 2))


def test_generated_mail_reads_as_it_lists(graph):
    seed.generate(graph.box, 3)
    row = graph.get("/me/mailFolders/inbox/messages")["value"][0]
    raw = graph.get(f"/me/messages/{row['id']}/$value")
    assert f"Subject: {row['subject']}\r\n".encode() in raw
    assert row["internetMessageId"].encode() in raw
    assert not row["hasAttachments"]


def test_a_hundred_thousand_in_seconds():
    start = time.process_time()
    box = generated(100000)
    assert len(box.by_id) == 200000
    assert time.process_time() - start < 30


def test_sample_is_pleasant_and_the_same_each_time():
    def sample():
        box = Simulator(["alice@example.com"]).boxes["alice@example.com"]
        seed.sample(box)
        return box
    box = sample()
    assert facts(box) == facts(sample())
    paths = {f.path() for f in box.folders.values()}
    assert "Projects/Harbour bridge" in paths
    mails = list(box.messages.values())
    assert any(m.has_attachments for m in mails)
    assert any(m.flag == "flagged" for m in mails)
    assert {m.is_read for m in mails} == {True, False}
    assert any(not m.subject.isascii() for m in mails)
    assert any(m.body[0] == "html" for m in mails)


def test_directory(graph, tmp_path):
    (tmp_path / "Work" / "Sub").mkdir(parents=True)
    (tmp_path / "b.eml").write_bytes(b"Subject: two\n\nx\n")
    (tmp_path / "a.eml").write_bytes(b"Subject: one\n\nx\n")
    (tmp_path / "notes.txt").write_bytes(b"no mail")
    (tmp_path / "Work" / "Sub" / "c.eml").write_bytes(b"Subject: three\n\n")
    assert seed.from_directory(graph.box, str(tmp_path)) == 3
    inbox = graph.get("/me/mailFolders/inbox/messages")["value"]
    assert [m["subject"] for m in inbox] == ["two", "one"]
    assert len(graph.box.folder_by_path("Work/Sub").messages) == 1


def test_one_command(tmp_path):
    """READY, over TLS, ended by a signal."""
    proc = subprocess.Popen(
        RUN + ["--make-ca", str(tmp_path), "--sample", "--log",
               str(tmp_path / "log")], env=ENV, stdout=subprocess.PIPE,
        text=True)
    try:
        assert proc.stdout.readline().startswith(
            "GRAPHSIM READY url=https://127.0.0.1:")
        assert (tmp_path / "ca.pem").exists()
        assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
    finally:
        proc.terminate()
    assert proc.wait(10) == 0


def test_wrong_switch():
    proc = subprocess.run(RUN + ["--switch", "nonsense=1"], env=ENV,
                          stderr=subprocess.PIPE, text=True, timeout=20)
    assert proc.returncode == 1 and "nonsense" in proc.stderr


def test_each_switch_has_a_test():
    here = os.path.dirname(__file__)
    text = "".join(open(os.path.join(here, n), encoding="utf-8").read()
                   for n in os.listdir(here) if n.startswith("test_"))
    assert [n for n in SWITCHES if n not in text] == []
