"""messages: list, get, $value, create, PATCH, move, copy, delete,
attachments, upload sessions."""

import base64
import binascii
import os
import re

from . import delta, folders, ids, mimeio, odata, props, rows, store
from .wire import Error, Response, not_found

WRITE_MAX = 4000000
SESSION_MIN = 3 * 1024 * 1024
_PEOPLE = {"toRecipients": "to", "ccRecipients": "cc", "bccRecipients": "bcc",
           "replyTo": "replyTo"}
_READ_ONLY = {"id", "changeKey", "createdDateTime", "lastModifiedDateTime",
              "receivedDateTime", "sentDateTime", "hasAttachments",
              "bodyPreview", "parentFolderId", "conversationId",
              "conversationIndex", "webLink", "isDraft", "uniqueBody"}


def find(req, ident, folder=None):
    msg = req.box.find(ident)
    if msg is None or (folder is not None and msg.folder is not folder):
        if not re.fullmatch(r"[A-Za-z0-9_=-]{20,}", ident):
            raise Error(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        if ident in req.box.folders:
            raise Error(400, "ErrorCannotUseFolderIdForItemId", "folder id")
        raise not_found()
    if msg.poison:
        raise Error(msg.poison, "ErrorInternalServerError", "poison")
    return msg


def listing(req, folder):
    fields = odata.select(req.query.get("$select"), odata.MESSAGE_FIELDS,
                          "message")
    expand, attachments = odata.expand(req.query.get("$expand"))
    if "$search" in req.query and ("$filter" in req.query or
                                   "$orderby" in req.query):
        raise Error(400, "SearchWithFilter", "not together")
    keep = odata.message_filter(req.query.get("$filter"))
    order = req.query.get("$orderby")
    if order and "$filter" in req.query and \
            order.split()[0] not in req.query["$filter"]:
        raise Error(400, "InefficientFilter", "The restriction or sort order "
                    "is too complex for this operation.")
    pool = folder.messages if folder else req.box.messages
    found = sorted((m for m in pool.values() if keep(m)),
                   key=lambda m: (m.received, m.number), reverse=True)
    top = int(req.query.get("$top", req.page_size(10)))
    if not 1 <= top <= 1000:
        raise Error(400, "ErrorInvalidUrlQuery", "$top")
    skip = int(req.query.get("$skip", 0))
    data = {"value": [rows.message_json(m, req.immutable, fields, expand,
                                        attachments)
                      for m in found[skip:skip + top]]}
    if "$count" in req.query:
        data["@odata.count"] = len(found)
    if len(found) > skip + top:
        query = "&".join(f"{k}={v}" for k, v in req.query.items()
                         if k not in ("$skip", "$top"))
        data["@odata.nextLink"] = (f"{req.sim.url}{req.path}?{query}&$top="
                                   f"{top}&$skip={skip + top}")
    return Response(200, data)


# writing

def _check_size(req):
    if len(req.body) > WRITE_MAX:
        raise Error(413, "RequestEntityTooLarge", "")


def _set_properties(msg, value, creating):
    if not isinstance(value, list):
        raise Error(400, "UnableToDeserializePostBody", "properties")
    for item in value:
        if not isinstance(item.get("value"), str):
            raise Error(400, "UnableToDeserializePostBody",
                        "property values are strings")
        try:
            ident = props.normalize(item["id"])
        except (props.BadProperty, KeyError):
            raise Error(400, "ErrorInvalidProperty", "property id")
        if ident == props.MESSAGE_FLAGS:
            if creating:
                msg.is_draft = bool(int(item["value"]) & 8)
            continue                  # later: accepted and without effect
        if ident == props.DELIVERY_TIME:
            if creating:
                msg.received = store.parse_iso(item["value"])
            continue
        if ident == props.SUBMIT_TIME:
            if creating:
                msg.sent = store.parse_iso(item["value"])
            continue
        if ident == props.MESSAGE_SIZE:
            continue
        msg.set_prop(ident, item["value"])


def _set_field(msg, key, value, creating):
    """FALSE if there is no such key."""
    if key == "isRead":
        msg.is_read = bool(value)
    elif key == "flag":
        status = value.get("flagStatus") if isinstance(value, dict) else None
        if status not in ("notFlagged", "flagged", "complete"):
            raise Error(400, "ErrorInvalidRequest", "flag")
        if value.get("dueDateTime") and not value.get("startDateTime"):
            raise Error(400, "ErrorInvalidRequest", "due without start")
        msg.flag = status
    elif key == "categories":
        if not isinstance(value, list) or \
                not all(isinstance(c, str) for c in value):
            raise Error(400, "UnableToDeserializePostBody", "categories")
        msg.categories = list(value)
    elif key == "importance":
        msg.importance = str(value).lower()
    elif key in ("isReadReceiptRequested", "isDeliveryReceiptRequested",
                 "inferenceClassification"):
        pass
    elif key == "singleValueExtendedProperties":
        _set_properties(msg, value, creating)
    else:
        return False
    return True


def _set_content(msg, key, value):
    if key == "subject":
        msg.subject = str(value or "")
    elif key == "body":
        kind = str(value.get("contentType", "text")).lower()
        msg.body = ("html" if kind == "html" else "text",
                    str(value.get("content", "")))
    elif key in _PEOPLE:
        msg.addr[_PEOPLE[key]] = list(value)
    elif key in ("from", "sender"):
        msg.addr[key] = [value] if value else []
    elif key == "internetMessageId":
        msg.message_id = value
    elif key == "internetMessageHeaders":
        if len(value) > 5 or any(
                not h["name"].lower().startswith("x-") for h in value):
            raise Error(400, "InvalidInternetMessageHeader", "x- only, 5")
        msg.headers += [(h["name"], h["value"]) for h in value]
    else:
        return False
    return True


def _attachment(value):
    kind = value.get("@odata.type", "#microsoft.graph.fileAttachment")
    if "fileAttachment" not in kind:
        raise Error(400, "UnableToDeserializePostBody", kind)
    try:
        data = base64.b64decode(value.get("contentBytes", ""), validate=True)
    except (binascii.Error, TypeError):
        raise Error(400, "UnableToDeserializePostBody", "contentBytes")
    return mimeio.Attachment(value.get("name") or "",
                             value.get("contentType") or
                             "application/octet-stream", data,
                             bool(value.get("isInline")),
                             value.get("contentId"))


def create_json(req, folder):
    _check_size(req)
    body = req.json()
    if props.HEADERS in [p.get("id") and props.normalize(p["id"]) for p in
                         body.get("singleValueExtendedProperties", [])] and \
            req.sim.switches["transport_headers"] == "refused":
        raise Error(400, "ErrorInvalidPropertySet", "0x007D")
    msg = req.box.new_message()
    msg.is_draft = True
    msg.is_read = True
    for key, value in body.items():
        if key == "attachments":
            msg.attachments_later = [_attachment(a) for a in value]
        elif not _set_field(msg, key, value, True) and \
                not _set_content(msg, key, value) and \
                key not in _READ_ONLY and not key.startswith("@odata."):
            raise Error(400, "UnableToDeserializePostBody",
                        f"The property '{key}' does not exist.")
    if not msg.message_id:
        msg.message_id = f"<{ids.guid(msg.number)}@sim.prod.outlook.com>"
    _finish(msg)
    req.box.add(msg, folder)
    return Response(201, rows.message_json(msg, req.immutable),
                    headers={"Location": f"{req.sim.url}/v1.0/me/messages"})


def _finish(msg):
    msg.content = store.built_content(msg)
    if msg.prop(props.HEADERS):
        msg.headers = [(n, mimeio.unfold(v))
                       for n, v in msg.content.raw_headers]
    msg.set_prop(props.MESSAGE_SIZE, 900 + len(msg.body[1]) * 2 +
                 sum(len(a.data) for a in msg.attachments))


def create_mime(req):
    _check_size(req)
    try:
        raw = base64.b64decode(req.body, validate=False)
        if not re.fullmatch(rb"[A-Za-z0-9+/=\s]*", req.body):
            raise ValueError
    except ValueError:
        raise Error(400, "ErrorMimeContentInvalidBase64String",
                    "Invalid base64 string for MIME content.")
    msg = req.box.new_message()
    req.box.fill_from_mime(msg, raw)
    msg.is_draft = True
    msg.is_read = True
    msg.received = msg.created
    req.box.add(msg, req.box.find_folder("drafts"))
    return Response(201, rows.message_json(msg, req.immutable))


def patch(req, msg):
    match = req.headers.get("if-match")
    if match and match not in ("*", f'W/"{msg.change_key}"'):
        raise Error(412, "ErrorIrresolvableConflict", "change key")
    body = req.json()
    for key, value in body.items():
        if _set_field(msg, key, value, False):
            continue
        if msg.is_draft and _set_content(msg, key, value):
            continue
        if key not in _READ_ONLY and key not in odata.MESSAGE_FIELDS:
            raise Error(400, "UnableToDeserializePostBody",
                        f"The property '{key}' does not exist.")
        raise Error(400, "ErrorInvalidPropertySet", f"{key} is read-only.")
    req.box.changed(msg, "read" if set(body) == {"isRead"} else "row")
    if "return=minimal" in req.prefer:
        return Response(204)
    return Response(200, rows.message_json(msg, req.immutable))


def transfer(req, msg, copy):
    body = req.json()
    target = folders.get(req, str(body.get("destinationId")))
    if target.role == "recoverableitemsdeletions" and \
            req.sim.switches["move_recoverable"] == "refused":
        raise Error(403, "ErrorAccessDenied", "Access is denied.")
    if copy:
        msg = req.box.copy(msg, target)
    else:
        req.box.move(msg, target)
    return Response(201, rows.message_json(msg, req.immutable))


def delete(req, msg):
    match = req.headers.get("if-match")
    if match and match not in ("*", f'W/"{msg.change_key}"'):
        raise Error(412, "ErrorIrresolvableConflict", "change key")
    target = "recoverableitemsdeletions"
    if req.sim.switches["delete_target"] == "deleteditems" and \
            msg.folder.role != "deleteditems":
        target = "deleteditems"
    if msg.folder.role == "recoverableitemsdeletions":
        req.box.remove(msg)
    else:
        req.box.move(msg, req.box.find_folder(target))
    return Response(204)


# attachments

def attachments(req, msg, rest):
    if not rest and req.method == "GET":
        full = "$select" not in req.query
        return Response(200, {"value": [
            rows.attachment_json(a, i, full)
            for i, a in enumerate(msg.attachments)]})
    if not rest and req.method == "POST":
        _check_size(req)
        att = _attachment(req.json())
        if len(att.data) >= SESSION_MIN:
            raise Error(413, "RequestEntityTooLarge", "use a session")
        msg.attachments.append(att)
        req.box.changed(msg)
        return Response(201, rows.attachment_json(
            att, len(msg.attachments) - 1, False))
    if rest and rest[0].lower() == "createuploadsession":
        item = req.json().get("AttachmentItem") or {}
        size = int(item.get("size", 0))
        if size < SESSION_MIN:
            raise Error(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimum"
                        "Size", "too small")
        token = ids._b64(os.urandom(48))
        req.sim.uploads[token] = {"box": req.box, "msg": msg, "item": item,
                                  "size": size, "data": bytearray()}
        return Response(201, {
            "uploadUrl": f"{req.sim.upload_url}/_upload/{token}",
            "expirationDateTime": "2030-01-01T00:00:00Z",
            "nextExpectedRanges": ["0-"]})
    m = re.fullmatch(r"ATT(\d{4})=", rest[0]) if rest else None
    if m and int(m.group(1)) < len(msg.attachments) and req.method == "GET":
        att = msg.attachments[int(m.group(1))]
        if rest[1:] == ["$value"]:
            return Response(200, body=att.data,
                            headers={"Content-Type": att.ctype})
        return Response(200, rows.attachment_json(att, int(m.group(1))))
    raise not_found()


def upload(sim, token, method, headers, body):
    """A slice for an upload session; pre-authenticated by its URL."""
    state = sim.uploads.get(token)
    if state is None:
        raise not_found("session")
    if "authorization" in headers:
        raise Error(401, "InvalidAuthenticationToken",
                    "no Authorization on an upload URL")
    if method == "DELETE":
        del sim.uploads[token]
        return Response(204)
    m = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)",
                     headers.get("content-range", ""))
    if method != "PUT" or not m or len(body) > WRITE_MAX:
        raise Error(400, "ErrorInvalidRequest", "Content-Range")
    start, end, total = map(int, m.groups())
    if start != len(state["data"]) or end - start + 1 != len(body) or \
            total != state["size"]:
        raise Error(416, "InvalidContentRange", "range")
    state["data"] += body
    if len(state["data"]) < total:
        return Response(200, {"ExpirationDateTime": "2030-01-01T00:00:00Z",
                              "NextExpectedRanges": [str(end + 1)]})
    item, msg = state["item"], state["msg"]
    msg.attachments.append(mimeio.Attachment(
        item.get("name") or "", item.get("contentType") or
        "application/octet-stream", bytes(state["data"]),
        bool(item.get("isInline")), item.get("contentId")))
    del sim.uploads[token]
    state["box"].changed(msg)
    return Response(201, headers={"Location": "Attachments('x')"})


