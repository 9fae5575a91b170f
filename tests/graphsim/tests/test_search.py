"""Contract section 14: $search."""

from urllib.parse import quote

import pytest

BASE = "/me/mailFolders/inbox/messages"
TEXTS = ("Apples and pears", "<p>Pineapple</p> &amp; more", "Caf\u00e9 au lait")


@pytest.fixture(autouse=True)
def mail(graph):
    for n, text in enumerate(TEXTS):
        graph.deliver(raw=(
            f"From: Ann Other <ann{n}@example.net>\r\nSubject: Letter {n}\r\n"
            f"Date: Mon, {n + 1} Mar 2027 10:00:00 +0000\r\n"
            f"Content-Type: text/{'html' if '<' in text else 'plain'}; "
            f"charset=utf-8\r\n\r\n{text}\r\n").encode())


def subjects(graph, query, more=""):
    page = graph.get(f"{BASE}?$select=subject&$search={quote(query)}{more}")
    out = [int(m["subject"].split()[1]) for m in page["value"]]
    if "@odata.nextLink" in page:
        rest = graph.get(page["@odata.nextLink"])
        out += [int(m["subject"].split()[1]) for m in rest["value"]]
    return out


@pytest.mark.parametrize("query,want", [
    ('"pears"', [0]), ('"PEAR*"', [0]), ('"pear"', []), ('"ears"', []),
    ('"body:apples"', [0]), ('"subject:letter"', [2, 1, 0]),
    ('"subject:pears"', []), ('"from:ann1"', [1]), ('"ann AND pears"', [0]),
    (r'"body:\"apples and\""', [0]), (r'"body:\"and apples\""', []),
    (r'"body:\"apples a*\""', [0]), ('"b"', []), ('"pineapple"', [1]),
    ('"caf\u00e9"', [2]), ('"zebra"', [])])
def test_words(graph, query, want):
    assert subjects(graph, query) == want


def test_pages_and_the_end(graph):
    assert subjects(graph, '"letter"', "&$top=2") == [2, 1, 0]
    graph.sim.switches["search_max"] = "2"
    assert subjects(graph, '"letter"') == [2, 1]


@pytest.mark.parametrize("query", ['pears', '"', '""', '"***"', '"nope:x"'])
def test_refused(graph, query):
    graph.get(f"{BASE}?$search={quote(query)}", status=400, code="BadRequest")


def test_switched_off(graph):
    graph.sim.switches["search"] = "refused"
    graph.get(f"{BASE}?$search=%22x%22", status=400,
              code="ErrorRestrictionTooComplex")
