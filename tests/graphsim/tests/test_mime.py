"""Contract section 3.4 and S19: $value makes the message anew."""

import email
import email.policy
import glob
import os

import pytest

from conftest import PLAIN, ROOT
from graphsim import mimeio

CORPUS = os.path.join(os.path.dirname(ROOT), "shared", "corpus")
ALTERNATIVE = (
    b"From: a@example.net\r\nSubject: alt\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n'
    b"Content-Type: text/plain\r\n\r\nplain words\r\n--b\r\n"
    b"Content-Type: text/html\r\n\r\n<p>rich words</p>\r\n--b--\r\n")
SIGNED = (
    b"From: a@example.net\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/signed; boundary="b"; micalg=sha-256;\r\n'
    b' protocol="application/pkcs7-signature"\r\n\r\n--b\r\nContent-Type: '
    b"text/plain\r\n\r\nsigned  words \r\n--b\r\nContent-Type: "
    b"application/pkcs7-signature\r\n\r\nAAAA\r\n--b--\r\n")
NESTED = (
    b"From: a@example.net\r\nSubject: n\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    b"Content-Type: text/plain\r\n\r\nsee below\r\n--b\r\n"
    b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    b"Subject: inner\r\n\r\ninner words\r\n--b--\r\n")


def value(graph, raw, number=1):
    msg = graph.deliver(raw)
    return [graph.get(f"/me/messages/{msg.id}/$value")
            for _ in range(number)]


def test_another_each_time(graph):
    one, two = value(graph, ALTERNATIVE, 2)
    assert one != two != ALTERNATIVE
    assert b"X-MS-Has-Attach" in one
    assert graph.headers["Content-Type"].startswith("text/plain")


def test_lines_end_in_crlf(graph):
    out = value(graph, NESTED.replace(b"\r\n", b"\n"))[0]
    assert out.count(b"\n") == out.count(b"\r\n")


def test_texts_are_kept(graph):
    mail = email.message_from_bytes(value(graph, ALTERNATIVE)[0],
                                    policy=email.policy.default)
    texts = [p.get_content().strip() for p in mail.walk()
             if not p.is_multipart()]
    assert texts == ["plain words", "<p>rich words</p>"]
    assert all(p["content-transfer-encoding"] == "base64"
               for p in mail.walk() if not p.is_multipart())


def test_text_alternative_by_switch(sim, graph):
    sim.switches["text_alternative"] = "rewritten"
    out = email.message_from_bytes(value(graph, ALTERNATIVE)[0])
    texts = [p.get_payload(decode=True) for p in out.walk()
             if p.get_content_type() == "text/plain"]
    assert texts == [b"rich words"]


def test_signed_parts_are_exact(graph):
    assert value(graph, SIGNED)[0].split(b"\r\n\r\n", 1)[1] == \
        SIGNED.split(b"\r\n\r\n", 1)[1]


def test_a_message_in_a_message(graph):
    mail = email.message_from_bytes(value(graph, NESTED)[0])
    inner = [p for p in mail.walk()
             if p.get_content_type() == "message/rfc822"][0].get_payload(0)
    assert inner["subject"] == "inner"
    assert inner.get_payload().strip() == "inner words"


def test_size_in_the_store_is_another(graph):
    msg = graph.deliver(PLAIN)
    out = graph.get(f"/me/messages/{msg.id}/$value")
    assert int(msg.prop("Integer 0x0E08")) != len(out)


def test_order_of_fields_of_one_name(graph):
    raw = b"".join(b"Received: from %d\r\n" % n for n in range(5)) + PLAIN
    mail = email.message_from_bytes(value(graph, raw)[0])
    assert mail.get_all("received") == [f"from {n}" for n in range(5)]


@pytest.mark.parametrize("raw", [
    b"", b"\r\n", b"no header at all", b"\0\xff\r\n\r\n\xfe",
    b"Subject: =?x?q?=FF?=\r\nDate: nonsense\r\nTo: <<>>\r\n\r\n",
    b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n",
    b"Content-Type: text/plain; charset=klingon\r\n\r\n\xe4\r\n"])
def test_broken_mail_is_taken(graph, raw):
    assert value(graph, raw)[0].endswith(b"\n")
    graph.get("/me/mailFolders/inbox/messages")


def fields(raw):
    msg = email.message_from_bytes(raw)
    return [" ".join(str(msg.get(n, "")).split()) for n in (
        "From", "To", "Cc", "Subject", "Date", "Message-ID", "References",
        "In-Reply-To")]


def test_corpus_keeps_its_fields():
    if not os.path.isdir(CORPUS):
        pytest.skip("the mail corpus is not here")
    for path in glob.glob(CORPUS + "/*.eml"):
        with open(path, "rb") as f:
            raw = f.read()
        new = mimeio.regenerate(mimeio.Parsed(raw))
        assert new != raw
        if any(fields(raw)):
            assert fields(new) == fields(raw), path
