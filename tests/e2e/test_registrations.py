"""Several app registrations, a second secret, credentials that end, and
accounts of an application itself."""

import datetime
import email
import hashlib
import re
import time

import pytest

from rig import CLIENT_ID, SECRET, Browser, Rig

ALICE, BOB, CAROL = "alice@example.com", "bob@sales.example", \
    "carol@app.example"
SALES_ID = "5a1e5000-1111-2222-3333-444455556666"
APP_ID = "a9900000-1111-2222-3333-444455556666"
TENANT = "app.example"


def sections(rig):
    return f"""
[registration sales]
client_id = {SALES_ID}
client_secret_file = {rig.file("sales-secret")}
client_secret_next_file = {rig.file("sales-next")}
client_secret_expires = {datetime.date.today() + datetime.timedelta(6)}
domains = other.example, sales.example

[registration app]
client_id = {APP_ID}
client_secret_file = {rig.file("app-secret")}
tenant = {TENANT}
app_only = yes
domains = app.example
"""


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE, BOB, CAROL),
              settings={"msgraph_mailbox": "%{user}"})
    rig.write("secret", SECRET + "\n", 0o600)
    rig.write("sales-secret", "old-sales-secret\n", 0o600)
    rig.write("sales-next", "new-sales-secret\n", 0o600)
    rig.write("app-secret", "the-app-secret\n", 0o600)
    rig.start_sim()
    rig.sim("settings", apps={SALES_ID: "old-sales-secret",
                              APP_ID: "the-app-secret"})
    rig.start_oauthd(edit=lambda text: text + sections(rig))
    yield rig
    output = rig.output("oauthd")
    rig.close()
    for marker in ("0.AX", "EwB", SECRET, "sales-secret", "the-app-secret"):
        assert marker not in output, "a secret is in the log"


def token(rig, user):
    return rig.ask(op="token", account=user)


def renewed(rig, user):
    """The answer to a request for another token than the one in hand."""
    old = token(rig, user)
    return rig.ask(op="token", account=user, **{"not": hashlib.sha256(
        old.get("token", "").encode()).hexdigest()})


def restart(rig, edit):
    rig.stop("oauthd")
    rig.start_oauthd(edit=edit)


def test_by_domain(rig):
    for user, client in ((ALICE, CLIENT_ID), (BOB, SALES_ID)):
        link = rig.ctl("link", user).stdout.strip()
        page, _, form = link.partition("?")
        assert f"client_id={client}" in Browser(rig.context).open(
            page, form.encode())[1]
        rig.link(user)
        assert renewed(rig, user)["status"] == "ok"


def test_second_secret(rig):
    """The new secret counts when the old one ends; said once."""
    rig.sim("settings", apps={SALES_ID: "new-sales-secret",
                              APP_ID: "the-app-secret"},
            expired_secrets=["old-sales-secret"])
    for _ in range(2):
        assert renewed(rig, BOB)["status"] == "ok"
    rig.link(BOB)
    lines = [l for l in rig.output("oauthd").splitlines()
             if "secret_switched" in l]
    assert len(lines) == 1 and "registration=sales" in lines[0]
    assert "client_secret_next_file works" in lines[0]
    # remembered: one request a renewal
    rig.sim("log/clear")
    assert renewed(rig, BOB)["status"] == "ok"
    assert len([e for e in rig.sim("log")["log"]
                if e["path"] == "/login/token"]) == 1
    # both are refused: what the login host said of the first one
    rig.sim("settings", expired_secrets=["old-sales-secret",
                                         "new-sales-secret"])
    got = renewed(rig, BOB)
    assert got["status"] == "blocked" and "AADSTS7000222" in got["message"]
    rig.sim("settings", expired_secrets=["old-sales-secret"])
    time.sleep(3.2)                 # until it asks again
    assert renewed(rig, BOB)["status"] == "ok"


def test_expiry(rig):
    out = rig.ctl("status").stdout
    assert re.search(r"^sales: the client secret expires in [56] days, on 20",
                     out, re.M), out
    lines = [l for l in rig.output("oauthd").splitlines()
             if "credential_expires" in l]
    assert len(lines) == 1 and "registration=sales" in lines[0]
    assert "client_secret_next_file" in lines[0]


