"""Contract section 4 and S9-S16: message delta, with each switch."""

import pytest

INBOX = "/me/mailFolders/inbox/messages/delta"


@pytest.fixture
def many(graph):
    return [graph.deliver(received=1600000000 + n) for n in range(25)]


@pytest.fixture
def link(graph, many):
    return graph.walk(INBOX)[1]


def test_pages_of_ten_then_by_wish(graph, many):
    rows, _, pages = graph.walk(INBOX)
    assert len(rows) == 25 and pages == 3
    graph.prefer += ", odata.maxpagesize=7"
    assert graph.walk(INBOX)[2] == 4


def test_links_are_opaque_long_and_new_each_time(sim, graph, many):
    links = set()
    for sim.count in range(14):
        links.add(graph.get(INBOX)["@odata.nextLink"])
    assert len(links) == 14 and max(map(len, links)) > 2000
    assert not any("maxpagesize" in l or "inbox" in l.split("?")[1]
                   for l in links)


def test_options_are_frozen_in_the_link(graph, many):
    page = graph.get(INBOX + "?$select=subject")
    row = graph.get(page["@odata.nextLink"])["value"][0]
    assert set(row) == {"@odata.type", "@odata.etag", "id", "subject"}


def test_old_links_may_be_used_again(graph, link):
    graph.deliver()
    assert len(graph.walk(link)[0]) == len(graph.walk(link)[0]) == 1


def test_what_changed(graph, many, link):
    read, moved, gone, tagged = many[:4]
    graph.patch(f"/me/messages/{read.id}", {"isRead": True})
    graph.patch(f"/me/messages/{tagged.id}", {"categories": ["x"]})
    graph.post(f"/me/messages/{moved.id}/move",
               {"destinationId": "drafts"}, status=201)
    graph.post(f"/me/messages/{gone.id}/permanentDelete", status=204)
    new = graph.deliver()
    rows = {r["id"]: r.get("@removed") for r in graph.walk(link)[0]}
    away = {"reason": "deleted"}
    assert rows == {read.id: None, tagged.id: None, moved.id: away,
                    gone.id: away, new.id: None}
    assert moved.id in {r["id"] for r in graph.walk(
        INBOX.replace("inbox", "drafts"))[0]}


def test_removed_rows_name_the_old_default_id(graph, many, link):
    graph.prefer = ""
    old = [m.default_id() for m in many[:2]]
    graph.box.move(many[0], graph.box.find_folder("drafts"))
    graph.box.remove(many[1])
    assert [r["id"] for r in graph.walk(link)[0]] == old


@pytest.mark.parametrize("query,code", [
    ("$search=x", "ErrorInvalidUrlQuery"),
    ("$skip=1", "ErrorInvalidUrlQuery"),
    ("$orderby=subject", "ErrorInvalidUrlQuery"),
    ("$filter=isRead%20eq%20true", "ErrorInvalidUrlQueryFilter"),
    ("$filter=receivedDateTime%20le%202020-01-01T00:00:00Z",
     "ErrorInvalidUrlQueryFilter"),
    ("$select=nope", "BadRequest"), ("$select=%40removed", "BadRequest"),
    ("changeType=moved", "ErrorInvalidUrlQuery")])
def test_refused_options(graph, query, code):
    graph.get(INBOX + "?" + query, status=400, code=code)


def test_filter_and_order(graph, many):
    rows = graph.walk(INBOX + "?$filter=receivedDateTime%20gt%20"
                      "2020-09-13T12:26:50Z")[0]
    assert len(rows) == 14
    rows = graph.walk(INBOX + "?$orderby=receivedDateTime%20desc")[0]
    dates = [r["receivedDateTime"] for r in rows]
    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize("kind,count", [("created", 1), ("updated", 1),
                                        ("deleted", 1),
                                        ("created,deleted", 2)])
def test_change_type(graph, many, kind, count):
    rows, link, _ = graph.walk(INBOX + "?changeType=" + kind)
    assert len(rows) == 25            # the first round has it all
    graph.deliver()
    graph.box.remove(many[0])
    graph.patch(f"/me/messages/{many[1].id}", {"isRead": True})
    assert len(graph.walk(link)[0]) == count


