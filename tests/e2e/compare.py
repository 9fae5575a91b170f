"""What a message says, made out by Python's email, which shares no code with
the plugin: to compare a message with what became of it."""

import base64
import collections
import email
import email.errors
import email.header
import email.policy
import email.utils
import re

# made anew by the service with the structure, or added by it
_MADE = re.compile(r"^(content-.*|mime-version|x-ms-.*)$", re.I)


def unfolded(value):
    return re.sub(r"\s+", " ", str(value)).strip()


def parse_fields(data):
    """[(name, value)] of a header block as bytes, values unfolded. Ends at
    the first line that is no field, as the mail parsers of servers do."""
    fields = []
    for line in re.split(rb"\r?\n", data):
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1][1] += line
            continue
        name, colon, value = line.partition(b":")
        if not line or not colon:
            if line.startswith(b"From ") and not fields:
                continue
            break
        fields.append([name.strip().lower(), value])
    return [(name.decode("ascii", "replace"),
             b" ".join(value.replace(b"\0", b"").split())
             .decode("utf-8", "replace")) for name, value in fields]


def decoded(value):
    """Encoded words as Unicode."""
    try:
        text = str(email.header.make_header(
            email.header.decode_header(value)))
    except (LookupError, ValueError, email.errors.HeaderParseError):
        text = value
    return unfolded(re.sub("\ufffd+", "\ufffd", text))


def kept_fields(data):
    """{(name, value): how often} of the fields that the service keeps."""
    return collections.Counter(
        (n, v) for n, v in parse_fields(data) if not _MADE.match(n))


def moment(value):
    """Seconds of a date field; None if it is no date of this age."""
    try:
        seconds = email.utils.mktime_tz(email.utils.parsedate_tz(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if re.search(r"\d:\d\d:\d\d", value) and \
        0 < seconds < 4102444800 else None


def people(value):
    """Display names and addresses of an address field."""
    return [(decoded(name) if name != addr else "", addr)
            for name, addr in email.utils.getaddresses([value])
            if name or addr]


def mailboxes(value):
    """The addresses only; what is none is left out. A domain has no case, and
    Dovecot 2.4.5's parser makes it small (IDNA)."""
    return [local + "@" + domain.lower() for local, at, domain in
            (addr.rpartition("@") for _, addr in people(value))
            if re.fullmatch(r"[^\s@]+@[^\s@]+", local + at + domain)]


def message_ids(value):
    return re.findall(r"<[^<>]+>", value)


def _lines(data):
    return b"\n".join(re.split(rb"\r\n|\r|\n", data)).strip()


def _inner(part):
    """Bytes of a message/* part, whatever transfer encoding it came in."""
    data = b"\n".join(p.as_bytes() for p in part.get_payload())
    while re.fullmatch(rb"[A-Za-z0-9+/=\s]+", data):
        data = base64.b64decode(data)
    data = re.sub(rb"\AFrom [^\n]*\n", b"", data)
    return b" ".join(data.split())


def _charset_text(part, data):
    """Unicode; what parsers show in different ways (controls, what is no
    character of the charset) is left out."""
    charset = part.get_content_charset() or "us-ascii"
    if charset == "iso-8859-1":
        charset = "cp1252"        # what everybody means by it
    text = None
    if charset not in ("us-ascii", "x-unknown"):
        try:
            text = data.decode(charset, "replace")
        except LookupError:
            pass
    if text is None:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    return unfolded(re.sub("[\0-\x08\x0e-\x1f\x7f\ufffd]+", "", text))


class View:
    """texts: (subtype, Unicode); files: (name, bytes) of what is no text."""

    def __init__(self, raw):
        self.msg = email.message_from_bytes(raw)
        self.in_order = parse_fields(raw)
        self.fields = kept_fields(raw)
        self.texts, self.files = [], []
        self.alternative = any(
            part.get_content_type() == "multipart/alternative"
            for part in self.msg.walk())
        self._walk(self.msg)
        self.texts.sort()
        # of these no two parsers make the same
        self.broken = any(isinstance(defect, (
            email.errors.MissingHeaderBodySeparatorDefect,
            email.errors.StartBoundaryNotFoundDefect,
            email.errors.InvalidBase64CharactersDefect,
            email.errors.InvalidBase64PaddingDefect,
            email.errors.InvalidBase64LengthDefect))
            for part in self.msg.walk() for defect in part.defects) or any(
                str(part.get("Content-Transfer-Encoding", "")).endswith(" ")
                for part in self.msg.walk())

    def _walk(self, part):
        kind = part.get_content_type()
        if part.is_multipart() and kind.startswith("multipart/"):
            for sub in part.get_payload():
                self._walk(sub)
            return
        if part.is_multipart():
            self.files.append((None, _inner(part)))
            return
        data = part.get_payload(decode=True) or b""
        name = part.get_filename()
        if kind.startswith("multipart/"):
            kind = "text/plain"   # without any part
        if kind in ("text/plain", "text/html") and name is None and \
                part.get_content_disposition() != "attachment":
            text = _charset_text(part, data)
            if text:
                self.texts.append((kind[5:], text))
            return
        if b"\0" not in data:
            data = _lines(data)
        self.files.append((decoded(name) if name else None, data))

    def field(self, name):
        """The first of that name with something in it, or None."""
        return next((v for n, v in self.in_order if n == name and v), None)

    def file_bytes(self):
        return collections.Counter(data for _, data in self.files)


def signed_entity(raw):
    """A signed message that was made as JSON is one attachment (MS-OXOSMIME
    2.1.2): the message with the entity in its place."""
    msg = email.message_from_bytes(raw)
    for part in msg.walk():
        if part.get_content_type() == "multipart/signed" and \
                part.get_filename() == "smime.p7m":
            head = re.split(rb"\r?\n(?=content-type:)", raw, maxsplit=1,
                            flags=re.I)[0]
            return head + b"\r\n" + part.get_payload(decode=True)
    return raw
