"""Requests and answers between the HTTP layer, $batch and the handlers."""

import gzip
import json
import re
import time
from urllib.parse import parse_qsl, unquote, urlsplit


class Error(Exception):
    def __init__(self, status, code, message="", headers=None):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}


class Request:
    def __init__(self, method, target, headers, body):
        self.method = method
        parts = urlsplit(target)
        self.path = parts.path
        self.raw_query = parts.query
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = {k.lower(): v for k, v in headers.items()}
        self.body = body
        self.box = None
        self.user = self.token = None
        self.sim = None
        self.scopes = None            # None: not limited
        self.inner = False
        self.prefer = self.headers.get("prefer", "")

    def segments(self):
        path = re.sub(r"\('([^']*)'\)", lambda m: "/" + m.group(1), self.path)
        return [unquote(s) for s in path.split("/") if s]

    @property
    def immutable(self):
        return re.search(r'idtype\s*=\s*"?immutableid', self.prefer,
                         re.I) is not None

    @property
    def body_type(self):
        m = re.search(r'outlook\.body-content-type\s*=\s*"?(text|html)',
                      self.prefer, re.I)
        return m.group(1).lower() if m else None

    def page_size(self, default):
        m = re.search(r"odata\.maxpagesize\s*=\s*(\d+)", self.prefer, re.I)
        return max(1, min(int(m.group(1)), 1000)) if m else default

    def json(self):
        try:
            value = json.loads(self.body or b"")
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Error(400, "UnableToDeserializePostBody",
                        "were unable to deserialize ")
        return value


class Response:
    def __init__(self, status=200, data=None, body=None, headers=None):
        self.status = status
        self.headers = dict(headers or {})
        self.data = data
        if data is not None:
            self.body = json.dumps(data, ensure_ascii=False).encode(
                "utf-8", "surrogatepass")
            self.headers.setdefault(
                "Content-Type", "application/json;odata.metadata=minimal;"
                "odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
        else:
            self.body = body or b""
        self.compressed = None        # the body by gzip

    def compress(self):
        if len(self.body) > 500:
            self.compressed = gzip.compress(self.body, 1)


def error_response(err, request_id):
    data = {"error": {"code": err.code, "message": err.message,
                      "innerError": {"date": time.strftime(
                                         "%Y-%m-%dT%H:%M:%S", time.gmtime()),
                                     "request-id": request_id,
                                     "client-request-id": request_id}}}
    return Response(err.status, data, headers=err.headers)


def not_found(what="object"):
    return Error(404, "ErrorItemNotFound",
                 f"The specified {what} was not found in the store.")
