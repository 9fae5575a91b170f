"""Those who mean no good, at the pages of msgraph-oauthd: foreign states and
codes, tricks with hosts and redirects, slow and greedy clients, crowds."""

import html
import re
import socket
import threading
import time
import urllib.parse

import pytest

from rig import MARKER, SECRET, Browser, Rig
from test_oauth import (ALICE, BOB, CALLBACK, http, raw, rss_kb, sign_in_url,
                        state_of, status_of)

RSS_MAX_KB = 22 * 1024
HEADER_SECS = 20


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


@pytest.fixture(autouse=True)
def alive(rig):
    yield
    assert rig.processes["oauthd"].poll() is None
    assert rss_kb(rig.processes["oauthd"]) < RSS_MAX_KB


def returned(rig, browser, url, user):
    """Sign in, but do not go back: the URL that the browser was sent to."""
    _, url, page = browser.open(url)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    fields = {k: html.unescape(v) for k, v in fields.items()}
    fields.update(user=user, decision="accept")

    class Stop(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args):
            return None
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=rig.context), Stop)
    try:
        opener.open(url, urllib.parse.urlencode(fields).encode())
    except urllib.error.HTTPError as err:
        return err.headers["Location"]
    raise AssertionError("no redirect")


def query(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def test_injected_code(rig, invitation):
    """Somebody else's code in the victim's browser, or with the victim's
    state."""
    victim, evil = Browser(rig.context), Browser(rig.context)
    evil_link = rig.ctl("link", BOB).stdout.strip()
    evil_back = returned(rig, evil, sign_in_url(evil, evil_link), BOB)
    state = query(sign_in_url(victim, invitation))["state"]
    base = invitation.partition("/start")[0] + CALLBACK
    # the attacker's answer as it is: not this browser's
    assert victim.open(evil_back)[0] == 400
    # the attacker's code with the victim's state: PKCE tells
    status, _, page = victim.open(base + "?" + urllib.parse.urlencode(
        {"state": state, "code": query(evil_back)["code"]}))
    assert status == 403 and "AADSTS501481" in page
    # a code that nobody gave
    state = query(sign_in_url(victim, invitation))["state"]
    status, _, page = victim.open(base + f"?state={state}&code=0.Amade-up")
    assert status == 403 and "AADSTS70000" in page
    assert state_of(rig) is None and state_of(rig, BOB) is None
    # the victim still gets through
    assert victim.follow(invitation, ALICE)[0] == 200


def test_mix_up_of_two_sign_ins(rig, invitation):
    """Two tabs: the older state stays good for the older tab only."""
    browser = Browser(rig.context)
    first = returned(rig, browser, sign_in_url(browser, invitation), ALICE)
    second = returned(rig, browser, sign_in_url(browser, invitation), ALICE)
    crossed = first.replace(query(first)["state"], query(second)["state"])
    assert browser.open(crossed)[0] in (400, 403)
    assert state_of(rig) is None
    assert browser.follow(invitation, ALICE)[0] == 200


@pytest.mark.parametrize("head", [
    "GET http://evil.example{path} HTTP/1.1\r\nHost: evil.example\r\n",
    "GET {path} HTTP/1.1\r\nHost: evil.example\r\n"
    "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\n"
    "Forwarded: host=evil.example\r\n",
    "GET {path} HTTP/1.1\r\nHost: evil.example\r\nHost: evil2.example\r\n",
    "GET {path} HTTP/1.0\r\n",
    "POST {path} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n"
    "X-HTTP-Method-Override: GET\r\nOrigin: https://evil.example\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\n",
])
def test_host_tricks(rig, invitation, head):
    for path in ("/start?i=x", CALLBACK + "?state=x&code=y",
                 invitation.partition("//")[2].partition("/")[2].join(
                     ("/", "")),
                 "/start?i=x&redirect_uri=https://evil.example/"
                 "&next=//evil.example&url=https:evil.example"):
        answer = raw(rig, (head.format(path=path) +
                           "Connection: close\r\n\r\n").encode())
        assert status_of(answer) in (0, 200, 303, 400, 404, 405), answer[:300]
        assert b"evil" not in answer
        where = re.search(rb"\nLocation: (\S+)", answer)
        assert not where or where[1].startswith(rig.url.encode())


def test_no_open_redirect_no_splitting(rig, invitation):
    secret = invitation.partition("i=")[2]
    for path in ("/%0d%0aX-Evil:%201", "/start%0d%0aX-Evil:%201",
                 f"/start?i={secret}%0d%0aX-Evil:%201",
                 f"/start?i={secret}%00",
                 CALLBACK + "?state=x%0d%0aSet-Cookie:%20a=b&code=c",
                 "//evil.example/start", "/\\evil.example",
                 "/start/..//evil.example", CALLBACK + "/../start"):
        answer = http(rig, "GET", path)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert status_of(answer) in (400, 404), (path, answer[:200])
        assert b"X-Evil" not in head and b"Set-Cookie" not in head
        assert b"Location" not in head and b"evil" not in body
    # reflected text, from what the login host is made to say, too
    browser = Browser(rig.context)
    state = query(sign_in_url(browser, invitation))["state"]
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>"
    page = browser.open(
        invitation.partition("/start")[0] + CALLBACK + "?" +
        urllib.parse.urlencode({"state": state, "error": evil,
                                "error_description": "AADSTS50011: " + evil,
                                "error_uri": "javascript:alert(1)"}))[2]
    assert "AADSTS50011" in page
    for part in ("<script", "<img", "javascript:", "alert(1)"):
        assert part not in page


def test_cookie_is_of_use_here_only(rig, invitation):
    page, _, form = invitation.partition("?")
    answer = http(rig, "POST", "/start", "Content-Type: application/x-www-form-"
                  f"urlencoded\r\nContent-Length: {len(form)}\r\n", form)
    cookie = re.search(rb"Set-Cookie: (.*?)\r", answer)[1].decode()
    assert "HttpOnly" in cookie and "SameSite=" in cookie
    assert "Domain" not in cookie and MARKER not in cookie


# slow and greedy

def drip(rig, head, piece, every, seconds):
    """Send a piece now and then; after how long does the other side end it?"""
    started = time.time()
    with socket.create_connection(("127.0.0.1", rig.http_port), 60) as s:
        s.sendall(head)
        s.settimeout(every)
        while time.time() - started < seconds:
            try:
                s.sendall(piece)
                if s.recv(65536) == b"":
                    return time.time() - started
            except TimeoutError:
                pass
            except OSError:
                return time.time() - started
    return None


def test_slow_header_and_body_have_an_end(rig):
    """One byte a second is never silent for long: a limit for silence alone
    would keep it for ever."""
    post = (f"POST {CALLBACK} HTTP/1.1\r\nHost: x\r\nContent-Type: "
            "application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\n"
            "state=").encode()
    heads = [b"GET /start HTTP/1.1\r\nHost: x\r\nX-Slow: ", post,
             b"GET /start?i="]
    took = [None] * len(heads)

    def run(i):
        took[i] = drip(rig, heads[i], b"a", 1, HEADER_SECS + 15)
    threads = [threading.Thread(target=run, args=(i,))
               for i in range(len(heads))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(t and HEADER_SECS - 2 < t < HEADER_SECS + 6 for t in took), took


@pytest.mark.parametrize("head, fill", [
    ("GET /start HTTP/1.1\r\nHost: x\r\nX-Big: ", 9500),
    (f"POST {CALLBACK} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
     "Content-Type: application/x-www-form-urlencoded\r\n\r\ncode=", 4000),
    ("", 0),
])
def test_a_thousand_connections(rig, head, fill):
    """Each with as much as it may have, none complete; meanwhile others are
    served at once."""
    data = (head + "x" * fill).encode()
    crowd, slowest = [], 0
    try:
        for n in range(1000):
            s = socket.create_connection(("127.0.0.1", rig.http_port), 10)
            crowd.append(s)
            if data:
                s.sendall(data)
            if n % 100 == 99:
                started = time.time()
                assert status_of(http(rig, "GET", "/start?i=x")) == 404
                assert rig.ctl("status").returncode in (0, 1)
                slowest = max(slowest, time.time() - started)
        time.sleep(0.5)
        rss = rss_kb(rig.processes["oauthd"])
        print(f"RSS {rss} kB, slowest answer {slowest:.2f} s")
        assert slowest < 1 and rss < RSS_MAX_KB
    finally:
        for s in crowd:
            s.close()
    # and when they have gone, their memory has
    deadline = time.time() + 10
    while rss_kb(rig.processes["oauthd"]) > RSS_MAX_KB * 3 / 4:
        assert time.time() < deadline
        time.sleep(0.1)


def test_greedy_requests(rig):
    for head, want in (
            ("X: " + "y" * 100000 + "\r\n", (0, 400, 413, 431)),
            ("".join(f"X-{i}: y\r\n" for i in range(3000)), (0, 400, 413, 431)),
            ("Cookie: " + "a=b; " * 4000 + "\r\n", (0, 400, 413, 431)),
            ("Cookie: a=" + "b" * 4000 + "\r\n", (404,))):
        assert status_of(http(rig, "GET", "/start?i=x", head)) in want
    assert status_of(http(rig, "GET", "/start?i=" + "x" * 100000)) in \
        (0, 400, 414, 431)
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    chunked = form + "Transfer-Encoding: chunked\r\n"
    body = "".join(f"{4096:x}\r\n{'x' * 4096}\r\n" for _ in range(500))
    assert status_of(http(rig, "POST", CALLBACK, chunked,
                          "6\r\nstate=\r\n" + body + "0\r\n\r\n")) in (0, 413)
    for length in ("-1", "99999999999999999999", "0x10", "1, 2"):
        answer = http(rig, "POST", CALLBACK,
                      form + f"Content-Length: {length}\r\n", "state=x")
        assert status_of(answer) in (0, 400, 413), (length, answer[:100])
    # a form of many fields, a part of a file
    body = "&".join(f"f{i}=x" for i in range(20000))
    assert status_of(http(rig, "POST", CALLBACK, form +
                          f"Content-Length: {len(body)}\r\n", body)) == 400
    # one request behind the other in one connection
    answer = raw(rig, b"GET /start?i=x HTTP/1.1\r\nHost: x\r\n\r\n" * 200 +
                 b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 404") == 201
