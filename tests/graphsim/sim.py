"""The simulator's heart: mailboxes, switches, dispatch of one request."""

import json
import time
import traceback
import uuid

from . import folders, limits, messages, scopes
from .faults import Faults, Reset
from .limits import Limits
from .login_apps import AppLogin
from .store import Mailbox
from .switches import SWITCHES
from .synctokens import Tokens
from .wire import Error, Response, error_response

class Simulator:
    def __init__(self, users, locale="en"):
        self.boxes = {u.lower(): Mailbox(u, locale) for u in users}
        self.switches = {k: v[0] for k, v in SWITCHES.items()}
        self.tokens = Tokens()
        self.uploads = {}
        self.faults = Faults()
        self.login = AppLogin(self)
        self.shares = {}              # owner -> addresses let in
        self.log = []
        self.count = 0
        self.limits = Limits(self)
        self.patches = 0
        self.patching = set()         # paths of PATCHes under way
        self.url = self.upload_url = ""
        self.latency = 0.0
        self.date_offset = 0          # seconds, of the header Date
        self.log_file = None
        self.skew = 0
        for box in self.boxes.values():
            box.clock = self.now

    def now(self):
        return time.time() + self.skew

    def box_of(self, name):
        for box in self.boxes.values():
            if name.lower() in (box.address.lower(), box.oid):
                return box
        return None

    # bookkeeping

    def record(self, req, status, started, inner, sent=0):
        entry = {"seq": len(self.log) + 1, "time": round(time.time(), 3),
                 "method": req.method, "path": req.path,
                 "query": sorted(req.query), "status": status,
                 "ms": round((time.time() - started) * 1000, 1),
                 "in": len(req.body or b""), "out": sent, "inner": inner,
                 "mailbox": req.box.address if req.box else None,
                 "in_flight": sum(self.limits.in_flight.values())}
        self.log.append(entry)
        if self.log_file:
            self.log_file.write(json.dumps(entry) + "\n")
            self.log_file.flush()

    # requests

    def authenticate(self, req):
        """Sets the user and the scopes of a request."""
        auth = req.headers.get("authorization", "")
        req.token = auth[7:] if auth.lower().startswith("bearer ") else ""
        req.user, req.scopes = self.login.check_access(req.token)
        if self.switches["challenge_at"] == "gateway" or \
                req.segments()[1:] != ["$batch"]:
            self.login.check_challenge(req.token)
        req.box = req.limited = req.user
        if getattr(req.user, "is_app", False):
            seg = req.segments()
            if len(seg) > 2:
                req.limited = self.box_of(seg[2]) or req.user

    def route(self, req):
        """A Response for a request whose req.user is set."""
        seg = req.segments()
        if len(seg) < 2 or seg[0] != "v1.0":
            raise Error(400, "BadRequest", "version")
        if getattr(req.user, "is_app", False):
            rest = seg[3:]
            req.box = req.user = self.login.check_app(req, rest)
        elif seg[1].lower() == "me":
            req.box, rest = req.user, seg[2:]
        elif seg[1].lower() == "users" and len(seg) > 2:
            req.box, rest = self.box_of(seg[2]), seg[3:]
            if req.box is None:
                raise Error(404, "ErrorInvalidUser", "no such user")
            if req.box is not req.user and not self._shared(req):
                raise Error(403, "ErrorAccessDenied", "Access is denied.")
        else:
            raise Error(400, "BadRequest", "Resource not found for the "
                        f"segment '{seg[1]}'.")
        scopes.check(req, rest)
        answer = self._resource(req, rest)
        if answer is None:
            raise Error(400, "BadRequest", "Resource not found.")
        return answer

    def _shared(self, req):
        """Whether the owner lets this user into the mailbox."""
        return req.user.address in self.shares.get(req.box.address, ())

    def _resource(self, req, rest):
        if not rest:
            return Response(200, {
                "id": req.box.oid, "userPrincipalName": req.box.address,
                "mail": req.box.mail, "displayName": req.box.display_name,
                "proxyAddresses": req.box.proxies})
        head = rest[0].lower()
        if head == "mailfolders":
            if len(rest) > 2 and rest[2].lower().split("(")[0] == "messages":
                syncing = rest[3:] and rest[3].lower().startswith("delta")
                return messages.handle(req, rest[3:], folders.get(
                    req, rest[1], syncing))
            return folders.handle(req, rest[1:])
        if head == "messages":
            return messages.handle(req, rest[1:])
        if head == "mailboxsettings" and req.method == "GET":
            archive = req.box.find_folder("archive")
            return Response(200, {"timeZone": "UTC", "archiveFolder":
                                  archive.id if archive else None})
        if [s.lower() for s in rest] == ["outlook", "mastercategories"]:
            return Response(200, {"value": []})
        return None

    def run(self, req):
        """Route with faults and error bodies, for single and inner."""
        request_id = str(uuid.uuid4())
        try:
            answer = self.faults.before(req) or \
                limits.oversize(self, req) or self.route(req)
        except Error as err:
            answer = error_response(err, request_id)
        except Reset:
            raise
        except Exception:             # a bug of ours: show it
            traceback.print_exc()
            answer = error_response(Error(500, "SimulatorBug", req.path),
                                    request_id)
        answer = self.faults.after(req, answer)
        self.finish(req, answer, request_id)
        return answer

    @staticmethod
    def finish(req, answer, request_id):
        """The headers that all answers of Graph have."""
        answer.headers.setdefault("request-id", request_id)
        if "client-request-id" in req.headers:
            answer.headers["client-request-id"] = \
                req.headers["client-request-id"]
        answer.headers.setdefault("Cache-Control", "private")
        if answer.data is not None:
            answer.headers.setdefault("OData-Version", "4.0")
        answer.headers["x-ms-ags-diagnostic"] = \
            '{"ServerInfo":{"DataCenter":"Simulated","Slice":"E"}}'
        if req.body_type and answer.status < 300:
            answer.headers["Preference-Applied"] = \
                f'outlook.body-content-type="{req.body_type}"'
