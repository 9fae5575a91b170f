"""Each page in a real browser, headless Chromium: the journeys, and how they look
on a desk and a phone, light and dark. Screenshots go to the directory
"screenshots" beside the build (MSGRAPH_SCREENSHOTS)."""

import os
import re
import subprocess

import pytest

from rig import BUILD, SECRET, Rig
from webdriver import Chromium, Driver

ALICE, BOB = "alice@example.com", "bob@example.com"
SHOTS = os.environ.get("MSGRAPH_SCREENSHOTS", os.path.join(
    os.path.dirname(BUILD), "screenshots"))

# What a page must be: contrast of text by WCAG 2 (4.5:1), no sideways
# scrolling, nothing foreign, a title, a language, one heading, buttons that a
# finger hits. Returns what is wrong.
CHECK = """
const bad = [];
const rgb = (c) => { const m = c.match(/[\\d.]+/g).map(Number);
  return {c: m.slice(0, 3), a: m.length > 3 ? m[3] : 1}; };
const lum = (c) => c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 :
  Math.pow((v + 0.055) / 1.055, 2.4); }).reduce((s, v, i) =>
  s + v * [0.2126, 0.7152, 0.0722][i], 0);
const canvas = getComputedStyle(document.documentElement).backgroundColor;
const dark = matchMedia('(prefers-color-scheme: dark)').matches;
const back = (e) => { for (; e; e = e.parentElement) {
  const b = rgb(getComputedStyle(e).backgroundColor);
  if (b.a > 0.99) return b.c; }
  return dark ? [18, 18, 18] : [255, 255, 255]; };
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const e = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || !e.offsetParent) continue;
  const b = back(e); let a = 1;
  for (let p = e; p; p = p.parentElement) a *= getComputedStyle(p).opacity;
  const f = rgb(getComputedStyle(e).color);
  const mix = f.c.map((v, i) => v * a * f.a + b[i] * (1 - a * f.a));
  const l = [lum(mix), lum(b)].sort((x, y) => y - x);
  const ratio = (l[0] + 0.05) / (l[1] + 0.05);
  if (ratio < 4.5) bad.push('contrast ' + ratio.toFixed(1) + ' of ' +
    walk.currentNode.data.trim().slice(0, 30));
}
if (document.documentElement.scrollWidth > innerWidth)
  bad.push('wider than the window: ' + document.documentElement.scrollWidth);
if (document.documentElement.lang !== 'en') bad.push('no lang');
if (document.title.length < 5) bad.push('no title');
if (document.querySelectorAll('h1').length !== 1) bad.push('not one h1');
if (document.querySelectorAll('script').length) bad.push('a script');
for (const e of performance.getEntriesByType('resource'))
  if (!e.name.endsWith('/favicon.ico')) bad.push('loads ' + e.name);
for (const e of document.querySelectorAll('button, a.next, input[type=email],' +
    'input[type=password]'))
  if (e.getBoundingClientRect().height < 40) bad.push('small ' + e.innerText);
for (const e of document.querySelectorAll(
    'input:not([type=hidden]), textarea, select'))
  if (!e.labels.length && !e.ariaLabel) bad.push('no label: ' + e.name);
return bad;
"""


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE, BOB))
    rig.write("secret", SECRET + "\n", 0o600)
    rig.start_sim()
    start(rig)
    yield rig
    rig.close()


def start(rig, more=""):
    rig.stop("oauthd")
    rig.start_oauthd(edit=lambda text: text + "app_passwords = yes\n"
                     "imap_server = imap.example.com:993\n"
                     "smtp_server = smtp.example.com:465\n" + more)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    # not below the rig: a browser keeps the codes of its URLs in its history
    driver = Driver(str(tmp_path_factory.mktemp("chromium")))
    yield driver
    driver.close()


@pytest.fixture
def chromium(driver):
    browser = Chromium(driver)
    yield browser
    browser.close()


@pytest.fixture
def invitation(rig):
    rig.ctl("unlink", ALICE)
    return rig.ctl("link", ALICE).stdout.strip()


