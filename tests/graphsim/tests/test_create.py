"""Contract sections 3.5, 3.6, 3.10 and S17, S18, S20: new messages."""

import base64

import pytest

from conftest import PLAIN

INBOX = "/me/mailFolders/inbox/messages"
TEXT = {"Content-Type": "text/plain"}
DATE = "2020-01-02T03:04:05Z"


def with_flags(value, **more):
    return dict(more, singleValueExtendedProperties=[
        {"id": "Integer 0x0E07", "value": value},
        {"id": "SystemTime 0x0E06", "value": DATE},
        {"id": "SystemTime 0x0039", "value": DATE}])


@pytest.mark.parametrize("value,draft,read", [
    ("0", False, False), ("1", False, True), ("4", False, False),
    ("5", False, True), ("8", True, False), ("9", True, True)])
def test_message_flags(graph, value, draft, read):
    row = graph.post(INBOX, with_flags(value, subject="s"), status=201)
    assert (row["isDraft"], row["isRead"]) == (draft, read)
    assert row["receivedDateTime"] == row["sentDateTime"] == DATE
    assert graph.headers["Location"].endswith(row["id"])
    other = graph.post(INBOX, with_flags(value, isRead=not read), status=201)
    assert other["isRead"] is not read          # isRead has the last word


def test_json_without_flags_is_a_read_draft(graph):
    row = graph.post(INBOX, {"subject": "s"}, status=201)
    assert row["isDraft"] and row["isRead"]
    inbox = graph.get("/me/mailFolders/inbox")["id"]
    assert row["parentFolderId"] == inbox
    row = graph.post("/me/messages", {}, status=201)
    assert row["parentFolderId"] == graph.get("/me/mailFolders/drafts")["id"]
    assert row["internetMessageId"].startswith("<")


def test_draft_state_is_for_ever(graph):
    ident = graph.post(INBOX, {"subject": "s"}, status=201)["id"]
    for body in ({"isDraft": False}, with_flags("1")):
        assert graph.patch(f"/me/messages/{ident}", body)["isDraft"]
    for verb in ("move", "copy"):
        assert graph.post(f"/me/messages/{ident}/{verb}",
                          {"destinationId": "junkemail"},
                          status=201)["isDraft"]


def header(name="x-a", value="v"):
    return {"name": name, "value": value}


@pytest.mark.parametrize("body,code", [
    ({"datereceived": "x"}, "UnableToDeserializePostBody"),
    ({"subject": 1}, "UnableToDeserializePostBody"),
    ({"body": "text"}, "UnableToDeserializePostBody"),
    ({"body": {"contentType": "rtf", "content": ""}},
     "UnableToDeserializePostBody"),
    ({"toRecipients": "a@example.net"}, "UnableToDeserializePostBody"),
    ({"toRecipients": [{"address": "a@example.net"}]},
     "UnableToDeserializePostBody"),
    ({"from": {"emailAddress": {"mail": "x"}}},
     "UnableToDeserializePostBody"),
    (with_flags(1), "UnableToDeserializePostBody"),
    (with_flags("x"), "ErrorInvalidProperty"),
    ({"internetMessageHeaders": [header("Received")]},
     "InvalidInternetMessageHeader"),
    ({"internetMessageHeaders": [header(value="v" * 996)]},
     "InvalidInternetMessageHeader"),
    ({"internetMessageHeaders": [header(f"x-{n}") for n in range(6)]},
     "InvalidInternetMessageHeaderCollection"),
    ({"attachments": [{"name": "a", "contentBytes": "eA=="}]},
     "UnableToDeserializePostBody"),
    ({"attachments": [{"@odata.type": "#microsoft.graph.fileAttachment",
                       "name": "a", "contentBytes": "!"}]},
     "UnableToDeserializePostBody"),
    (b"", "UnableToDeserializePostBody"),
    (b"nope", "UnableToDeserializePostBody")])
