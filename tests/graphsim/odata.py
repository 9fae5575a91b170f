"""The parts of OData that Graph mail understands: $select, $filter, $expand."""

import re

from . import props
from .store import parse_iso
from .wire import Error

MESSAGE_FIELDS = {
    "id", "changeKey", "createdDateTime", "lastModifiedDateTime",
    "receivedDateTime", "sentDateTime", "hasAttachments", "internetMessageId",
    "internetMessageHeaders", "subject", "bodyPreview", "body", "uniqueBody",
    "importance", "parentFolderId", "conversationId", "conversationIndex",
    "from", "sender", "toRecipients", "ccRecipients", "bccRecipients",
    "replyTo", "isDeliveryReceiptRequested", "isReadReceiptRequested",
    "isRead", "isDraft", "flag", "categories", "inferenceClassification",
    "webLink", "singleValueExtendedProperties", "attachments"}
FOLDER_FIELDS = {"id", "displayName", "parentFolderId", "childFolderCount",
                 "totalItemCount", "unreadItemCount", "isHidden",
                 "sizeInBytes", "singleValueExtendedProperties"}


def select(text, allowed, kind):
    if not text:
        return None
    names = [n.strip() for n in text.split(",") if n.strip()]
    for name in names:
        if name not in allowed:
            raise Error(400, "BadRequest",
                        "Parsing OData Select and Expand failed: Could not "
                        f"find a property named '{name}' on type "
                        f"'microsoft.graph.{kind}'.")
    return set(names)


def expand(text):
    """Keys of the extended properties asked for; None = none."""
    if not text:
        return None, False
    attachments = "attachments" in text
    m = re.search(r"singleValueExtendedProperties\s*\(\s*\$filter\s*=(.*)\)",
                  text, re.S)
    if not m:
        if attachments:
            return None, True
        raise Error(400, "BadRequest", "Parsing OData Select and Expand "
                    "failed: unknown navigation property.")
    keys = []
    for ident in re.findall(r"id\s+eq\s+'((?:[^']|'')*)'", m.group(1)):
        try:
            keys.append(props.key(ident.replace("''", "'")))
        except props.BadProperty:
            raise Error(400, "ErrorInvalidProperty",
                        f"PropertyId values must be well formed: {ident}")
    return keys, attachments


def _unquote(text):
    return text[1:-1].replace("''", "'")


_STR = r"('(?:[^']|'')*')"


def _compile(term):
    """One comparison as a predicate on a message."""
    term = term.strip()
    m = re.fullmatch(r"singleValueExtendedProperties/any\(\s*(\w+)\s*:\s*"
                     r"\1/id\s+eq\s+" + _STR + r"\s+and\s+\1/value\s+eq\s+" +
                     _STR + r"\s*\)", term, re.I)
    if m:
        key, want = props.key(_unquote(m.group(2))), _unquote(m.group(3))
        return lambda msg: (msg.props.get(key) or ("", None))[1] == want
    m = re.fullmatch(r"(receivedDateTime|sentDateTime|createdDateTime|"
                     r"lastModifiedDateTime)\s+(ge|gt|le|lt|eq)\s+(\S+)", term)
    if m:
        attr = {"receivedDateTime": "received", "sentDateTime": "sent",
                "createdDateTime": "created",
                "lastModifiedDateTime": "modified"}[m.group(1)]
        op, when = m.group(2), parse_iso(m.group(3))
        return lambda msg: {"ge": getattr(msg, attr) >= when,
                            "gt": getattr(msg, attr) > when,
                            "le": getattr(msg, attr) <= when,
                            "lt": getattr(msg, attr) < when,
                            "eq": getattr(msg, attr) == when}[op]
    m = re.fullmatch(r"(internetMessageId|subject|importance|"
                     r"flag/flagStatus|from/emailAddress/address)\s+(eq|ne)\s+"
                     + _STR, term)
    if m:
        field, want = m.group(1), _unquote(m.group(3))

        def value(msg):
            if field == "internetMessageId":
                return msg.message_id
            if field == "subject":
                return msg.subject
            if field == "importance":
                return msg.importance
            if field == "flag/flagStatus":
                return msg.flag
            who = msg.addr["from"]
            return who[0]["emailAddress"]["address"] if who else None
        if m.group(2) == "eq":
            return lambda msg: value(msg) == want
        return lambda msg: value(msg) != want
    m = re.fullmatch(r"(isRead|isDraft|hasAttachments)\s+eq\s+(true|false)",
                     term)
    if m:
        want = m.group(2) == "true"
        field = m.group(1)
        return lambda msg: {
            "isRead": msg.is_read, "isDraft": msg.is_draft,
            "hasAttachments": any(not a.inline for a in msg.attachments)
        }[field] == want
    m = re.fullmatch(r"categories/any\(\s*(\w+)\s*:\s*\1\s+eq\s+" + _STR +
                     r"\s*\)", term)
    if m:
        want = _unquote(m.group(2))
        return lambda msg: want in msg.categories
    m = re.fullmatch(r"(contains|startswith)\(subject,\s*" + _STR + r"\)",
                     term)
    if m:
        want = _unquote(m.group(2)).lower()
        if m.group(1) == "contains":
            return lambda msg: want in msg.subject.lower()
        return lambda msg: msg.subject.lower().startswith(want)
    raise Error(400, "ErrorInvalidUrlQueryFilter",
                "The query filter contains one or more invalid nodes.")


def message_filter(text):
    """A conjunction of comparisons."""
    if not text:
        return lambda msg: True
    terms, depth, quoted, start = [], 0, False, 0
    for i, c in enumerate(text):
        if c == "'":
            quoted = not quoted
        elif not quoted and c == "(":
            depth += 1
        elif not quoted and c == ")":
            depth -= 1
        elif not quoted and depth == 0 and text[i:i + 5] == " and ":
            terms.append(text[start:i])
            start = i + 5
    terms.append(text[start:])
    predicates = [_compile(t) for t in terms]
    return lambda msg: all(p(msg) for p in predicates)
