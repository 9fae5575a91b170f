"""Contract sections 1.3-1.5, 9, 10 and S20, S27-S30, S32, S33: over HTTPS."""

import gzip
import http.client
import json
import threading
import time
from email.utils import parsedate_to_datetime

import pytest

HELD = 1.0                            # seconds; long enough on a busy machine


@pytest.fixture
def ask(served):
    return served.graph(served.sign_in()["access_token"])


def code(answer):
    return answer[0], json.loads(answer[2])["error"]["code"]


def test_headers_of_answers(ask):
    status, headers, body = ask("GET", "/me", client_request_id="abc")
    assert status == 200 and headers["client-request-id"] == "abc"
    assert headers["Content-Type"].startswith("application/json;odata")
    assert headers["OData-Version"] == "4.0"
    for answer in (ask("GET", "/me/messages/short"), ask("POST", "/$batch")):
        assert len(answer[1]["request-id"]) == 36
        error = json.loads(answer[2])["error"]
        assert set(error) == {"code", "message", "innerError"}


def test_gzip(ask):
    status, headers, body = ask("GET", "/me/mailFolders",
                                Accept_Encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(body))["value"]) == 6


def test_too_big_is_no_json(ask):
    status, headers, body = ask("POST", "/me/messages", b"A" * 4000001)
    assert status == 413 and headers["Content-Type"] == "text/html"


# tokens

def test_401_kinds(served, sim, ask):
    status, headers, body = served.graph("nonsense")("GET", "/me")
    assert status == 401 and b"audience" in body
    assert "invalid_token" in headers["WWW-Authenticate"]
    assert served.ask("GET", "/v1.0/me")[0] == 401
    sim.skew += 3 * 3600
    status, _, body = ask("GET", "/me")
    assert status == 401 and b"expired" in body


def test_cae_challenge_ends_with_the_claims_alone(served, sim):
    data = served.sign_in()
    box = sim.boxes["alice@example.com"]
    sim.login.challenge(box, '{"access_token":{}}')
    status, headers, _ = served.graph(data["access_token"])("GET", "/me")
    assert status == 401
    assert "insufficient_claims" in headers["WWW-Authenticate"]
    for claims, want in ((None, 401), ('{"access_token":{}}', 200)):
        new = served.token(grant_type="refresh_token", claims=claims,
                           refresh_token=data["refresh_token"])[1]
        assert served.graph(new["access_token"])("GET", "/me")[0] == want


@pytest.mark.parametrize("where,status", [("gateway", 401),
                                          ("workload", 200)])
def test_cae_challenge_of_a_batch(served, sim, where, status):
    sim.switches["challenge_at"] = where
    data = served.sign_in()
    sim.login.challenge(sim.boxes["alice@example.com"], '{"access_token":{}}')
    got, headers, body = served.graph(data["access_token"])(
        "POST", "/$batch", {"requests": [
            {"id": "1", "method": "GET", "url": "/me"}]})
    assert got == status
    if status == 200:
        part = json.loads(body)["responses"][0]
        assert part["status"] == 401
        headers = part["headers"]
    assert "insufficient_claims" in headers["WWW-Authenticate"]


@pytest.mark.parametrize("scope,method,path,status", [
    ("Mail.ReadBasic", "GET", "/me/messages", 200),
    ("Mail.ReadBasic", "GET", "/me/messages?$select=body", 403),
    ("Mail.Read", "GET", "/me/messages?$select=body", 200),
    ("Mail.Read", "POST", "/me/mailFolders", 403),
    ("Mail.ReadWrite", "POST", "/me/mailFolders", 201),
    ("Mail.ReadWrite", "GET", "/me/mailboxSettings", 403),
    ("MailboxSettings.Read", "GET", "/me/mailboxSettings", 200),
    ("MailboxSettings.Read", "GET", "/me/mailFolders", 403),
    ("https://graph.microsoft.com/Mail.Read", "GET", "/me/mailFolders", 200)])
