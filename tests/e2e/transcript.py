"""IMAP transcripts as short tables, with other people's changes in between.

A scenario is text, a step or an expectation a line:

    1 SELECT BOX          session 1 sends it; the answer must be OK, unless the
                          next lines say NO or BAD
    * 3 EXISTS            some untagged line of that answer matches (a regular
                          expression; named groups are kept for $name)
    ! EXPUNGE             no untagged line of that answer does
    OK|NO|BAD pattern     what the tagged line is
    1? EXISTS             session 1, idle, hears such a line in time
    sim deliver m4        somebody else did it: an operation of the simulator.
    sim patch m1 isRead=true     Messages go by their Message-ID, lists are
                          a|b, and a folder is BOX if not said otherwise
    graph BOX m1 m2       exactly these are at Graph, in no order
    graph m1 isRead=true  ... and this is so of a message
    requests 0            asked of Graph since the last such line, or "clear"
    wait 1.5              seconds
    end 1                 session 1 closes its connection; later lines of it
                          are a new session

BOX is a folder of the scenario's own, with m1, m2 and m3 in it. {m4} is the
literal of a sample message, {=text} of a text with escapes, both sent without
waiting; {+m4} waits for the continuation."""

import email.message
import email.policy
import random
import re
import socket
import textwrap
import time
import zlib

import dovecot
from rig import PASSWORD, Rig

WAIT_SECS = 15


def mime(name, box="t"):
    """Sample messages: m1, m2 ... plain, p1 ... with an attachment, h1 ...
    HTML and text, i1 ... with an inline image, n1 ... with a message inside,
    r<n>_<m> plain and an answer to m<m>."""
    kind, number = name[0], int(re.search(r"\d+", name).group())
    parent = name.partition("_")[2]
    msg = email.message.EmailMessage(policy=email.policy.SMTP)
    msg["From"] = f"Ann {number} <ann{number}@example.net>"
    msg["To"] = "alice@example.com"
    msg["Subject"] = (f"Re: subject {parent}" if parent else
                      f"subject {number}")
    msg["Message-ID"] = f"<{name}@{box}>"
    msg["Date"] = f"Tue, {number % 28 + 1:02} Sep 2020 10:00:00 +0200"
    if parent:
        msg["In-Reply-To"] = msg["References"] = f"<m{parent}@{box}>"
    msg.set_content(f"Text of {name}\nwith a second line, w{number}ord\n")
    if kind == "h":
        msg.add_alternative(f"<p>Text of <b>{name}</b></p>\n", subtype="html")
    elif kind == "p":
        msg.add_attachment(random.Random(number).randbytes(3000),
                           maintype="application", subtype="octet-stream",
                           filename=f"{name}.bin")
    elif kind == "i":
        msg.add_related(b"\x89PNG" + bytes(900), maintype="image",
                        subtype="png", cid=f"<{name}@image>")
    elif kind == "n":
        inner = email.message_from_bytes(mime(f"m{number}x", box),
                                         policy=email.policy.SMTP)
        msg.add_attachment(inner)
    return msg.as_bytes()


