"""msgraph-oauthd: linking in a browser, tokens at the socket, and those who
mean no good."""

import concurrent.futures
import html
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse

import pytest

from rig import CLIENT_ID, SECRET, Browser, Rig

ALICE, BOB = "alice@example.com", "bob@example.com"
CALLBACK = "/api/v2/core/user_authorization_callback"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE, BOB))
    rig.write("secret", SECRET + "\n", 0o600)
    rig.start_sim()
    rig.start_oauthd()
    yield rig
    rig.close()


@pytest.fixture
def invitation(rig):
    rig.ctl("unlink", ALICE)
    return rig.ctl("link", ALICE).stdout.strip()


def ask(rig, **request):
    """One line to the socket, the answer back."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(rig.file("broker.sock"))
        s.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(s.makefile().readline())


def refreshes(rig):
    return len([e for e in rig.sim("log")["log"]
                if e["path"] == "/login/token"])


def state_of(rig, user=ALICE):
    out = rig.ctl("status", user).stdout.split()
    return out[1] if len(out) > 1 else None


def sign_in_url(browser, invitation):
    """Press the button of the start page; where does it lead?"""
    page, _, form = invitation.partition("?")
    status, url, _ = browser.open(page, form.encode())
    assert status == 200
    return url


# linking

def test_link_and_replay(rig, invitation):
    browser = Browser(rig.context)
    status, _, page = browser.open(invitation)
    assert status == 200 and ALICE in page and "<script" not in page
    assert state_of(rig) is None
    url = sign_in_url(browser, invitation)
    assert "code_challenge_method=S256" in url and "nonce=" in url
    seen = []
    opener = browser.opener.open

    def spy(url, *args, **kwargs):
        resp = opener(url, *args, **kwargs)
        seen.append(resp.url)
        return resp
    browser.opener.open = spy
    status, page = browser.follow(url, ALICE)
    assert status == 200 and "linked" in page
    assert state_of(rig) == "ok"
    # the callback again, the invitation again
    assert "code=" in seen[-1]
    assert browser.open(seen[-1])[0] == 400
    assert browser.open(invitation)[0] == 404
    assert state_of(rig) == "ok"


def test_wrong_browser_and_foreign_state(rig, invitation):
    first, second = Browser(rig.context), Browser(rig.context)
    url = sign_in_url(first, invitation)
    status, page = second.follow(url, ALICE)
    assert status == 400 and invitation not in html.unescape(page)
    # that state is spent, for the right browser too
    status, page = first.follow(url, ALICE)
    assert status == 400
    for query in ("", "?code=x", "?state=x&code=x", "?code=x&state="):
        assert first.open(invitation.partition("/start")[0] + CALLBACK +
                          query)[0] == 400
    assert state_of(rig) is None
    assert Browser(rig.context).follow(invitation, ALICE)[0] == 200


def test_wrong_account_declined_alias(rig, invitation):
    status, page = Browser(rig.context).follow(invitation, BOB)
    assert status == 403 and BOB in page and ALICE in page
    assert state_of(rig) is None
    status, page = Browser(rig.context).follow(invitation, ALICE, "cancel")
    assert status == 403 and "AADSTS65004" in page
    # an alias of the account will do, and from then on it is pinned
    alias = rig.ctl("link", "info@example.com").stdout.strip()
    assert Browser(rig.context).follow(alias, ALICE)[0] == 403
    rig.sim("settings", user=ALICE, proxies=["SMTP:" + ALICE,
                                             "smtp:Info@example.com"])
    assert Browser(rig.context).follow(alias, ALICE)[0] == 200
    rig.sim("settings", user=ALICE, proxies=["SMTP:" + ALICE])
    rig.sim("settings", user=BOB, proxies=["smtp:info@example.com"])
    again = rig.ctl("link", "info@example.com").stdout.strip()
    assert Browser(rig.context).follow(again, BOB)[0] == 403
    assert rig.ctl("unlink", "info@example.com").returncode == 0
    rig.sim("settings", user=BOB, proxies=[])


def test_admin_wall(rig, invitation):
    rig.sim("settings", admin_required=True, admin_consented=False)
    user, admin = Browser(rig.context), Browser(rig.context)
    status, page = user.follow(invitation, ALICE)
    assert status == 403 and "AADSTS90094" in page and "<script" not in page
    assert "Mail.ReadWrite" in page and "<textarea" in page
    wait = html.unescape(re.search(r'content="15;url=([^"]*)"', page)[1])
    consent = html.unescape(
        re.search(r'href="([^"]*adminconsent[^"]*)"', page)[1])
    status, _, page = user.open(wait)
    assert status == 200 and "&amp;wait=2" in page
    # the hint alone proves nothing: it is tried, and the wall still stands
    state = urllib.parse.parse_qs(urllib.parse.urlsplit(consent).query)
    forged = (invitation.partition("/start")[0] + CALLBACK +
              "?admin_consent=True&tenant=x&state=" + state["state"][0])
    assert admin.open(forged)[0] == 200
    status, _, page = user.open(wait)
    assert status == 403 and "AADSTS65001" in page
    assert state_of(rig) is None
    # declined, then granted
    status, page = admin.follow(consent, ALICE, "cancel")
    assert status == 200 and "Nothing was changed" in page
    assert "wait=2" in user.open(wait)[2]
    status, page = admin.follow(consent, ALICE)
    assert status == 200 and "Thank you" in page
    status, _, page = user.open(wait)
    assert status == 200 and "is linked" in page
    assert state_of(rig) == "ok"
    rig.sim("settings", admin_required=False)


# tokens

def linked(rig):
    if state_of(rig) != "ok":
        rig.link(ALICE)


def test_refresh_once_for_200(rig):
    linked(rig)
    rig.stop("oauthd")              # forgets the access token
    rig.start_oauthd()
    rig.sim("log/clear")
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: ask(rig, op="token", account=ALICE),
                                range(200)))
    assert {a["status"] for a in answers} == {"ok"}
    assert len({a["token"] for a in answers}) == 1
    assert refreshes(rig) == 1


@pytest.mark.parametrize("error, code, state, answer", [
    ("invalid_grant", 65001, "needs_consent", "needs_consent"),
    ("interaction_required", 50076, "needs_sign_in", "needs_sign_in"),
    ("invalid_grant", 50173, "revoked", "needs_sign_in"),
    ("invalid_grant", 53003, "blocked_by_policy", "blocked"),
    ("invalid_client", 7000222, "misconfigured", "blocked"),
    ("temporarily_unavailable", 90055, "unreachable", "unreachable"),
    ("new_error", 999999, "unreachable", "unreachable"),
])
def test_states_apart(rig, error, code, state, answer):
    linked(rig)
    rig.stop("oauthd")
    rig.start_oauthd()
    rig.sim("token", op="fail", grant="refresh_token", error=error, code=code,
            count=1)
    got = ask(rig, op="token", account=ALICE)
    assert got["status"] == answer and str(code) in got["message"]
    assert "to be done by" in got["message"]
    assert state_of(rig) == state
    rig.sim("token", op="heal")
    time.sleep(3.5)                 # until it asks again
    assert ask(rig, op="token", account=ALICE)["status"] == "ok"
    assert state_of(rig) == "ok"


def test_login_host_down(rig):
    linked(rig)
    token = ask(rig, op="token", account=ALICE)["token"]
    port = int(rig.url.rpartition(":")[2])
    rig.stop("sim")
    try:
        assert ask(rig, op="token", account=ALICE)["token"] == token
        rig.stop("oauthd")
        rig.start_oauthd()
        got = ask(rig, op="token", account=ALICE)
        assert got["status"] == "unreachable"
        assert state_of(rig) == "unreachable"
        with sqlite3.connect(rig.file("accounts.sqlite")) as db:
            assert db.execute("SELECT refresh_token FROM account WHERE "
                              "address = ?", (ALICE,)).fetchone()[0]
    finally:
        rig.start_sim(port)


def test_unused_account_is_renewed(rig):
    linked(rig)
    rig.stop("oauthd")

    def token():
        with sqlite3.connect(rig.file("accounts.sqlite")) as db:
            return db.execute("SELECT refresh_token FROM account WHERE "
                              "address = ?", (ALICE,)).fetchone()[0]
    with sqlite3.connect(rig.file("accounts.sqlite")) as db:
        db.execute("UPDATE account SET refreshed_at = ?",
                   (int(time.time()) - 29 * 86400,))
    old = token()
    rig.sim("log/clear")
    rig.start_oauthd()
    time.sleep(4.5)
    assert refreshes(rig) == 0 and token() == old
    rig.stop("oauthd")
    with sqlite3.connect(rig.file("accounts.sqlite")) as db:
        db.execute("UPDATE account SET refreshed_at = ? WHERE address = ?",
                   (int(time.time()) - 31 * 86400, ALICE))
    rig.start_oauthd()
    time.sleep(4.5)
    assert refreshes(rig) == 1 and token() != old


# the app registration

def test_lexzur_settings_change(rig, invitation):
    path = rig.file("integrations.json")
    conf = rig.file("oauthd.conf")

    def settings(secret):
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump({"MS-OfficeMail-365": {
                "clientId": CLIENT_ID, "clientSecret": secret},
                "other": {}}, f)
        os.replace(path + ".new", path)
    settings("the-id-of-the-secret")
    rig.stop("oauthd")
    try:
        rig.start_oauthd(edit=lambda text: re.sub(
            "client_id.*\nclient_secret_file.*",
            "lexzur_integrations = " + path, text))
        with open(conf, encoding="utf-8") as f:
            assert CLIENT_ID not in f.read()
        status, page = Browser(rig.context).follow(invitation, ALICE)
        assert status == 403 and "AADSTS7000215" in page and "value" in page
        settings(SECRET)
        status, page = Browser(rig.context).follow(invitation, ALICE)
        assert status == 200 and "linked" in page
        # half a file, as while it is being written: the old secret serves
        with open(path, "w", encoding="utf-8") as f:
            f.write('{"MS-OfficeMail-365": {')
        assert ask(rig, op="token", account=ALICE)["status"] == "ok"
        link = rig.ctl("link", ALICE).stdout.strip()
        assert Browser(rig.context).follow(link, ALICE)[0] == 200
    finally:
        rig.stop("oauthd")
        rig.start_oauthd()


def test_certificate(rig, invitation):
    pem = rig.file("client.pem")

    def make():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048",
                        "-nodes", "-days", "2", "-subj", "/CN=app", "-keyout",
                        pem + ".key", "-out", pem + ".crt"], check=True,
                       stderr=subprocess.DEVNULL)
        with open(pem + ".crt", encoding="ascii") as f:
            cert = f.read()
        with open(pem + ".key", encoding="ascii") as f:
            rig.write("client.pem", cert + f.read(), 0o600)
        return cert
    cert = make()
    rig.stop("oauthd")
    try:
        rig.start_oauthd(edit=lambda text: re.sub(
            "client_secret_file.*", "client_certificate_file = " + pem, text))
        status, page = Browser(rig.context).follow(invitation, ALICE)
        assert status == 403 and "AADSTS700027" in page
        rig.sim("settings", certificate=cert)
        status, page = Browser(rig.context).follow(invitation, ALICE)
        assert status == 200 and "linked" in page
        # another certificate, without a restart
        rig.sim("settings", certificate=make())
        link = rig.ctl("link", ALICE).stdout.strip()
        assert Browser(rig.context).follow(link, ALICE)[0] == 200
    finally:
        rig.stop("oauthd")
        rig.start_oauthd()


def test_public_url_with_path(rig):
    """As behind LEXZUR's web server, whether or not it strips the path."""
    rig.stop("oauthd")
    try:
        rig.start_oauthd(edit=lambda text: re.sub(
            "(public_url = .*)", r"\1/app4legal", text))
        for prefix in ("", "/app4legal"):
            page = http(rig, "GET", prefix + CALLBACK + "?state=x")
            assert b"cannot be completed" in page
            assert status_of(http(rig, "GET", prefix + "/x" + CALLBACK)) == 404
        link = rig.ctl("link", ALICE).stdout.strip()
        assert "/app4legal/start?i=" in link
        page = Browser(rig.context).open(link)[2]
        assert '/app4legal/start"' in page
    finally:
        rig.stop("oauthd")
        rig.start_oauthd()


