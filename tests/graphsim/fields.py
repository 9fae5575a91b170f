"""What may be written to a message, and in which form."""

import base64
import binascii
import re

from . import props, store
from .wire import Error

PEOPLE = {"toRecipients": "to", "ccRecipients": "cc", "bccRecipients": "bcc",
          "replyTo": "replyTo"}
READ_ONLY = {"id", "changeKey", "createdDateTime", "lastModifiedDateTime",
             "receivedDateTime", "sentDateTime", "hasAttachments",
             "bodyPreview", "parentFolderId", "conversationId",
             "conversationIndex", "webLink", "isDraft", "uniqueBody"}
_FLAG_DATES = ("startDateTime", "dueDateTime", "completedDateTime")
_NOT_WRITTEN = {"integer 0xe08", "long 0xe08", "systemtime 0x3007",
                "systemtime 0x3008", "boolean 0xe1b", "integer 0xe23"}
HEADERS_MAX, HEADER_VALUE_MAX = 5, 995


def refuse(text):
    return Error(400, "UnableToDeserializePostBody",
                 f"were unable to deserialize {text}")


def is_read_only(key):
    return key in READ_ONLY or key.startswith("@odata.")


# the JSON types

def _text(key, value):
    if value is not None and not isinstance(value, str):
        raise refuse(key)
    return value or ""


def _flag(key, value):
    if not isinstance(value, bool):
        raise refuse(key)
    return value


def _object(key, value, allowed):
    if not isinstance(value, dict):
        raise refuse(key)
    for name in value:
        if name not in allowed and not name.startswith("@odata."):
            raise refuse(f"{key}.{name}")
    return value


def _recipient(key, value):
    address = _object(key, _object(key, value, {"emailAddress"}).get(
        "emailAddress"), {"name", "address"})
    for part in address.values():
        _text(key, part)
    return {"emailAddress": dict(address)}


# extended properties

def _check_value(kind, value):
    try:
        if kind in ("Integer", "Short", "Long"):
            int(value)
        elif kind in ("Double", "Float"):
            float(value)
        elif kind == "Boolean" and value.lower() not in ("true", "false"):
            raise ValueError
        elif kind == "Binary":
            base64.b64decode(value, validate=True)
        elif kind == "SystemTime":
            store.parse_iso(value)
    except (ValueError, binascii.Error):
        raise Error(400, "ErrorInvalidProperty", f"not a value of {kind}")


def _creation(msg, ident, value):
    """What only a create may say. True if it was that."""
    if ident == props.MESSAGE_FLAGS:
        msg.is_draft = bool(int(value) & 8)
        msg.is_read = bool(int(value) & 1)
    elif ident == props.DELIVERY_TIME:
        msg.received = store.parse_iso(value)
    elif ident == props.SUBMIT_TIME:
        msg.sent = store.parse_iso(value)
    else:
        return False
    return True


def set_properties(msg, value, creating):
    if not isinstance(value, list):
        raise refuse("singleValueExtendedProperties")
    for item in value:
        _object("singleValueExtendedProperties", item, {"id", "value"})
        if not isinstance(item.get("id"), str):
            raise refuse("property id")
        try:
            ident = props.normalize(item["id"])
        except props.BadProperty:
            raise Error(400, "ErrorInvalidProperty",
                        "PropertyId values must be well formed.")
        text = item.get("value")
        if text is None and not creating and ident.startswith("String "):
            msg.props.pop(props.key(ident), None)
            continue
        if not isinstance(text, str):
            raise refuse("property values are strings")
        _check_value(ident.split()[0], text)
        if creating and _creation(msg, ident, text):
            continue
        if ident in (props.MESSAGE_FLAGS, props.DELIVERY_TIME,
                     props.SUBMIT_TIME) or ident.lower() in _NOT_WRITTEN:
            continue                  # accepted and without effect
        if ident == props.FLAG_STATUS:
            msg.flag = {"1": "complete", "2": "flagged"}.get(text,
                                                             "notFlagged")
            continue
        msg.set_prop(ident, text)


# state: any time

def _set_flag(msg, value):
    _object("flag", value, {"flagStatus", *_FLAG_DATES})
    status = value.get("flagStatus", msg.flag)
    if status not in ("notFlagged", "flagged", "complete"):
        raise refuse("flag.flagStatus")
    dates = {}
    for name in _FLAG_DATES:
        if value.get(name) is not None:
            dates[name] = _object(name, value[name],
                                  {"dateTime", "timeZone"})
    if "dueDateTime" in dates and "startDateTime" not in dates:
        raise Error(400, "ErrorInvalidRequest",
                    "A due date needs a start date.")
    msg.flag, msg.flag_dates = status, dates


def set_state(msg, key, value, creating):
    """False if the key is none of these."""
    if key == "isRead":
        msg.is_read = _flag(key, value)
    elif key == "flag":
        _set_flag(msg, value)
    elif key == "categories":
        if not isinstance(value, list) or \
                not all(isinstance(c, str) for c in value):
            raise refuse(key)
        msg.categories = list(value)
    elif key == "importance":
        if str(value).lower() not in ("low", "normal", "high"):
            raise refuse(key)
        msg.importance = value.lower()
    elif key in ("isReadReceiptRequested", "isDeliveryReceiptRequested"):
        if value is not None:
            _flag(key, value)
    elif key == "inferenceClassification":
        if value not in ("focused", "other"):
            raise refuse(key)
    elif key == "singleValueExtendedProperties":
        set_properties(msg, value, creating)
    else:
        return False
    return True


# content: at create, later only while it is a draft

def _set_headers(msg, value):
    if not isinstance(value, list):
        raise refuse("internetMessageHeaders")
    for header in value:
        _object("internetMessageHeaders", header, {"name", "value"})
        name, text = header.get("name"), header.get("value")
        if not isinstance(name, str) or not isinstance(text, str) or \
                not re.fullmatch(r"[xX]-[!-9;-~]+", name) or \
                len(text) > HEADER_VALUE_MAX:
            raise Error(400, "InvalidInternetMessageHeader",
                        "Internet message headers begin with 'x-'.")
    if len(value) > HEADERS_MAX:
        raise Error(400, "InvalidInternetMessageHeaderCollection",
                    f"At most {HEADERS_MAX} headers.")
    msg.headers = [(h["name"], h["value"]) for h in value]


def set_content(msg, key, value):
    """False if the key is none of these."""
    if key == "subject":
        msg.subject = _text(key, value)
    elif key == "body":
        _object(key, value, {"contentType", "content"})
        kind = str(value.get("contentType", "text")).lower()
        if kind not in ("text", "html"):
            raise refuse("body.contentType")
        msg.body = (kind, _text(key, value.get("content")))
    elif key in PEOPLE:
        if not isinstance(value, list):
            raise refuse(key)
        msg.addr[PEOPLE[key]] = [_recipient(key, v) for v in value]
    elif key in ("from", "sender"):
        msg.addr[key] = [_recipient(key, value)] if value else []
    elif key == "internetMessageId":
        msg.message_id = _text(key, value)
    elif key == "internetMessageHeaders":
        _set_headers(msg, value)
    else:
        return False
    return True
