"""Default folders are known by their ids, whatever the service leaves out."""

import re

import pytest

from rig import Rig


def test_answer_without_id():
    rig = Rig(sim_args=["--sample", "--locale", "de"])
    try:
        rig.start()
        rig.sim("fault", path="mailFolders/(inbox|drafts)[?]", phase="after",
                inner=True, omit="id", count=2)
        conn = rig.imap()
        assert conn.select()[0] == "OK"
        lines = b"\n".join(conn.list()[1]).decode()
        assert "Posteingang" not in lines
        assert re.search(r"\\Drafts\).*Entw&APw-rfe", lines), lines
        conn.logout()
        assert rig.log_errors() == []
    finally:
        rig.close()


@pytest.mark.parametrize("status,code", [
    (404, "ErrorItemNotFound"), (403, "ErrorAccessDenied"), (423, "")])
def test_one_bad_answer_of_the_inbox(status, code):
    """It is asked again, and not taken for a mailbox without one."""
    rig = Rig()
    try:
        rig.start()
        rig.sim("fault", path="mailFolders/inbox[?]", inner=True,
                status=status, code=code)
        for _ in range(2):
            conn = rig.imap()
            assert conn.select()[0] == "OK"
            conn.logout()
        assert rig.log_errors() == []
    finally:
        rig.close()
