"""Contract sections 3.1-3.3, 3.7, 3.8 and S7, S18, S21-S23, S25, S26."""

import pytest

BASE = "/me/mailFolders/inbox/messages"


@pytest.fixture
def path(msg):
    return f"/me/messages/{msg.id}"


# lists

def test_pages_by_skip_really_skip(graph):
    first = [graph.deliver(received=n) for n in range(12)]
    page = graph.get(BASE)
    assert len(page["value"]) == 10
    assert page["value"][0]["id"] == first[-1].id     # newest first
    graph.box.remove(first[-1])
    rest = graph.get(page["@odata.nextLink"])["value"]
    assert [r["id"] for r in rest] == [first[0].id]   # one was lost


def test_empty_page_first(sim, graph):
    sim.switches["list_empty_pages"] = "yes"
    graph.deliver()
    page = graph.get(BASE + "?$filter=isRead%20eq%20false&$top=5")
    assert page["value"] == []
    rest = graph.get(page["@odata.nextLink"])
    assert len(rest["value"]) == 1 and "@odata.nextLink" not in rest
    assert len(graph.get(BASE)["value"]) == 1


@pytest.mark.parametrize("query,status,code", [
    ("$top=0", 400, "ErrorInvalidUrlQuery"),
    ("$top=1001", 400, "ErrorInvalidUrlQuery"),
    ("$top=x", 400, "ErrorInvalidUrlQuery"),
    ("$select=nope", 400, "BadRequest"),
    ("$expand=nope", 400, "BadRequest"),
    ("$filter=nope", 400, "ErrorInvalidUrlQueryFilter"),
    ("$search=%22x%22&$filter=isRead%20eq%20true", 400, "SearchWithFilter"),
    ("$search=%22x%22&$orderby=subject", 400, "SearchWithOrderBy"),
    ("$filter=isRead%20eq%20true&$orderby=receivedDateTime%20desc", 400,
     "InefficientFilter"),
    ("$filter=isRead%20eq%20true%20and%20receivedDateTime%20ge%20"
     "2001-01-01T00:00:00Z&$orderby=receivedDateTime", 400,
     "InefficientFilter")])
def test_lists_refused(graph, msg, query, status, code):
    graph.get(f"{BASE}?{query}", status=status, code=code)


@pytest.mark.parametrize("text,count", [
    ("isRead eq false", 2), ("not (isRead eq false)", 0),
    ("subject eq 'it''s'", 1), ("subject eq 'x' or isDraft eq false", 2),
    ("(isRead eq true or isRead eq false) and startswith(subject,'Pl')", 1),
    ("internetMessageId eq '<plain@example.net>'", 2),
    ("from/emailAddress/address eq 'ann@example.net'", 2),
    ("contains(body/content,'hELLO')", 2), ("contains(subject,'AI')", 1),
    ("categories/any(a:a eq 'c')", 1), ("flag/flagStatus eq 'flagged'", 1),
    ("receivedDateTime ge 2001-01-01T00:00:00Z", 2),
    ("singleValueExtendedProperties/Any(ep: ep/id eq 'String 0x10F3' and "
     "ep/value eq 'v')", 1),
    ("singleValueExtendedProperties/Any(ep: ep/id eq 'Integer 0x1081' and "
     "cast(ep/value, Edm.Int32) eq 102)", 1),
    ("singleValueExtendedProperties/Any(ep: ep/id eq 'Integer 0x1081' and "
     "cast(ep/value, Edm.Int32) eq null)", 1)])
def test_filters(graph, text, count):
    graph.deliver()
    other = graph.deliver()
    other.subject, other.categories, other.flag = "it's", ["c"], "flagged"
    other.set_prop("String 0x10F3", "v")
    other.set_prop("Integer 0x1081", 102)
    from urllib.parse import quote
    page = graph.get(f"{BASE}?$count=true&$filter={quote(text)}")
    assert len(page["value"]) == page["@odata.count"] == count


