"""MIME in and out: what Exchange keeps of a message, and the message it makes
anew of that at each $value."""

import base64
import email
import email.policy
import email.utils
import hashlib
import html
import os
import random
import re
from email.header import decode_header

ADDRESS_HEADERS = {"from": "from", "sender": "sender", "to": "to", "cc": "cc",
                   "bcc": "bcc", "reply-to": "replyTo"}
_STRUCTURE = re.compile(rb"^(content-(type|transfer-encoding|disposition|id|"
                        rb"description|language|location)|mime-version)$", re.I)


def decode_words(value):
    """RFC 2047 text as Unicode, forgiving."""
    out = []
    try:
        for part, charset in decode_header(value):
            if isinstance(part, str):
                out.append(part)
                continue
            try:
                out.append(part.decode(charset or "utf-8", "replace"))
            except LookupError:
                out.append(part.decode("latin-1"))
    except Exception:
        return value
    return "".join(out).replace("\r", "").replace("\n", "")


def split_headers(raw):
    """[(name, raw value)], body; the header as bytes, unparsed."""
    headers = []
    pos = 0
    while pos < len(raw):
        end = raw.find(b"\n", pos)
        end = len(raw) if end < 0 else end + 1
        line = raw[pos:end]
        if line in (b"\r\n", b"\n"):
            return headers, raw[end:]
        if line[:1] in (b" ", b"\t") and headers:
            headers[-1][1] += line
        elif b":" in line:
            name, value = line.split(b":", 1)
            headers.append([name.strip(), value])
        elif pos == 0 and line.startswith(b"From "):
            pass
        else:
            return headers, raw[pos:]
        pos = end
    return headers, b""


def unfold(value):
    text = value.decode("utf-8", "surrogateescape")
    text = re.sub(r"\r?\n[ \t]+", " ", text).strip()
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def addresses(values):
    out = []
    for name, addr in email.utils.getaddresses(values):
        if name or addr:
            out.append({"emailAddress": {"name": decode_words(name) or addr,
                                         "address": addr}})
    return out


class Parsed:
    """What an item keeps."""

    def __init__(self, raw):
        raw_headers, self.raw_body = split_headers(raw)
        self.raw_headers = [(n.decode("ascii", "replace"), v)
                            for n, v in raw_headers]
        self.headers = [(n, unfold(v)) for n, v in self.raw_headers]
        self.msg = email.message_from_bytes(raw)
        self.size = len(raw)
        ctype = self.msg.get_content_type()
        self.opaque = ctype in ("multipart/signed", "multipart/encrypted",
                                "application/pkcs7-mime",
                                "application/x-pkcs7-mime",
                                "multipart/report")
        self.text = None          # (content type header value, bytes)
        self.html = None
        self.attachments = []
        if not self.opaque:
            self._walk(self.msg)

    def first(self, name):
        for n, v in self.headers:
            if n.lower() == name:
                return v
        return None

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name]

    def _walk(self, part):
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            for sub in part.get_payload():
                self._walk(sub)
            return
        ctype = part.get_content_type()
        disposition = str(part.get_content_disposition() or "")
        if part.is_multipart():         # message/rfc822 and friends
            data = b"\r\n".join(bytes(p.as_bytes()) for p in part.get_payload())
        else:
            data = part.get_payload(decode=True)
            if data is None:
                data = b""
        if disposition != "attachment" and not part.get_filename():
            if ctype == "text/html" and self.html is None:
                self.html = (part, data)
                return
            if ctype == "text/plain" and self.text is None:
                self.text = (part, data)
                return
        self.attachments.append(Attachment.of_part(part, ctype, disposition,
                                                   data))

    def body(self):
        kind, source = (("html", self.html) if self.html else
                        ("text", self.text))
        if source is None:
            return "text", ""
        part, data = source
        charset = part.get_content_charset() or "utf-8"
        try:
            return kind, data.decode(charset, "replace")
        except LookupError:
            return kind, data.decode("latin-1")


class Attachment:
    def __init__(self, name, ctype, data, inline=False, cid=None,
                 headers=None):
        self.name = name
        self.ctype = ctype
        self.data = data
        self.inline = inline
        self.cid = cid
        self.headers = headers        # of the original part

    @classmethod
    def of_part(cls, part, ctype, disposition, data):
        name = None
        try:
            name = part.get_filename()
        except Exception:
            pass
        cid = part.get("Content-ID")
        cid = str(cid).strip().strip("<>") if cid else None
        headers = [(k, str(v)) for k, v in part.items()
                   if k.lower() in ("content-type", "content-disposition",
                                    "content-id", "content-description")]
        return cls(decode_words(name) if name else "", ctype, data,
                   disposition == "inline" or bool(cid), cid, headers)

    @property
    def sha(self):
        return hashlib.sha256(self.data).hexdigest()


