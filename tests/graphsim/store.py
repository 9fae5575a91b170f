"""Mailboxes: folders, messages, and a log of what changed in each folder."""

import calendar
import copy
import hashlib
import time
import types
from datetime import datetime, timezone

from . import ids, mimeio, props

ROLES = {
    # well-known name: (English, German, made with the mailbox)
    "inbox": ("Inbox", "Posteingang", True),
    "drafts": ("Drafts", "Entwürfe", True),
    "sentitems": ("Sent Items", "Gesendete Elemente", True),
    "deleteditems": ("Deleted Items", "Gelöschte Elemente", True),
    "junkemail": ("Junk Email", "Junk-E-Mail", True),
    "outbox": ("Outbox", "Postausgang", True),
    "archive": ("Archive", "Archiv", False),
    "conversationhistory": ("Conversation History", "Aufgezeichnete "
                            "Unterhaltungen", False),
}
HIDDEN_ROLES = ("msgfolderroot", "recoverableitemsdeletions")


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text):
    text = text.strip().rstrip("Z").split(".")[0]
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


class Folder:
    def __init__(self, box, number, name, parent, hidden=False):
        self.box = box
        self.id = ids.folder(box.oid, number)
        self.name = name
        self.parent = parent
        self.hidden = hidden
        self.role = None
        self.messages = {}            # number -> Message
        # (seq, number, came|row|read|gone, default id when gone, time)
        self.log = []

    def path(self):
        if self.parent is None or self.parent is self.box.root:
            return self.name
        return self.parent.path() + "/" + self.name

    def children(self):
        return [f for f in self.box.folders.values() if f.parent is self]


class Message:
    _WRITABLE = ("subject", "addr", "message_id", "is_read", "flag",
                 "flag_dates", "categories", "importance", "props", "body",
                 "headers")

    def __init__(self, box, number):
        self.box = box
        self.number = number
        self.id = ids.immutable(box.oid, number)
        self.version = 0
        self.change = 0
        self.folder = None
        self.subject = ""
        self.addr = {k: [] for k in ("from", "sender", "to", "cc", "bcc",
                                     "replyTo")}
        self.message_id = None
        self.is_read = self.counted_read = False
        self.is_draft = False
        self.flag = "notFlagged"
        self.flag_dates = {}
        self.categories = []
        self.importance = "normal"
        self.received = self.sent = self.created = self.modified = 0
        self.props = {}               # key -> (normalized id, value)
        self.body = ("text", "")
        self.headers = []             # internetMessageHeaders
        self.content = None           # for regenerate(); or
        self.source = None            # what gives the MIME when asked
        self.attachments_later = []
        self.poison = None

    def default_id(self):
        return ids.default(self.box.oid, self.folder.id, self.number,
                           self.version)

    @property
    def content(self):
        if self._content is None and self.source is not None:
            self._content = mimeio.Parsed(self.source())
        return self._content

    @content.setter
    def content(self, content):
        self._content = content

    @property
    def change_key(self):
        return ids.change_key(self.change)

    def set_prop(self, ident, value):
        self.props[props.key(ident)] = (props.normalize(ident), str(value))

    def prop(self, ident):
        entry = self.props.get(props.key(ident))
        return entry[1] if entry else None

    def writable(self):
        """A double, to try changes on."""
        new = copy.copy(self)
        for name in self._WRITABLE:
            setattr(new, name, copy.deepcopy(getattr(self, name)))
        return new

    def take(self, double):
        for name in self._WRITABLE:
            setattr(self, name, getattr(double, name))

    def header_block(self):
        """As it travelled; None for what was never sent."""
        if self.is_draft or self.content is None:
            return None
        return "".join(f"{n}: {v}\r\n" for n, v in self.headers) or None

    @property
    def attachments(self):
        return self.content.attachments

    @property
    def has_attachments(self):
        """As hasAttachments says: not for inline ones alone."""
        if self._content is None:
            return False              # generated text
        return any(not a.inline for a in self.attachments)


