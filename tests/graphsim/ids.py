"""Ids as Exchange makes them: long, opaque, case-sensitive."""

import base64
import hashlib
import re


def _digest(kind, *parts):
    text = "\0".join((kind,) + tuple(str(p) for p in parts))
    out = b""
    n = 0
    while len(out) < 128:
        out += hashlib.sha256(f"{text}\0{n}".encode()).digest()
        n += 1
    return out


def _b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def immutable(mailbox, number):
    """68 characters. Every second one differs from its neighbour in letter
    case alone, the trap that case-folding stores fall into."""
    digest = _digest("imm", mailbox, number // 2)[:30]
    text = "AAkALgAAAAAAHYQDEapmEc2byACqAC-" + _b64(digest)[:32]
    return text + ("AbC" if number % 2 else "aBc") + "AA"


def default(mailbox, folder, number, version):
    """152 characters; contains the folder, so it changes with each move."""
    return "AAMkA" + _b64(_digest("def", mailbox, folder, number, version)
                          [:110])[:145] + "A="


def folder(mailbox, number):
    return "AAMkAF" + _b64(_digest("folder", mailbox, number)[:84]) + "AAA="


def change_key(number):
    return "CQAAABYAAAA" + _b64(number.to_bytes(8, "big")) + "="


def conversation(subject):
    return "AAQkA" + _b64(_digest("conv", subject)[:72]) + "="


def well_formed(text):
    return re.fullmatch(r"[A-Za-z0-9_-]{40,}={0,2}", text) is not None


def guid(*parts):
    h = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:32]}"