class Session:
    def __init__(self, port, user):
        self.sock = socket.create_connection(("127.0.0.1", port), 30)
        self.buffer, self.inflate, self.deflate = b"", None, None
        self.tag, self.idle = 0, None
        self.line()
        self.run(f"LOGIN {user} {PASSWORD}")

    def receive(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the connection was closed")
        self.buffer += self.inflate.decompress(data) if self.inflate else data

    def take(self, size):
        while len(self.buffer) < size:
            self.receive()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def line(self):
        """One line, with the literals in it."""
        out = b""
        while True:
            while b"\r\n" not in self.buffer:
                self.receive()
            part = self.take(self.buffer.index(b"\r\n") + 2)
            out += part[:-2]
            literal = re.search(rb"~?\{(\d+)\}$", out)
            if not literal:
                return out.decode("utf-8", "surrogateescape")
            out += b"\r\n" + self.take(int(literal.group(1)))

    def send(self, data):
        if self.deflate:
            data = self.deflate.compress(data) + \
                self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(data)

    def run(self, command, parts=()):
        """The untagged lines and the tagged one. parts: what follows when the
        server has asked for it."""
        self.tag += 1
        tag = f"t{self.tag}"
        parts = list(parts)
        if not isinstance(command, bytes):
            command = command.encode()
        self.send(tag.encode() + b" " + command + b"\r\n")
        untagged = []
        while True:
            line = self.line()
            if line.startswith(tag + " "):
                tagged = line[len(tag) + 1:]
                break
            if line.startswith("+") and parts:
                self.send(parts.pop(0))
            elif line.startswith("+") and command.upper() == b"IDLE":
                self.idle = tag
                return untagged, "OK idling"
            else:
                untagged.append(line)
        if command.upper().startswith(b"COMPRESS") and \
                tagged.startswith("OK"):
            self.inflate = zlib.decompressobj(-15)
            self.deflate = zlib.compressobj(wbits=-15)
        return untagged, tagged

    def done(self):
        self.send(b"DONE\r\n")
        untagged = []
        while True:
            line = self.line()
            if line.startswith(self.idle + " "):
                self.idle = None
                return untagged, line.split(" ", 1)[1]
            untagged.append(line)

    def hear(self, pattern):
        """An untagged line that comes by itself."""
        end, heard = time.time() + WAIT_SECS, []
        while time.time() < end:
            self.sock.settimeout(max(0.1, end - time.time()))
            try:
                heard.append(self.line())
            except socket.timeout:
                break
            finally:
                self.sock.settimeout(30)
            match = re.search(pattern, heard[-1], re.S)
            if match:
                return match
        raise AssertionError(f"not heard: {pattern}; but {heard}")

    def close(self):
        self.sock.close()


def value(text):
    if "|" in text:
        return [part for part in text.split("|") if part]
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


class Scenario:
    def __init__(self, rig, box, user=None):
        self.rig, self.box = rig, box
        self.user = user or rig.users[0]
        self.sessions, self.vars = {}, {}
        self.untagged, self.tagged, self.judged = [], None, True

    # words of the script

    def expand(self, text, escape=False):
        text = re.sub(r"\bBOX", lambda _: self.box, text)
        return re.sub(r"\$(\w+)", lambda m: (re.escape if escape else str)(
            self.vars[m.group(1)]) if m.group(1) in self.vars else m.group(),
            text)

    def match(self, pattern, lines):
        for line in lines:
            found = re.search(self.expand(pattern, True), line, re.S)
            if found:
                self.vars.update({k: v for k, v in found.groupdict().items()
                                  if v is not None})
                return True
        return False

    def session(self, number):
        if number not in self.sessions:
            self.sessions[number] = Session(self.rig.imap_port, self.user)
        return self.sessions[number]

    def pieces(self, command):
        """The command, and what is sent after each continuation."""
        out = [b""]
        for part in re.split(r"(\{\+?[a-z]\d\w*\}|\{\+?=.*?\})", command):
            literal = re.fullmatch(r"\{(\+?)(=?)(.*)\}", part)
            if literal is None:
                out[-1] += self.expand(part).encode()
                continue
            wait, is_text, name = literal.groups()
            data = name.encode().decode("unicode_escape").encode("latin-1") \
                if is_text else mime(name, self.box)
            if wait:
                out[-1] += b"{%d}" % len(data)
                out.append(data)
            else:
                out[-1] += b"{%d+}\r\n" % len(data) + data
        out[1:] = [piece + b"\r\n" if piece is out[-1] else piece
                   for piece in out[1:]]
        return out[0], out[1:]

    def run_command(self, number, command):
        session = self.session(number)
        if command == "DONE":
            self.untagged, self.tagged = session.done()
        else:
            first, rest = self.pieces(command)
            self.untagged, self.tagged = session.run(first, rest)
        self.judged = False

    def judge(self, want="OK", pattern=""):
        if self.judged:
            return
        self.judged = True
        assert self.tagged.split(" ")[0] in want.split("|"), self.tagged
        assert self.match(pattern, [self.tagged]), (pattern, self.tagged)

    def find(self, name):
        found = [m["id"] for m in self.rig.messages(self.user)
                 if m["internetMessageId"] == f"<{name}@{self.box}>" and
                 m["role"] != "recoverableitemsdeletions"]
        assert found, f"{name} is not there"
        return found

    def sim(self, words):
        op, *rest = words.split()
        data = {"user": self.user}
        data.update((key, value(text)) for key, sign, text in
                    (word.partition("=") for word in rest) if sign)
        names = [word for word in rest if "=" not in word]
        if op == "deliver":
            data.setdefault("folder", self.box)
        elif op in ("fault", "switch", "settings"):
            del data["user"]
        if op != "deliver":
            found = [ident for name in names for ident in self.find(name)]
            self.rig.sim(op, **data, **({"ids": found} if found else {}))
        elif "count" in data:
            self.rig.sim("deliver", **data)
        for name in names if op == "deliver" else ():
            self.rig.sim("deliver", **data,
                         mime=mime(name, self.box).decode())

    def graph(self, words):
        first, *rest = words.split()
        if any("=" in word for word in rest):
            wanted = {k: value(v) for k, v in
                      (word.split("=", 1) for word in rest)}
            for msg in self.rig.messages(self.user):
                if msg["id"] in self.find(first):
                    got = {k: msg[k] for k in wanted}
                    assert got == wanted, got
            return
        have = sorted(m["internetMessageId"][1:].split("@")[0] for m in
                      self.rig.messages(self.user, first))
        assert have == sorted(rest), have

    def step(self, line):
        line = line.strip()
        word, _, rest = line.partition(" ")
        if re.fullmatch(r"(OK|NO|BAD)(\|(OK|NO|BAD))*", word):
            self.judge(word, rest)
        elif word == "*":
            assert self.match(rest, self.untagged), (self.untagged,
                                                     self.tagged)
        elif word == "!":
            assert not self.match(rest, self.untagged), self.untagged
        else:
            self.judge()
            self.act(word, rest)

    def act(self, word, rest):
        if re.fullmatch(r"\d\?", word):
            found = self.session(word[0]).hear(self.expand(rest, True))
            self.vars.update(found.groupdict())
        elif word.isdigit():
            self.run_command(word, rest)
        elif word == "sim":
            self.sim(self.expand(rest))
        elif word == "graph":
            self.graph(self.expand(rest))
        elif word == "requests":
            asked = self.rig.requests()
            assert len(asked) == int(rest), asked
            self.rig.sim("log/clear")
        elif word == "clear":
            self.rig.sim("log/clear")
        elif word == "wait":
            time.sleep(float(rest))
        elif word == "end":
            self.sessions.pop(rest).close()
        else:
            raise ValueError(f"no such step: {word} {rest}")

    def run(self, text):
        lines = [l for l in textwrap.dedent(text).splitlines() if l.strip()]
        try:
            for number, line in enumerate(lines):
                try:
                    self.step(line)
                except Exception as error:
                    raise AssertionError(
                        f"line {number + 1}: {line.strip()}\n{error!r}"
                    ) from error
            self.judge()
        finally:
            for session in self.sessions.values():
                session.close()


def prepare(rig, names):
    """A folder with m1, m2 and m3 for each scenario: {name: folder}."""
    boxes = {}
    for number, name in enumerate(names):
        boxes[name] = f"S{number}"
        rig.sim("folder", op="create", path=boxes[name])
        for n in (1, 2, 3):
            rig.sim("deliver", folder=boxes[name], received=1600000000 + n,
                    mime=mime(f"m{n}", boxes[name]).decode())
    return boxes


def polling_rig(scenarios, interval="1s"):
    """With every extension of IMAP; news comes by polling."""
    rig = Rig(settings={"msgraph_poll_interval": interval},
              extra=dovecot.imap_extra())
    rig.start()
    rig.boxes = prepare(rig, ids(scenarios))
    return rig


def ids(scenarios):
    names = [name for name, _ in scenarios]
    assert len(names) == len(set(names))
    return names
