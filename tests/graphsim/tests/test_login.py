"""Contract section 15 and S35, S37: the login host."""

import base64
import hashlib
import json
import threading
import time
import urllib.parse

import msal
import pytest

from served import CLIENT, REDIRECT, SCOPE

VERIFIER = "v" * 43
S256 = base64.urlsafe_b64encode(
    hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def host(served, sim):
    sim.login.auto_consent = True
    return served


def redeem(host, code, **more):
    form = dict(grant_type="authorization_code", code=code,
                redirect_uri=REDIRECT)
    form.update(more)
    return host.token(**form)


def refresh(host, token, **more):
    return host.token(grant_type="refresh_token", refresh_token=token, **more)


# authorize

def test_consent_page_and_cancel(served):
    page = served.authorize(state="a&b")
    assert '<form method="post"' in page and 'value="a&amp;b"' in page
    query = (f"client_id={CLIENT}&response_type=code&scope=openid&state=s&"
             f"redirect_uri={REDIRECT}&user=alice@example.com&decision=")
    for decision, want in (("accept", "code="),
                           ("cancel", "error=access_denied")):
        status, headers, _ = served.ask(
            "POST", "/common/oauth2/v2.0/authorize", query + decision)
        assert status == 302 and want in headers["Location"]
        assert "state=s" in headers["Location"]


@pytest.mark.parametrize("more,text", [
    ({"client_id": "other"}, "AADSTS700016"),
    ({"redirect_uri": "http://127.0.0.1:9/callback/"}, "AADSTS50011"),
    ({"redirect_uri": "http://127.0.0.1:8/callback"}, "AADSTS50011"),
    ({"redirect_uri": None}, "AADSTS50011")])
def test_errors_that_never_come_back(host, sim, more, text):
    sim.login.redirect_uris = [REDIRECT]
    assert text in host.authorize(**more)


@pytest.mark.parametrize("more,error", [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": None}, "invalid_request"),
    ({"scope": None}, "invalid_request"),
    ({"response_mode": "smoke"}, "invalid_request"),
    ({"prompt": "none"}, "login_required"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": S256, "code_challenge_method": "MD5"},
     "invalid_request"),
    ({"login_hint": "nobody@example.com"}, "access_denied")])
def test_errors_that_come_back(host, more, error):
    back = host.authorize(state="s", **more)
    assert back["error"] == error and back["state"] == "s"
    assert back["error_description"].startswith("AADSTS")


def test_any_port_of_localhost(host, sim):
    sim.login.redirect_uris = ["http://localhost/cb"]
    assert "code" in host.authorize(redirect_uri="http://localhost:4711/cb")


@pytest.mark.parametrize("mode", ["fragment", "form_post"])
def test_response_modes(host, mode):
    status, headers, page = host.ask(
        "GET", f"/common/oauth2/v2.0/authorize?client_id={CLIENT}&state=s&"
        f"response_type=code&scope=openid&redirect_uri={REDIRECT}&"
        f"response_mode={mode}&login_hint=alice@example.com")
    if mode == "fragment":
        assert headers["Location"].startswith(REDIRECT + "#code=")
    else:
        assert f'action="{REDIRECT}"'.encode() in page
        assert b'name="code"' in page


# codes and PKCE

@pytest.mark.parametrize("challenge,method,verifier,code", [
    (S256, "S256", VERIFIER, None), (VERIFIER, "plain", VERIFIER, None),
    (VERIFIER, None, VERIFIER, None), (S256, None, VERIFIER, 501481),
    (S256, "S256", "w" * 43, 501481), (S256, "S256", None, 50147),
    (S256, "S256", "short", 50147), (None, None, VERIFIER, 501481)])
def test_pkce(host, challenge, method, verifier, code):
    back = host.authorize(code_challenge=challenge,
                          code_challenge_method=method)
    status, data = redeem(host, back["code"], code_verifier=verifier)
    assert (status, data.get("error_codes")) == (
        (200, None) if code is None else (400, [code]))


def test_code_is_single_use_and_short_lived(host, sim):
    code = host.authorize()["code"]
    assert redeem(host, code, redirect_uri=REDIRECT + "x")[1][
        "error_codes"] == [50011]
    assert redeem(host, code)[0] == 200
    status, data = redeem(host, code)
    assert (status, data["error"], data["error_codes"]) == (
        400, "invalid_grant", [54005])
    code = host.authorize()["code"]
    sim.skew += 601
    assert redeem(host, code)[1]["error_codes"] == [70008]
    assert redeem(host, "nonsense")[1]["error_codes"] == [70000]


# the answer of the token endpoint

def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_token_answer(host, sim):
    data = host.sign_in(nonce="n")
    assert data["token_type"] == "Bearer" and "." not in data["access_token"]
    assert 3600 <= data["expires_in"] < 5400
    names = set(data["scope"].split())
    assert "offline_access" not in names and "Mail.ReadWrite" in names
    claims = claims_of(data["id_token"])
    box = sim.boxes["alice@example.com"]
    assert (claims["oid"], claims["aud"], claims["nonce"]) == (
        box.oid, CLIENT, "n")
    assert claims["iss"].endswith(f"/{claims['tid']}/v2.0")
    assert claims["email"] == "alice@example.com"


@pytest.mark.parametrize("scope,refresh_token,id_token,oid", [
    ("Mail.Read", False, False, None),
    ("openid Mail.Read", False, True, False),
    ("openid profile offline_access", True, True, True)])
def test_what_a_scope_brings(host, scope, refresh_token, id_token, oid):
    data = host.sign_in(scope=scope)
    assert ("refresh_token" in data) is refresh_token
    assert ("id_token" in data) is id_token
    if id_token:
        assert ("oid" in claims_of(data["id_token"])) is oid


def test_switches_of_the_answer(host, sim):
    sim.switches.update(token_seconds="77", expires_as_string="yes")
    assert host.sign_in()["expires_in"] == "77"


# refresh

@pytest.mark.parametrize("value,again", [("keep", 200), ("revoke", 400)])
def test_rotation_by_switch(host, sim, value, again):
    sim.switches["refresh_rotation"] = value
    old = host.sign_in()["refresh_token"]
    status, data = refresh(host, old, scope=SCOPE)
    assert status == 200 and data["refresh_token"] != old
    assert refresh(host, old)[0] == again
    assert refresh(host, data["refresh_token"])[0] == 200


def test_refresh_refused(host, sim):
    token = host.sign_in(scope="openid offline_access Mail.Read")[
        "refresh_token"]
    assert refresh(host, "nonsense")[1]["error_codes"] == [70000]
    status, data = refresh(host, token, scope="Mail.Send")
    assert (data["error_codes"], data["suberror"]) == ([65001],
                                                       "consent_required")
    data = refresh(host, token, scope="https://graph.microsoft.com/Mail.Read "
                   "https://outlook.office.com/x")[1]
    assert data["error_codes"] == [70011]
    sim.skew += 91 * 86400
    data = refresh(host, token)[1]
    assert (data["error"], data["error_codes"]) == ("invalid_grant", [700082])
    sim.skew = 0
    sim.login.revoke(sim.boxes["alice@example.com"])
    assert refresh(host, token)[1]["error_codes"] == [50173]


# refusals

@pytest.mark.parametrize("secret,sent,status,code", [
    (None, None, 200, None), (None, "x", 401, 700025),
    ("right", "right", 200, None), ("right", None, 401, 7000218),
    ("right", "wrong", 401, 7000215)])
def test_client_secret(host, sim, secret, sent, status, code):
    sim.login.client_secret = secret
    got, data = redeem(host, host.authorize()["code"], client_secret=sent)
    assert got == status
    if code:
        assert data["error"] == "invalid_client"
        assert data["error_codes"] == [code]


def test_secret_by_basic(host, sim):
    sim.login.client_secret = "right"
    code = host.authorize()["code"]
    basic = base64.b64encode(f"{CLIENT}:right".encode()).decode()
    status, _, _ = host.ask(
        "POST", "/common/oauth2/v2.0/token",
        f"grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}",
        {"Authorization": f"Basic {basic}"})
    assert status == 200


@pytest.mark.parametrize("form,error,code", [
    ({}, "invalid_request", 900144),
    ({"grant_type": "authorization_code"}, "invalid_request", 900144),
    ({"grant_type": "refresh_token"}, "invalid_request", 900144),
    ({"grant_type": "password"}, "unsupported_grant_type", 70003),
    ({"grant_type": "refresh_token", "refresh_token": "x",
      "client_id": "y"}, "unauthorized_client", 700016)])
def test_bad_token_requests(host, form, error, code):
    status, data = host.token(**form)
    assert (status, data["error"], data["error_codes"]) == (400, error,
                                                            [code])


def test_error_body(host):
    data = host.token()[1]
    text = data["error_description"]
    assert text.startswith("AADSTS900144: ") and "\r\nTrace ID: " in text
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} <= \
        set(data)