# routes

def handle(req, rest, folder=None):
    """rest: what follows messages."""
    if not rest:
        if req.method == "GET":
            return listing(req, folder)
        if req.method == "POST":
            if req.headers.get("content-type", "").startswith("text/plain"):
                if folder is not None:
                    raise Error(400, "UnableToDeserializePostBody",
                                "were unable to deserialize ")
                return create_mime(req)
            return create_json(req, folder or req.box.find_folder("drafts"))
        raise Error(405, "ErrorInvalidRequest", "method")
    if rest[0].lower().split("(")[0] == "delta" and folder is not None and \
            req.method == "GET":
        return delta.messages(req, folder)
    if rest[0] == "$count":
        return Response(200, body=str(len(folder.messages)).encode(),
                        headers={"Content-Type": "text/plain"})
    msg = find(req, rest[0], folder)
    action = rest[1].lower() if len(rest) > 1 else None
    if action is None:
        if req.method == "GET":
            expand, atts = odata.expand(req.query.get("$expand"))
            return Response(200, rows.message_json(
                msg, req.immutable,
                odata.select(req.query.get("$select"), odata.MESSAGE_FIELDS,
                             "message"), expand, atts))
        if req.method == "PATCH":
            return patch(req, msg)
        if req.method == "DELETE":
            return delete(req, msg)
    if action == "$value" and req.method == "GET":
        return Response(200, body=mimeio.regenerate(msg.content),
                        headers={"Content-Type": "text/plain"})
    if action in ("move", "copy") and req.method == "POST":
        return transfer(req, msg, action == "copy")
    if action == "permanentdelete" and req.method == "POST":
        req.box.remove(msg)
        return Response(204)
    if action == "attachments":
        return attachments(req, msg, rest[2:])
    raise Error(405, "ErrorInvalidRequest", "method")
