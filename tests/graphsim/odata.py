"""The parts of OData that Graph mail understands: $select, $filter, $expand."""

import re
from urllib.parse import urlencode

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
    "webLink", "singleValueExtendedProperties",
    "multiValueExtendedProperties", "attachments"}
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
    m = re.fullmatch(r"singleValueExtendedProperties/any\(\s*(\w+)\s*:\s*"
                     r"\1/id\s+eq\s+" + _STR + r"\s+and\s+cast\(\1/value,\s*"
                     r"Edm\.Int32\)\s+eq\s+(-?\d+|null)\s*\)", term, re.I)
    if m:
        key, want = props.key(_unquote(m.group(2))), m.group(3)
        return lambda msg: (msg.props.get(key) or ("", "null"))[1] == want
    m = re.fullmatch(r"contains\(body/content,\s*" + _STR + r"\)", term)
    if m:
        want = _unquote(m.group(1)).lower()
        return lambda msg: want in msg.body[1].lower()
    m = re.fullmatch(r"(receivedDateTime|sentDateTime|createdDateTime|"
                     r"lastModifiedDateTime)\s+(ge|gt|le|lt|eq)\s+(\S+)", term)
    if m:
        attr = {"receivedDateTime": "received", "sentDateTime": "sent",
                "createdDateTime": "created",
                "lastModifiedDateTime": "modified"}[m.group(1)]
        try:
            op, when = m.group(2), parse_iso(m.group(3))
        except ValueError:
            raise Error(400, "ErrorInvalidUrlQueryFilter", "date")
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
            "hasAttachments": msg.has_attachments
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


def _split(text, word):
    """The operands of a logical operator, outside of quotes and brackets."""
    terms, depth, quoted, start = [], 0, False, 0
    for i, c in enumerate(text):
        if c == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif c in "()":
            depth += 1 if c == "(" else -1
        elif depth == 0 and text.startswith(word, i):
            terms.append(text[start:i])
            start = i + len(word)
    return terms + [text[start:]]


def _bracketed(text):
    """The inside of (...) that spans all of a text; None."""
    if not text.startswith("(") or not text.endswith(")"):
        return None
    depth = 0
    for i, c in enumerate(text):
        depth += {"(": 1, ")": -1}.get(c, 0)
        if depth == 0 and i < len(text) - 1:
            return None
    return text[1:-1]


def message_filter(text):
    """or, and, not, brackets and comparisons as a predicate."""
    if not text:
        return lambda msg: True
    text = text.strip()
    for word, combine in ((" or ", any), (" and ", all)):
        terms = _split(text, word)
        if len(terms) > 1:
            parts = [message_filter(t) for t in terms]
            return lambda msg: combine(p(msg) for p in parts)
    if re.match(r"not[\s(]", text):
        inner = message_filter(text[3:])
        return lambda msg: not inner(msg)
    inside = _bracketed(text)
    return message_filter(inside) if inside else _compile(text)


def check_order(order, filt):
    """Raises unless $orderby goes with $filter."""
    if not order:
        return
    fields = [part.split()[0] for part in order.split(",") if part.strip()]
    if not set(fields) <= MESSAGE_FIELDS | {"from/emailAddress/address"}:
        raise Error(400, "BadRequest", "$orderby")
    if not filt:
        return
    at = [filt.find(f) for f in fields]
    if -1 in at or at != sorted(at) or not filt.startswith(fields[0]):
        raise Error(400, "InefficientFilter", "The restriction or sort order "
                    "is too complex for this operation.")


def _number(req, name, default, low, high):
    text = req.query.get(name)
    if text is None:
        return default
    if not text.isdigit() or not low <= int(text) <= high:
        raise Error(400, "ErrorInvalidUrlQuery", f"Invalid value of {name}.")
    return int(text)


def page(req, found):
    """(one page of a list, its nextLink and count): counted by $skip, so a
    list that changes meanwhile skips and repeats."""
    top = _number(req, "$top", req.page_size(10), 1, 1000)
    skip = _number(req, "$skip", 0, 0, 1 << 40)
    data = {}
    if req.query.get("$count", "").lower() == "true":
        data["@odata.count"] = len(found)
    if req.sim.switches["list_empty_pages"] == "yes" and \
            "$filter" in req.query and "$skip" not in req.query:
        top = 0
    if len(found) > skip + top or not top:
        query = {k: v for k, v in req.query.items()
                 if k not in ("$skip", "$top")}
        query.update({"$top": top or 1000, "$skip": skip + top})
        data["@odata.nextLink"] = (f"{req.sim.url}{req.path}?" +
                                   urlencode(query, safe="$,/"))
    return found[skip:skip + top], data
