"""Words that are not ASCII: what Outlook shows of what was appended, and what
IMAP shows of what Graph tells in JSON."""

import base64
import email.header
import email.utils
import re
import shutil

import pytest

from imaptools import ok
from rig import Rig

CHARSETS = [
    ("ks_c_5601-1987", "cp949", "똠방각하 회의"), ("gb2312", "gbk", "朱镕基"),
    ("shift_jis", "cp932", "①髙橋"), ("x-sjis", "cp932", "会議"),
    ("windows-1255", "cp1255", "שלום"), ("windows-1258", "cp1258", "Vit"),
    ("iso-8859-1", "cp1252", "“5 €”"), ("iso-8859-8-i", "iso-8859-8", "שלום"),
    ("koi8-r", "koi8-r", "Привет"), ("big5", "big5", "中文"),
    ("iso-2022-jp", "iso-2022-jp", "日本語"), ("euc-kr", "euc-kr", "한국"),
]

# of drafts, whose envelope is made of Graph's fields
NAMES = [
    "Öst, Åsa", "Åsa (HR) Öst", "Smith, Åsa", 'Åsa "the boss" Öst',
    "Åsa <x> Öst", "Åsa; Öst", "Åsa: Öst", "Åsa @ Öst", "Åsa. Öst", "[ext] Åsa",
    "Åsa [ext]", "Plain, Name", "=?x", "李, 四", "Åsa\\Öst"
]

# fields as careless mailers and RFC 6532 have them, and what they address
RAW = [
    ("Åsa Öst <asa@example.org>, Örjan <orjan@example.org>",
     ["asa@example.org", "orjan@example.org"]),
    ("Ann <ann@example.org>, Åsa <asa@example.org>, Bo <bo@example.org>, "
     "Örjan Å <orjan@example.org>",
     ["ann@example.org", "asa@example.org", "bo@example.org",
      "orjan@example.org"]),
    ('"Öst, Åsa" <asa@example.org>, "Ek, Örjan" <o@example.org>',
     ["asa@example.org", "o@example.org"]),
    ("asa@example.org (Åsa Öst), o@example.org (Örjan)",
     ["asa@example.org", "o@example.org"]),
    ("Jo <jo@exämple.org>, <x@example.org>",
     ["jo@exämple.org", "x@example.org"]),
    ("jörg@example.org", ["jörg@example.org"]),
]


@pytest.fixture(scope="module")
def rig():
    rig = Rig().start()
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


def word(label, raw):
    return f"=?{label}?B?{base64.b64encode(raw).decode()}?="


@pytest.mark.parametrize("label,codec,text", CHARSETS,
                         ids=[c[0] for c in CHARSETS])
def test_appended(rig, label, codec, text):
    raw = text.encode(codec)
    words = word(label, raw)
    mime = (f"From: {words} <a@example.net>\r\nTo: {words} <b@example.com>\r\n"
            f"Subject: {words}\r\nMessage-ID: <{label}@t>\r\nMIME-Version: "
            "1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
            f"Content-Type: text/plain; charset={label}\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n"
            f"{base64.b64encode(raw).decode()}\r\n--x\r\n"
            f"Content-Type: application/octet-stream; name*={label}''"
            f"{''.join(f'%{c:02X}' for c in raw)}\r\n"
            "Content-Disposition: attachment\r\n\r\nfile\r\n--x--\r\n")
    conn = rig.imap()
    ok(conn.append("INBOX", None, None, mime.encode()))
    conn.logout()
    (state,) = [m for m in rig.messages()
                if m["internetMessageId"] == f"<{label}@t>"]
    message = rig.sim("message", user=rig.users[0], id=state["id"])
    assert message["subject"] == text
    assert text in str(message["from"])
    assert text in str(state["to"])
    assert state["attachments"][0]["name"] == text
    assert message["body"].strip() == text


def test_character_in_two_words(rig):
    raw = "日本語".encode("cp932")
    conn = rig.imap()
    ok(conn.append("INBOX", None, None,
                   f"Subject: {word('shift_jis', raw[:3])}\r\n "
                   f"{word('Shift_JIS', raw[3:])} end\r\n\r\n".encode()))
    conn.logout()
    assert rig.messages()[-1]["subject"] == "日本語 end"


@pytest.fixture(scope="module")
def drafts(rig):
    """Their envelopes, when nothing is left of what was appended."""
    conn = rig.imap()
    for n, name in enumerate(NAMES + [None]):
        to = "jörg@example.org" if name is None else \
            f"{email.header.Header(name, 'utf-8').encode()} <a@example.org>"
        ok(conn.append("Drafts", r"(\Draft)", None, (
            f"From: alice@example.com\r\nTo: {to}, z@example.org\r\n"
            f"Subject: n{n}.\r\n\r\nx\r\n").encode()))
    conn.logout()
    shutil.rmtree(rig.file("mail", rig.users[0]))
    conn = rig.imap()
    ok(conn.select("Drafts"))
    data = ok(conn.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT TO)])"))
    out = {}
    for part in data:
        if isinstance(part, tuple):
            subject = re.search(rb"Subject: (n\d+)\.", part[1]).group(1)
            number = part[0].split()[0].decode()
            out[subject.decode()] = part[1].decode(), b" ".join(
                p if isinstance(p, bytes) else b" ".join(p)
                for p in ok(conn.fetch(number, "(ENVELOPE)"))).decode()
    conn.logout()
    return out


@pytest.mark.parametrize("n", range(len(NAMES)))
def test_names_of_drafts(drafts, n):
    head, envelope = drafts[f"n{n}"]
    found = re.findall(r'\((NIL|"(?:[^"\\]|\\.)*") NIL "([^"]*)" "([^"]*)"\)',
                       envelope)
    assert [(m, h) for _, m, h in found[-2:]] == [
        ("a", "example.org"), ("z", "example.org")], head
    name = re.sub(r"\\(.)", r"\1", found[-2][0][1:-1])
    assert str(email.header.make_header(
        email.header.decode_header(name))) == NAMES[n]


def test_address_of_a_draft(drafts):
    assert "jörg@example.org, z@example.org" in drafts[f"n{len(NAMES)}"][0]


@pytest.mark.parametrize("field", ["To", "From", "Cc"])
@pytest.mark.parametrize("n", range(len(RAW)))
def test_raw_utf8(rig, field, n):
    value, want = RAW[n]
    box = f"Raw-{field}-{n}"
    rig.sim("deliver", folder=box, mime=f"{field}: {value}\r\nSubject: x\r\n"
            f"Message-ID: <{box}@t>\r\nDate: Tue, 01 Sep 2020 10:00:00 +0200"
            "\r\n\r\nbody\r\n")
    conn = rig.imap()
    ok(conn.select(box))
    head = ok(conn.fetch("1", f"(BODY.PEEK[HEADER.FIELDS ({field})])"))[0][1]
    envelope = str(ok(conn.fetch("1", "(ENVELOPE)")))
    conn.logout()
    text = re.sub(r"\r\n[ \t]", " ", head.decode().split(":", 1)[1]).strip()
    assert [a for _, a in email.utils.getaddresses([text])] == want
    assert "SYNTAX_ERROR" not in envelope and "MISSING" not in envelope
