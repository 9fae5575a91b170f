"""Folders of a German mailbox: roles, odd names, trees."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imaptools import bodies, command, ok, quoted
from rig import Rig, wait_for


@pytest.fixture(scope="module")
def rig():
    rig = Rig(sim_args=["--sample", "--locale", "de"],
              settings={"msgraph_poll_interval": "1s"}).start()
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


@pytest.fixture
def imap(rig):
    conn = rig.imap()
    yield conn
    conn.logout()


def paths(rig):
    return {f["path"] for f in rig.sim("state")["folders"]}


def listed(conn, *args):
    return [line.decode().split(' "/" ', 1)[1].strip('"')
            for line in ok(conn.list(*args)) if line]


@pytest.mark.parametrize("name", [
    "Straße", "日本", "smile \U0001f600", "tilde ~", "a & b", "100%", "star*",
    "with  two", "plus+minus-", "a.b.c", "(round) [square] {curly}", "'quote'",
    "comma, semi; colon:", "#hash"])
def test_round_trip_of_a_name(rig, imap, name):
    """Made here, it has this name there, and takes part in everything."""
    ok(imap.create(quoted(name)))
    assert name in paths(rig)
    ok(imap.create(quoted(name + "/child")))
    assert f"{name}/child" in paths(rig)
    assert quoted(name).strip('"') in listed(imap)
    ok(imap.append(quoted(name), None, None, b"Subject: x\r\n\r\ny\r\n"))
    assert b"MESSAGES 1" in ok(imap.status(quoted(name), "(MESSAGES)"))[0]
    ok(imap.select(quoted(name)))
    assert len(bodies(imap)) == 1
    ok(imap.close())
    ok(imap.subscribe(quoted(name)))
    assert any(quoted(name).strip('"').encode() in line
               for line in ok(imap.lsub()))
    ok(imap.unsubscribe(quoted(name)))
    ok(imap.delete(quoted(name + "/child")))
    ok(imap.delete(quoted(name)))
    assert name not in paths(rig)


@pytest.mark.parametrize("name", [
    "über/unter", "50%", "*", "\U0001f680 rocket", "~", ".dot", "INBOX",
    "a\\b", 'quo"te', "tail."])
def test_folder_of_others(rig, imap, name):
    """Whatever it is called, it is listed once and can be opened."""
    before = set(listed(imap))
    ident = rig.sim("folder", op="create", path="Other")["id"]
    rig.sim("folder", op="rename", path="Other", name=name)
    rig.sim("deliver", folder=ident, count=2)
    new = []

    def appeared():
        new[:] = set(listed(imap)) - before
        return len(new) == 1

    wait_for("folder", appeared)
    ok(imap.select(f'"{new[0]}"'))
    assert len(bodies(imap)) == 2
    ok(imap.unselect())
    ok(imap.delete(f'"{new[0]}"'))
    wait_for("folder", lambda: set(listed(imap)) == before)


def test_roles_not_names(rig, imap):
    lines = b"\n".join(ok(imap.list())).decode().splitlines()
    roles = {use: [l for l in lines if "\\" + use in l.split(")")[0]]
             for use in ("Drafts", "Sent", "Trash", "Junk", "Archive")}
    assert {use: len(found) for use, found in roles.items()} == \
        dict.fromkeys(roles, 1)
    # somebody renames it: it is still the one
    rig.sim("folder", op="rename", path="Archiv", name="Keller")
    wait_for("the new name", lambda: any(
        "\\Archive" in l and "Keller" in l for l in
        b"\n".join(ok(imap.list())).decode().splitlines()))
    rig.sim("folder", op="rename", path="Keller", name="Archiv")


def test_rename_across_parents(rig, imap):
    for name in ("Tree", "Tree/a", "Tree/a/b", "Wood"):
        ok(imap.create(name))
    ok(imap.append("Tree/a/b", None, None, b"Subject: deep\r\n\r\ny\r\n"))
    ok(imap.select("Tree/a/b"))
    validity = imap.response("UIDVALIDITY")[1]
    uids = ok(imap.uid("SEARCH", "ALL"))
    ok(imap.unselect())
    ok(imap.rename("Tree/a", "Wood/z"))
    assert {"Wood/z", "Wood/z/b"} <= paths(rig)
    ok(imap.select("Wood/z/b"))
    assert imap.response("UIDVALIDITY")[1] == validity
    assert ok(imap.uid("SEARCH", "ALL")) == uids
    ok(imap.unselect())
    assert command(imap, "RENAME", "Wood/z", "Tree")[0] == "NO"
    ok(imap.create("New/With/Parents"))
    assert "New/With/Parents" in paths(rig)


def test_others_move_a_folder(rig, imap):
    ok(imap.create("Walker"))
    ok(imap.append("Walker", None, None, b"Subject: w\r\n\r\ny\r\n"))
    ok(imap.select("Walker"))
    validity = imap.response("UIDVALIDITY")[1]
    rig.sim("folder", op="create", path="Home")
    rig.sim("folder", op="move", path="Walker", to="Home")
    wait_for("moved", lambda: "Home/Walker" in listed(imap))
    ok(imap.noop())
    assert len(bodies(imap)) == 1
    ok(imap.select("Home/Walker"))
    assert imap.response("UIDVALIDITY")[1] == validity
    ok(imap.unselect())


def test_status_and_search(rig, imap):
    ok(imap.create("Search"))
    rig.sim("deliver", folder="Search", count=5, mime=(
        "From: Zoë <zoe@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="
        "\r\nDate: Tue, 01 Sep 2020 10:00:00 +0200\r\n\r\nneedle\r\n"))
    status = ok(imap.status("Search", "(MESSAGES UNSEEN UIDNEXT)"))[0]
    assert b"MESSAGES 5" in status and b"UNSEEN 5" in status
    ok(imap.select("Search"))
    ok(imap.store("2:3", "+FLAGS", "(\\Seen \\Flagged tag)"))

    def found(*args):
        return len(ok(imap.uid("SEARCH", *args))[0].split())

    assert found("SEEN") == 2 and found("UNSEEN") == 3
    assert found("KEYWORD", "tag") == 2 and found("FLAGGED") == 2
    assert found("SENTON", "1-Sep-2020") == 5
    assert found("BODY", "needle") == 5 and found("BODY", "hay") == 0
    assert found("FROM", "zoe@example.org") == 5
    assert found("UID", "1:2") == 2 and found("OR", "SEEN", "UID", "1") == 3
    imap.literal = "Grüße".encode()
    assert found("CHARSET", "UTF-8", "SUBJECT") == 5
    assert b"UNSEEN 3" in ok(imap.status("Search", "(UNSEEN)"))[0]


def test_idle_tells_everything(rig, imap):
    ok(imap.create("Idle"))
    rig.sim("deliver", folder="Idle", count=3)
    ok(imap.select("Idle"))
    messages = rig.messages(folder="Idle")
    imap.send(b"x IDLE\r\n")
    assert b"idling" in imap.readline()
    imap.sock.settimeout(30)
    rig.sim("deliver", folder="Idle", count=1)
    rig.sim("patch", id=messages[0]["id"], flag="flagged")
    rig.sim("delete", id=messages[1]["id"])
    seen = b""
    while not all(word in seen for word in
                  (b"EXISTS", b"EXPUNGE", b"\\Flagged")):
        seen += imap.readline()
    imap.send(b"DONE\r\n")
    while not imap.readline().startswith(b"x OK"):
        pass


def test_namesakes(rig, imap):
    """Siblings that Exchange would not have: each has a name that is UTF-8."""
    for n in range(3):
        rig.sim("folder", op="create", path=f"Twin {n}")
        rig.sim("folder", op="rename", path=f"Twin {n}", name="日本語 é")
    time.sleep(1.1)
    names = [n for n in listed(imap) if n.startswith("&ZeVnLIqe- ")]
    assert len(set(names)) == 3
    for name in names:
        ok(imap.select(f'"{name}"'))
        ok(imap.unselect())
    for folder in rig.sim("state")["folders"]:
        if folder["path"] == "日本語 é":
            rig.sim("folder", op="delete", id=folder["id"])


def test_children_of_namesakes(rig, imap):
    """Each child is shown below its own parent."""
    for n in range(3):
        rig.sim("folder", op="create", path=f"Kin {n}")
        rig.sim("folder", op="create", path=f"Kin {n}/child {n}")
        rig.sim("deliver", folder=f"Kin {n}/child {n}", count=n + 1)
    for n in range(3):
        rig.sim("folder", op="rename", path=f"Kin {n}", name="Kin")
    time.sleep(1.1)
    names = [n for n in listed(imap) if n.startswith("Ki")]
    assert len(names) == 6
    for parent in (n for n in names if "/" not in n):
        below = [n for n in names if n.startswith(parent + "/")]
        assert len(below) == 1
        ok(imap.select(quoted(below[0])))
        assert len(ok(imap.fetch("1:*", "(UID)"))) == \
            int(below[0][-1]) + 1
        ok(imap.unselect())
    for folder in rig.sim("state")["folders"]:
        if folder["path"] == "Kin":
            rig.sim("folder", op="delete", id=folder["id"])


def test_delete_if_empty(rig, imap):
    rig.sim("folder", op="create", path="Old")
    ident = rig.sim("deliver", folder="Old")["ids"][0]
    refused = rig.try_doveadm("mailbox delete", "-e", "Old")
    assert refused.returncode != 0 and "isn't empty" in refused.stderr
    ok(imap.select("Old"))            # it was not left marked as deleted
    rig.sim("delete", id=ident)
    # what Graph names and cannot give
    rig.sim("switch", delta_rows="partial")
    ident = rig.sim("deliver", folder="Old")["ids"][0]
    rig.sim("patch", id=ident, isRead=True, poison=500)
    refused = rig.try_doveadm("mailbox delete", "-e", "Old")
    assert refused.returncode != 0 and "isn't empty" in refused.stderr
    rig.sim("switch", delta_rows="full")
    rig.sim("delete", id=ident)
    # it cannot be looked at
    rig.sim("fault", method="GET", path="messages/delta", status=400, count=9)
    refused = rig.try_doveadm("mailbox delete", "-e", "Old")
    assert refused.returncode != 0 and "Old" in paths(rig)
    rig.sim("faults/clear")
    rig.doveadm("mailbox delete", "-e", "Old")
    assert "Old" not in paths(rig)
    rig.log_errors()


def test_delete_only_what_was_looked_at(rig, imap):
    """doveadm looks whether the folder is empty; meanwhile its name becomes
    another one's, and another session has told the processes of it."""
    rig.sim("folder", op="create", path="Old")
    time.sleep(1.1)
    ok(imap.select("Old"))
    rig.sim("fault", method="GET", path="messages/delta", delay=2.5)
    with ThreadPoolExecutor() as pool:
        deleted = pool.submit(rig.try_doveadm, "mailbox delete", "-e", "Old")
        time.sleep(1.2)
        rig.sim("folder", op="rename", path="Old", name="Kept")
        rig.sim("folder", op="create", path="Old")
        assert listed(imap, '""', "Kept")
        deleted = deleted.result()
    rig.sim("faults/clear")
    assert deleted.returncode != 0 and "renamed; try again" in deleted.stderr
    assert {"Old", "Kept"} <= set(paths(rig))
    rig.doveadm("mailbox delete", "-e", "Old")
    assert "Old" not in paths(rig) and "Kept" in paths(rig)
    assert rig.log_errors() == []
