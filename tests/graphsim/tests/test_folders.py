"""Contract section 2 and S4, S6, S24: mailFolders."""

import pytest


@pytest.fixture
def work(graph):
    return graph.post("/me/mailFolders", {"displayName": "Work"},
                      status=201)["id"]


@pytest.mark.parametrize("name", ["inbox", "INBOX", "drafts", "sentitems",
                                  "deleteditems", "junkemail", "outbox",
                                  "msgfolderroot",
                                  "recoverableitemsdeletions"])
def test_well_known_names(graph, name):
    row = graph.get(f"/me/mailFolders/{name}")
    assert graph.get(f"/me/mailFolders/{row['id']}") == row


@pytest.mark.parametrize("name", ["archive", "clutter", "scheduled",
                                  "conversationhistory"])
def test_never_made(graph, name):
    graph.get(f"/me/mailFolders/{name}", status=404, code="ErrorItemNotFound")


def test_garbage_is_malformed(graph):
    graph.get("/me/mailFolders/nonsense", status=400,
              code="ErrorInvalidIdMalformed")


def test_localized_names():
    from graphsim.sim import Simulator
    box = next(iter(Simulator(["a@b.c"], "de").boxes.values()))
    assert box.find_folder("inbox").name == "Posteingang"


def test_pages_of_ten_not_recursive(graph, work):
    for n in range(12):
        graph.post("/me/mailFolders", {"displayName": f"F{n}"}, status=201)
    graph.post(f"/me/mailFolders/{work}/childFolders",
               {"displayName": "Sub"}, status=201)
    first = graph.get("/me/mailFolders")
    assert len(first["value"]) == 10 and "@odata.nextLink" in first
    rows = graph.walk("/me/mailFolders")[0]
    assert len(rows) == 19 and "Sub" not in {r["displayName"] for r in rows}
    rows = graph.get(f"/me/mailFolders/{work}/childFolders")["value"]
    assert [r["displayName"] for r in rows] == ["Sub"]
    assert graph.get(f"/me/mailFolders/{work}")["childFolderCount"] == 1


def test_hidden_only_on_request(graph):
    graph.post("/me/mailFolders", {"displayName": "H", "isHidden": True},
               status=201)

    def names(query):
        return {r["displayName"] for r in graph.walk(
            "/me/mailFolders?$top=100" + query)[0]}
    assert "H" not in names("")
    assert "H" in names("&includeHiddenFolders=true")


@pytest.mark.parametrize("body,status,code", [
    ({"displayName": "inbox"}, 409, "ErrorFolderExists"),
    ({"displayName": " Inbox "}, 409, "ErrorFolderExists"),
    ({"displayName": ""}, 400, "ErrorInvalidRequest"),
    ({"displayName": "x" * 256}, 400, "ErrorInvalidRequest"),
    ({}, 400, "ErrorInvalidRequest"),
    ({"displayName": "x", "colour": 1}, 400, "UnableToDeserializePostBody"),
    ([], 400, "UnableToDeserializePostBody")])
def test_create_refused(graph, body, status, code):
    graph.post("/me/mailFolders", body, status=status, code=code)


def test_exists_by_switch(sim, graph):
    sim.switches["folder_exists_status"] = "400"
    graph.post("/me/mailFolders", {"displayName": "DRAFTS"}, status=400,
               code="ErrorFolderExists")


@pytest.mark.parametrize("method,tail,body,code", [
    ("DELETE", "", None, "ErrorDeleteDistinguishedFolder"),
    ("PATCH", "", {"displayName": "x"}, "ErrorRenameDistinguishedFolder"),
    ("POST", "/move", {"destinationId": "drafts"},
     "ErrorMoveDistinguishedFolder")])
def test_default_folders_stay(graph, method, tail, body, code):
    graph(method, "/me/mailFolders/inbox" + tail, body, status=400, code=code)


def test_rename_move_delete(graph, work, msg):
    path = f"/me/mailFolders/{work}"
    row = graph.patch(path, {"displayName": "a/b \\ ä"})
    assert row["id"] == work and row["displayName"] == "a/b \\ ä"
    row = graph.post(path + "/move", {"destinationId": "inbox"})
    assert row["id"] == work
    assert row["parentFolderId"] == graph.get("/me/mailFolders/inbox")["id"]
    graph.post("/me/mailFolders/inbox/childFolders", {"displayName": "A/B \\ Ä"},
               status=409, code="ErrorFolderExists")
    sub = graph.post(path + "/childFolders", {"displayName": "s"},
                     status=201)["id"]
    graph.post(path + "/move", {"destinationId": sub}, status=400)
    graph.post(f"/me/messages/{msg.id}/move", {"destinationId": sub},
               status=201)
    graph("DELETE", path, status=204)
    for gone in (path, f"/me/mailFolders/{sub}", f"/me/messages/{msg.id}"):
        graph.get(gone, status=404, code="ErrorItemNotFound")


def test_v1_has_no_well_known_name(graph):
    graph.get("/me/mailFolders?$select=wellKnownName", status=400,
              code="BadRequest")


def test_folder_delta(graph, work):
    rows, link, _ = graph.walk("/me/mailFolders/delta")
    assert work in {r["id"] for r in rows}
    assert graph.walk(link)[0] == []
    graph.deliver()
    assert [r["displayName"] for r in graph.walk(link)[0]] == ["Inbox"]
    graph("DELETE", f"/me/mailFolders/{work}", status=204)
    assert {"reason": "deleted"} in [r.get("@removed")
                                     for r in graph.walk(link)[0]]
    graph.get("/me/mailFolders/delta?$filter=x", status=400,
              code="ErrorInvalidUrlQuery")


def test_counts_in_the_delta_by_switch(sim, graph):
    box = next(iter(sim.boxes.values()))
    link = graph.walk("/me/mailFolders/delta")[1]
    for value, want in (("yes", ["Inbox"]), ("no", [])):
        sim.switches["folder_counts"] = value
        box.deliver(b"Subject: x\r\n\r\n", box.find_folder("inbox"))
        rows = graph.walk(link)[0]
        assert [r["displayName"] for r in rows] == want