# those who mean no good

def raw(rig, data, timeout=30):
    with socket.create_connection(("127.0.0.1", rig.http_port), timeout) as s:
        try:
            s.sendall(data)
            return s.makefile("rb").read()
        except (ConnectionResetError, BrokenPipeError):
            return b""


def status_of(answer):
    return int(answer.split(None, 2)[1]) if answer else 0


def http(rig, method, path, headers="", body=""):
    return raw(rig, f"{method} {path} HTTP/1.1\r\nHost: evil.example\r\n"
               f"Connection: close\r\n{headers}\r\n{body}".encode())


def rss_kb(proc):
    """Its own, without the libraries, which each release of Debian has
    others of"""
    with open(f"/proc/{proc.pid}/status") as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])


def check_http(rig):
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    for method, path, want in (
            ("GET", "/", 404), ("GET", "/start", 404), ("GET", "/x/start", 404),
            ("GET", "/start?i=" + "x" * 5000, 404), ("HEAD", "/start", 405),
            ("PUT", CALLBACK, 405), ("HEAD", CALLBACK, 405),
            ("DELETE", "/start", 405), ("GET", "/../../etc/passwd", 404),
            ("GET", "//evil.example" + CALLBACK, 404),
            ("GET", CALLBACK + "?state=a&state=b&code=c", 400),
            ("GET", CALLBACK + "?state=%00%ff&code=%", 400),
            ("GET", "/start?i=a&i=b", 400)):
        answer = http(rig, method, path)
        assert status_of(answer) == want, (method, path, answer[:200])
        assert b"evil.example" not in answer
        assert b"Content-Security-Policy: default-src 'none'" in answer
    body = "state=a&code=b&state=c"
    assert status_of(http(rig, "POST", CALLBACK, form +
                          f"Content-Length: {len(body)}\r\n", body)) == 400
    body = "state=" + "x" * 1000000
    assert status_of(http(rig, "POST", CALLBACK, form +
                          f"Content-Length: {len(body)}\r\n", body)) == 413
    assert status_of(http(rig, "GET", "/", "X: " + "y" * 100000 + "\r\n")) in \
        (0, 400, 413, 431)
    page = http(rig, "GET", CALLBACK + "?state=a&error=%3Cscript%3E&"
                "error_description=%3Cscript%3E")
    assert b"<script" not in page
    raw(rig, b"\x00\xff\r\n\r\n")