def test_missing_registration(rig):
    restart(rig, lambda text: text + sections(rig).replace("sales]", "gone]"))
    try:
        assert "event=registration_missing account=" + BOB in \
            rig.output("oauthd")
        got = token(rig, BOB)
        assert got["status"] == "blocked"
        assert "[registration sales]" in got["message"]
        assert "misconfigured" in rig.ctl("status", BOB).stdout
        assert token(rig, ALICE)["status"] == "ok"
    finally:
        restart(rig, lambda text: text + sections(rig))
    assert token(rig, BOB)["status"] == "ok"


def test_no_default_registration(rig):
    restart(rig, lambda text: re.sub("client_id.*\nclient_secret_file.*", "",
                                     text) + sections(rig))
    try:
        out = rig.ctl("link", ALICE)
        assert out.returncode == 1 and "example.com" in out.stderr
        assert "domains" in out.stderr
        assert token(rig, BOB)["status"] == "ok"
    finally:
        restart(rig, lambda text: text + sections(rig))


# an application alone

def test_app_only_refusals(rig):
    rig.sim("settings", app_denied=[CAROL])
    out = rig.ctl("link", CAROL)
    assert out.returncode == 1 and "application access policy" in out.stderr
    rig.sim("settings", app_denied=[], app_roles=["Mail.ReadWrite"])
    out = rig.ctl("link", CAROL)
    assert out.returncode == 1 and "User.Read.All" in out.stderr
    rig.sim("settings", app_roles=["User.Read.All", "Mail.ReadWrite",
                                   "Mail.Send", "MailboxSettings.ReadWrite"])
    out = rig.ctl("link", "nobody@app.example")
    assert out.returncode == 1 and "no mailbox" in out.stderr
    assert rig.ctl("status", CAROL).returncode == 1


def test_app_only_mailbox(rig):
    """FETCH, APPEND, STORE, MOVE, EXPUNGE with the application's token."""
    rig.sim("log/clear")
    out = rig.ctl("link", CAROL)
    assert out.returncode == 0 and "without a sign-in" in out.stdout, out
    assert renewed(rig, CAROL)["status"] == "ok"
    assert rig.ctl("link", CAROL).returncode == 0
    rig.sim("deliver", user=CAROL, count=2)
    rig.sim("folder", user=CAROL, op="create", path="Filed")
    rig.start_dovecot()
    conn = rig.imap(CAROL)
    assert conn.select("INBOX")[1] == [b"2"]
    raw = conn.fetch("1", "(BODY.PEEK[])")[1][0][1]
    assert email.message_from_bytes(raw)["From"] == "Carol <carol@example.net>"
    assert conn.append("INBOX", r"(\Seen)", None, raw.replace(
        b"<d", b"<own"))[0] == "OK"
    assert conn.store("1", "+FLAGS", r"(\Flagged $Later)")[0] == "OK"
    conn.noop()
    assert conn._simple_command("MOVE", "2", "Filed")[0] == "OK"
    conn.store("1", "+FLAGS", r"\Deleted")
    assert conn.expunge()[0] == "OK"
    assert conn.select("INBOX")[1] == [b"1"]
    conn.logout()
    folders = [m["folder"].split("/")[-1] for m in
               rig.messages(CAROL) if m["role"] != "recoverableitemsdeletions"]
    assert "Filed" in folders and len(rig.messages(CAROL, "inbox")) == 1
    assert not any(e["path"].startswith("/v1.0/me")
                   for inner in (True, False) for e in rig.requests(inner))
    assert rig.log_errors() == []


def test_app_only_forbidden_later(rig):
    rig.sim("settings", app_denied=[CAROL])
    try:
        conn = rig.imap(CAROL)
        typ, text = conn.select("INBOX")
        if typ == "OK":
            typ, text = conn.append("INBOX", None, None, b"Subject: x\r\n\r\n")
        assert typ == "NO", text
        conn.logout()
    finally:
        rig.sim("settings", app_denied=[])
