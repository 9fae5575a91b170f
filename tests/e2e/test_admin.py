"""The admin page and self-service: who gets in, and who does not."""

import html
import re
import subprocess
import time
import urllib.parse

import pytest

from rig import MARKER, SECRET, Browser, Rig

ALICE, BOB = "alice@example.com", "bob@example.com"
PASSWORD = MARKER + " of the admin"


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE, BOB))
    rig.write("secret", SECRET + "\n", 0o600)
    rig.write("admin-hash", subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, text=True,
        stdout=subprocess.PIPE, check=True).stdout, 0o600)
    rig.start_sim()
    start(rig)
    yield rig
    rig.close()


def start(rig, more=""):
    rig.stop("oauthd")
    rig.start_oauthd(edit=lambda text: text + "admin_password_file = " +
                     rig.file("admin-hash") + "\n" + more)


def url(rig, path="/admin"):
    return f"http://127.0.0.1:{rig.http_port}{path}"


def post(rig, browser, path="/admin", **fields):
    return browser.open(url(rig, path), urllib.parse.urlencode(fields).encode())


def log_in(rig):
    browser = Browser(rig.context)
    status, _, page = post(rig, browser, password=PASSWORD)
    assert status == 200 and "Log out" in page
    return browser, re.search(r'name="csrf" value="([^"]*)"', page)[1]


def test_off_by_default(rig):
    rig.stop("oauthd")
    rig.start_oauthd()
    assert Browser(rig.context).open(url(rig))[0] == 404
    assert Browser(rig.context).open(url(rig, "/start"))[0] == 404
    start(rig)


def test_list_invite_unlink(rig):
    for user in (ALICE, BOB):
        rig.ctl("unlink", user)
        rig.link(user)
    rig.forget_tokens()
    start(rig)
    rig.sim("token", op="fail", grant="refresh_token", error="invalid_grant",
            code=50173, count=1)
    rig.ctl("probe", BOB)
    admin, csrf = log_in(rig)
    page = admin.open(url(rig))[2]
    assert page.index(BOB) < page.index(ALICE)  # what needs work comes first
    assert "AADSTS50173" in page and "link the account again" in page
    assert "<script" not in page and "Works (1)" in page
    # a link
    page = post(rig, admin, csrf=csrf, do="invite", address=BOB)[2]
    link = html.unescape(re.search(r"<code>(.*?)</code>", page)[1])
    assert Browser(rig.context).follow(link, BOB)[0] == 200
    assert link not in admin.open(url(rig))[2]
    page = post(rig, admin, csrf=csrf, do="invite", address="<nonsense>")[2]
    assert "no e-mail address" in page and "<nonsense>" not in page
    # unlink asks first
    page = post(rig, admin, csrf=csrf, do="unlink", address=BOB)[2]
    assert "Unlink this mailbox?" in page
    assert rig.ctl("status", BOB).returncode == 0
    page = post(rig, admin, csrf=csrf, do="unlink-now", address=BOB)[2]
    assert "was unlinked" in page
    assert "not linked" in rig.ctl("status", BOB).stderr
    assert "by=admin" in rig.output("oauthd")
    # log out
    page = post(rig, admin, csrf=csrf, do="logout")[2]
    assert "Log in" in page and ALICE not in admin.open(url(rig))[2]


def test_cross_site_forms(rig):
    """A form of another site: the cookie would not come along, and the token
    is not known there."""
    rig.link(ALICE)
    admin, csrf = log_in(rig)
    for bad in ({}, {"csrf": ""}, {"csrf": csrf[:-1]}, {"csrf": csrf + "x"}):
        status, _, page = post(rig, admin, do="unlink-now", address=ALICE,
                               **bad)
        assert status == 403 and "Nothing was done" in page
    # a GET changes nothing, whatever it carries
    admin.open(url(rig, "/admin?" + urllib.parse.urlencode(
        {"do": "unlink-now", "address": ALICE, "csrf": csrf})))
    assert rig.ctl("status", ALICE).returncode == 0
    # the token of one session is none for another, or for nobody
    other, _ = log_in(rig)
    assert post(rig, other, csrf=csrf, do="unlink-now",
                address=ALICE)[0] == 403
    post(rig, Browser(rig.context), csrf=csrf, do="unlink-now", address=ALICE)
    assert rig.ctl("status", ALICE).returncode == 0
    (cookie,) = [c for c in admin.jar if c.name == "msgraph_admin"]
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Strict"
    assert cookie.value not in admin.open(url(rig))[2]


def test_wrong_passwords_are_slowed_down(rig):
    start(rig)
    browser = Browser(rig.context)
    for _ in range(5):
        assert "is wrong" in post(rig, browser, password="x")[2]
    started = time.time()
    for password in ("x", PASSWORD):
        assert "Too many" in post(rig, browser, password=password)[2]
    assert time.time() - started < 5
    start(rig)
    # what no hash is opens nothing
    rig.write("admin-hash2", "plain\n", 0o600)
    rig.stop("oauthd")
    rig.start_oauthd(edit=lambda text: text + "admin_password_file = " +
                     rig.file("admin-hash2") + "\n")
    page = post(rig, Browser(rig.context), password="plain")[2]
    assert "Nobody can log in" in page
    assert "openssl passwd" in rig.output("oauthd")
    start(rig)


def test_self_service(rig):
    start(rig, "self_service = yes\nallowed_domains = example.com\n")
    rig.ctl("unlink", ALICE)
    browser = Browser(rig.context)
    page = browser.open(url(rig, "/start"))[2]
    assert "Your e-mail address" in page and "<script" not in page
    # linked, not linked, not there: the same answer
    rig.ctl("unlink", BOB)
    rig.link(BOB)
    for address in (ALICE, BOB, "nobody@example.com"):
        status, where, _ = post(rig, browser, "/start", address=address)
        assert status == 200 and where.startswith(rig.url)
    for address in ("a@elsewhere.example", "no-address", "a@b@example.com", ""):
        status, where, page = post(rig, browser, "/start", address=address)
        assert status == 403 and "does not take this address" in page
        assert not address or address not in page
    # one's own account, and no other
    where = post(rig, browser, "/start", address=ALICE)[1]
    assert browser.follow(where, BOB)[0] == 403
    assert "not linked" in rig.ctl("status", ALICE).stderr
    where = post(rig, browser, "/start", address=ALICE)[1]
    assert browser.follow(where, ALICE)[0] == 200
    assert rig.ctl("status", ALICE).returncode == 0
    # not without end
    statuses = [post(rig, Browser(rig.context), "/start", address=ALICE)[0]
                for _ in range(40)]
    assert statuses[-1] == 429