def test_json_refused(graph, body, code):
    before = len(graph.box.messages)
    graph.post(INBOX, body, status=400, code=code)
    assert len(graph.box.messages) == before


@pytest.mark.parametrize("kind", ["", "text/html", "message/rfc822"])
def test_content_types(graph, kind):
    graph.post(INBOX, b"{}", status=415, headers={"Content-Type": kind})


def test_read_only_keys_by_switch(sim, graph):
    body = {"id": "x", "isDraft": False, "receivedDateTime": DATE,
            "@odata.etag": "x"}
    row = graph.post(INBOX, body, status=201)
    assert row["isDraft"] and row["receivedDateTime"] != DATE
    sim.switches["readonly_create"] = "refused"
    graph.post(INBOX, body, status=400, code="ErrorInvalidPropertySet")


def test_transport_headers_by_switch(sim, graph):
    body = {"singleValueExtendedProperties": [
        {"id": "String 0x007D", "value": "X-Odd: one\r\nSubject: s\r\n"}]}
    ident = graph.post(INBOX, body, status=201)["id"]
    assert b"X-Odd: one" in graph.get(f"/me/messages/{ident}/$value")
    sim.switches["transport_headers"] = "refused"
    graph.post(INBOX, body, status=400, code="ErrorInvalidPropertySet")


def test_json_comes_back_as_mime(graph):
    import email
    import email.policy
    ident = graph.post(INBOX, with_flags(
        "1", subject="Über", internetMessageId="<j@example.net>",
        body={"contentType": "text", "content": "Text\r\n"},
        toRecipients=[{"emailAddress": {"name": "Bö", "address": "b@x.org"}}],
        attachments=[{"@odata.type": "#microsoft.graph.fileAttachment",
                      "name": "ä.bin", "contentBytes": "AAH/"}]),
        status=201)["id"]
    mail = email.message_from_bytes(
        graph.get(f"/me/messages/{ident}/$value"),
        policy=email.policy.default)
    assert mail["subject"] == "Über" and "b@x.org" in mail["to"]
    assert mail["message-id"] == "<j@example.net>"
    files = list(mail.iter_attachments())
    assert files[0].get_content() == b"\0\1\xff"
    assert files[0].get_filename() == "ä.bin"


# MIME

def test_mime_is_a_draft_of_now(graph):
    row = graph.post("/me/messages", base64.encodebytes(PLAIN), status=201,
                     headers=TEXT)
    assert row["isDraft"] and row["isRead"]
    assert row["internetMessageId"] == "<plain@example.net>"
    assert row["receivedDateTime"] == row["createdDateTime"]
    assert row["parentFolderId"] == graph.get("/me/mailFolders/drafts")["id"]


@pytest.mark.parametrize("body,code", [
    (PLAIN, "ErrorMimeContentInvalidBase64String"),
    (b"eA", "ErrorMimeContentInvalidBase64String"),
    (b"e-_A", "ErrorMimeContentInvalidBase64String"),
    (b"", "UnableToDeserializePostBody")])
def test_mime_refused(graph, body, code):
    graph.post("/me/messages", body, status=400, code=code, headers=TEXT)


def test_mime_to_folder_by_switch(sim, graph):
    body = base64.b64encode(PLAIN)
    graph.post(INBOX, body, status=400, headers=TEXT,
               code="UnableToDeserializePostBody")
    sim.switches["mime_to_folder"] = "yes"
    row = graph.post(INBOX, body, status=201, headers=TEXT)
    assert row["parentFolderId"] == graph.get("/me/mailFolders/inbox")["id"]


def test_oversize_by_switch(sim, graph):
    body = b"A" * 4000001
    assert b"<html" in graph.post("/me/messages", body, status=413,
                                  headers=TEXT)
    sim.switches["oversize"] = "200"
    assert graph.post("/me/messages", body, headers=TEXT) == b""
    assert not graph.box.messages
