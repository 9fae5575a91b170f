"""Folders and messages as JSON."""

import base64
import html
import re

from . import ids, props
from .store import iso


def folder_json(folder, fields=None):
    row = {
        "id": folder.id,
        "displayName": folder.name,
        "parentFolderId": folder.parent.id if folder.parent else "",
        "childFolderCount": sum(not c.hidden for c in folder.children()),
        "unreadItemCount": sum(not m.is_read
                               for m in folder.messages.values()),
        "totalItemCount": len(folder.messages),
        "sizeInBytes": 0,
        "isHidden": folder.hidden,
    }
    if fields is not None:
        row = {k: v for k, v in row.items() if k in fields or k == "id"}
    return row


def preview(msg):
    kind, text = msg.body
    if kind == "html":
        text = re.sub(r"<[^>]*>", " ", text)
    return re.sub(r"\s+", " ", text).strip()[:255]


def attachment_json(att):
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "@odata.mediaContentType": att.ctype,
        "name": att.name, "contentType": att.ctype, "size": len(att.data),
        "isInline": att.inline, "contentId": att.cid,
        "contentBytes": base64.b64encode(att.data).decode(),
    }


def _one(people):
    return people[0] if people else None


_FIELDS = {
    "createdDateTime": lambda m: iso(m.created),
    "lastModifiedDateTime": lambda m: iso(m.modified),
    "changeKey": lambda m: m.change_key,
    "categories": lambda m: list(m.categories),
    "receivedDateTime": lambda m: iso(m.received),
    "sentDateTime": lambda m: iso(m.sent),
    "hasAttachments": lambda m: m.has_attachments,
    "internetMessageId": lambda m: m.message_id,
    "subject": lambda m: m.subject,
    "bodyPreview": preview,
    "importance": lambda m: m.importance,
    "parentFolderId": lambda m: m.folder.id,
    "conversationId": lambda m: ids.conversation(m.subject),
    "conversationIndex": lambda m: "AQH=",
    "isDeliveryReceiptRequested": lambda m: None,
    "isReadReceiptRequested": lambda m: False,
    "isRead": lambda m: m.is_read,
    "isDraft": lambda m: m.is_draft,
    "webLink": lambda m: "https://outlook.office365.com/owa/",
    "inferenceClassification": lambda m: "focused",
    "body": lambda m: {"contentType": m.body[0], "content": m.body[1]},
    "sender": lambda m: _one(m.addr["sender"]),
    "from": lambda m: _one(m.addr["from"]),
    "toRecipients": lambda m: m.addr["to"],
    "ccRecipients": lambda m: m.addr["cc"],
    "bccRecipients": lambda m: m.addr["bcc"],
    "replyTo": lambda m: m.addr["replyTo"],
    "flag": lambda m: dict(m.flag_dates, flagStatus=m.flag),
}
_ON_SELECT = {
    "internetMessageHeaders": lambda m: [
        {"name": n, "value": v} for n, v in m.headers],
    "uniqueBody": lambda m: {"contentType": m.body[0], "content": m.body[1]},
}


_COMPUTED = {
    # key: (as answers spell it, value or None)
    "integer 0xe07": ("Integer 0xe07", lambda m: str(
        m.is_read + 8 * m.is_draft + 16 * bool(m.attachments))),
    "systemtime 0xe06": ("SystemTime 0xe06", lambda m: iso(m.received)),
    "systemtime 0x39": ("SystemTime 0x39", lambda m: iso(m.sent)),
    "systemtime 0x3007": ("SystemTime 0x3007", lambda m: iso(m.created)),
    "systemtime 0x3008": ("SystemTime 0x3008", lambda m: iso(m.modified)),
    "long 0xe08": ("Long 0xe08", lambda m: m.prop(props.MESSAGE_SIZE)),
    "string 0x1035": ("String 0x1035", lambda m: m.message_id),
    "integer 0x1090": ("Integer 0x1090", lambda m: {
        "complete": "1", "flagged": "2"}.get(m.flag)),
    "boolean 0xe1b": ("Boolean 0xe1b", lambda m: str(
        bool(m.attachments)).lower()),
    "string 0x7d": ("String 0x7d", lambda m: m.header_block()),
    "string 0x1a": ("String 0x1a", lambda m: "IPM.Note"),
}


def _property(msg, key):
    """(id, value) of an extended property, or None."""
    if key in msg.props:
        return msg.props[key]
    if key in _COMPUTED:
        ident, value = _COMPUTED[key][0], _COMPUTED[key][1](msg)
        return (ident, value) if value is not None else None
    return None


def body_json(msg, kind):
    """The body in the form that Prefer asks for; HTML unless it does."""
    have, text = msg.body
    if kind == "text" and have == "html":
        text = html.unescape(re.sub(r"<[^>]*>", "", text))
    elif kind != "text" and have == "text":
        text = ('<html><head>\r\n<meta http-equiv="Content-Type" content='
                '"text/html; charset=utf-8"></head><body><pre>'
                f"{html.escape(text)}</pre></body></html>")
    return {"contentType": "text" if kind == "text" else "html",
            "content": text}


def message_json(msg, immutable, fields=None, expand=None, attachments=False,
                 prefer=None):
    row = {"@odata.type": "#microsoft.graph.message",
           "@odata.etag": f'W/"{msg.change_key}"',
           "id": msg.id if immutable else msg.default_id()}
    for name, get in _FIELDS.items():
        if fields is None or name in fields:
            row[name] = get(msg)
    if "body" in row:
        row["body"] = body_json(msg, prefer)
    for name, get in _ON_SELECT.items():
        if fields is not None and name in fields:
            value = get(msg)
            if value:
                row[name] = value
    if expand:
        found = [pair for pair in (_property(msg, k) for k in expand) if pair]
        if found:
            row["singleValueExtendedProperties"] = [
                {"id": i, "value": v} for i, v in found]
    if attachments:
        row["attachments"] = [attachment_json(a) for a in msg.attachments]
    return row


def verb(msg):
    value = msg.prop(props.LAST_VERB)
    return int(value) if value else 0
