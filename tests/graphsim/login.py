"""The login host: authorize page, codes, tokens."""

import base64
import functools
import hashlib
import html
import json
import random
import re
import secrets
import time
import uuid
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from . import scopes
from .wire import Error

CODE_SECONDS = 600
REFRESH_SECONDS = 90 * 86400


def _b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


_PARAMETERS = {"authorization_code": ("code", "redirect_uri"),
               "refresh_token": ("refresh_token",),
               "urn:ietf:params:oauth:grant-type:device_code":
               ("device_code",)}


@functools.lru_cache(None)
def _signing_key():
    return rsa.generate_private_key(65537, 2048)


class LoginError(Exception):
    def __init__(self, error, code, text, status=400, **more):
        super().__init__(error)
        self.error, self.code, self.text = error, code, text
        self.status = status
        self.headers = more.pop("headers", {})
        self.page = more.pop("page", None)  # HTML in place of JSON
        self.more = more

    def json(self):
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        return dict({
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.text}\r\n"
            f"Trace ID: {uuid.uuid4()}\r\nCorrelation ID: {uuid.uuid4()}"
            f"\r\nTimestamp: {stamp}",
            "error_codes": [self.code], "timestamp": stamp,
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
            "error_uri": "https://login.microsoftonline.com/error?code="
            f"{self.code}"}, **self.more)


def _unauthorized(text, why='error="invalid_token"'):
    return Error(401, "InvalidAuthenticationToken", text, {
        "WWW-Authenticate": f'Bearer realm="", {why}'})


def _satisfies(have, want):
    """Were the claims that a challenge wants asked for with the token?"""
    if have is None:
        return False
    try:
        have, want = json.loads(have), json.loads(want)
        return all(have["access_token"].get(name) == value
                   for name, value in want["access_token"].items())
    except (ValueError, KeyError):
        return have == want


