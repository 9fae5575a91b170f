"""doveadm backup and sync of a folder that holds a message which Graph cannot give:
never a wrong or an empty message, and it is told which. Dovecot's dsync ends
there, folders after it wait too; the next run goes on."""

import os

import pytest

import dovecot
from rig import MAIL_UID, Rig
from test_quarantine import end_pause


@pytest.fixture
def rig():
    rig = Rig().start()
    for number in range(1, 6):
        rig.sim("deliver", received=1900000000 + number, mime=(
            f"From: a@example.net\r\nSubject: letter {number}\r\nMessage-ID: "
            f"<q{number}@t>\r\n\r\nwordy text {number}\r\n"))
    rig.sim("folder", op="create", path="Other")
    rig.sim("deliver", folder="Other", count=2)
    rig.sim("fault", method="GET", path=f"{bad(rig)}/\\$value", status=500,
            code="ErrorInternalServerError", count=9999)
    yield rig
    rig.close()


def bad(rig):
    return next(m["id"] for m in rig.messages(folder="inbox")
                if m["subject"] == "letter 3")


def subjects(rig, folder, options):
    out = rig.try_doveadm("fetch", "hdr.subject body", "mailbox", folder,
                          options=options)
    if out.returncode != 0:
        return []
    blocks = [b for b in out.stdout.split("\f") if b.strip()]
    # none is empty
    assert all(b.split("body:")[1].strip() for b in blocks), out.stdout
    return [line.split(": ", 1)[1] for line in out.stdout.splitlines()
            if line.startswith("hdr.subject:")]


@pytest.mark.parametrize("command,driver", [
    ("backup", "maildir"), ("backup", "mdbox"), ("sync", "maildir")])
def test_whole(rig, command, driver):
    path = rig.file("mail", driver)
    os.makedirs(path)
    os.chown(path, MAIL_UID, MAIL_UID)
    dest = f"{driver}:{path}" + ("" if dovecot.IS_24 else ":LAYOUT=fs")
    options = dovecot.other_store(driver, path)
    state = rig.messages()
    for _ in range(2):
        done = rig.try_doveadm(command, dest)
        assert done.returncode != 0
        assert "INBOX" in done.stderr and "UID=3" in done.stderr
        # nor does what is missing there vanish here
        assert rig.messages() == state
    there = subjects(rig, "INBOX", options)
    assert "letter 3" not in there and set(there) <= {
        f"letter {n}" for n in (1, 2, 4, 5)}
    # once it can be had the next run brings the rest
    rig.sim("faults/clear")
    end_pause(rig)
    rig.doveadm(command, dest)
    assert rig.messages() == state
    assert subjects(rig, "INBOX", options) == [f"letter {n}"
                                               for n in range(1, 6)]
    assert len(subjects(rig, "Other", options)) == 2
