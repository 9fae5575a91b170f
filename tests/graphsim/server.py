"""HTTP: turns aiohttp requests into wire.Request and answers back."""

import asyncio
import gzip
import json
import re
import time

from aiohttp import web

from . import control, login, messages
from .faults import Reset
from .wire import Error, Request, error_response


async def _graph(sim, http, body):
    started = time.time()
    req = Request(http.method, str(http.rel_url.raw_path_qs
                                   if hasattr(http.rel_url, "raw_path_qs")
                                   else http.raw_path), http.headers, body)
    req.sim = sim
    sim.count += 1
    is_batch = req.path.rstrip("/").lower() == "/v1.0/$batch"
    entered, weight = None, 1
    try:
        req.user = req.box = sim.authenticate(req)
        if is_batch:
            try:
                weight = min(4, len(json.loads(body).get("requests", [])))
            except (ValueError, AttributeError):
                pass
        if not sim.enter(req.user, max(1, weight)):
            answer = error_response(Error(
                429, "ApplicationThrottled", "Application is over its "
                "MailboxConcurrency limit.", {"Retry-After": "1"}), "x")
        else:
            entered = req.user
            if sim.latency:
                await asyncio.sleep(sim.latency)
            answer = _batch(sim, req) if is_batch else sim.run(req)
            if getattr(req, "delay", 0):
                await asyncio.sleep(req.delay)
    except Error as err:
        answer = error_response(err, "00000000")
    finally:
        if entered is not None:
            sim.leave(entered, max(1, weight))
    sim.record(req, answer.status, started, False, len(answer.body))
    return req, answer


def _batch(sim, req):
    try:
        fault = sim.faults.before(req)
        if fault is not None:
            return fault
        answer = sim.batch(req)
    except Error as err:
        answer = error_response(err, "batch")
    return sim.faults.after(req, answer)


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
    if len(body) > 500 and "gzip" in http.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = "Accept-Encoding"
    return web.Response(status=answer.status, headers=headers, body=body)


async def _login(sim, http, tenant, what, body):
    host = sim.login
    if what == "authorize":
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
        raise web.HTTPFound(host.with_query(out[1], out[2]))
    if what == "token" and http.method == "POST":
        sim.record(Request("POST", "/login/token", {}, b""), 0, time.time(),
                   False)
        try:
            data, status = host.token(login.parse_form(body), {
                k.lower(): v for k, v in http.headers.items()}), 200
        except login.LoginError as err:
            data, status = err.json(), err.status
        return web.json_response(data, status=status,
                                 headers={"Cache-Control": "no-store"})
    raise web.HTTPNotFound()


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
                answer = messages.upload(
                    sim, path[9:], http.method,
                    {k.lower(): v for k, v in http.headers.items()}, body)
            except Error as err:
                answer = error_response(err, "upload")
            return await _send(http, None, answer)
        m = re.fullmatch(r"/([^/]+)/oauth2/v2\.0/(\w+)", path)
        if m:
            return await _login(sim, http, m.group(1), m.group(2), body)
        m = re.fullmatch(r"/([^/]+)/v2\.0/\.well-known/openid-configuration",
                         path)
        if m:
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

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", handler)
    return app
