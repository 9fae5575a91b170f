"""Extended (MAPI) property ids: "Integer 0x0E08" and "String {guid} Name x"."""

import re

TYPES = {t.lower(): t for t in (
    "ApplicationTime Binary Boolean CLSID Currency Double Float Integer Long "
    "Short String SystemTime Null Object Error").split()}

_TAG = re.compile(r"^(\w+)\s+(0x[0-9a-fA-F]{1,8})$")
_NAMED = re.compile(r"^(\w+)\s+(\{[0-9a-fA-F-]{36}\})\s+(Name|Id)\s+(.+)$",
                    re.I)

MESSAGE_FLAGS = "Integer 0xe07"
MESSAGE_SIZE = "Integer 0xe08"
DELIVERY_TIME = "SystemTime 0xe06"
SUBMIT_TIME = "SystemTime 0x39"
HEADERS = "String 0x7d"
FLAG_STATUS = "Integer 0x1090"
ICON_INDEX = "Integer 0x1080"
LAST_VERB = "Integer 0x1081"
IN_REPLY_TO = "String 0x1042"
REFERENCES = "String 0x1039"
IMAP_DELETED = "Integer {00062008-0000-0000-c000-000000000046} Id 0x8570"


class BadProperty(ValueError):
    pass


def normalize(text):
    """The spelling that answers use; raises BadProperty."""
    text = text.strip()
    m = _TAG.match(text)
    if m and m.group(1).lower() in TYPES:
        tag = int(m.group(2), 16)
        if tag > 0xFFFF:
            tag >>= 16
        return f"{TYPES[m.group(1).lower()]} {tag:#x}"
    m = _NAMED.match(text)
    if m and m.group(1).lower() in TYPES:
        kind = m.group(3).capitalize()
        name = m.group(4).strip()
        if kind == "Id":
            if not re.fullmatch(r"0x[0-9a-fA-F]{1,8}", name):
                raise BadProperty(text)
            name = f"{int(name, 16):#x}"
        return f"{TYPES[m.group(1).lower()]} {m.group(2).lower()} {kind} {name}"
    raise BadProperty(text)


def key(text):
    return normalize(text).lower()
