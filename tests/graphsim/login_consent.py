"""The login host of a tenant where only an administrator may consent: the
"Need admin approval" wall, and the page on which the administrator consents.
And the registration that has a certificate."""

import html

from aiohttp import web

from . import login_assertion
from .login import Login, LoginError, parse_form


class ConsentLogin(Login):
    def __init__(self, sim):
        super().__init__(sim)
        self.admin_required = False   # users run into the wall
        self.admin_consented = False
        self.sessions = set()         # who has signed in in a browser
        self.certificate = None       # PEM, in place of the secret
        self.assertions = set()       # their jti

    def _client(self, form, headers):
        if "client_assertion" not in form:
            super()._client(form, headers)
        elif not self.knows(form.get("client_id")):
            raise LoginError("unauthorized_client", 700016, "Application not "
                             "found in the directory.")
        else:
            login_assertion.check(self, form, self.certificate)

    def authorize(self, query):
        if query.get("prompt") == "none" and \
                self.knows(query.get("client_id")) and \
                query.get("login_hint", "").lower() in self.sessions:
            if self._walled():
                return self.back(query, {
                    "error": "consent_required", "error_description":
                    "AADSTS65001: The user or administrator has not consented "
                    "to use the application."})
            return self.decide(query, query.get("login_hint", ""), True)
        return super().authorize(query)

    def decide(self, query, user, accept):
        self.sessions.add(user.lower())
        if accept and self._walled():
            return self.back(query, {
                "error": "access_denied", "error_subcode": "cancel",
                "error_description": "AADSTS90094: The grant requires admin "
                "permission."})
        return super().decide(query, user, accept)

    def _walled(self):
        return self.admin_required and not self.admin_consented

    def admin_consent(self, tenant, query, decision):
        """As authorize(). decision: accept, cancel, or None for the page."""
        uri = query.get("redirect_uri", "")
        if tenant == "common" or not self.knows(query.get("client_id")) or \
                (self.redirect_uris and uri not in self.redirect_uris):
            return "page", self.page("AADSTS90002: This request is wrong.")
        if decision is None:
            hidden = "".join(
                f'<input type="hidden" name="{html.escape(k)}" '
                f'value="{html.escape(v)}">' for k, v in query.items())
            return "page", self.page(
                "Consent for your organisation",
                f'<form method="post" action="">{hidden}'
                '<button name="decision" value="accept">Accept</button> '
                '<button name="decision" value="cancel">Cancel</button></form>')
        params = {"admin_consent": "True", "tenant": self.tid}
        if decision == "accept":
            self.admin_consented = True
            params["scope"] = query.get("scope", "")
        else:
            params.update(error="access_denied", error_description=
                          "AADSTS65004: The administrator declined.")
        return self.back(dict(query, response_mode="query"), params)


async def serve_admin_consent(login, http, tenant, body):
    query, decision = dict(http.query), None
    if http.method == "POST":
        query = parse_form(body)
        decision = query.pop("decision", "cancel")
    out = login.admin_consent(tenant, query, decision)
    if out[0] == "page":
        return web.Response(text=out[1], content_type="text/html")
    raise web.HTTPFound(login.with_query(out[1], out[2]))
