"""Names of folders: what a client creates is what it then sees, and what others
create can be addressed."""

import pytest

from rig import Rig


@pytest.fixture(scope="module")
def rig():
    rig = Rig(settings={"msgraph_poll_interval": "1s"}).start()
    yield rig
    rig.close()


@pytest.fixture
def imap(rig):
    conn = rig.imap()
    yield conn
    conn.logout()


def listed(imap):
    lines = imap.list()[1]
    return [line.decode().split(' "/" ', 1)[1] for line in lines]


@pytest.mark.parametrize("name", [
    "100%", "50% off", "star*", "a*b", "T&APw-r &- Angel", "in.box",
    'quote\\"d', "back\\\\slash", "%2", "x%"])
def test_created_is_seen(rig, imap, name):
    assert imap.create(f'"{name}"')[0] == "OK"
    assert name in [n.strip('"') for n in listed(imap)]
    assert imap.select(f'"{name}"')[0] == "OK"
    assert imap.append(f'"{name}"', None, None,
                       b"Subject: x\r\n\r\ny\r\n")[0] == "OK"
    imap.unselect()
    assert imap.delete(f'"{name}"')[0] == "OK"


@pytest.mark.parametrize("name", [
    "trail ", "New/ lead", "New/a%2Fb", "pct%41", "100%25 x", ".hidden"])
def test_not_created_under_another_name(rig, imap, name):
    """OK would be the promise that there is a mailbox of this name."""
    assert imap.create(f'"{name}"')[0] == "NO"
    assert not [f for f in rig.sim("state")["folders"]
                if f["path"].startswith("New")]
    assert imap.create("Renamed")[0] == "OK"
    assert imap.rename("Renamed", f'"{name}"')[0] == "NO"
    assert "Renamed" in listed(imap)
    assert imap.delete("Renamed")[0] == "OK"


@pytest.mark.parametrize("name, shown", [
    ("a/b", "a%2fb"), ("50%2fx", "50%252fx"), ("100%", "100%"),
    (".hidden", "%2ehidden"), ("INBOX", "INBO%58"), ("tab\there", "tab%09here")])
def test_others_names(rig, imap, name, shown):
    rig.sim("folder", op="create", path="ByOther")
    rig.sim("folder", op="rename", path="ByOther", name=name)
    try:
        assert imap.select(f'"{shown}"')[0] == "OK"
    finally:
        imap.unselect()
        imap.delete(f'"{shown}"')