def test_select_and_count(graph, msg, path):
    row = graph.get(path + "?$select=subject")
    assert set(row) == {"@odata.type", "@odata.etag", "id", "subject"}
    assert "internetMessageHeaders" not in graph.get(path)
    names = [h["name"] for h in graph.get(
        path + "?$select=internetMessageHeaders")["internetMessageHeaders"]]
    assert names[:2] == ["From", "To"]
    assert graph.get(BASE + "/$count") == b"1"


def test_body_is_html_unless_text_is_preferred(graph, msg, path):
    assert graph.get(path)["body"]["contentType"] == "html"
    graph.prefer += ', outlook.body-content-type="text"'
    body = graph.get(path)["body"]
    assert body == {"contentType": "text", "content": "Hello\r\n"}
    assert "body-content-type" in graph.headers["Preference-Applied"]


# PATCH

@pytest.mark.parametrize("body,key,want", [
    ({"isRead": True}, "isRead", True),
    ({"flag": {"flagStatus": "complete"}}, "flag",
     {"flagStatus": "complete"}),
    ({"categories": ["Blue", "blue"]}, "categories", ["Blue", "blue"]),
    ({"importance": "High"}, "importance", "high"),
    ({"isDraft": True}, "isDraft", False),
    ({"receivedDateTime": "2001-01-01T00:00:00Z", "isRead": True},
     "isRead", True)])
def test_patch(graph, path, body, key, want):
    assert graph.patch(path, body)[key] == want
    assert graph.get(path)[key] == want


@pytest.mark.parametrize("body,code", [
    ({"isRead": "true"}, "UnableToDeserializePostBody"),
    ({"isRead": 1}, "UnableToDeserializePostBody"),
    ({"categories": "x"}, "UnableToDeserializePostBody"),
    ({"categories": [1]}, "UnableToDeserializePostBody"),
    ({"flag": {"flagStatus": "red"}}, "UnableToDeserializePostBody"),
    ({"flag": {"flagStatus": "flagged", "dueDateTime": {
        "dateTime": "2026-01-01T00:00:00", "timeZone": "UTC"}}},
     "ErrorInvalidRequest"),
    ({"importance": "urgent"}, "UnableToDeserializePostBody"),
    ({"nope": 1}, "UnableToDeserializePostBody"),
    ({"isRead": True, "nope": 1}, "UnableToDeserializePostBody"),
    ({"subject": "x"}, "ErrorInvalidPropertySet"),
    (b"{", "UnableToDeserializePostBody"),
    (b"[]", "UnableToDeserializePostBody")])
def test_patch_refused_leaves_all_as_it_was(graph, path, body, code):
    before = graph.get(path)
    graph.patch(path, body, status=400, code=code)
    assert graph.get(path) == before


def test_categories_are_replaced_whole(graph, path):
    graph.patch(path, {"categories": ["a", "b"]})
    assert graph.patch(path, {"categories": ["c"]})["categories"] == ["c"]


def test_content_of_a_draft(graph, path, msg):
    msg.is_draft = True
    row = graph.patch(path, {"subject": "new", "toRecipients": [
        {"emailAddress": {"address": "x@example.net"}}]})
    assert row["subject"] == "new"
    assert b"Subject: new" in graph.get(path + "/$value")


@pytest.mark.parametrize("value,status,subject", [
    ("refused", 400, "Plain"), ("ignored", 200, "Plain"),
    ("accepted", 200, "new")])
def test_patch_received_by_switch(sim, graph, path, value, status, subject):
    sim.switches["patch_received"] = value
    graph.patch(path, {"subject": "new"}, status=status)
    assert graph.get(path)["subject"] == subject


def test_minimal(graph, path):
    graph.prefer += ", return=minimal"
    assert graph.patch(path, {"isRead": True}, status=204) == b""


def test_if_match(graph, path, msg):
    old = graph.get(path)["@odata.etag"]
    graph.patch(path, {"isRead": True}, headers={"If-Match": old})
    for method, body in (("PATCH", {"isRead": False}), ("DELETE", None)):
        graph(method, path, body, status=412, headers={"If-Match": old},
              code="ErrorIrresolvableConflict")


