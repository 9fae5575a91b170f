"""HTTP: turns aiohttp requests into wire.Request and answers back."""

import asyncio
import json
import re
import time
import uuid
from email.utils import formatdate

from aiohttp import web

from . import attachments, batch, control, limits, login, login_consent
from .faults import Reset
from .wire import Error, Request, error_response


def _batched(sim, req):
    """A $batch, with the faults of the outer request."""
    request_id = str(uuid.uuid4())
    try:
        answer = sim.faults.before(req) or \
            limits.oversize(sim, req) or batch.run(sim, req)
    except Error as err:
        answer = error_response(err, request_id)
    answer = sim.faults.after(req, answer)
    sim.finish(req, answer, request_id)
    return answer


async def _admitted(sim, req, inner):
    """What is within the limits: the effect, and the answer after the latency,
    in which all that is done for it counts."""
    due = asyncio.get_running_loop().time() + sim.latency
    # two writers at a time: the second one meets another change key
    busy = req.method == "PATCH" and req.path in sim.patching
    if req.method == "PATCH":
        sim.patching.add(req.path)
    try:
        await asyncio.sleep(sim.faults.delay(req, "before"))
        if busy:
            raise Error(412, "ErrorIrresolvableConflict", "The send or "
                        "update operation could not be performed.")
        answer = _batched(sim, req) if inner else sim.run(req)
        if "gzip" in req.headers.get("accept-encoding", ""):
            answer.compress()
        due += sim.faults.delay(req, "after")
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        return answer
    finally:
        if not busy:
            sim.patching.discard(req.path)


async def _graph(sim, http, body):
    started = time.time()
    req = Request(http.method, http.raw_path, http.headers, body)
    req.sim = sim
    sim.count += 1
    inner = 0
    if req.path.rstrip("/").lower() == "/v1.0/$batch":
        inner = batch.count(body)
    entry = None
    try:
        sim.authenticate(req)
        sim.limits.count(req.limited, len(body) if req.method != "GET" else 0,
                         max(1, inner))
        entry = sim.limits.enter(req.limited,
                                 batch.width(body) if inner else 0)
        answer = await _admitted(sim, req, inner)
    except Error as err:
        request_id = str(uuid.uuid4())
        answer = error_response(err, request_id)
        sim.finish(req, answer, request_id)
    finally:
        if entry is not None:
            sim.limits.leave(entry)
    sim.record(req, answer.status, started, False, len(answer.body))
    return req, answer


def _reset(http):
    if http.transport is not None:
        http.transport.abort()


async def _send(http, req, answer):
    body, headers = answer.body, dict(answer.headers)
    if req is not None and getattr(req, "cut", None) is not None:
        resp = web.StreamResponse(status=answer.status, headers=headers)
        resp.content_length = len(body)
        await resp.prepare(http)
        await resp.write(body[:int(req.cut)])
        _reset(http)
        return resp
    if req is not None and req.path.endswith("/$value") and \
            req.sim.switches["value_length"] == "no":
        return await _chunked(http, answer)
    if answer.compressed is not None:
        body = answer.compressed
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = "Accept-Encoding"
    return web.Response(status=answer.status, headers=headers, body=body)


async def _chunked(http, answer):
    """Without Content-Length."""
    resp = web.StreamResponse(status=answer.status, headers=answer.headers)
    resp.enable_chunked_encoding()
    await resp.prepare(http)
    for start in range(0, len(answer.body), 4096):
        await resp.write(answer.body[start:start + 4096])
    return resp


async def _login(sim, http, tenant, what, body):
    host, started = sim.login, time.time()
    if what == "authorize":
        try:
            host.check_tenant(tenant)
        except login.LoginError as err:
            return web.Response(text=host.page(err.json()[
                "error_description"]), content_type="text/html")
        query = dict(http.query)
        if http.method == "POST":
            query = login.parse_form(body)
            user, decision = query.pop("user", ""), query.pop("decision", "")
            out = host.decide(query, user, decision == "accept")
        else:
            out = host.authorize(query)
        if out[0] == "page":
            return web.Response(text=out[1], content_type="text/html")
        if out[3] == "form_post":
            return web.Response(text=host.form_post(out[1], out[2]),
                                content_type="text/html")
        raise web.HTTPFound(host.with_query(
            out[1], out[2], "#" if out[3] == "fragment" else "?"))
    if what == "logout" and http.method == "GET":
        return web.Response(text=host.page("Signed out"),
                            content_type="text/html")
    if what not in ("token", "devicecode") or http.method != "POST":
        raise web.HTTPNotFound()
    headers, req = {"Cache-Control": "no-store"}, Request(
        "POST", "/login/" + what, {}, b"")
    await asyncio.sleep(sim.faults.delay(req, "before"))
    try:
        host.check_tenant(tenant)
        data, status = host.device_code(login.parse_form(body)) \
            if what == "devicecode" else host.token(login.parse_form(body), {
                k.lower(): v for k, v in http.headers.items()}, tenant), 200
    except login.LoginError as err:
        headers.update(err.headers)
        if err.page:
            return web.Response(status=err.status, text=err.page,
                                headers=headers, content_type="text/html")
        data, status = err.json(), err.status
    sim.record(req, status, started, False)
    await asyncio.sleep(sim.faults.delay(req, "after"))
    return web.json_response(data, status=status, headers=headers)


async def _control(sim, http, name, body):
    data = dict(http.query)
    if body:
        data.update(json.loads(body))
    try:
        answer = control.handle(sim, name, data)
    except Error as err:
        answer = error_response(err, "control")
    return web.Response(status=answer.status, body=answer.body,
                        content_type="application/json")


def make_app(sim):
    async def handler(http):
        path = http.path
        body = await http.read()
        if path.startswith("/_sim/"):
            return await _control(sim, http, path[6:], body)
        if path.startswith("/_upload/"):
            try:
                answer = attachments.upload(
                    sim, path[9:], http.method,
                    {k.lower(): v for k, v in http.headers.items()}, body)
            except Error as err:
                answer = error_response(err, "upload")
            return await _send(http, None, answer)
        m = re.fullmatch(r"/([^/]+)/oauth2/v2\.0/(\w+)", path)
        if m:
            return await _login(sim, http, m.group(1), m.group(2), body)
        if path == "/devicelogin":
            return web.Response(text=sim.login.device_page(http.method, body),
                                content_type="text/html")
        m = re.fullmatch(r"/([^/]+)/v2\.0/adminconsent", path)
        if m:
            return await login_consent.serve_admin_consent(
                sim.login, http, m.group(1), body)
        m = re.fullmatch(r"/([^/]+)/v2\.0/\.well-known/openid-configuration",
                         path)
        if m:
            try:
                sim.login.check_tenant(m.group(1))
            except login.LoginError as err:
                return web.json_response(err.json(), status=err.status)
            return web.json_response(sim.login.discovery(m.group(1)))
        if re.fullmatch(r"/[^/]+/discovery/v2\.0/keys", path):
            return web.json_response(sim.login.jwks())
        if not path.startswith("/v1.0"):
            return await _send(http, None, error_response(
                Error(404, "ResourceNotFound", "path"), "x"))
        try:
            req, answer = await _graph(sim, http, body)
        except Reset:
            sim.record(Request(http.method, path, {}, b""), 0, time.time(),
                       False)
            _reset(http)
            return web.Response(status=500)
        return await _send(http, req, answer)

    async def set_date(_, resp):
        resp.headers["Date"] = formatdate(time.time() + sim.date_offset,
                                          usegmt=True)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.on_response_prepare.append(set_date)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app
