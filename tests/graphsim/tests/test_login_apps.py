"""Contract 15.4 and 15.5: several registrations, client credentials, device
code. msal is the judge where it can be."""

import json

import msal
import pytest

from served import CLIENT, REDIRECT

OTHER = "22222222-3333-4444-5555-666666666666"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USER = "alice@example.com"
DEFAULT = "https://graph.microsoft.com/.default"


@pytest.fixture
def judge(served, sim, monkeypatch):
    """An msal application."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)

    def make(tenant, secret=None, client=CLIENT):
        kind = msal.ConfidentialClientApplication if secret else \
            msal.PublicClientApplication
        return kind(client, authority=f"{sim.url}/{tenant}", verify=served.ca,
                    validate_authority=False,
                    **({"client_credential": secret} if secret else {}))
    return make


def devicecode(served, **form):
    form = dict(dict(client_id=CLIENT, scope="openid offline_access Mail.Read"),
                **form)
    body = "&".join(f"{k}={v}" for k, v in form.items() if v is not None)
    status, _, data = served.ask("POST", "/common/oauth2/v2.0/devicecode",
                                 body)
    return status, json.loads(data)


def poll(served, code):
    status, data = served.token(grant_type=GRANT, device_code=code)
    return "ok" if status == 200 else data["error"], data


def test_msal_device_flow(judge, sim, served):
    app = judge("common")
    flow = app.initiate_device_flow(["Mail.Read"])
    assert "user_code" in flow and flow["interval"] == 5, flow
    again = app.acquire_token_by_device_flow(flow, exit_condition=lambda f: 1)
    assert again["error"] == "authorization_pending"
    again = app.acquire_token_by_device_flow(flow, exit_condition=lambda f: 1)
    assert again["error"] == "slow_down"
    sim.skew += 11
    _, _, page = served.ask("GET", flow["verification_uri"])
    assert b'name="user_code"' in page
    _, _, page = served.ask("POST", "/devicelogin", "user_code=" +
                            flow["user_code"] + f"&user={USER}&decision=accept")
    assert b"close this window" in page
    result = app.acquire_token_by_device_flow(flow)
    assert result["id_token_claims"]["preferred_username"] == USER, result
    assert poll(served, flow["device_code"])[0] == "bad_verification_code"


def test_device_ends(sim, served):
    assert devicecode(served, client_id="x")[1]["error"] == \
        "unauthorized_client"
    assert devicecode(served, scope=None)[1]["error_codes"] == [900144]
    _, declined = devicecode(served)
    assert sim.login.enter_code(declined["user_code"].lower(), USER, False)
    assert poll(served, declined["device_code"])[0] == "authorization_declined"
    _, late = devicecode(served)
    sim.skew += 901
    assert not sim.login.enter_code(late["user_code"], USER, True)
    error, data = poll(served, late["device_code"])
    assert error == "expired_token" and data["error_codes"] == [70020]
    assert poll(served, "x")[0] == "bad_verification_code"


def test_msal_client_credentials(judge, sim, served):
    sim.login.client_secret = "s"
    tid = sim.login.tid
    result = judge(tid, "s").acquire_token_for_client([DEFAULT])
    assert "access_token" in result and "refresh_token" not in result, result
    assert 9001023 in judge("common", "s").acquire_token_for_client(
        [DEFAULT])["error_codes"]
    assert 1002012 in judge(tid, "s").acquire_token_for_client(
        ["Mail.Read"])["error_codes"]
    graph = served.graph(result["access_token"])
    assert graph("GET", "/me")[0] == 400
    assert graph("GET", f"/users/{USER}")[0] == 200
    assert graph("GET", f"/users/{USER}/mailFolders/inbox")[0] == 200
    assert graph("GET", "/users/nobody@example.com")[0] == 404
    sim.login.app_denied = {USER}
    assert graph("GET", f"/users/{USER}")[0] == 200
    assert graph("GET", f"/users/{USER}/mailFolders/inbox")[0] == 403
    sim.login.app_denied = set()
    sim.login.app_roles = ["Mail.Read"]
    result = judge(tid, "s").acquire_token_for_client([DEFAULT])
    graph = served.graph(result["access_token"])
    assert graph("GET", f"/users/{USER}")[0] == 403


def test_two_registrations(sim, served):
    sim.login.client_secret, sim.login.apps = "s", {OTHER: "t"}
    sim.login.auto_consent = True
    code = served.authorize(client_id=OTHER)["code"]
    form = dict(grant_type="authorization_code", code=code,
                redirect_uri=REDIRECT)
    for client, secret, want in ((OTHER, "s", 7000215), (CLIENT, "s", 70000)):
        _, data = served.token(client_id=client, client_secret=secret, **form)
        assert data["error_codes"] == [want]
    status, data = served.token(client_id=OTHER, client_secret="t", **form)
    assert status == 200
    form = dict(grant_type="refresh_token",
                refresh_token=data["refresh_token"])
    _, data = served.token(client_id=CLIENT, client_secret="s", **form)
    assert data["suberror"] == "client_mismatch"
    assert served.token(client_id=OTHER, client_secret="t", **form)[0] == 200
    sim.login.expired_secrets = {"t"}
    _, data = served.token(client_id=OTHER, client_secret="t", **form)
    assert data["error_codes"] == [7000222]
