"""Default folders are known by their ids, whatever the service leaves out."""

import re

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
