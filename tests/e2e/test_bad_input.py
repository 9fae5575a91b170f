"""What goes wrong is a tagged NO or BAD with a useful text; the connection
lives on, and the log has nothing that frightens."""

import imaplib

import pytest

from imaptools import MESSAGE, bodies, command, ok
from rig import Rig


@pytest.fixture(scope="module")
def rig():
    rig = Rig(sim_args=["--sample"],
              settings={"msgraph_request_timeout": "2s"}).start()
    yield rig
    rig.close()


@pytest.fixture
def imap(rig):
    rig.log_errors()
    conn = rig.imap()
    ok(conn.select())
    yield conn
    rig.sim("faults/clear")
    ok(conn.noop())
    conn.logout()
    assert rig.log_errors() == []


def refused(answer, *words):
    """NO, and one of the words is in a text that says something."""
    text = answer[1][0].decode()
    assert answer[0] == "NO" and len(text) > 15, answer
    assert "nternal error" not in text
    assert not words or any(w.lower() in text.lower() for w in words), text


@pytest.mark.parametrize("name", ["NoSuch", "INBOX/NoSuch", "a//b", "/a",
                                  "x" * 400])
def test_unknown_folder(imap, name):
    refused(command(imap, "EXAMINE", f'"{name}"'))
    refused(command(imap, "STATUS", f'"{name}"', "(MESSAGES)"))
    ok(imap.select())
    refused(imap.copy("1", f'"{name}"'))
    refused(command(imap, "MOVE", "1", f'"{name}"'))
    refused(imap.append(f'"{name}"', None, None, MESSAGE % 1))
    refused(imap.delete(f'"{name}"'))
    refused(imap.rename(f'"{name}"', "Other"))


def test_create_refused(rig, imap):
    refused(imap.create('"' + "n" * 300 + '"'))
    refused(imap.create("INBOX"), "exists")
    refused(imap.create('"Projects"'), "exists")
    for status, code in ((403, "ErrorAccessDenied"),
                         (400, "ErrorInvalidRequest"),
                         (507, "ErrorQuotaExceeded")):
        rig.sim("fault", method="POST", path="hildFolders$|ailFolders$",
                status=status, code=code, message="no")
        refused(imap.create("Refused"))
        rig.sim("faults/clear")
    refused(imap.delete("INBOX"))
    refused(imap.delete('"Sent Items"'))
    ok(imap.create("Fine"))


@pytest.mark.parametrize("status, code, words", [
    (507, "ErrorQuotaExceeded", ("quota", "full")),
    (403, "ErrorAccessDenied", ("permission", "denied", "not allowed")),
    (413, "RequestEntityTooLarge", ("large", "size", "big")),
    (400, "ErrorInvalidRequest", ("refused",)),
    (500, "ErrorInternalServerError", ()),
    (503, "ServiceUnavailable", ()),
])
def test_append_refused(rig, imap, status, code, words):
    before = len(rig.messages(folder="inbox"))
    rig.sim("fault", method="POST", path="messages$", status=status,
            code=code, message="no", count=50)
    refused(imap.append("INBOX", None, None, MESSAGE % 10), *words)
    rig.sim("faults/clear")
    assert len(rig.messages(folder="inbox")) == before
    ok(imap.append("INBOX", None, None, MESSAGE % 11))


@pytest.mark.parametrize("status, code", [(403, "ErrorAccessDenied"),
                                          (507, "ErrorQuotaExceeded")])
def test_copy_and_body_refused(rig, imap, status, code):
    rig.sim("fault", method="POST", path="/(copy|move)$", status=status,
            code=code, message="no", count=50)
    refused(imap.copy("1", "Archive"))
    refused(command(imap, "MOVE", "1", "Archive"))
    rig.sim("faults/clear")
    rig.sim("deliver", count=1)
    ok(imap.noop())
    rig.sim("fault", path="value$", status=status, code=code, message="no",
            count=50)
    refused(imap.fetch("*", "(BODY.PEEK[])"))
    rig.sim("faults/clear")
    assert len(bodies(imap, ids="*")) == 1


def test_bad_commands(imap):
    for name, *args in (("SEARCH", "CHARSET", "X-NONE", "SUBJECT", "a"),
                        ("SEARCH", "KEYWORD", "(")):
        try:
            answer = command(imap, name, *args)
        except imaplib.IMAP4.error as err:
            assert "BAD" in str(err)
        else:
            refused(answer)
    for args in (("FETCH", "0", "(FLAGS)"), ("FETCH", "x", "(FLAGS)"),
                 ("FETCH", "999999", "(FLAGS)"), ("STORE", "1", "FLAGS", "(((")):
        try:
            answer = command(imap, *args)
        except imaplib.IMAP4.error as err:
            assert "BAD" in str(err)
        else:
            assert answer[0] in ("NO", "OK")
    ok(imap.noop())


def test_poisoned_message(rig, imap):
    """One message that never opens does not keep others from being read."""
    rig.sim("deliver", count=3)
    ok(imap.noop())
    newest = sorted(rig.messages(folder="inbox"),
                    key=lambda m: m["received"])[-1]
    rig.sim("patch", id=newest["id"], poison=500)
    answer = imap.fetch("1:*", "(BODY.PEEK[])")
    refused(answer)
    ok(imap.noop())
    read = [p for p in imap.response("FETCH")[1] if isinstance(p, tuple)]
    assert len(read) == len(rig.messages(folder="inbox")) - 1
    # how it comes back is in test_quarantine.py
    rig.sim("delete", id=newest["id"])
    ok(imap.noop())


def test_folder_deleted_while_selected(rig):
    rig.sim("folder", op="create", path="Doomed")
    rig.sim("deliver", folder="Doomed", count=2)
    conn = rig.imap()
    ok(conn.select("Doomed"))
    rig.sim("folder", op="delete", path="Doomed")
    try:
        for _ in range(3):
            answer = conn.noop()
            if answer[0] == "NO":
                break
        else:
            # one that still works must not show what is not there
            refused(conn.fetch("1", "(BODY[])"))
    except imaplib.IMAP4.abort:
        pass                          # BYE, as RFC 2180 3.3 allows
    conn = rig.imap()
    refused(conn.select("Doomed"))
    conn.logout()
    assert rig.log_errors() == []


def test_graph_unreachable(rig, imap):
    ok(imap.fetch("1", "(BODY.PEEK[])"))
    rig.sim("fault", path=".", reset=True, count=10000)
    ok(imap.noop())
    ok(imap.fetch("1", "(FLAGS ENVELOPE BODY.PEEK[])"))
    ok(imap.store("1", "+FLAGS", "(\\Flagged)"))
    refused(imap.append("INBOX", None, None, MESSAGE % 20))
    refused(imap.copy("1", "Archive"))
    refused(imap.create("Unreachable"))
    rig.sim("faults/clear")
    ok(imap.noop())
    ok(imap.noop())
    assert any(m["flag"] == "flagged" for m in rig.messages(folder="inbox"))
