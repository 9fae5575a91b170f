"""More app registrations than one, tokens of an application itself (client
credentials), and signing in on another device (device code)."""

import html
import re
import secrets

from .login import LoginError, parse_form
from .login_consent import ConsentLogin
from .wire import Error

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEVICE_SECONDS, DEVICE_INTERVAL = 900, 5
USER_CODE = "BCDFGHJKLMNPQRSTVWXZ"
GRAPH_HOSTS = ("graph.microsoft.com", "graph.microsoft.us",
               "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn")


class App:
    """In place of a user: the application."""
    is_app = True

    def __init__(self, client_id):
        self.address = self.oid = client_id


class AppLogin(ConsentLogin):
    def __init__(self, sim):
        super().__init__(sim)
        self.apps = {}                # more registrations: id -> secret
        self.expired_secrets = set()
        self.app_roles = ["User.Read.All", "Mail.ReadWrite", "Mail.Send",
                          "MailboxSettings.ReadWrite"]
        self.app_denied = set()       # mailboxes that a policy leaves out
        self.devices = {}             # device code -> entry

    def knows(self, client_id):
        return super().knows(client_id) or client_id in self.apps

    def secret_of(self, client_id):
        return self.apps.get(client_id, self.client_secret)

    def _client(self, form, headers):
        if form.get("client_secret") in self.expired_secrets:
            raise LoginError("invalid_client", 7000222, "The provided client "
                             "secret keys for app are expired.", 401)
        return super()._client(form, headers)

    def _grant_of_type(self, grant, form, tenant):
        if grant == "client_credentials":
            return self._app_only(form, tenant)
        # the short name is what msal-node sends, and the service takes it
        if grant in (DEVICE_GRANT, "device_code"):
            return self._device(form)
        return super()._grant_of_type(grant, form, tenant)

    # client credentials

    def _app_only(self, form, tenant):
        if tenant in ("common", "organizations", "consumers"):
            raise LoginError("invalid_request", 9001023, "The grant type is "
                             f"not supported over the /{tenant} endpoint.")
        if "client_secret" not in form and "client_assertion" not in form:
            raise LoginError("invalid_client", 7000218, "The request body "
                             "must contain client_assertion or "
                             "client_secret.", 401)
        host = re.fullmatch(r"https://([^/]+)/\.default",
                            form.get("scope", ""))
        if not host or host[1] not in GRAPH_HOSTS:
            raise LoginError("invalid_scope", 1002012, "The provided value "
                             "for scope is not valid. Client credential "
                             "flows must have a scope value with /.default.")
        out = self._access(None, self.app_roles, form.get("claims"))
        self.access[out["access_token"]]["app"] = App(form["client_id"])
        return out

    # device code

    def device_code(self, form):
        if not self.knows(form.get("client_id")):
            raise LoginError("unauthorized_client", 700016, "Application not "
                             "found in the directory.")
        if not form.get("scope"):
            raise LoginError("invalid_request", 900144, "The request body "
                             "must contain the parameter 'scope'.")
        code = "D" + self.marker + secrets.token_urlsafe(120)
        user_code = "".join(secrets.choice(USER_CODE) for _ in range(9))
        now = self.sim.now()
        self.devices[code] = {
            "user_code": user_code, "client": form["client_id"],
            "scope": form["scope"], "until": now + DEVICE_SECONDS,
            "interval": DEVICE_INTERVAL, "asked": now - DEVICE_INTERVAL,
            "state": "pending", "box": None}
        uri = self.sim.url + "/devicelogin"
        return {"device_code": code, "user_code": user_code,
                "verification_uri": uri, "expires_in": DEVICE_SECONDS,
                "interval": DEVICE_INTERVAL, "message": "To sign in, use a "
                f"web browser to open the page {uri} and enter the code "
                f"{user_code} to authenticate."}

    def _device(self, form):
        entry = self.devices.get(form.get("device_code"))
        if entry is None or entry["client"] != form["client_id"] or \
                entry["state"] == "used":
            raise LoginError("bad_verification_code", 70018, "The device code "
                             "was not recognized.")
        now = self.sim.now()
        if now >= entry["until"]:
            raise LoginError("expired_token", 70020, "The device code has "
                             "expired.")
        early = now - entry["asked"] < entry["interval"] - 0.5
        entry["asked"] = now
        if early:
            entry["interval"] += 5
            raise LoginError("slow_down", 70016, "Polling too often.")
        if entry["state"] == "declined":
            raise LoginError("authorization_declined", 65004, "The user "
                             "declined the sign-in.")
        if entry["state"] == "pending":
            raise LoginError("authorization_pending", 70016, "The "
                             "authorization is pending.")
        entry["state"] = "used"
        return self._grant(entry["box"], entry["scope"], None,
                           form.get("claims"), entry["client"])

    def enter_code(self, user_code, user, accept):
        """What the page of the other device does; False: no such code."""
        for entry in self.devices.values():
            if entry["user_code"] == user_code.strip().upper() and \
                    entry["state"] == "pending" and \
                    self.sim.now() < entry["until"]:
                entry["box"] = self.sim.box_of(user)
                accept = accept and entry["box"] is not None
                entry["state"] = "accepted" if accept else "declined"
                return True
        return False

    def device_page(self, method, body):
        form = parse_form(body) if method == "POST" else {}
        if not form:
            options = "".join(f"<option>{html.escape(b.address)}</option>"
                              for b in self.sim.boxes.values())
            return self.page("Enter code", '<form method="post" action="">'
                             '<p><input name="user_code" value=""></p>'
                             f'<p><select name="user">{options}</select></p>'
                             '<button name="decision" value="accept">Accept'
                             '</button> <button name="decision" '
                             'value="cancel">Cancel</button></form>')
        if not self.enter_code(form.get("user_code", ""),
                               form.get("user", ""),
                               form.get("decision") == "accept"):
            return self.page("That code didn't work")
        return self.page("You may close this window")

    # an application at Graph

    def check_app(self, req, rest):
        """The mailbox that an application asks for, or an error."""
        seg = req.segments()
        if seg[1].lower() == "me":
            raise Error(400, "BadRequest", "/me request is only valid with "
                        "delegated authentication flow.")
        box = self.sim.box_of(seg[2]) if len(seg) > 2 else None
        if box is None:
            raise Error(404, "ErrorInvalidUser", "The requested user is "
                        "invalid.")
        if rest and box.address.lower() in self.app_denied:
            raise Error(403, "ErrorAccessDenied", "Access to OData is "
                        "disabled: [RAOP] : Blocked by tenant configured "
                        "AppOnly AccessPolicy settings.")
        return box