class Mailbox:
    def __init__(self, address, locale="en"):
        self.address = address
        self.oid = ids.guid("user", address)
        self.display_name = address.split("@")[0].title()
        self.proxies = [f"SMTP:{address}"]
        self.mail = address
        self.locale = locale
        self.folders = {}
        self.folder_log = []          # (seq, folder id, counts alone)
        self.messages = {}            # number -> Message
        self.by_id = {}
        self.seq = 0
        self.next_number = 1
        self.next_folder = 1
        self.clock = time.time
        self.root = self._folder("msgfolderroot", None)
        self.root.role = "msgfolderroot"
        dumpster = self._folder("recoverableitemsdeletions", None)
        dumpster.role = "recoverableitemsdeletions"
        for role, names in ROLES.items():
            if names[2]:
                self.make_role(role)

    # folders

    def _folder(self, name, parent, hidden=False):
        folder = Folder(self, self.next_folder, name, parent, hidden)
        self.next_folder += 1
        self.folders[folder.id] = folder
        self.touch_folder(folder)
        return folder

    def touch_folder(self, folder, counts=False):
        self.seq += 1
        self.folder_log.append((self.seq, folder.id, counts))

    def make_role(self, role):
        folder = self._folder(ROLES[role][1 if self.locale == "de" else 0],
                              self.root)
        folder.role = role
        return folder

    def find_folder(self, ident):
        """By id or well-known name; None."""
        folder = self.folders.get(ident)
        if folder is None:
            for f in self.folders.values():
                if f.role == ident.lower():
                    return f
        return folder

    def folder_by_path(self, path, create=False):
        parent = self.root
        for name in path.split("/"):
            match = [f for f in parent.children()
                     if f.name.lower() == name.lower() or
                     f.role == name.lower()]
            if match:
                parent = match[0]
            elif create:
                parent = self._folder(name, parent)
            else:
                return None
        return parent

    def name_taken(self, parent, name, but=None):
        return any(f.name.lower() == name.lower() and f is not but
                   for f in parent.children())

    def remove_folder(self, folder):
        for child in folder.children():
            self.remove_folder(child)
        for msg in list(folder.messages.values()):
            self.remove(msg)
        del self.folders[folder.id]
        self.touch_folder(folder)

    # messages

    def _log(self, folder, number, kind, old_id=None, counts=True):
        self.seq += 1
        folder.log.append((self.seq, number, kind, old_id, self.clock()))
        if counts:
            self.touch_folder(folder, counts=True)

    def _index(self, msg):
        self.by_id[msg.id] = msg
        self.by_id[msg.default_id()] = msg

    def find(self, ident):
        msg = self.by_id.get(ident)
        if msg is None or msg.folder is None:
            return None
        if ident != msg.id and ident != msg.default_id():
            return None               # a default id from before a move
        return msg

    def new_message(self):
        msg = Message(self, self.next_number)
        self.next_number += 1
        msg.created = msg.modified = int(self.clock())
        msg.received = msg.sent = msg.created
        return msg

    def add(self, msg, folder):
        msg.folder = folder
        folder.messages[msg.number] = msg
        self.messages[msg.number] = msg
        self._index(msg)
        self.changed(msg, "came")

    def changed(self, msg, kind="row"):
        self.seq += 1
        msg.change = self.seq
        msg.modified = int(self.clock())
        # the folder's row has no more of it than counts
        self._log(msg.folder, msg.number, kind, counts=kind == "came" or
                  msg.counted_read != msg.is_read)
        msg.counted_read = msg.is_read

    def remove(self, msg):
        folder = msg.folder
        del folder.messages[msg.number]
        del self.messages[msg.number]
        self._log(folder, msg.number, "gone", msg.default_id())
        msg.folder = None

    def move(self, msg, folder):
        if folder is msg.folder:
            return
        old = msg.folder
        del old.messages[msg.number]
        self._log(old, msg.number, "gone", msg.default_id())
        msg.version += 1
        msg.folder = folder
        folder.messages[msg.number] = msg
        self._index(msg)
        self.changed(msg, "came")

    def copy(self, msg, folder):
        new = self.new_message()
        for name in ("subject", "message_id", "is_read", "is_draft", "flag",
                     "importance", "received", "sent", "body"):
            setattr(new, name, getattr(msg, name))
        new.content = copy.copy(msg.content)
        new.content.attachments = list(msg.attachments)
        new.flag_dates = dict(msg.flag_dates)
        new.categories = list(msg.categories)
        new.addr = {k: list(v) for k, v in msg.addr.items()}
        new.props = dict(msg.props)
        new.headers = list(msg.headers)
        self.add(new, folder)
        return new

    # content

    def fill_from_mime(self, msg, raw):
        content = mimeio.Parsed(raw)
        msg.content = content
        msg.headers = content.headers
        msg.subject = mimeio.decode_words(content.first("subject") or "")
        for header, key in mimeio.ADDRESS_HEADERS.items():
            msg.addr[key] = mimeio.addresses(content.all(header))
        if not msg.addr["sender"]:
            msg.addr["sender"] = msg.addr["from"][:1]
        msg.message_id = (content.first("message-id") or "").strip() or None
        if msg.message_id is None:
            digest = hashlib.sha256(raw).hexdigest()[:24]
            msg.message_id = f"<{digest}@sim.prod.outlook.com>"
        msg.body = content.body()
        for header, ident in (("in-reply-to", props.IN_REPLY_TO),
                              ("references", props.REFERENCES)):
            if content.first(header):
                msg.set_prop(ident, content.first(header))
        try:
            parsed = mimeio.email.utils.parsedate_to_datetime(
                content.first("date"))
            if parsed.tzinfo is None:
                parsed = parsed.replace(tzinfo=timezone.utc)
            msg.sent = int(parsed.timestamp())
        except Exception:
            pass
        # the size in the store has little to do with the MIME's
        msg.set_prop(props.MESSAGE_SIZE,
                     int(content.size * (0.72 + (msg.number % 9) / 20)) + 900)

    def deliver(self, raw, folder, received=None, read=False):
        msg = self.new_message()
        self.fill_from_mime(msg, raw)
        msg.received = int(received if received is not None else self.clock())
        msg.is_read = read
        self.add(msg, folder)
        return msg


