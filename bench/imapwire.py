"""A small IMAP client that takes little time of its own: it counts what comes
and keeps only what a row asks for."""

import re
import socket
import ssl

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")


class Refused(Exception):
    pass


class Imap:
    def __init__(self, host, port, tls=False):
        sock = socket.create_connection((host, port), timeout=3600)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            sock = ssl.create_default_context().wrap_socket(
                sock, server_hostname=host)
        self.sock = sock
        self.input = sock.makefile("rb", 1 << 20)
        self.number = 0
        self.bytes_in = 0
        self._line()

    def _line(self):
        """One answer, its literals included."""
        parts = []
        while True:
            line = self.input.readline()
            if not line:
                raise ConnectionError("the server has closed the connection")
            parts.append(line)
            literal = _LITERAL.search(line)
            if not literal:
                break
            parts.append(self.input.read(int(literal.group(1))))
        out = parts[0] if len(parts) == 1 else b"".join(parts)
        self.bytes_in += len(out)
        return out

    def _send(self, data):
        self.sock.sendall(data)

    def start(self, text):
        self.number += 1
        tag = b"b%d" % self.number
        self._send(tag + b" " + text.encode() + b"\r\n")
        return tag

    def finish(self, tag, keep=False):
        """The untagged answers if they are to be kept."""
        kept = []
        while True:
            line = self._line()
            if line.startswith(tag + b" "):
                if not line.startswith(tag + b" OK"):
                    raise Refused(line.decode(errors="replace").strip())
                return kept
            if keep:
                kept.append(line)

    def run(self, text, keep=False):
        return self.finish(self.start(text), keep)

    def login(self, user, password):
        self.run(f'LOGIN "{user}" "{password}"')

    def append(self, folder, message):
        self.number += 1
        tag = b"b%d" % self.number
        self._send(b'%s APPEND "%s" {%d}\r\n' % (tag, folder.encode(),
                                                 len(message)))
        line = self._line()
        if not line.startswith(b"+"):
            raise Refused(line.decode(errors="replace").strip())
        self._send(message + b"\r\n")
        self.finish(tag)

    def select(self, folder="INBOX"):
        """The number of messages."""
        for line in self.run(f'SELECT "{folder}"', True):
            found = re.match(rb"\* (\d+) EXISTS", line)
            if found:
                count = int(found.group(1))
        return count

    def wait_for(self, pattern):
        while not re.search(pattern, self._line()):
            pass

    def idle(self):
        tag = self.start("IDLE")
        self.wait_for(rb"^\+")
        return tag

    def done(self, tag):
        self._send(b"DONE\r\n")
        self.finish(tag)

    def logout(self):
        try:
            self.run("LOGOUT")
        except (Refused, OSError):
            pass
        self.sock.close()
