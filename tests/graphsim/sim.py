"""The simulator's heart: mailboxes, switches, dispatch of one request."""

import base64
import json
import secrets
import time

from . import folders, messages
from .faults import Faults
from .login import Login
from .store import Mailbox
from .switches import SWITCHES
from .synctokens import Tokens
from .wire import Error, Request, Response, error_response

class Simulator:
    def __init__(self, users, locale="en"):
        self.boxes = {u.lower(): Mailbox(u, locale) for u in users}
        self.switches = {k: v[0] for k, v in SWITCHES.items()}
        self.tokens = Tokens()
        self.uploads = {}
        self.faults = Faults()
        self.login = Login(self)
        self.log = []
        self.count = 0
        self.throttled = 0
        self.in_flight = {}
        self.max_in_flight = {}
        self.url = self.upload_url = ""
        self.latency = 0.0
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
                 "in_flight": self.in_flight.get(
                     req.box.address if req.box else None, 0)}
        self.log.append(entry)
        if self.log_file:
            self.log_file.write(json.dumps(entry) + "\n")
            self.log_file.flush()

    def enter(self, box, weight=1):
        """False: over the limit."""
        n = self.in_flight.get(box.address, 0) + weight
        if n > int(self.switches["concurrency"]):
            self.throttled += 1
            return False
        self.in_flight[box.address] = n
        self.max_in_flight[box.address] = max(
            n, self.max_in_flight.get(box.address, 0))
        return True

    def leave(self, box, weight=1):
        self.in_flight[box.address] -= weight

    # requests

    def authenticate(self, req):
        auth = req.headers.get("authorization", "")
        box = self.login.box_of_token(auth[7:]) \
            if auth.lower().startswith("bearer ") else None
        if box is None:
            raise Error(401, "InvalidAuthenticationToken",
                        "Lifetime validation failed, the token is expired.",
                        {"WWW-Authenticate": 'Bearer realm="", '
                         'error="invalid_token"'})
        return box

    def route(self, req):
        """A Response for a request whose req.user is set."""
        seg = req.segments()
        if len(seg) < 2 or seg[0] != "v1.0":
            raise Error(400, "BadRequest", "version")
        if seg[1].lower() == "me":
            req.box, rest = req.user, seg[2:]
        elif seg[1].lower() == "users" and len(seg) > 2:
            req.box, rest = self.box_of(seg[2]), seg[3:]
            if req.box is None:
                raise Error(404, "ErrorInvalidUser", "no such user")
            if req.box is not req.user:
                raise Error(403, "ErrorAccessDenied", "Access is denied.")
        else:
            raise Error(400, "BadRequest", "Resource not found for the "
                        f"segment '{seg[1]}'.")
        answer = self._resource(req, rest)
        if answer is None:
            raise Error(400, "BadRequest", "Resource not found.")
        return answer

    def _resource(self, req, rest):
        if not rest:
            return Response(200, {
                "id": req.box.oid, "userPrincipalName": req.box.address,
                "mail": req.box.mail, "displayName": req.box.display_name,
                "proxyAddresses": req.box.proxies})
        head = rest[0].lower()
        if head == "mailfolders":
            if len(rest) > 2 and rest[2].lower().split("(")[0] == "messages":
                return messages.handle(req, rest[3:],
                                       folders.get(req, rest[1]))
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
        request_id = secrets.token_hex(16)
        try:
            answer = self.faults.before(req) or self.route(req)
        except Error as err:
            answer = error_response(err, request_id)
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            answer = error_response(Error(400, "BadRequest", repr(err)),
                                    request_id)
        answer = self.faults.after(req, answer)
        answer.headers.setdefault("request-id", request_id)
        if "client-request-id" in req.headers:
            answer.headers["client-request-id"] = \
                req.headers["client-request-id"]
        return answer

    def batch(self, outer):
        """$batch: (Response, number of inner requests)."""
        if self.switches["batch"] == "missing":
            raise Error(404, "ResourceNotFound", "no $batch here")
        items = outer.json().get("requests")
        if not isinstance(items, list):
            raise Error(400, "BadRequest", "requests")
        if len(items) > 20:
            raise Error(400, "MaximumValueExceeded", "Number of batch request "
                        "steps exceeds the maximum value of 20.")
        seen = {str(i.get("id")).lower() for i in items}
        if len(seen) != len(items):
            raise Error(400, "BadRequest", "ids must be unique")
        answers, status = [], {}
        for item in items:
            answer = self._inner(outer, item, status)
            status[str(item["id"])] = answer["status"]
            answers.append(answer)
        answers.reverse()             # any order is allowed
        return Response(200, {"responses": answers})

    def _inner(self, outer, item, status):
        started = time.time()
        for dep in item.get("dependsOn") or []:
            if status.get(str(dep), 500) >= 400:
                return {"id": item["id"], "status": 424, "headers": {},
                        "body": {"error": {"code": "FailedDependency",
                                           "message": ""}}}
        headers = {k.lower(): v for k, v in
                   (item.get("headers") or {}).items()}
        body = item.get("body")
        if isinstance(body, dict):
            if "content-type" not in headers:
                return {"id": item["id"], "status": 400, "headers": {},
                        "body": {"error": {"code": "BadRequest", "message":
                                           "Write request contains no "
                                           "Content-Type"}}}
            body = json.dumps(body).encode()
        elif isinstance(body, str):
            body = base64.b64decode(body)
        req = Request(item["method"], "/v1.0/" + item["url"].lstrip("/"),
                      headers, body or b"")
        req.sim, req.user, req.inner = self, outer.user, True
        req.box = outer.user
        answer = self.run(req)
        self.record(req, answer.status, started, True, len(answer.body))
        out = {"id": item["id"], "status": answer.status,
               "headers": dict(answer.headers)}
        if answer.data is not None:
            out["body"] = answer.data
        elif answer.body:
            out["body"] = base64.b64encode(answer.body).decode()
        return out
