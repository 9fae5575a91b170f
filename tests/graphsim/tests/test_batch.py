"""Contract section 8 and S31: $batch."""

import base64

import pytest

from graphsim import batch
from graphsim.wire import Error

GET = {"method": "GET", "url": "/me/mailFolders/inbox"}


def run(graph, items, raw=None):
    req = graph.request("POST", "/$batch", raw or {"requests": items})
    data = batch.run(graph.sim, req).data
    return {r["id"]: r for r in data["responses"]}


def step(ident, **more):
    return dict(GET, id=ident, **more)


@pytest.mark.parametrize("items,code", [
    ([step(str(n)) for n in range(21)], "MaximumValueExceeded"),
    ([step("a"), step("A")], "BadRequest"), ([], "BadRequest"),
    ([step(1)], "BadRequest"), ([step("")], "BadRequest"),
    ([dict(GET)], "BadRequest"), ([{"id": "1", "url": "/me"}], "BadRequest"),
    ([{"id": "1", "method": "GET"}], "BadRequest"),
    ([step("1", dependsOn=["0"])], "BadRequest"), ("x", "BadRequest")])
def test_refused_as_a_whole(graph, items, code):
    with pytest.raises(Error) as caught:
        run(graph, items)
    assert caught.value.status == 400 and caught.value.code == code


def test_not_json(graph):
    with pytest.raises(Error):
        run(graph, None, b"{")


def test_twenty_in_another_order(graph):
    req = graph.request("POST", "/$batch", {
        "requests": [step(str(n)) for n in range(20)]})
    got = [r["id"] for r in batch.run(graph.sim, req).data["responses"]]
    assert got != sorted(got, key=int) and len(set(got)) == 20
    assert len([e for e in graph.sim.log if e["inner"]]) == 20


def test_inner_headers_are_their_own(graph, msg):
    url = f"me/messages/{msg.id}"     # no leading slash
    out = run(graph, [
        {"id": "1", "method": "GET", "url": url},
        {"id": "2", "method": "GET", "url": url,
         "headers": {"Prefer": 'IdType="ImmutableId"'}}])
    assert out["1"]["body"]["id"] == msg.default_id()
    assert out["2"]["body"]["id"] == msg.id


def test_bodies(graph, msg):
    url = f"/me/messages/{msg.id}"
    kind = {"Content-Type": "application/json"}
    out = run(graph, [
        {"id": "1", "method": "PATCH", "url": url, "body": {"isRead": True}},
        {"id": "2", "method": "PATCH", "url": url, "body": {"isRead": True},
         "headers": kind},
        {"id": "3", "method": "GET", "url": url + "/$value"},
        {"id": "4", "method": "PATCH", "url": url, "body": "no base64!",
         "headers": kind},
        {"id": "5", "method": "GET", "url": "https://x.example/v1.0/me"},
        {"id": "6", "method": "GET", "url": "/me/messages/short"}])
    status = {k: r["status"] for k, r in out.items()}
    assert status == {"1": 400, "2": 200, "3": 200, "4": 400, "5": 400,
                      "6": 400}
    assert out["2"]["body"]["isRead"] is True
    assert b"Subject: Plain" in base64.b64decode(out["3"]["body"])
    assert out["6"]["body"]["error"]["code"] == "ErrorInvalidIdMalformed"


def test_depends_on(graph):
    out = run(graph, [
        {"id": "a", "method": "GET", "url": "/me/messages/short"},
        step("b", dependsOn=["a"]), step("c", dependsOn=["b"]), step("d")])
    assert [out[i]["status"] for i in "abcd"] == [400, 424, 424, 200]


def test_throttle_by_switch(sim, graph):
    sim.switches["batch_throttle"] = "2"
    out = run(graph, [step(i) for i in "abcd"])
    assert [out[i]["status"] for i in "abcd"] == [200, 200, 429, 429]
    assert out["d"]["headers"]["Retry-After"] == "1"
    assert out["d"]["body"]["error"]["code"] == "ApplicationThrottled"
    assert run(graph, [step("a")])["a"]["status"] == 200


@pytest.mark.parametrize("throttled,status", [("0", 200), ("1", 424)])
def test_status_of_a_throttled_one(sim, graph, throttled, status):
    sim.switches.update(batch_throttle=throttled, batch_status="424")
    req = graph.request("POST", "/$batch",
                        {"requests": [step("a"), step("b")]})
    answer = batch.run(sim, req)
    assert answer.status == status
    assert len(answer.data["responses"]) == 2


def test_missing_by_switch(sim, graph):
    sim.switches["batch"] = "missing"
    with pytest.raises(Error) as caught:
        run(graph, [step("1")])
    assert caught.value.status == 404