def test_foreign_tokens(graph, link):
    token = link.split("?")[1]
    graph.get(INBOX.replace("inbox", "drafts") + "?" + token, status=410,
              code="SyncStateNotFound")
    graph.get("/me/mailFolders/delta?" + token, status=410,
              code="SyncStateNotFound")
    graph.get(INBOX + "?$deltatoken=abc", status=410)


@pytest.mark.parametrize("value", ["410 SyncStateNotFound",
                                   "400 SyncStateInvalid",
                                   "404 resyncRequired"])
def test_sync_lost_by_switch(sim, graph, link, value):
    sim.switches["sync_lost"] = value
    sim.tokens.states.clear()
    status, code = value.split()
    graph.get(link, status=int(status), code=code)


def test_tokens_age(sim, graph, link):
    sim.switches["sync_tokens"] = "3"
    for _ in range(3):
        graph.walk(INBOX.replace("inbox", "junkemail"))
    graph.get(link, status=410)


def test_delta_of_a_deleted_folder(graph):
    ident = graph.post("/me/mailFolders", {"displayName": "x"},
                       status=201)["id"]
    path = f"/me/mailFolders/{ident}/messages/delta"
    link = graph.walk(path)[1]
    graph("DELETE", f"/me/mailFolders/{ident}", status=204)
    for gone in (path, link):
        graph.get(gone, status=404, code="ErrorSyncFolderNotFound")


EXPAND = "singleValueExtendedProperties($filter=id%20eq%20'Integer%200x0E08')"


@pytest.mark.parametrize("mode,dollar,plain", [
    ("yes", True, True), ("ignored", False, False),
    ("refused", None, None), ("plain", None, True)])
def test_expand_by_switch(sim, graph, msg, mode, dollar, plain):
    sim.switches["delta_expand"] = mode
    for name, want in (("$expand", dollar), ("expand", plain)):
        path = f"{INBOX}?{name}={EXPAND}"
        if want is None:
            graph.get(path, status=400, code="BadRequest")
        else:
            row = graph.get(path)["value"][0]
            assert ("singleValueExtendedProperties" in row) is want


@pytest.mark.parametrize("name,value,check", [
    ("delta_rows", "partial", lambda r: set(r[0]) == {
        "@odata.type", "@odata.etag", "id", "isRead"}),
    ("bool_strings", "yes", lambda r: r[0]["isRead"] == "true"),
    ("delta_duplicates", "yes", lambda r: len(r) == 4),
    ("delta_replay", "yes", lambda r: len(r) > 2),
    ("delta_order", "reversed", lambda r: "@removed" in r[0]),
    ("removed_reason", "changed",
     lambda r: r[1]["@removed"] == {"reason": "changed"})])
def test_rows_by_switch(sim, graph, many, link, name, value, check):
    sim.switches[name] = value
    graph.patch(f"/me/messages/{many[0].id}", {"isRead": True})
    graph.box.remove(many[1])
    assert check(graph.walk(link)[0])


def test_page_switches(sim, graph, many):
    sim.switches["delta_page_max"] = "4"
    assert graph.walk(INBOX)[2] == 7
    sim.switches["delta_empty_pages"] = "yes"
    first = graph.get(INBOX)
    assert first["value"] == [] and "@odata.nextLink" in first
    assert len(graph.walk(INBOX)[0]) == 25
    sim.switches.update(delta_empty_pages="no", delta_page_max="0",
                        delta_empty_last="yes")
    graph.prefer += ", odata.maxpagesize=100"
    rows, _, pages = graph.walk(INBOX)
    assert len(rows) == 25 and pages == 2


def test_lag(sim, graph, many, link):
    sim.switches["lag"] = "30"
    new = graph.deliver()
    assert graph.get(f"/me/messages/{new.id}")["id"] == new.id
    rows, link, _ = graph.walk(link)
    assert new.id not in {r["id"] for r in rows}
    sim.skew += 31
    assert new.id in {r["id"] for r in graph.walk(link)[0]}
