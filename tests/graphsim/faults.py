"""Things that go wrong on purpose."""

import re

from .wire import Error, Response, error_response


class Reset(Exception):
    """Cut the connection without an answer."""


class Faults:
    """A fault: matchers method, path (regular expression), skip (let so many
    pass first), count (how often; default 1), inner (true, false, absent); and
    an effect, see README.md."""

    def __init__(self):
        self.active = []

    def add(self, fault):
        fault.setdefault("count", 1)
        fault.setdefault("skip", 0)
        self.active.append(fault)

    def clear(self):
        self.active = []

    def _find(self, req, phase):
        for fault in self.active:
            kind = fault.get("phase", "before")
            if fault.get("delay"):
                kind = "delay " + kind
            if kind != phase or fault["count"] <= 0:
                continue
            if "inner" in fault and \
                    fault["inner"] != getattr(req, "inner", False):
                continue
            if "method" in fault and fault["method"] != req.method:
                continue
            target = req.path + ("?" + req.raw_query if req.raw_query else "")
            if "path" in fault and not re.search(fault["path"], target):
                continue
            if fault["skip"] > 0:
                fault["skip"] -= 1
                continue
            fault["count"] -= 1
            return fault
        return None

    @staticmethod
    def _answer(fault):
        headers = dict(fault.get("headers") or {})
        if fault.get("retry_after") is not None:
            headers["Retry-After"] = str(fault["retry_after"])
        if "body" in fault:
            headers.setdefault("Content-Type", "text/html")
            return Response(fault.get("status", 200), headers=headers,
                            body=fault["body"].encode())
        raise Error(fault.get("status", 503), fault.get("code", ""),
                    fault.get("message", ""), headers)

    def delay(self, req, phase):
        """Seconds to wait before anything happens, or before the answer."""
        fault = self._find(req, "delay " + phase)
        return fault["delay"] if fault else 0

    def before(self, req):
        """An answer instead of the real one, or None."""
        fault = self._find(req, "before")
        if fault is None:
            return None
        if fault.get("reset"):
            raise Reset
        return self._answer(fault)

    def after(self, req, answer):
        """The effect has taken place; the answer may still get lost."""
        fault = self._find(req, "after")
        if fault is None:
            return answer
        if fault.get("reset"):
            raise Reset
        if fault.get("cut") is not None:
            req.cut = fault["cut"]
            return answer
        if fault.get("foreign_next") and answer.data:
            for key in ("@odata.nextLink", "@odata.deltaLink"):
                if key in answer.data:
                    answer.data[key] = fault["foreign_next"]
            return Response(answer.status, answer.data)
        if fault.get("omit") and answer.data:
            data = dict(answer.data)
            data.pop(fault["omit"], None)
            return Response(answer.status, data)
        try:
            return self._answer(fault)
        except Error as err:
            return error_response(err, "fault")
