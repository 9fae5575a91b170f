"""msgraph_search = server: BODY and TEXT are asked of Graph."""

import re

import pytest

from imaptools import ok
from rig import Rig

USER = "alice@example.com"
WORDS = ("Apples and pears", "Pears only", "pineapples", "None of them")


@pytest.fixture(scope="module")
def rig():
    rig = Rig(settings={"msgraph_search": "server"}).start()
    for n, text in enumerate(WORDS):
        rig.sim("deliver", received=1900000000 + n, mime=(
            f"From: Person{n} <p{n}@example.net>\r\nTo: {USER}\r\n"
            f"Subject: Letter {n}\r\nMessage-ID: <s{n}@example.net>\r\n"
            f"Date: Mon, 0{n + 1} Mar 2027 10:00:00 +0000\r\n\r\n{text}\r\n"))
    yield rig
    rig.close()


@pytest.fixture
def imap(rig):
    rig.log_errors()
    conn = rig.imap()
    ok(conn.select())
    rig.sim("log/clear")
    yield conn
    conn.logout()
    for name in ("search", "search_max"):
        rig.sim("switch", **{name: {"search": "yes",
                                    "search_max": "1000"}[name]})
    assert rig.log_errors() == []


def found(conn, *args):
    return [int(n) for n in ok(conn.search(None, *args))[0].split()]


def asked(rig):
    """(searches, downloads, others)"""
    out = [0, 0, 0]
    for entry in rig.requests():
        out[0 if "$search" in entry["query"] else
            1 if entry["path"].endswith("$value") else 2] += 1
    rig.sim("log/clear")
    return out


def test_words(rig, imap):
    # a prefix, not a part of a word: that is what the admin has accepted
    assert found(imap, "BODY", "apple") == [1]
    assert asked(rig) == [1, 0, 0]
    assert found(imap, "BODY", '"apples and"') == [1]
    assert found(imap, "TEXT", "Letter") == [1, 2, 3, 4]
    assert found(imap, "TEXT", "person2") == [3]
    assert found(imap, "BODY", "bananas") == []
    assert asked(rig) == [4, 0, 0]


def test_what_the_index_knows_is_not_asked(rig, imap):
    assert found(imap, "SUBJECT", '"letter 2"') == [3]
    assert found(imap, "FROM", "erson1") == [2]
    assert found(imap, "UNSEEN", "SINCE", "1-Jan-2027") == [1, 2, 3, 4]
    assert asked(rig) == [0, 0, 0]


def test_with_other_keys(rig, imap):
    assert found(imap, "NOT", "BODY", "pears") == [3, 4]
    assert found(imap, "OR", "BODY", "apples", "SUBJECT", "3") == [1, 4]
    assert found(imap, "OR", "NOT", "BODY", "pears", "FROM",
                 "person0") == [1, 3, 4]
    assert found(imap, "BODY", "pears", "NOT", "BODY", "apples") == [2]
    assert found(imap, "BODY", "pears", "1") == [1]
    assert found(imap, "NOT", "BODY", "bananas") == [1, 2, 3, 4]
    assert found(imap, "OR", "BODY", "bananas", "BODY", "none") == [4]
    assert asked(rig) == [9, 0, 0]
    ok(imap.store("2", "+FLAGS", "(\\Flagged)"))
    assert found(imap, "FLAGGED", "BODY", "pears") == [2]
    ok(imap.store("2", "-FLAGS", "(\\Flagged)"))
    assert ok(imap.sort("(REVERSE ARRIVAL)", "UTF-8", "BODY",
                        "pears"))[0].split() == [b"2", b"1"]


def test_refused_is_searched_here(rig, imap):
    rig.sim("switch", search="refused")
    # exact again: parts of words
    assert found(imap, "BODY", "apple") == [1, 3]
    assert asked(rig)[:2] == [1, 4]
    assert found(imap, "OR", "BODY", "apple", "BODY", "none") == [1, 3, 4]
    # once refused the rest of the program is not asked
    assert asked(rig) == [1, 0, 0]


def test_what_has_no_words_is_searched_here(rig, imap):
    assert found(imap, "BODY", '"..."') == []
    assert asked(rig)[0] == 0


def test_many_results(rig, imap):
    rig.sim("folder", op="create", path="Many")
    rig.sim("deliver", folder="Many", count=600)
    conn = rig.imap()
    ok(conn.select("Many"))
    rig.sim("log/clear")
    assert len(found(conn, "BODY", "hello")) == 600
    assert asked(rig) == [3, 0, 0]
    # an answer that may have been cut short is none
    rig.sim("switch", search_max="250")
    assert len(found(conn, "BODY", "hello")) == 600
    searches, downloads, _ = asked(rig)
    assert searches == 1 and downloads == 600
    # nor is one that goes on elsewhere, where our token would go along
    rig.sim("switch", search_max="1000")
    rig.sim("fault", path="search", phase="after",
            foreign_next="https://evil.example/v1.0/x")
    assert len(found(conn, "BODY", "hello")) == 600
    assert asked(rig) == [1, 0, 0]
    conn.logout()


def test_context_of_a_search(rig, imap):
    """The arguments outlive the search: new messages match, too."""
    tag = imap._new_tag()
    imap.send(tag + b' SEARCH RETURN (UPDATE ALL) BODY "pears"\r\n')
    lines = []
    while not lines or not lines[-1].startswith(tag):
        lines.append(imap.readline())
    assert any(re.search(rb"ESEARCH .*ALL 1:2\b", line) for line in lines)
    assert lines[-1].split()[1] == b"OK", lines
    # again with the same words
    assert found(imap, "BODY", "pears") == [1, 2]
    rig.sim("deliver", received=1900000100, mime=(
        f"From: New <n@example.net>\r\nTo: {USER}\r\nSubject: Letter\r\n"
        "Message-ID: <sn@example.net>\r\n\r\nMore pears\r\n"))
    imap.send(b"u1 NOOP\r\n")
    lines = []
    while not lines or not lines[-1].startswith(b"u1"):
        lines.append(imap.readline())
    assert any(b"ADDTO" in line and b" 5)" in line for line in lines), lines