def test_scopes(served, scope, method, path, status):
    token = served.sign_in(scope="openid " + scope)["access_token"]
    answer = served.graph(token)(method, path, {"displayName": "n"})
    assert answer[0] == status
    if status == 403:
        assert code(answer) == (403, "ErrorAccessDenied")


def test_somebody_else(served, sim, ask):
    other = "/users/bob%40example.com/mailFolders"
    assert code(ask("GET", other)) == (403, "ErrorAccessDenied")
    assert code(ask("GET", "/users/no%40example.com/mailFolders")) == (
        404, "ErrorInvalidUser")
    sim.shares["bob@example.com"] = ["alice@example.com"]
    assert code(ask("GET", other)) == (403, "ErrorAccessDenied")
    token = served.sign_in(scope="Mail.Read.Shared")["access_token"]
    assert served.graph(token)("GET", other)[0] == 200


# limits

def parallel(ask, count, *request):
    answers = []

    def one():
        answers.append(ask(*request))
    threads = [threading.Thread(target=one) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sorted(a[0] for a in answers)


def test_the_fifth_in_flight(sim, ask):
    sim.latency = HELD
    assert parallel(ask, 4, "GET", "/me") == [200] * 4
    assert parallel(ask, 6, "GET", "/me") == [200] * 4 + [429] * 2
    assert sim.limits.throttled == 2
    assert max(sim.limits.most.values()) == 4


def test_a_batch_takes_four(sim, ask):
    sim.latency = HELD
    items = {"requests": [{"id": str(n), "method": "GET", "url": "/me"}
                          for n in range(9)]}
    assert parallel(ask, 2, "POST", "/$batch", items) == [200, 429]


def test_a_chained_batch_takes_one(sim, ask):
    sim.latency = HELD
    items = {"requests": [{"id": str(n), "method": "GET", "url": "/me",
                           "dependsOn": [str(n - 1)] if n else []}
                          for n in range(9)]}
    assert parallel(ask, 5, "POST", "/$batch", items) == [200] * 4 + [429]


@pytest.mark.parametrize("scope,want", [("mailbox", [200, 200]),
                                        ("app", [200, 429])])
def test_concurrency_scope_by_switch(served, sim, ask, scope, want):
    sim.switches.update(concurrency="1", concurrency_scope=scope)
    bob = served.graph(served.sign_in(
        login_hint="bob@example.com")["access_token"])
    sim.latency = HELD
    turn = iter((ask, bob))
    assert parallel(lambda *r: next(turn)(*r), 2, "GET", "/me") == want


@pytest.mark.parametrize("form,check", [
    ("seconds", str.isdigit), ("fraction", lambda v: "." in v),
    ("date", lambda v: v.endswith("GMT")), ("absent", lambda v: v is None)])
def test_retry_after_by_switch(sim, ask, form, check):
    sim.switches.update(window_requests="0", retry_after=form)
    answer = ask("GET", "/me")
    assert code(answer) == (429, "ApplicationThrottled")
    assert check(answer[1]["Retry-After"])


def test_windows(sim, ask):
    sim.switches["window_requests"] = "3"
    assert [ask("GET", "/me")[0] for _ in range(4)] == [200] * 3 + [429]
    sim.skew += 590                   # what was rejected counts too
    assert ask("GET", "/me")[0] == 429
    sim.skew += 15
    assert ask("GET", "/me")[0] == 200
    sim.switches.update(window_requests="100", window_bytes="1000")
    assert ask("POST", "/me/mailFolders", b" " * 1001)[0] == 429


def test_two_patches_at_a_time_collide(sim, graph, msg, ask):
    sim.faults.add({"method": "PATCH", "delay": HELD})
    path = f"/me/messages/{msg.id}"
    assert parallel(ask, 2, "PATCH", path, {"isRead": True}) == [200, 412]
    assert ask("PATCH", path, {"isRead": True})[0] == 200


# faults

@pytest.mark.parametrize("fault,status,ctype", [
    ({"status": 503, "code": "ServiceNotAvailable", "retry_after": 2}, 503,
     "application/json"),
    ({"status": 504, "body": "<html>504</html>"}, 504, "text/html"),
    ({"status": 502, "body": ""}, 502, "text/html"),
    ({"status": 500, "code": "", "message": ""}, 500, "application/json")])
def test_answers_in_place_of_the_real_one(sim, ask, fault, status, ctype):
    sim.faults.add(dict(fault, path="mailFolders", skip=1))
    answers = [ask("GET", "/me/mailFolders") for _ in range(3)]
    assert [a[0] for a in answers] == [200, status, 200]
    assert answers[1][1]["Content-Type"].startswith(ctype)
    if "retry_after" in fault:
        assert answers[1][1]["Retry-After"] == "2"


@pytest.mark.parametrize("phase,made", [("before", 0), ("after", 1)])
def test_lost_answers(sim, graph, ask, phase, made):
    sim.faults.add({"method": "POST", "reset": True, "phase": phase})
    with pytest.raises((http.client.HTTPException, OSError)):
        ask("POST", "/me/messages", {"subject": "s"})
    assert len(graph.box.messages) == made


def test_cut_omit_and_foreign_link(sim, graph, msg, ask):
    path = f"/me/messages/{msg.id}/$value"
    sim.faults.add({"path": "value", "phase": "after", "cut": 20})
    with pytest.raises((http.client.IncompleteRead, OSError)):
        ask("GET", path)
    sim.faults.add({"path": "inbox", "phase": "after", "omit": "id"})
    assert "id" not in json.loads(ask("GET", "/me/mailFolders/inbox")[2])
    sim.faults.add({"path": "delta", "phase": "after",
                    "foreign_next": "https://evil.example/v1.0/x"})
    page = json.loads(ask("GET", "/me/mailFolders/delta")[2])
    assert page["@odata.deltaLink"] == "https://evil.example/v1.0/x"


def test_value_without_length(sim, msg, ask):
    path = f"/me/messages/{msg.id}/$value"
    assert ask("GET", path)[1]["Content-Length"]
    sim.switches["value_length"] = "no"
    status, headers, body = ask("GET", path)
    assert headers["Content-Length"] is None and b"Subject: Plain" in body


def test_delay(sim, ask):
    sim.faults.add({"path": "me$", "delay": 0.3})
    start = time.time()
    ask("GET", "/me")
    assert time.time() - start >= 0.3


# the control API

def test_log_and_control(served, sim, ask):
    ask("GET", "/me/mailFolders?$top=1")
    entry = [e for e in sim.log if "mailFolders" in e["path"]][0]
    assert entry["status"] == 200 and entry["method"] == "GET"
    assert entry["query"] == ["$top"] and entry["mailbox"]

    def control(name, **data):
        status, _, body = served.ask("POST", "/_sim/" + name, data)
        return status, json.loads(body)
    ident = control("deliver", folder="New/Sub", count=2)[1]["ids"][0]
    control("patch", id=ident, isRead=True, flag="flagged", verb=102)
    control("move", id=ident, folder="inbox")
    state = [m for m in control("state")[1]["messages"]
             if m["id"] == ident][0]
    assert state["role"] == "inbox" and state["isRead"]
    assert state["flag"] == "flagged" and state["verb"] == 102
    assert control("switch", nonsense=1)[0] == 400
    assert control("nonsense")[0] == 404
    assert control("delete", id="unknown")[0] == 404


def test_date(served, sim):
    """A clock that is wrong: ours or theirs."""
    for offset in (0, 3600, -3600):
        sim.date_offset = offset
        _, headers, _ = served.ask("GET", "/common/v2.0/.well-known/"
                                   "openid-configuration")
        got = parsedate_to_datetime({k.lower(): v for k, v in dict(
            headers).items()}["date"]).timestamp()
        assert abs(got - time.time() - offset) < 3