@pytest.mark.parametrize("tenant,known", [
    ("common", True), ("organizations", True), ("consumers", True),
    ("example.com", True), ("99999999-8888-7777-6666-555555555555", True),
    ("nonsense", False)])
def test_tenants(host, tenant, known):
    data = host.token(tenant=tenant)[1]
    assert (data["error_codes"] == [90002]) is not known


@pytest.mark.parametrize("code,error", [
    (50076, "interaction_required"), (70043, "invalid_grant"),
    (53003, "access_denied"), (90033, "temporarily_unavailable")])
def test_any_code_can_be_had(host, sim, code, error):
    sim.login.failures.append({"grant": "refresh_token", "error": error,
                               "code": code, "more": {"claims": "{}"}})
    token = host.sign_in()["refresh_token"]
    data = refresh(host, token)[1]
    assert (data["error"], data["error_codes"], data["claims"]) == (
        error, [code], "{}")
    assert refresh(host, token)[0] == 200


def test_429_and_html(host, sim):
    sim.login.failures += [
        {"error": "temporarily_unavailable", "code": 90055, "status": 429,
         "headers": {"Retry-After": "3"}},
        {"error": "x", "status": 503, "page": "<html>sorry</html>"}]
    answers = [host.ask("POST", "/common/oauth2/v2.0/token", "x=y")
               for _ in range(2)]
    assert answers[0][0] == 429 and answers[0][1]["Retry-After"] == "3"
    assert answers[1][0] == 503 and answers[1][2] == b"<html>sorry</html>"


