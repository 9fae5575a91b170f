"""App passwords: who has linked an account logs in to Dovecot, by the shipped
configuration, with either database; and nobody else does."""

import grp
import imaplib
import os
import pwd
import re
import subprocess

import pytest

import dovecot
from rig import CLIENT_ID, MAIL_UID, ROOT, SECRET, Browser, Rig

ALICE, BOB = "alice@example.com", "bob@example.com"
CONF = os.path.join(ROOT, "conf.d", dovecot.CONF_D)


# wrong passwords are answered at once
IMPATIENT = """
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""


def shipped(name):
    with open(os.path.join(CONF, name), encoding="utf-8") as f:
        return f.read()


def fit(rig, text, database):
    """The shipped text, with the paths and users of the rig."""
    text = text.replace("'vmail'", f"'{MAIL_UID}'")
    text = text.replace("/var/vmail", rig.file("mail"))
    text = text.replace("/var/lib/msgraph/accounts.sqlite",
                        rig.file("db", "accounts.sqlite"))
    if database == "pgsql":
        text = text.replace("/run/postgresql", rig.file("pg"))
        text = text.replace("dbname=msgraph",
                            "dbname=postgres password=dovecot-marker")
        text = text.replace("dbname = msgraph", "dbname = postgres\n"
                            "    password = dovecot-marker")
    return text


def login_conf(rig, database):
    text = shipped("91-msgraph-login.conf")
    if dovecot.IS_24:
        if database == "pgsql":
            text = re.sub(r"^sql_driver.*\nsqlite_path.*\n", "", text, flags=re.M)
            text = re.sub(r"^#sql_driver = pgsql\n(#.*\n)*", lambda block:
                          block[0].replace("#", ""), text, flags=re.M)
        return fit(rig, text, database)
    ext = f"msgraph-{database}.conf.ext"
    rig.write(ext, fit(rig, shipped(ext), database), 0o600)
    return text.replace("/etc/dovecot/msgraph-sqlite.conf.ext", rig.file(ext))


@pytest.fixture(scope="module", params=["sqlite", "pgsql"])
def rig(request):
    rig = Rig(users=(ALICE, BOB))
    rig.database = request.param
    rig.write("secret", SECRET + "\n", 0o600)
    rig.start_sim()
    extra = "\napp_passwords = yes\n"
    if rig.database == "pgsql":
        rig.use_postgres()
    else:
        # as README.md says, with Dovecot's group
        os.mkdir(rig.file("db"))
        os.chown(rig.file("db"), 0, grp.getgrnam("dovecot").gr_gid)
        os.chmod(rig.file("db"), 0o2750)
        rig.store = (f"store = {rig.file('db', 'accounts.sqlite')}\n"
                     "store_mode = 0640")
    rig.app_passwords = extra
    rig.start_oauthd(edit=lambda text: text + extra)
    if rig.database == "pgsql":
        rig.sql("CREATE ROLE dovecot LOGIN PASSWORD 'dovecot-marker'; "
                "GRANT SELECT ON dovecot_login, dovecot_user TO dovecot")
    rig.auth = login_conf(rig, rig.database) + IMPATIENT
    rig.start_dovecot()
    rig.markers = {SECRET, "0.AX", "dovecot-marker", "pg-password-marker"}
    yield rig
    try:
        assert rig.leaks(rig.markers) == []
    finally:
        rig.close()


def link(rig, user=ALICE):
    """The app password that the page shows, or None."""
    url = rig.ctl("link", user).stdout.strip()
    status, page = Browser(rig.context).follow(url, user)
    assert status == 200 and "is linked" in page
    shown = re.search(r"\b([a-z2-9]{4}(-[a-z2-9]{4}){6})\b", page)
    if shown:
        rig.markers.add(shown[1])
    return shown and shown[1]


def new_password(rig):
    password = rig.ctl("password", ALICE).stdout.strip()
    rig.markers.add(password)
    return password


def login(rig, password, user=ALICE):
    conn = imaplib.IMAP4("127.0.0.1", rig.imap_port, timeout=60)
    try:
        conn.login(user, password)
    except imaplib.IMAP4.error:
        return False
    status, _ = conn.select()
    assert status == "OK"
    conn.logout()
    return True


def test_shown_once_and_works(rig):
    password = link(rig)
    assert re.fullmatch(r"([a-z2-9]{4}-){6}[a-z2-9]{4}", password)
    assert login(rig, password)
    assert login(rig, password, "Alice@Example.COM")
    assert not login(rig, password[:-1] + ("a" if password[-1] != "a" else "b"))
    # linked again: the mail programs go on with the password they have
    assert link(rig) is None
    assert login(rig, password)
    # a new one in place of the old
    new = new_password(rig)
    assert new != password and login(rig, new)
    assert not login(rig, password)
    assert rig.ctl("password", ALICE, "--revoke").returncode == 0
    assert rig.ctl("password", ALICE, "--revoke").returncode == 1
    assert not login(rig, new)
    # of what was given out, the hash only is there
    password = new_password(rig)
    rows = rig.sql("SELECT hash FROM app_password")
    assert len(rows) == 1 and rows[0][0].startswith("{SHA512-CRYPT}$6$")
    assert password not in rows[0][0]


def test_unlinked_is_out_at_once(rig):
    link(rig)
    password = new_password(rig)
    conn = imaplib.IMAP4("127.0.0.1", rig.imap_port, timeout=60)
    conn.login(ALICE, password)
    assert rig.ctl("unlink", ALICE).returncode == 0
    answer = rig.ctl("probe", ALICE)
    assert answer.returncode == 1 and "not linked" in answer.stdout
    # the session that is there gets no token, and is told why
    conn.select()
    assert b"is not linked" in conn.untagged_responses["NO"][0]
    status, data = conn.create("new")
    assert status == "NO" and b"is not linked" in data[0]
    assert not login(rig, password)
    answer = rig.ctl("password", ALICE)
    assert answer.returncode == 1 and "not linked" in answer.stderr
    # and the password does not come back with a new link
    assert link(rig) != password
    assert not login(rig, password)


def as_dovecot(rig, *argv):
    user = pwd.getpwnam("dovecot")
    return subprocess.run(
        argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        user=user.pw_uid, group=user.pw_gid, extra_groups=[])


def test_what_dovecot_may_read(rig):
    link(rig)
    assert as_dovecot(rig, "cat", rig.file("seal.key")).returncode != 0
    if rig.database == "sqlite":
        db = rig.file("db", "accounts.sqlite")
        script = ("import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); "
                  "print(db.execute('SELECT login FROM dovecot_user')"
                  ".fetchall()); db.execute('DELETE FROM account')")
        # also while no daemon runs
        for _ in range(2):
            run = as_dovecot(rig, "/usr/bin/python3", "-c", script, db)
            assert ALICE in run.stdout, run.stderr
            assert "readonly" in run.stderr
            rig.stop("oauthd")
        rig.start_oauthd(edit=lambda text: text + rig.app_passwords, keep=True)
    else:
        for what, code in (("login FROM dovecot_user", 0),
                           ("refresh_token FROM account", 1)):
            run = subprocess.run(
                ["psql", "-h", rig.file("pg"), "-U", "dovecot", "-d",
                 "postgres", "-c", "SELECT " + what], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=dict(os.environ, PGPASSWORD="dovecot-marker"))
            assert run.returncode == code, run
    assert CLIENT_ID not in rig.output("dovecot")
