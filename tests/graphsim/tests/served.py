"""The simulator behind HTTPS, in a thread of the test."""

import asyncio
import http.client
import json
import ssl
import threading
import urllib.parse

from aiohttp import web

from graphsim import tlsca
from graphsim.server import make_app

CLIENT = "11111111-2222-3333-4444-555555555555"
REDIRECT = "http://127.0.0.1:9/callback"
SCOPE = ("openid profile email offline_access User.Read Mail.ReadWrite "
         "Mail.Send MailboxSettings.ReadWrite")


class Served:
    def __init__(self, sim, directory):
        self.sim = sim
        self.ca, cert, key = tlsca.make(str(directory))
        self.context = ssl.create_default_context(cafile=self.ca)
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_context.load_cert_chain(cert, key)
        self.loop = asyncio.new_event_loop()
        up = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(up,))
        self.thread.start()
        assert up.wait(10)

    def _run(self, up):
        asyncio.set_event_loop(self.loop)
        runner = web.AppRunner(make_app(self.sim), access_log=None)
        self.loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0,
                           ssl_context=self.server_context)
        self.loop.run_until_complete(site.start())
        self.port = site._server.sockets[0].getsockname()[1]
        self.sim.url = f"https://127.0.0.1:{self.port}"
        up.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body); path may be a whole URL of this host."""
        parts = urllib.parse.urlsplit(path)
        target = parts.path + ("?" + parts.query if parts.query else "")
        conn = http.client.HTTPSConnection(
            parts.hostname or "127.0.0.1", self.port, timeout=20,
            context=self.context)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body).encode()
            conn.request(method, target, body, headers or {})
            resp = conn.getresponse()
            return resp.status, resp.headers, resp.read()
        finally:
            conn.close()

    def authorize(self, **more):
        """The parameters that come back to the redirect URI."""
        query = dict(client_id=CLIENT, response_type="code", scope=SCOPE,
                     redirect_uri=REDIRECT, login_hint="alice@example.com")
        query.update(more)
        query = {k: v for k, v in query.items() if v is not None}
        status, headers, page = self.ask(
            "GET", "/common/oauth2/v2.0/authorize?" +
            urllib.parse.urlencode(query))
        if status != 302:
            return page.decode()
        return dict(urllib.parse.parse_qsl(
            urllib.parse.urlsplit(headers["Location"]).query))

    def token(self, tenant="common", **form):
        form.setdefault("client_id", CLIENT)
        form = {k: v for k, v in form.items() if v is not None}
        status, _, body = self.ask(
            "POST", f"/{tenant}/oauth2/v2.0/token",
            urllib.parse.urlencode(form),
            {"Content-Type": "application/x-www-form-urlencoded"})
        return status, json.loads(body)

    def sign_in(self, **more):
        self.sim.login.auto_consent = True
        code = self.authorize(**more)["code"]
        status, data = self.token(grant_type="authorization_code", code=code,
                                  redirect_uri=REDIRECT)
        assert status == 200, data
        return data

    def graph(self, token):
        def ask(method, path, body=None, **headers):
            head = {"Authorization": f"Bearer {token}",
                    "Content-Type": "application/json"}
            head.update({k.replace("_", "-"): v for k, v in headers.items()})
            return self.ask(method, "/v1.0" + path, body, head)
        return ask
