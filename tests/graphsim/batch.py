"""$batch: up to 20 requests in one."""

import base64
import binascii
import json
import time

from .limits import throttled
from .wire import Error, Request, Response, error_response

STEPS_MAX = 20
_METHODS = {"GET", "POST", "PATCH", "DELETE", "PUT"}


def _bad(text):
    return Error(400, "BadRequest", text)


def _check(items):
    if not isinstance(items, list) or not items:
        raise _bad("Invalid batch payload format.")
    if len(items) > STEPS_MAX:
        raise Error(400, "MaximumValueExceeded", "Number of batch request "
                    "steps exceeds the maximum value of 20.")
    seen = set()
    for item in items:
        if not isinstance(item, dict) or \
                not isinstance(item.get("id"), str) or not item["id"] or \
                not isinstance(item.get("url"), str) or \
                str(item.get("method")).upper() not in _METHODS:
            raise _bad("A batch request needs id, method and url.")
        if item["id"].lower() in seen:
            raise _bad("Request ids must be unique.")
        for dep in item.get("dependsOn") or []:
            if str(dep).lower() not in seen:
                raise _bad(f"No request '{dep}' to depend on.")
        seen.add(item["id"].lower())


def count(body):
    """Requests in a batch that may be malformed; for the limits."""
    try:
        return max(1, len(json.loads(body)["requests"]))
    except (ValueError, KeyError, TypeError):
        return 1


def width(body):
    """How many of its requests may run at a time: those that wait for none,
    which is one when each waits for the one before it."""
    try:
        return max(1, sum(not item.get("dependsOn")
                          for item in json.loads(body)["requests"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return 1


def _body(item, headers):
    body = item.get("body")
    if body is None:
        return b""
    kind = headers.get("content-type", "")
    if not kind:
        raise _bad("Write request contains no Content-Type header.")
    if isinstance(body, str):
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error:
            raise _bad("The body is not base64.")
    if not kind.startswith("application/json"):
        raise _bad("A body that is no JSON is a base64 string.")
    return json.dumps(body).encode()


def _request(outer, item):
    url = item["url"]
    if "://" in url or url.lstrip("/").lower().startswith("$batch"):
        raise _bad("url is relative to the version root.")
    headers = {k.lower(): v for k, v in (item.get("headers") or {}).items()}
    req = Request(item["method"].upper(), "/v1.0/" + url.lstrip("/"), headers,
                  _body(item, headers))
    req.sim, req.user, req.box = outer.sim, outer.user, outer.user
    req.scopes, req.inner, req.token = outer.scopes, True, outer.token
    req.sim.login.check_challenge(req.token)
    return req


def _answer(item, answer):
    out = {"id": item["id"], "status": answer.status,
           "headers": dict(answer.headers)}
    if answer.data is not None:
        out["body"] = answer.data
    elif answer.body:
        out["body"] = base64.b64encode(answer.body).decode()
    return out


def _inner(sim, outer, item, status, throttle):
    for dep in item.get("dependsOn") or []:
        if status[str(dep).lower()] >= 400:
            return error_response(Error(424, "FailedDependency", ""), "")
    if throttle:
        return error_response(throttled(sim, "MailboxConcurrency"), "")
    started = time.time()
    try:
        req = _request(outer, item)
    except Error as err:
        return error_response(err, "")
    answer = sim.run(req)
    sim.record(req, answer.status, started, True, len(answer.body))
    return answer


def run(sim, outer):
    if sim.switches["batch"] == "missing":
        raise Error(404, "ResourceNotFound", "no $batch here")
    if outer.method != "POST":
        raise Error(405, "BadRequest", "method")
    try:
        data = json.loads(outer.body)
        items = data["requests"]
    except (ValueError, KeyError, TypeError):
        raise _bad("Invalid batch payload format.")
    _check(items)
    late = max(1, len(items) - int(sim.switches["batch_throttle"]))
    status, answers = {}, []
    for number, item in enumerate(items):
        answer = _inner(sim, outer, item, status, number >= late)
        status[item["id"].lower()] = answer.status
        answers.append(_answer(item, answer))
    answers.reverse()                 # any order is allowed
    outer_status = 200
    if 429 in status.values():
        outer_status = int(sim.switches["batch_status"])
    return Response(outer_status, {"responses": answers})