class Login:
    def __init__(self, sim):
        self.sim = sim
        self.client_id = "11111111-2222-3333-4444-555555555555"
        self.client_secret = None     # None: public client
        self.redirect_uris = []       # empty: any
        self.auto_consent = False
        self.tid = "99999999-8888-7777-6666-555555555555"
        self.codes, self.access, self.refresh = {}, {}, {}
        self.failures = []            # [{grant, error, code, ...}]
        self.challenges = {}          # oid -> claims
        self.kid = "sim-1"
        self.marker = ""              # in each code and token

    # authorize

    def check_tenant(self, tenant):
        """A LoginError unless this host knows the tenant."""
        if tenant not in ("common", "organizations", "consumers", self.tid) \
                and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", tenant):
            raise LoginError("invalid_request", 90002,
                             f"Tenant '{tenant}' not found.")

    def _known_redirect(self, uri):
        """Exact, but for the port of http://localhost."""
        if not self.redirect_uris:
            return bool(urlsplit(uri).scheme)

        def plain(text):
            return re.sub(r"^http://localhost:\d+", "http://localhost", text)
        return plain(uri) in map(plain, self.redirect_uris)

    @staticmethod
    def _bad_request(query):
        """(error, AADSTS text) of an authorize request, or None."""
        method = query.get("code_challenge_method", "plain")
        challenge = query.get("code_challenge")
        if "response_type" not in query or not query.get("scope"):
            return "invalid_request", "AADSTS900144: The request must " \
                "contain response_type and scope."
        if query["response_type"] != "code":
            return "unsupported_response_type", "AADSTS700054: response_type."
        if query.get("response_mode", "query") not in (
                "query", "fragment", "form_post"):
            return "invalid_request", "AADSTS70007: response_mode."
        if method not in ("S256", "plain") or challenge is not None and \
                not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", challenge):
            return "invalid_request", "AADSTS501491: code challenge."
        if query.get("prompt") == "none":
            return "login_required", "AADSTS50058: A silent sign-in was " \
                "asked for, but no user is signed in."
        return None

    def authorize(self, query):
        """("page", html) or ("redirect", url, params, mode)."""
        if not self.knows(query.get("client_id")):
            return "page", self.page("AADSTS700016: The application was not "
                                      "found.")
        if not self._known_redirect(query.get("redirect_uri", "")):
            return "page", self.page("AADSTS50011: The redirect URI does not "
                                      "match.")
        bad = self._bad_request(query)
        if bad:
            return self.back(query, {"error": bad[0],
                                     "error_description": bad[1]})
        if self.auto_consent:
            return self.decide(query, query.get("login_hint", ""), True)
        options = "".join(
            f"<option{' selected' if b.address.lower() == query.get('login_hint', '').lower() else ''}>"
            f"{html.escape(b.address)}</option>"
            for b in self.sim.boxes.values())
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(k)}" '
            f'value="{html.escape(v)}">' for k, v in query.items())
        return "page", self.page(
            "Sign in", f'<form method="post" action="">{hidden}'
            f'<p><select name="user">{options}</select></p>'
            '<p>This application asks for: ' +
            html.escape(query.get("scope", "")) + '</p>'
            '<button name="decision" value="accept">Accept</button> '
            '<button name="decision" value="cancel">Cancel</button></form>')

    @staticmethod
    def page(title, body=""):
        return (f"<!doctype html><title>Sign in</title><h1>"
                f"{html.escape(title)}</h1>{body}")

    def decide(self, query, user, accept):
        box = self.sim.box_of(user)
        if not accept or box is None:
            return self.back(query, {
                "error": "access_denied", "error_subcode": "cancel",
                "error_description": "AADSTS65004: User declined to consent "
                "to access the app."})
        code = "0.A" + self.marker + secrets.token_urlsafe(300)
        self.codes[code] = {"box": box, "query": query, "used": False,
                            "time": self.sim.now()}
        return self.back(query, {"code": code,
                                 "session_state": secrets.token_hex(16)})

    def back(self, query, params):
        if "state" in query:
            params["state"] = query["state"]
        return ("redirect", query["redirect_uri"], params,
                query.get("response_mode", "query"))

    @staticmethod
    def form_post(uri, params):
        fields = "".join(f'<input type="hidden" name="{html.escape(k)}" '
                         f'value="{html.escape(v)}">'
                         for k, v in params.items())
        return (f'<!doctype html><title>Working...</title><form method="post" '
                f'action="{html.escape(uri)}">{fields}<button>Go on</button>'
                "</form>")

    @staticmethod
    def with_query(uri, params, mark="?"):
        return uri + ("&" if mark in uri else mark) + urlencode(params)

    # token

    def knows(self, client_id):
        return client_id == self.client_id

    def secret_of(self, client_id):
        """None: a public client."""
        return self.client_secret

    def token(self, form, headers, tenant="common"):
        fail = next((f for f in self.failures
                     if f.get("grant") in (None, form.get("grant_type")) and
                     f.get("count", 1) > 0), None)
        if fail:
            fail["count"] = fail.get("count", 1) - 1
            raise LoginError(fail["error"], fail.get("code", 0),
                             fail.get("text", "made to fail"),
                             fail.get("status", 400),
                             headers=fail.get("headers", {}),
                             page=fail.get("page"), **fail.get("more", {}))
        grant = form.get("grant_type")
        for name in ("grant_type", *_PARAMETERS.get(grant, ())):
            if not form.get(name):
                raise LoginError("invalid_request", 900144, "The request body "
                                 f"must contain the parameter '{name}'.")
        self._client(form, headers)
        return self._grant_of_type(grant, form, tenant)

    def _grant_of_type(self, grant, form, tenant):
        if grant == "authorization_code":
            return self._code(form)
        if grant == "refresh_token":
            return self._refresh(form)
        raise LoginError("unsupported_grant_type", 70003, "grant type")

    def _client(self, form, headers):
        cid, secret = form.get("client_id"), form.get("client_secret")
        auth = headers.get("authorization", "")
        if auth.lower().startswith("basic "):
            cid, _, secret = base64.b64decode(auth[6:]).decode().partition(":")
        if not self.knows(cid):
            raise LoginError("unauthorized_client", 700016, "Application not "
                             "found in the directory.")
        form.setdefault("client_id", cid)
        if self.secret_of(cid) is None:
            if secret:
                raise LoginError("invalid_client", 700025, "Client is public.",
                                 401)
        elif not secret:
            raise LoginError("invalid_client", 7000218, "The request body "
                             "must contain client_assertion or client_secret.",
                             401)
        elif secret != self.secret_of(cid):
            raise LoginError("invalid_client", 7000215, "Invalid client "
                             "secret provided.", 401)

    def _code(self, form):
        entry = self.codes.get(form.get("code"))
        if entry is None:
            raise LoginError("invalid_grant", 70000, "The code is malformed.")
        if entry["used"]:
            raise LoginError("invalid_grant", 54005, "The code was already "
                             "redeemed.")
        if self.sim.now() - entry["time"] > CODE_SECONDS:
            raise LoginError("invalid_grant", 70008, "The code has expired.")
        query = entry["query"]
        if form["client_id"] != query["client_id"]:
            raise LoginError("invalid_grant", 70000, "The code is of another "
                             "client.", suberror="client_mismatch")
        if form.get("redirect_uri") != query["redirect_uri"]:
            raise LoginError("invalid_grant", 50011, "redirect_uri differs.")
        self._check_verifier(query, form.get("code_verifier"))
        self._one_resource(form.get("scope", ""))
        entry["used"] = True
        return self._grant(entry["box"], query["scope"], query.get("nonce"),
                           form.get("claims") or query.get("claims"),
                           query["client_id"])

    @staticmethod
    def _check_verifier(query, verifier):
        challenge = query.get("code_challenge")
        if challenge is None:
            if verifier:
                raise LoginError("invalid_grant", 501481, "The code_verifier "
                                 "has no code_challenge.")
            return
        if not verifier or not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}",
                                            verifier):
            raise LoginError("invalid_grant", 50147, "The code_verifier is "
                             "missing or malformed.")
        if query.get("code_challenge_method") == "S256":
            verifier = _b64(hashlib.sha256(verifier.encode()).digest())
        if verifier != challenge:
            raise LoginError("invalid_grant", 501481, "The code_verifier does "
                             "not match the code_challenge.")

    @staticmethod
    def _one_resource(scope):
        hosts = {urlsplit(s).netloc for s in scope.split() if "://" in s}
        if len(hosts) > 1:
            raise LoginError("invalid_scope", 70011, "One resource only.")

    def _refresh(self, form):
        entry = self.refresh.get(form.get("refresh_token"))
        if entry is None:
            raise LoginError("invalid_grant", 70000, "The refresh token is "
                             "malformed or unknown.", suberror="bad_token")
        if entry["client"] != form["client_id"]:
            raise LoginError("invalid_grant", 70000, "The refresh token is of "
                             "another client.", suberror="client_mismatch")
        if entry["revoked"]:
            raise LoginError("invalid_grant", 50173, "The grant has been "
                             "revoked.", suberror="bad_token")
        if self.sim.now() - entry["time"] > REFRESH_SECONDS:
            raise LoginError("invalid_grant", 700082, "The refresh token has "
                             "expired due to inactivity.",
                             suberror="token_expired")
        self._one_resource(form.get("scope", ""))
        missing = scopes.names(form.get("scope", "")) - \
            scopes.names(entry["scope"])
        if missing - {".default"}:
            raise LoginError("invalid_grant", 65001, "The user has not "
                             "consented.", suberror="consent_required")
        if self.sim.switches["refresh_rotation"] == "revoke":
            entry["revoked"] = True
        return self._grant(entry["box"], entry["scope"], None,
                           form.get("claims"), entry["client"])

    def _access(self, box, permissions, claims):
        """An answer with an access token alone."""
        seconds = self.sim.switches["token_seconds"]
        seconds = random.randint(3600, 5399) if seconds == "random" \
            else int(seconds)
        access = "EwB" + self.marker + secrets.token_urlsafe(600)
        self.access[access] = {"box": box, "claims": claims,
                               "scopes": {n.lower() for n in permissions},
                               "until": self.sim.now() + seconds}
        return {"token_type": "Bearer", "expires_in": str(seconds)
                if self.sim.switches["expires_as_string"] == "yes" else seconds,
                "ext_expires_in": seconds, "access_token": access}

    def _grant(self, box, scope, nonce, claims, client):
        # short names, more than was asked for, never offline_access
        names = [s.replace("https://graph.microsoft.com/", "")
                 for s in scope.split() if s != "offline_access"]
        names += [s for s in ("User.Read", "profile", "openid", "email")
                  if s not in names]
        out = self._access(box, scopes.names(scope) | {"user.read"}, claims)
        out["scope"] = " ".join(names)
        if "offline_access" in scope.split():
            refresh = "0.AX" + self.marker + secrets.token_urlsafe(700)
            self.refresh[refresh] = {"box": box, "scope": scope,
                                     "time": self.sim.now(),
                                     "client": client, "revoked": False}
            out["refresh_token"] = refresh
        if "openid" in scope.split():
            out["id_token"] = self._id_token(box, nonce, scope.split(), client)
        return out

    def _id_token(self, box, nonce, scope, client):
        now = int(self.sim.now())
        claims = {"aud": client, "iat": now, "nbf": now,
                  "exp": now + 3600, "tid": self.tid,
                  "iss": f"https://login.microsoftonline.com/{self.tid}/v2.0",
                  "sub": hashlib.sha256(box.oid.encode()).hexdigest()[:43],
                  "uti": secrets.token_urlsafe(16), "ver": "2.0"}
        if "profile" in scope:
            claims.update(oid=box.oid, name=box.display_name,
                          preferred_username=box.address)
        if "email" in scope and box.mail:
            claims["email"] = box.mail
        if nonce:
            claims["nonce"] = nonce
        head = {"typ": "JWT", "alg": "RS256", "kid": self.kid}
        text = ".".join(_b64(json.dumps(p).encode()) for p in (head, claims))
        sig = _signing_key().sign(text.encode(), padding.PKCS1v15(),
                               hashes.SHA256())
        return text + "." + _b64(sig)

    def jwks(self):
        n = _signing_key().public_key().public_numbers()
        return {"keys": [{"kty": "RSA", "use": "sig", "kid": self.kid,
                          "n": _b64(n.n.to_bytes(256, "big")),
                          "e": _b64(n.e.to_bytes(3, "big"))}]}

    def discovery(self, tenant):
        base = f"{self.sim.url}/{tenant}"
        shown = self.tid if tenant == self.tid or "." in tenant \
            else "{tenantid}"
        return {"issuer": f"https://login.microsoftonline.com/{shown}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "device_authorization_endpoint":
                f"{base}/oauth2/v2.0/devicecode",
                "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment",
                                             "form_post"],
                "response_types_supported": ["code"],
                "scopes_supported": ["openid", "profile", "email",
                                     "offline_access"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post", "client_secret_basic"]}

    # tokens in use

    def check_access(self, token):
        """(mailbox, scopes) of an access token, or a 401 that says why."""
        entry = self.access.get(token)
        if entry is None:
            raise _unauthorized("Access token validation failure. Invalid "
                                "audience." if token else
                                "Access token is empty.")
        if entry["until"] < self.sim.now():
            raise _unauthorized("Lifetime validation failed, the token is "
                                "expired.")
        if entry["box"] is None:
            return entry["app"], entry["scopes"]
        return entry["box"], entry["scopes"]

    def check_challenge(self, token):
        """A 401 for a token without the claims that are demanded by now."""
        entry = self.access.get(token)
        claims = entry and entry["box"] and \
            self.challenges.get(entry["box"].oid)
        if claims and not _satisfies(entry["claims"], claims):
            raise _unauthorized(
                "Continuous access evaluation resulted in challenge.",
                'error="insufficient_claims", claims="' +
                base64.b64encode(claims.encode()).decode() + '"')

    def challenge(self, box, claims):
        """Only tokens obtained with these claims are accepted from now."""
        self.challenges[box.oid] = claims

    def expire(self, box):
        for entry in self.access.values():
            if entry["box"] is box:
                entry["until"] = 0

    def revoke(self, box):
        self.expire(box)
        for entry in self.refresh.values():
            if entry["box"] is box:
                entry["revoked"] = True


def parse_form(body):
    return {k: v[0] for k, v in parse_qs(
        body.decode("utf-8", "replace"), keep_blank_values=True).items()}