def test_conflicts_by_switch(sim, graph, path):
    sim.switches["conflicts"] = "2"
    graph.patch(path, {"isRead": True})
    graph.patch(path, {"isRead": True}, status=412,
                code="ErrorIrresolvableConflict")
    graph.patch(path, {"isRead": True})


# move, copy, delete

@pytest.mark.parametrize("body,status,code", [
    ({}, 400, "ErrorInvalidRequest"),
    ({"destinationId": None}, 400, "ErrorInvalidRequest"),
    ({"destinationId": "garbage"}, 400, "ErrorInvalidIdMalformed"),
    ({"destinationId": "archive"}, 404, "ErrorItemNotFound"),
    ({"destinationId": "A" * 120}, 404, "ErrorItemNotFound")])
def test_bad_destinations(graph, path, body, status, code):
    for verb in ("move", "copy"):
        graph.post(f"{path}/{verb}", body, status=status, code=code)


def test_copy_is_its_own_message(graph, path, msg):
    graph.patch(path, {"isRead": True, "categories": ["x"]})
    row = graph.post(path + "/copy", {"destinationId": "drafts"}, status=201)
    assert row["id"] != msg.id and row["isRead"] and not row["isDraft"]
    assert row["receivedDateTime"] == graph.get(path)["receivedDateTime"]
    graph.post(f"/me/messages/{row['id']}/attachments", {
        "@odata.type": "#microsoft.graph.fileAttachment", "name": "a",
        "contentBytes": "eA=="}, status=201)
    graph.patch(f"/me/messages/{row['id']}", {"categories": []})
    assert graph.get(path)["categories"] == ["x"]
    assert graph.get(path + "/attachments")["value"] == []


def test_move_recoverable_by_switch(sim, graph, path):
    body = {"destinationId": "recoverableitemsdeletions"}
    sim.switches["move_recoverable"] = "refused"
    graph.post(path + "/move", body, status=403, code="ErrorAccessDenied")
    sim.switches["move_recoverable"] = "yes"
    graph.post(path + "/move", body, status=201)


def test_move_same_by_switch(sim, graph, path):
    row = graph.post(path + "/move", {"destinationId": "inbox"}, status=201)
    assert row == graph.get(path)
    sim.switches["move_same"] = "refused"
    graph.post(path + "/move", {"destinationId": "inbox"}, status=400,
               code="ErrorMoveCopyFailed")


@pytest.mark.parametrize("target", ["recoverableitemsdeletions",
                                    "deleteditems"])
def test_delete_by_switch(sim, graph, path, msg, target):
    sim.switches["delete_target"] = target
    default = msg.default_id()
    graph("DELETE", path, status=204)
    assert msg.folder.role == target
    graph("DELETE", f"/me/messages/{default}", status=404,
          code="ErrorItemNotFound")
    graph("DELETE", path, status=204)
    if target == "deleteditems":
        assert msg.folder.role == "recoverableitemsdeletions"


def test_permanent_delete(sim, graph, path):
    sim.switches["permanent_delete"] = "missing"
    graph.post(path + "/permanentDelete", status=405)
    sim.switches["permanent_delete"] = "yes"
    graph.post(path + "/permanentDelete", status=204)
    graph.get(path, status=404, code="ErrorItemNotFound")


@pytest.mark.parametrize("kind,status,code", [
    (404, 404, "ErrorItemNotFound"), (500, 500, "ErrorInternalServerError"),
    ("ErrorCannotOpenFileAttachment", 500, "ErrorCannotOpenFileAttachment")])
def test_poison_is_listed_and_never_opens(graph, path, msg, kind, status,
                                          code):
    msg.poison = kind
    assert graph.get(BASE)["value"][0]["id"] == msg.id
    for tail in ("", "/$value"):
        graph.get(path + tail, status=status, code=code)


@pytest.mark.parametrize("method,tail", [
    ("PUT", ""), ("POST", "/$value"), ("GET", "/move"), ("POST", "/nope")])
def test_methods(graph, path, method, tail):
    graph(method, path + tail, {}, status=405)
