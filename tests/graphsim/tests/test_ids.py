"""Contract section 5 and S1-S3: ids and change keys."""

import pytest

from graphsim import ids


def test_immutable_ids_are_68_and_differ_in_case_alone():
    many = [ids.immutable("x", n) for n in range(500)]
    assert len(set(many)) == 500 and {len(i) for i in many} == {68}
    assert len({i.lower() for i in many}) < 500


def test_alphabet():
    text = "".join(ids.default("b", "f", n, 0) for n in range(200))
    assert set("-_=") <= set(text) and "/" not in text and "+" not in text
    assert 120 <= len(ids.default("b", "f", 1, 0)) <= 152


def test_the_header_decides_for_each_answer(graph, msg):
    assert graph.get(f"/me/messages/{msg.id}")["id"] == msg.id
    graph.prefer = ""
    default = graph.get(f"/me/messages/{msg.id}")["id"]
    assert default == msg.default_id() != msg.id
    graph.prefer = 'odata.maxpagesize=3, IdType="ImmutableId"'
    assert graph.get(f"/me/messages/{default}")["id"] == msg.id


def test_a_move_ends_the_default_id_only(graph, msg):
    old = msg.default_id()
    graph.post(f"/me/messages/{msg.id}/move", {"destinationId": "junkemail"},
               status=201)
    graph.get(f"/me/messages/{old}", status=404, code="ErrorItemNotFound")
    assert graph.get(f"/me/messages/{msg.id}")["id"] == msg.id
    assert msg.default_id() != old


def test_case_counts(graph, msg):
    graph.get(f"/me/messages/{msg.id.swapcase()}", status=404,
              code="ErrorItemNotFound")


@pytest.mark.parametrize("form", ["/{}", "('{}')", "%28'{}'%29"][:2])
def test_key_forms(graph, msg, form):
    assert graph.get("/me/messages" + form.format(msg.id))["id"] == msg.id
    default = msg.default_id().replace("=", "%3D")
    graph.get("/me/messages" + form.format(default))
    graph.get("/me/mailfolders" + form.format("inbox"))


@pytest.mark.parametrize("ident,status,code", [
    ("short", 400, "ErrorInvalidIdMalformed"),
    ("A" * 40 + "!", 400, "ErrorInvalidIdMalformed"),
    ("A" * 68, 404, "ErrorItemNotFound")])
def test_bad_ids(graph, ident, status, code):
    for method, tail in (("GET", ""), ("PATCH", ""), ("DELETE", ""),
                         ("GET", "/$value"), ("POST", "/move")):
        graph(method, f"/me/messages/{ident}{tail}",
              {"isRead": True} if method == "PATCH" else
              {"destinationId": "inbox"}, status=status, code=code)


def test_folder_id_for_an_item(graph):
    folder = graph.get("/me/mailFolders/inbox")["id"]
    graph.get(f"/me/messages/{folder}", status=400,
              code="ErrorCannotUseFolderIdForItemId")


def test_change_key_moves_with_each_write(graph, msg):
    path = f"/me/messages/{msg.id}"
    seen = {graph.get(path)["changeKey"]}
    for body in ({"isRead": True}, {"isRead": True}, {"categories": ["a"]}):
        row = graph.patch(path, body)
        assert row["@odata.etag"] == f'W/"{row["changeKey"]}"'
        seen.add(row["changeKey"])
    assert len(seen) == 4
