"""The simulator itself: refuses what the service refuses."""

import base64
import email
import glob
import json
import os
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from graphsim import batch, ids, mimeio, props, seed  # noqa: E402
from graphsim.sim import Simulator  # noqa: E402
from graphsim.wire import Error, Request  # noqa: E402

USER = "alice@example.com"
IMMUTABLE = {"Prefer": 'IdType="ImmutableId", odata.maxpagesize=50'}


@pytest.fixture
def sim():
    sim = Simulator([USER])
    sim.url = "https://127.0.0.1:1"
    return sim


def call(sim, method, path, body=None, headers=None, status=None):
    data = body if isinstance(body, bytes) else \
        b"" if body is None else json.dumps(body).encode()
    head = dict(IMMUTABLE, **{"Content-Type": "application/json"})
    head.update(headers or {})
    req = Request(method, "/v1.0" + path, head, data)
    req.sim = sim
    req.user = req.box = sim.boxes[USER]
    answer = sim.run(req)
    if status is not None:
        assert answer.status == status, answer.body
    return answer


def inbox(sim):
    return sim.boxes[USER].find_folder("inbox")


def test_ids():
    many = [ids.immutable("x", n) for n in range(500)]
    assert len(set(many)) == 500 and {len(i) for i in many} == {68}
    assert len({i.lower() for i in many}) < 500


def test_property_ids():
    assert props.normalize("Integer 0x0E08") == "Integer 0xe08"
    assert props.key("String 0x007D") == props.key("string 0x7d")
    with pytest.raises(props.BadProperty):
        props.normalize("Nonsense 12")


def test_delta_round(sim):
    seed.generate(sim.boxes[USER], 120)
    path = "/me/mailFolders/inbox/messages/delta"
    rows, pages = [], 0
    while True:
        page = call(sim, "GET", path, status=200).data
        rows += page["value"]
        pages += 1
        link = page.get("@odata.nextLink") or page["@odata.deltaLink"]
        path = link.split("/v1.0")[1]
        if "@odata.deltaLink" in page:
            break
    assert len({r["id"] for r in rows}) == 120 and pages == 3
    msg = list(inbox(sim).messages.values())[0]
    call(sim, "PATCH", f"/me/messages/{msg.id}", {"isRead": True}, status=200)
    other = list(inbox(sim).messages.values())[1]
    call(sim, "POST", f"/me/messages/{other.id}/move",
         {"destinationId": "archive"}, status=404)
    call(sim, "POST", f"/me/messages/{other.id}/move",
         {"destinationId": "deleteditems"}, status=201)
    page = call(sim, "GET", path, status=200).data
    assert {r["id"]: "@removed" in r for r in page["value"]} == {
        msg.id: False, other.id: True}
    sim.tokens.states.clear()
    answer = call(sim, "GET", path, status=410)
    assert answer.data["error"]["code"] == "SyncStateNotFound"


def test_refusals(sim):
    base = "/me/mailFolders/inbox/messages"
    call(sim, "POST", base, b"eA==", {"Content-Type": "text/plain"}, 400)
    call(sim, "POST", base, {"datereceived": "x"}, status=400)
    call(sim, "POST", base, {"singleValueExtendedProperties": [
        {"id": "Integer 0x0E07", "value": 1}]}, status=400)
    call(sim, "GET", base + "?$select=nope", status=400)
    call(sim, "GET", base + "/delta?$search=x", status=400)
    call(sim, "POST", "/me/mailFolders", {"displayName": "INBOX"}, status=409)
    call(sim, "DELETE", "/me/mailFolders/inbox", status=400)
    call(sim, "GET", "/me/messages/" + "A" * 68, status=404)
    call(sim, "GET", "/me/messages/short", status=400)
    call(sim, "GET", "/users/bob@example.com/messages", status=404)
    call(sim, "POST", base, b"x" * 4000001, status=413)


def test_create_is_no_draft(sim):
    row = call(sim, "POST", "/me/mailFolders/inbox/messages", {
        "subject": "s", "isRead": True, "singleValueExtendedProperties": [
            {"id": "Integer 0x0E07", "value": "1"},
            {"id": "SystemTime 0x0E06", "value": "2020-01-02T03:04:05Z"}]},
        status=201).data
    assert row["isDraft"] is False
    assert row["receivedDateTime"] == "2020-01-02T03:04:05Z"
    draft = call(sim, "POST", "/me/messages", base64.b64encode(
        b"Subject: d\r\n\r\nx\r\n"), {"Content-Type": "text/plain"}, 201).data
    assert draft["isDraft"] is True
    call(sim, "PATCH", f"/me/messages/{draft['id']}", {
        "singleValueExtendedProperties": [
            {"id": "Integer 0x0E07", "value": "1"}]}, status=200)
    again = call(sim, "GET", f"/me/messages/{draft['id']}").data
    assert again["isDraft"] is True


def test_batch(sim):
    req = Request("POST", "/v1.0/$batch", {}, json.dumps({"requests": [
        {"id": str(n), "method": "GET", "url": "/me/mailFolders/inbox"}
        for n in range(21)]}).encode())
    req.sim, req.user, req.box = sim, sim.boxes[USER], sim.boxes[USER]
    with pytest.raises(Error):
        batch.run(sim, req)


def fields(raw):
    msg = email.message_from_bytes(raw)
    return [" ".join(str(msg.get(n, "")).split()) for n in (
        "From", "To", "Cc", "Subject", "Date", "Message-ID", "References",
        "In-Reply-To")]


def leaves(raw):
    return sorted(p.get_payload(decode=True) or b""
                  for p in email.message_from_bytes(raw).walk()
                  if not p.is_multipart())


def test_regenerated_mime():
    corpus = os.path.join(os.path.dirname(ROOT), "shared", "corpus")
    if not os.path.isdir(corpus):
        pytest.skip("the mail corpus is not here")
    for path in glob.glob(corpus + "/*.eml"):
        with open(path, "rb") as f:
            raw = f.read()
        new = mimeio.regenerate(mimeio.Parsed(raw))
        assert new != raw
        if any(fields(raw)):
            assert fields(new) == fields(raw), path
