"""New messages: JSON into any folder, MIME into Drafts."""

import base64
import binascii

from . import attachments, fields, ids, mimeio, props, rows, store
from .wire import Error, Response


def _created(req, msg):
    row = rows.message_json(msg, req.immutable, prefer=req.body_type)
    row["@odata.context"] = (f"{req.sim.url}/v1.0/$metadata#users('"
                             f"{req.box.oid}')/messages/$entity")
    return Response(201, row, headers={
        "Location": f"{req.sim.url}/v1.0/users/{req.box.oid}/messages/"
                    f"{row['id']}", "ETag": row["@odata.etag"]})


def _check_transport_headers(req, body):
    listed = body.get("singleValueExtendedProperties")
    if req.sim.switches["transport_headers"] == "yes" or \
            not isinstance(listed, list):
        return
    for item in listed:
        if isinstance(item, dict) and \
                props.key(str(item.get("id"))) == props.HEADERS.lower():
            raise Error(400, "ErrorInvalidPropertySet", "0x007D")


def as_json(req, folder):
    body = req.json()
    _check_transport_headers(req, body)
    msg = req.box.new_message()
    msg.is_draft = True
    msg.is_read = True
    # properties first: isRead has the last word over 0x0E07
    for key in sorted(body, key="singleValueExtendedProperties".__ne__):
        value = body[key]
        if key == "attachments":
            if not isinstance(value, list):
                raise fields.refuse(key)
            msg.attachments_later = [attachments.parse(a) for a in value]
        elif fields.set_state(msg, key, value, True) or \
                fields.set_content(msg, key, value):
            pass
        elif not fields.is_read_only(key):
            raise fields.refuse(f"The property '{key}' does not exist.")
        elif req.sim.switches["readonly_create"] == "refused" and \
                not key.startswith("@odata."):
            raise Error(400, "ErrorInvalidPropertySet",
                        f"The property '{key}' is read-only.")
    if not msg.message_id:
        msg.message_id = f"<{ids.guid(msg.number)}@sim.prod.outlook.com>"
    msg.content = store.built_content(msg)
    if msg.prop(props.HEADERS):
        msg.headers = [(n, mimeio.unfold(v))
                       for n, v in msg.content.raw_headers]
    msg.set_prop(props.MESSAGE_SIZE, 900 + len(msg.body[1]) * 2 +
                 sum(len(a.data) for a in msg.attachments))
    req.box.add(msg, folder)
    return _created(req, msg)


def as_mime(req, folder):
    """folder: None, or where the switch lets MIME go."""
    try:
        raw = base64.b64decode(b"".join(req.body.split()), validate=True)
    except binascii.Error:
        raise Error(400, "ErrorMimeContentInvalidBase64String",
                    "Invalid base64 string for MIME content.")
    if not raw:
        raise fields.refuse("")
    msg = req.box.new_message()
    req.box.fill_from_mime(msg, raw)
    msg.is_draft = True
    msg.is_read = True
    msg.received = msg.created
    req.box.add(msg, folder or req.box.find_folder("drafts"))
    return _created(req, msg)


def handle(req, folder):
    kind = req.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "text/plain":
        if folder is not None and \
                req.sim.switches["mime_to_folder"] == "refused":
            raise fields.refuse("")
        return as_mime(req, folder)
    if kind != "application/json":
        raise Error(415, "UnsupportedMediaType",
                    "A message comes as application/json or text/plain.")
    return as_json(req, folder or req.box.find_folder("drafts"))
