"""Small things that the tests of IMAP share."""

import base64
import re

MESSAGE = (b"From: Ann <ann@example.net>\r\nTo: bob@example.com\r\n"
           b"Subject: Stored =?utf-8?q?=C3=A9?=\r\nMessage-ID: <%d@example"
           b".net>\r\nDate: Tue, 01 Sep 2020 10:00:00 +0200\r\nX-Odd:  two\r\n"
           b"\r\nBody of the message\r\n..with dots\r\n")


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def command(conn, name, *args):
    """Any command, also those that imaplib does not know."""
    return conn._simple_command(name, *args)


def bodies(conn, what="BODY.PEEK[]", ids="1:*"):
    return [part[1] for part in ok(conn.fetch(ids, f"(UID {what})"))
            if isinstance(part, tuple)]


def by_uid(conn, what, ids="1:*"):
    """{uid: the literal} of a FETCH of one literal."""
    out = {}
    for part in ok(conn.uid("FETCH", ids, f"(UID {what})")):
        if isinstance(part, tuple):
            out[int(re.search(rb"UID (\d+)", part[0]).group(1))] = part[1]
    return out


def flags_by_uid(conn):
    out = {}
    for line in ok(conn.uid("FETCH", "1:*", "(UID FLAGS)")):
        if line is None:
            continue
        uid = int(re.search(rb"UID (\d+)", line).group(1))
        flags = re.search(rb"FLAGS \(([^)]*)\)", line).group(1).split()
        out[uid] = {f.decode() for f in flags} - {"\\Recent"}
    return out


def uidvalidity(conn):
    return int(conn.response("UIDVALIDITY")[1][-1])


def quoted(name):
    """A mailbox name as a quoted string in modified UTF-7."""
    out, rest = "", ""
    for char in name + "\0":
        if char == "\0" or " " <= char <= "~":
            if rest:
                code = rest.encode("utf-16-be")
                out += "&" + _base64(code) + "-"
                rest = ""
            if char == "&":
                out += "&-"
            elif char != "\0":
                out += char
        else:
            rest += char
    out = out.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{out}"'


def _base64(data):
    return base64.b64encode(data).decode().rstrip("=").replace("/", ",")
