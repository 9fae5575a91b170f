"""Throttling and size limits."""

import email.utils
from collections import deque

from .wire import Error, Response

WRITE_MAX = 4000000
_BATCH_PARALLEL = 4


def oversize(sim, req):
    """The gateway's answer to too big a body, not JSON; or None."""
    if len(req.body or b"") <= WRITE_MAX:
        return None
    if sim.switches["oversize"] == "200":
        return Response(200)
    return Response(413, body=b"<html><body><h1>413 Request Entity Too Large"
                    b"</h1></body></html>",
                    headers={"Content-Type": "text/html"})


def throttled(sim, what):
    """A 429 whose Retry-After has the form that the switch asks for."""
    form = sim.switches["retry_after"]
    headers = {"seconds": {"Retry-After": "1"},
               "fraction": {"Retry-After": "1.128"},
               "date": {"Retry-After": email.utils.formatdate(
                   sim.now() + 2, usegmt=True)}}.get(form, {})
    return Error(429, "ApplicationThrottled",
                 f"Application is over its {what} limit.", headers)


class Limits:
    """What is in flight, and the windows of requests and bytes."""

    def __init__(self, sim):
        self.sim = sim
        self.in_flight = {}           # address or "app" -> requests
        self.most = {}
        self.throttled = 0
        self.windows = {}             # address -> (requests, bytes)

    def _slot(self, box):
        return "app" if self.sim.switches["concurrency_scope"] == "app" \
            else box.address

    def weight(self, inner):
        """Slots that a request takes; a batch runs in those there are."""
        most = min(_BATCH_PARALLEL, int(self.sim.switches["concurrency"]))
        return max(1, min(most, inner))

    def enter(self, box, inner):
        """inner: requests of a batch, 0 = no batch. Raises Error(429)."""
        slot, weight = self._slot(box), self.weight(inner)
        n = self.in_flight.get(slot, 0) + weight
        if n > int(self.sim.switches["concurrency"]):
            self.throttled += 1
            raise throttled(self.sim, "MailboxConcurrency")
        self.in_flight[slot] = n
        self.most[slot] = max(n, self.most.get(slot, 0))
        return slot, weight

    def leave(self, entry):
        slot, weight = entry
        self.in_flight[slot] -= weight

    def count(self, box, size, requests=1):
        """Rejected ones count too."""
        pair = self.windows.setdefault(box.address, (deque(), deque()))
        now = self.sim.now()
        for window, seconds, amount, switch, name in (
                (pair[0], 600, requests, "window_requests", "RequestBurst"),
                (pair[1], 300, size, "window_bytes", "IncomingBytes")):
            if amount:
                window.append((now, amount))
            while window and window[0][0] < now - seconds:
                window.popleft()
            if sum(a for _, a in window) > int(self.sim.switches[switch]):
                self.throttled += 1
                raise throttled(self.sim, name)
