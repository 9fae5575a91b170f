"""What all tests of the simulator share: one mailbox, asked without HTTP."""

import json
import os
import sys

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.dirname(__file__)]

from graphsim.sim import Simulator  # noqa: E402
from graphsim.wire import Request  # noqa: E402

USER = "alice@example.com"
IMMUTABLE = 'IdType="ImmutableId"'
PLAIN = (b"From: Ann <ann@example.net>\r\nTo: alice@example.com\r\n"
         b"Subject: Plain\r\nMessage-ID: <plain@example.net>\r\n"
         b"Date: Tue, 01 Sep 2020 10:00:00 +0200\r\n\r\nHello\r\n")


class Client:
    """Asks the simulator as a client does, below HTTP."""

    def __init__(self, sim):
        self.sim = sim
        self.box = sim.boxes[USER]
        self.prefer = IMMUTABLE
        self.scopes = None

    def request(self, method, path, body=None, headers=None):
        data = body if isinstance(body, bytes) else \
            b"" if body is None else json.dumps(body).encode()
        head = {"Content-Type": "application/json", "Prefer": self.prefer}
        head.update(headers or {})
        if path.startswith("http"):
            path = path.split("/v1.0", 1)[1]
        req = Request(method, "/v1.0" + path, head, data)
        req.sim, req.user, req.box = self.sim, self.box, self.box
        req.scopes = self.scopes
        return req

    def __call__(self, method, path, body=None, status=200, code=None,
                 headers=None):
        """The JSON, or the bytes, of an answer with just this status."""
        answer = self.sim.run(self.request(method, path, body, headers))
        assert answer.status == status, (method, path, answer.body[:300])
        if code is not None:
            assert answer.data["error"]["code"] == code, answer.data
        self.headers = answer.headers
        return answer.data if answer.data is not None else answer.body

    def get(self, path, **more):
        return self("GET", path, **more)

    def post(self, path, body=None, **more):
        return self("POST", path, body, **more)

    def patch(self, path, body, **more):
        return self("PATCH", path, body, **more)

    def walk(self, path):
        """(rows, the last link, pages) of a list or a delta round."""
        rows, pages = [], 0
        while True:
            page = self.get(path)
            assert ("@odata.nextLink" in page) + \
                ("@odata.deltaLink" in page) < 2
            rows += page["value"]
            pages += 1
            path = page.get("@odata.nextLink")
            if path is None:
                return rows, page.get("@odata.deltaLink"), pages

    def deliver(self, raw=PLAIN, folder="inbox", **more):
        return self.box.deliver(raw, self.box.find_folder(folder), **more)


@pytest.fixture
def sim():
    sim = Simulator([USER, "bob@example.com"])
    sim.url = "https://127.0.0.1:1"
    return sim


@pytest.fixture
def graph(sim):
    return Client(sim)


@pytest.fixture
def msg(graph):
    return graph.deliver()


@pytest.fixture(scope="session")
def ca_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("ca")


@pytest.fixture
def served(sim, ca_dir):
    from served import Served
    server = Served(sim, ca_dir)
    yield server
    server.close()