def _b64(data):
    text = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return text


def _fold(name, value):
    return name.encode("utf-8", "surrogateescape") + b":" + value


def _crlf(data):
    return re.sub(rb"\r?\n", b"\r\n", data)


def _leaf(header_lines, data):
    lines = [f"{k}: {v}".encode("utf-8", "surrogateescape")
             for k, v in header_lines]
    kind = dict((k.lower(), v) for k, v in header_lines)
    if kind.get("content-type", "").lower().startswith("message/"):
        # RFC 2046 5.2.1: no base64 here
        lines.append(b"Content-Transfer-Encoding: 8bit")
        return _crlf(b"\n".join(lines)) + b"\r\n\r\n" + _crlf(data)
    lines.append(b"Content-Transfer-Encoding: base64")
    return _crlf(b"\n".join(lines)) + b"\r\n\r\n" + _b64(data)


def _text_leaf(source, subtype):
    part, data = source
    if part is None:
        return _leaf([("Content-Type", f'text/{subtype}; charset="utf-8"')],
                     data)
    return _leaf([("Content-Type", part.get("Content-Type") or
                   f"text/{subtype}")], data)


def _attachment_leaf(att):
    if att.headers is not None:
        return _leaf(att.headers or [("Content-Type", att.ctype)], att.data)
    name = email.utils.encode_rfc2231(att.name, "utf-8")
    lines = [("Content-Type", f"{att.ctype}; name*={name}"),
             ("Content-Disposition",
              f"{'inline' if att.inline else 'attachment'}; filename*={name}")]
    if att.cid:
        lines.append(("Content-ID", f"<{att.cid}>"))
    return _leaf(lines, att.data)


def _multipart(subtype, parts):
    boundary = f"_{random.randrange(1000):03d}_{os.urandom(12).hex()}_"
    out = [f'Content-Type: multipart/{subtype};\r\n\tboundary="{boundary}"'
           .encode(), b"\r\n\r\n"]
    for part in parts:
        out.append(b"--" + boundary.encode() + b"\r\n" + part)
        if not part.endswith(b"\r\n"):
            out.append(b"\r\n")
    out.append(b"--" + boundary.encode() + b"--\r\n")
    return b"".join(out)


def _rewritten(source):
    """The text that Exchange makes of HTML."""
    text = html.unescape(re.sub(rb"<[^>]*>", b"", source[1]).decode(
        "utf-8", "replace"))
    return None, text.strip().encode()


def regenerate(item, text_alternative="kept"):
    """$value. item has raw_headers [(name, raw bytes)], text, html,
    attachments, and opaque with raw_body and its structure headers."""
    named, structure, rank = [], [], {}
    rng = random.Random(len(item.raw_headers))
    for name, value in item.raw_headers:
        line = _crlf(_fold(name, value).rstrip(b"\r\n"))
        if _STRUCTURE.match(name.encode("utf-8", "replace")):
            structure.append(line)
        else:
            # another order, but not among fields of one name
            rank.setdefault(name.lower(), rng.random())
            named.append((rank[name.lower()], line))
    own = [line for _, line in sorted(named, key=lambda pair: pair[0])]
    own.append(b"X-MS-Has-Attach: " + (b"yes" if item.attachments else b""))
    own.append(b"X-MS-Exchange-Organization-SCL: -1")
    own.append(b"MIME-Version: 1.0")
    head = b"\r\n".join(own) + b"\r\n"
    if item.opaque:
        keep = [h for h in structure if not h.lower().startswith(b"mime-v")]
        return head + b"\r\n".join(keep) + b"\r\n\r\n" + _crlf(item.raw_body)
    parts = []
    text = item.text
    if text is not None and item.html is not None and \
            text_alternative == "rewritten":
        text = _rewritten(item.html)
    if text is not None:
        parts.append(_text_leaf(text, "plain"))
    if item.html is not None:
        parts.append(_text_leaf(item.html, "html"))
    if not parts and not item.attachments:
        parts.append(_leaf([("Content-Type", "text/plain")], b""))
    if len(parts) > 1:
        parts = [_multipart("alternative", parts)]
    parts += [_attachment_leaf(a) for a in item.attachments]
    body = parts[0] if len(parts) == 1 else _multipart("mixed", parts)
    return head + body
