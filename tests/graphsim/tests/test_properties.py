"""Contract section 6 and S8: extended properties."""

from urllib.parse import quote

import pytest

from graphsim import props


@pytest.mark.parametrize("text,want", [
    ("Integer 0x0E08", "Integer 0xe08"), ("string 0x007D", "String 0x7d"),
    ("String 0x4001001E", "String 0x4001"),
    ("Integer {00062008-0000-0000-C000-000000000046} Id 0x8570",
     "Integer {00062008-0000-0000-c000-000000000046} Id 0x8570"),
    ("String {00020329-0000-0000-C000-000000000046} Name myKey",
     "String {00020329-0000-0000-c000-000000000046} Name myKey")])
def test_normal_form(text, want):
    assert props.normalize(text) == want


@pytest.mark.parametrize("text", ["Nonsense 12", "Text 0x1", "Integer 12",
                                  "Integer {123} Id 0x1",
                                  "Integer {00062008-0000-0000-C000-"
                                  "000000000046} Id xyz"])
def test_malformed(graph, msg, text):
    with pytest.raises(props.BadProperty):
        props.normalize(text)
    graph.patch(f"/me/messages/{msg.id}", {"singleValueExtendedProperties": [
        {"id": text, "value": "1"}]}, status=400, code="ErrorInvalidProperty")
    graph.get(expand(msg, text), status=400, code="ErrorInvalidProperty")


def expand(msg, *idents):
    text = " or ".join(f"id eq '{i}'" for i in idents)
    return (f"/me/messages/{msg.id}?$expand=singleValueExtendedProperties("
            f"$filter={quote(text)})")


def values(graph, msg, *idents):
    row = graph.get(expand(msg, *idents))
    return {p["id"]: p["value"]
            for p in row.get("singleValueExtendedProperties", [])}


def put(graph, msg, ident, value, **more):
    return graph.patch(f"/me/messages/{msg.id}", {
        "singleValueExtendedProperties": [{"id": ident, "value": value}]},
        **more)


def test_values_are_strings_and_absent_ones_leave_no_array(graph, msg):
    found = values(graph, msg, "Integer 0x0E08", "Integer 0x1081")
    assert list(found) == ["Integer 0xe08"]
    assert isinstance(found["Integer 0xe08"], str)
    row = graph.get(expand(msg, "String 0x0E08"))     # another type
    assert "singleValueExtendedProperties" not in row


@pytest.mark.parametrize("ident,want", [
    ("Integer 0x0E07", "0"), ("String 0x1035", "<plain@example.net>"),
    ("SystemTime 0x0039", "2020-09-01T08:00:00Z"), ("String 0x001A",
                                                    "IPM.Note")])
def test_computed(graph, msg, ident, want):
    assert list(values(graph, msg, ident).values()) == [want]


def test_transport_headers_of_what_was_received(graph, msg):
    block = values(graph, msg, "String 0x007D")["String 0x7d"]
    assert "Message-ID: <plain@example.net>\r\n" in block
    msg.is_draft = True
    assert values(graph, msg, "String 0x007D") == {}


@pytest.mark.parametrize("ident,value", [
    ("Integer 0x1081", "102"), ("Integer 0x1080", "261"),
    ("Boolean {00020329-0000-0000-C000-000000000046} Name b", "true"),
    ("Binary {00020329-0000-0000-C000-000000000046} Name c", "AAEC"),
    ("SystemTime 0x1082", "2026-01-02T03:04:05Z"),
    ("String {00020329-0000-0000-C000-000000000046} Name d", "ä \"'")])
def test_round_trip_and_copy(graph, msg, ident, value):
    put(graph, msg, ident, value)
    assert values(graph, msg, ident) == {props.normalize(ident): value}
    copy = graph.post(f"/me/messages/{msg.id}/copy",
                      {"destinationId": "inbox"}, status=201)["id"]
    assert values(graph, graph.box.find(copy), ident) == {
        props.normalize(ident): value}


@pytest.mark.parametrize("ident,value,code", [
    ("Integer 0x1081", 102, "UnableToDeserializePostBody"),
    ("Integer 0x1081", True, "UnableToDeserializePostBody"),
    ("Integer 0x1081", None, "UnableToDeserializePostBody"),
    ("Integer 0x1081", "x", "ErrorInvalidProperty"),
    ("Boolean 0x1081", "1", "ErrorInvalidProperty"),
    ("Binary 0x1081", "!", "ErrorInvalidProperty"),
    ("SystemTime 0x1082", "yesterday", "ErrorInvalidProperty")])
def test_values_refused(graph, msg, ident, value, code):
    put(graph, msg, ident, value, status=400, code=code)
    assert values(graph, msg, ident) == {}


@pytest.mark.parametrize("ident,value", [
    ("Integer 0x0E07", "8"), ("Integer 0x0E08", "1"),
    ("SystemTime 0x0E06", "2001-01-01T00:00:00Z")])
def test_accepted_without_effect(graph, msg, ident, value):
    before = values(graph, msg, ident)
    put(graph, msg, ident, value)
    assert values(graph, msg, ident) == before != {
        props.normalize(ident): value}
    assert not msg.is_draft


def test_flag_status_is_the_flag(graph, msg):
    put(graph, msg, "Integer 0x1090", "2")
    assert msg.flag == "flagged"
    assert values(graph, msg, "Integer 0x1090") == {"Integer 0x1090": "2"}


def test_null_removes_a_string(graph, msg):
    ident = "String {00020329-0000-0000-C000-000000000046} Name d"
    put(graph, msg, ident, "x")
    put(graph, msg, ident, None)
    assert values(graph, msg, ident) == {}