def seen(browser, name):
    """Look at the page in all four ways, keep the pictures, judge them."""
    os.makedirs(SHOTS, exist_ok=True)
    for width, where in ((1000, "desk"), (360, "phone")):
        for dark in (False, True):
            browser.look(width, 740, dark)
            bad = browser.run(CHECK)
            browser.screenshot(os.path.join(
                SHOTS, f"{name}-{where}-{'dark' if dark else 'light'}.png"))
            assert not bad, (name, where, dark, bad)
    browser.look(1000, 900)


def heading(browser):
    return browser.run("return document.querySelector('h1').innerText")


def sign_in(browser, user, decision="accept"):
    """On the login host's page."""
    browser.wait(lambda: browser.title == "Sign in" and
                 browser.find("select[name=user]"))
    browser.run(f"document.querySelector('select').value = '{user}'")
    browser.click(f"button[value={decision}]")


def press(browser):
    browser.click("main form button")


def test_link(rig, chromium, invitation):
    chromium.open(invitation)
    assert heading(chromium) == "Link your mailbox" and ALICE in chromium.text
    seen(chromium, "start")
    press(chromium)
    sign_in(chromium, ALICE)
    chromium.wait(lambda: heading(chromium) == "The account is linked")
    text = chromium.text
    for part in (ALICE, "imap.example.com", "993", "smtp.example.com", "465"):
        assert part in text, part
    password = re.search(r"\b(?:[a-z2-9]{4}-){6}[a-z2-9]{4}\b", text)
    assert password and "only now" in text
    seen(chromium, "success")
    assert rig.ctl("status", ALICE).stdout.split()[1] == "ok"
    # back, reload: the password is not shown again, nothing happens twice
    callback = chromium.url
    chromium.open(callback)
    assert "cannot be completed" in heading(chromium)
    assert password[0] not in chromium.source
    seen(chromium, "replayed")
    chromium.open(invitation)
    assert heading(chromium) == "This link does not work"
    seen(chromium, "used-link")


def test_expired_link(rig, chromium, invitation):
    rig.sql("UPDATE invitation SET expires = 1")
    chromium.open(invitation)
    assert heading(chromium) == "This link does not work"
    assert "expired" in chromium.text
    seen(chromium, "expired-link")


def test_wrong_account(rig, chromium, invitation):
    chromium.open(invitation)
    press(chromium)
    sign_in(chromium, BOB)
    chromium.wait(lambda: heading(chromium) == "That was another account")
    assert ALICE in chromium.text and BOB in chromium.text
    seen(chromium, "wrong-account")
    chromium.click("a.next")
    chromium.wait(lambda: heading(chromium) == "Link your mailbox")
    press(chromium)
    sign_in(chromium, ALICE)
    chromium.wait(lambda: heading(chromium) == "The account is linked")


def test_declined(rig, chromium, invitation):
    chromium.open(invitation)
    press(chromium)
    sign_in(chromium, ALICE, "cancel")
    chromium.wait(lambda: "AADSTS65004" in chromium.text)
    seen(chromium, "declined")
    chromium.click("a.next")
    press(chromium)
    sign_in(chromium, ALICE)
    chromium.wait(lambda: heading(chromium) == "The account is linked")


def test_wall(rig, driver, chromium, invitation):
    rig.sim("settings", admin_required=True, admin_consented=False)
    admin = Chromium(driver)
    try:
        chromium.open(invitation)
        press(chromium)
        sign_in(chromium, ALICE)
        chromium.wait(lambda: "AADSTS90094" in chromium.text)
        assert heading(chromium) == "An administrator must agree first"
        seen(chromium, "wall")
        text = chromium.text
        for part in ("Mail.ReadWrite", "MailboxSettings.ReadWrite",
                     "offline_access", "User consent settings",
                     "Users can request admin consent", "Consent once"):
            assert part in text, part
        forward = chromium.run(
            "return document.querySelector('textarea').value")
        link = re.search(r"https://\S+/v2\.0/adminconsent\?\S+", forward)[0]
        assert link in [chromium.run(
            "return document.querySelector('a[href*=adminconsent]').href")]
        # the administrator, elsewhere
        admin.open(link)
        admin.wait(lambda: admin.find("button[value=cancel]"))
        admin.click("button[value=cancel]")
        admin.wait(lambda: heading(admin) == "Nothing was changed")
        seen(admin, "admin-declined")
        admin.open(link)
        admin.click("button[value=accept]")
        admin.wait(lambda: heading(admin) == "Thank you")
        seen(admin, "admin-thanks")
        # nobody touches the user's page
        chromium.wait(lambda: heading(chromium) == "The account is linked", 40)
        assert rig.ctl("status", ALICE).stdout.split()[1] == "ok"
    finally:
        admin.close()
        rig.sim("settings", admin_required=False)