def test_logout_and_unknown_paths(host):
    assert host.ask("GET", "/common/oauth2/v2.0/logout")[0] == 200
    assert host.ask("GET", "/common/oauth2/v2.0/token")[0] == 404
    assert host.ask("GET", "/elsewhere")[0] == 404


# a judge that was written against the real service

@pytest.mark.parametrize("secret", [None, "the-secret"])
def test_msal_signs_in(host, sim, secret, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    sim.login.client_secret = secret
    make = msal.ConfidentialClientApplication if secret else \
        msal.PublicClientApplication
    app = make(CLIENT, authority=f"{sim.url}/common", verify=host.ca,
               validate_authority=False,
               **({"client_credential": secret} if secret else {}))
    flow = app.initiate_auth_code_flow(
        ["Mail.ReadWrite"], redirect_uri=REDIRECT,
        login_hint="alice@example.com")
    assert flow["auth_uri"].startswith(sim.url)
    status, headers, _ = host.ask("GET", flow["auth_uri"])
    back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(
        headers["Location"]).query))
    result = app.acquire_token_by_auth_code_flow(flow, back)
    assert "access_token" in result, result
    assert result["id_token_claims"]["preferred_username"] == \
        "alice@example.com"
    account = app.get_accounts()[0]
    again = app.acquire_token_silent_with_error(
        ["Mail.ReadWrite"], account, force_refresh=True)
    assert again["access_token"] != result["access_token"], again
    sim.login.revoke(sim.boxes["alice@example.com"])
    error = app.acquire_token_silent_with_error(
        ["Mail.ReadWrite"], account, force_refresh=True)
    assert error["error"] == "invalid_grant" and 50173 in error["error_codes"]


def test_slow_token_endpoint(host, sim):
    """A delay after the effect: the answer is late, not the token."""
    token = host.sign_in()["refresh_token"]
    for phase in ("before", "after"):
        sim.faults.add({"path": "/login/token", "delay": 0.3, "phase": phase})
        seen, started = len(sim.log), time.time()
        thread = threading.Thread(target=refresh, args=(host, token))
        thread.start()
        time.sleep(0.15)
        assert len(sim.log) - seen == (phase == "after")
        thread.join()
        assert time.time() - started >= 0.3 and len(sim.log) == seen + 1


def test_marker(host, sim):
    """For those who look for tokens where none belong."""
    sim.login.marker = "MARKER"
    data = host.sign_in()
    assert all("MARKER" in token for token in sim.login.codes)
    assert "MARKER" in data["access_token"] and "MARKER" in data["refresh_token"]


def test_discovery_of_an_unknown_tenant(served):
    status, _, body = served.ask(
        "GET", "/nowhere/v2.0/.well-known/openid-configuration")
    assert status == 400 and json.loads(body)["error_codes"] == [90002]
