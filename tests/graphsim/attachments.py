"""Attachments and upload sessions."""

import base64
import binascii
import os
import re

from . import fields, ids, mimeio, rows
from .wire import Error, Response, not_found

SLICE_MAX = 4 * 1024 * 1024
SESSION_MIN = 3 * 1024 * 1024
SESSION_MAX = 150 * 1024 * 1024
SESSION_SECONDS = 3600
_KEYS = {"name", "contentType", "contentBytes", "contentId", "isInline",
         "contentLocation", "size", "id", "lastModifiedDateTime"}


def parse(value):
    if not isinstance(value, dict):
        raise fields.refuse("attachments")
    kind = value.get("@odata.type")
    if kind not in ("#microsoft.graph.fileAttachment",
                    "microsoft.graph.fileAttachment"):
        raise fields.refuse(f"attachment of type {kind}")
    for key in value:
        if key not in _KEYS and not key.startswith("@odata."):
            raise fields.refuse(f"attachment.{key}")
    if not isinstance(value.get("name"), str):
        raise Error(400, "ErrorInvalidRequest", "An attachment needs a name.")
    try:
        data = base64.b64decode(value.get("contentBytes") or "",
                                validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise fields.refuse("contentBytes")
    return mimeio.Attachment(value["name"], value.get("contentType") or
                             "application/octet-stream", data,
                             bool(value.get("isInline")),
                             value.get("contentId"))


def _ident(msg, number):
    return f"{msg.id[:-2]}ATT{number:04d}="


def _row(msg, number, wanted=None):
    row = rows.attachment_json(msg.attachments[number])
    row["id"] = _ident(msg, number)
    row["lastModifiedDateTime"] = rows.iso(msg.modified)
    if wanted is None:
        return row
    return {k: v for k, v in row.items()
            if k in wanted or k == "id" or k.startswith("@odata.type")}


def _find(msg, ident):
    for number in range(len(msg.attachments)):
        if _ident(msg, number) == ident:
            return number
    raise not_found()


def _open_session(req, msg):
    item = req.json().get("AttachmentItem")
    if not isinstance(item, dict) or item.get("attachmentType") != "file" or \
            not isinstance(item.get("name"), str) or \
            not isinstance(item.get("size"), int):
        raise fields.refuse("AttachmentItem")
    size = item["size"]
    if size < SESSION_MIN:
        raise Error(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize",
                    "The attachment size should not be less than 3 MB.")
    if size > SESSION_MAX:
        raise Error(413, "ErrorMessageSizeExceeded",
                    "The message exceeds the maximum supported size.")
    token = ids._b64(os.urandom(48))
    until = req.sim.now() + SESSION_SECONDS
    req.sim.uploads[token] = {"box": req.box, "msg": msg, "item": item,
                              "until": until, "data": bytearray()}
    host = req.sim.url
    if req.sim.switches["upload_host"] == "other":
        host = re.sub(r"//[^:/]+", "//localhost", host)
    return Response(201, {
        "@odata.context": f"{req.sim.url}/v1.0/$metadata#microsoft.graph."
                          "uploadSession",
        "uploadUrl": f"{host}/_upload/{token}",
        "expirationDateTime": rows.iso(until),
        "nextExpectedRanges": ["0-"]})


def handle(req, msg, rest):
    if not rest and req.method == "GET":
        wanted = req.query.get("$select")
        wanted = set(wanted.split(",")) if wanted else None
        return Response(200, {"value": [
            _row(msg, n, wanted) for n in range(len(msg.attachments))]})
    if not rest and req.method == "POST":
        att = parse(req.json())
        if len(att.data) >= SESSION_MIN:
            raise Error(413, "RequestEntityTooLarge", "use a session")
        msg.attachments.append(att)
        req.box.changed(msg)
        return Response(201, _row(msg, len(msg.attachments) - 1))
    if rest and rest[0].lower() == "createuploadsession":
        if req.method != "POST":
            raise Error(405, "ErrorInvalidRequest", "method")
        return _open_session(req, msg)
    number = _find(msg, rest[0] if rest else "")
    if req.method == "DELETE" and not rest[1:]:
        del msg.attachments[number]
        req.box.changed(msg)
        return Response(204)
    if req.method != "GET":
        raise Error(405, "ErrorInvalidRequest", "method")
    if rest[1:] == ["$value"]:
        att = msg.attachments[number]
        return Response(200, body=att.data,
                        headers={"Content-Type": att.ctype})
    return Response(200, _row(msg, number))


def upload(sim, token, method, headers, body):
    """A slice for an upload session; pre-authenticated by its URL."""
    state = sim.uploads.get(token)
    if state is None or sim.now() > state["until"]:
        raise not_found("session")
    if "authorization" in headers:
        raise Error(401, "InvalidAuthenticationToken",
                    "no Authorization on an upload URL")
    if method == "DELETE":
        del sim.uploads[token]
        return Response(204)
    if method != "PUT":
        raise Error(405, "ErrorInvalidRequest", "method")
    if len(body) > SLICE_MAX:
        raise Error(413, "RequestEntityTooLarge", "slice")
    m = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)",
                     headers.get("content-range", ""))
    if not m:
        raise Error(400, "ErrorInvalidRequest", "Content-Range")
    start, end, total = map(int, m.groups())
    size = state["item"]["size"]
    if start != len(state["data"]) or end - start + 1 != len(body) or \
            total != size or end >= total:
        raise Error(416, "InvalidContentRange", "range")
    state["data"] += body
    if len(state["data"]) < total:
        return Response(200, {"ExpirationDateTime": rows.iso(state["until"]),
                              "NextExpectedRanges": [str(end + 1)]})
    return _close(sim, token, state)


def _close(sim, token, state):
    item, msg = state["item"], state["msg"]
    del sim.uploads[token]
    if msg.folder is None:
        raise not_found()
    msg.attachments.append(mimeio.Attachment(
        item["name"], item.get("contentType") or "application/octet-stream",
        bytes(state["data"]), bool(item.get("isInline")),
        item.get("contentId")))
    state["box"].changed(msg)
    ident = _ident(msg, len(msg.attachments) - 1)
    return Response(201, headers={
        "Location": f"{sim.url}/v1.0/me/messages('{msg.id}')/"
                    f"Attachments('{ident}')"})