def test_failures(rig, chromium, invitation):
    """Refused by policy, secret wrong, login host down."""
    for error, code, words, name in (
            ("invalid_grant", 53003, "Conditional Access", "policy"),
            ("invalid_client", 7000215, "value", "secret"),
            ("temporarily_unavailable", 90055, "Wait", "busy")):
        rig.sim("token", op="fail", grant="authorization_code", error=error,
                code=code, count=1)
        chromium.open(invitation)
        press(chromium)
        sign_in(chromium, ALICE)
        chromium.wait(lambda: f"AADSTS{code}" in chromium.text)
        assert words in chromium.text
        seen(chromium, name)
    chromium.open(invitation.partition("/start")[0] + "/nothing")
    assert heading(chromium) == "There is nothing here"
    seen(chromium, "not-found")


def test_admin_page(rig, chromium, invitation):
    rig.write("admin-hash", subprocess.run(
        ["openssl", "passwd", "-6", "admin-password"], text=True,
        stdout=subprocess.PIPE, check=True).stdout)
    start(rig, f"admin_password_file = {rig.file('admin-hash')}\n")
    rig.link(ALICE)
    rig.link(BOB)
    rig.sql("UPDATE account SET state = 'needs_consent', state_text = "
            "'AADSTS65001: nobody has consented to the permissions yet; have "
            "an administrator consent for everybody; to be done by you' "
            f"WHERE address = '{BOB}'")
    page = f"http://127.0.0.1:{rig.http_port}/admin"
    chromium.open(page)
    seen(chromium, "admin-login")
    chromium.type("#password", "wrong\n")
    chromium.wait(lambda: "is wrong" in chromium.text)
    chromium.type("#password", "admin-password\n")
    chromium.wait(lambda: "Needs consent" in chromium.text)
    assert "AADSTS65001" in chromium.text
    seen(chromium, "admin-list")
    chromium.type("#address", "new@example.com\n")
    chromium.wait(lambda: "/start?i=" in chromium.text)
    seen(chromium, "admin-invited")
    chromium.click("button[value=unlink]")
    chromium.wait(lambda: heading(chromium) == "Unlink this mailbox?")
    seen(chromium, "admin-unlink")
    chromium.click("button[value=unlink-now]")
    chromium.wait(lambda: "was unlinked" in chromium.text)
    chromium.click("button[value=logout]")
    chromium.wait(lambda: "Password of the administrator" in chromium.text)
    chromium.open(page)
    assert ALICE not in chromium.text
    start(rig)


def test_self_service(rig, chromium):
    rig.ctl("unlink", ALICE)
    start(rig, "self_service = yes\nallowed_domains = example.com\n")
    chromium.open(f"http://127.0.0.1:{rig.http_port}/start")
    seen(chromium, "self")
    chromium.type("#address", "me@elsewhere.example\n")
    chromium.wait(lambda: "does not take this address" in chromium.text)
    seen(chromium, "self-refused")
    chromium.type("#address", ALICE + "\n")
    sign_in(chromium, ALICE)
    chromium.wait(lambda: heading(chromium) == "The account is linked")
    start(rig)


def test_device(rig, chromium, invitation):
    """The code is entered elsewhere; the page goes on by itself."""
    chromium.open(invitation)
    chromium.click("form:has(input[name=device]) button")
    chromium.wait(lambda: heading(chromium) == "Sign in on another device")
    code = chromium.run("return document.querySelector('p[style] b').innerText")
    seen(chromium, "device")
    rig.sim("device", user_code=code, user=ALICE, decision="accept")
    chromium.wait(lambda: heading(chromium) == "The account is linked", 40)