def check_socket(rig):
    for line in (b"\n", b"{}\n", b"[]\n", b"{\"op\":1}\n", b"\xff\x00\n",
                 b"{\"op\":\"token\"}\n", b"{\"op\":\"no\"}\n",
                 b"{\"op\":\"token\",\"account\":\"" + b"a" * 60000 + b"\"}\n",
                 b"x" * 70000):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(rig.file("broker.sock"))
            try:
                s.sendall(line)
                answer = s.makefile("rb").readline()
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
        assert b'"token"' not in answer
        assert answer == b"" or json.loads(answer)["status"] != "ok"


def test_malformed(rig):
    check_http(rig)
    check_socket(rig)
    assert rig.processes["oauthd"].poll() is None


def test_slow_clients(rig):
    linked(rig)
    slow = []
    try:
        for _ in range(1000):
            s = socket.create_connection(("127.0.0.1", rig.http_port), 10)
            s.sendall(b"GET /start HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            slow.append(s)
        started = time.time()
        assert status_of(http(rig, "GET", "/start?i=x")) == 404
        assert ask(rig, op="token", account=ALICE)["status"] == "ok"
        assert time.time() - started < 3
        assert rss_kb(rig.processes["oauthd"]) < 22 * 1024
    finally:
        for s in slow:
            s.close()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_other_user_is_refused(rig):
    script = ("import os, socket, sys; os.setgid(65534); os.setuid(65534); "
              "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
              "s.sendall(sys.argv[2].encode() + b'\\n'); "
              "print(s.makefile().readline())")
    for op in ("token", "link", "status", "unlink"):
        out = subprocess.run(
            [sys.executable, "-c", script, rig.file("broker.sock"),
             json.dumps({"op": op, "account": ALICE})],
            stdout=subprocess.PIPE, text=True, check=True).stdout
        assert json.loads(out)["status"] == "forbidden"


@pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")
def test_valgrind(rig, invitation):
    rig.stop("oauthd")
    try:
        rig.start_oauthd(("valgrind", "-q", "--error-exitcode=99",
                          "--leak-check=full",
                          "--errors-for-leak-kinds=definite"))
        check_http(rig)
        check_socket(rig)
        assert Browser(rig.context).follow(invitation, ALICE)[0] == 200
        assert ask(rig, op="token", account=ALICE)["status"] == "ok"
        proc = rig.processes["oauthd"]
        rig.stop("oauthd")
        assert proc.returncode == 0, rig.output("oauthd")
    finally:
        rig.stop("oauthd")
        rig.start_oauthd()