def rebuild(msg):
    """What a draft holds, after its fields have changed."""
    msg.attachments_later = msg.attachments
    msg.content = built_content(msg)


def built_content(msg):
    """Content of a message that came as JSON: headers from 0x007D where
    given, else from the fields."""
    block = msg.prop(props.HEADERS)
    raw = []
    if block:
        pairs, _ = mimeio.split_headers(block.encode("utf-8") + b"\r\n\r\n")
        raw = [(n.decode("ascii", "replace"), v) for n, v in pairs]
    have = {n.lower() for n, _ in raw}

    def put(name, value):
        if value and name.lower() not in have:
            raw.append((name, (" " + value + "\r\n").encode()))

    def encode(text):
        return mimeio.email.header.Header(text, "utf-8").encode() \
            if not text.isascii() else text

    def people(key):
        out = []
        for a in msg.addr[key]:
            e = a["emailAddress"]
            name = e.get("name") or ""
            address = e.get("address") or ""
            # formataddr() refuses addresses that are not ASCII
            name = "" if name == address else mimeio.email.utils.formataddr(
                (name, ""))[:-2]
            out.append(f"{name}<{address}>" if name else address)
        return ", ".join(out)

    for name, key in (("From", "from"), ("To", "to"), ("Cc", "cc"),
                      ("Bcc", "bcc"), ("Reply-To", "replyTo")):
        put(name, people(key))
    put("Subject", encode(msg.subject))
    put("Message-ID", msg.message_id)
    put("Date", mimeio.email.utils.formatdate(msg.sent))
    put("In-Reply-To", msg.prop(props.IN_REPLY_TO))
    put("References", msg.prop(props.REFERENCES))
    kind, text = msg.body
    data = text.encode("utf-8")
    return types.SimpleNamespace(
        raw_headers=raw, opaque=False, raw_body=b"",
        text=(None, data) if kind == "text" else None,
        html=(None, data) if kind == "html" else None,
        attachments=msg.attachments_later)
