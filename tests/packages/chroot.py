"""A shell in a fresh chroot of a Debian release."""

import os
import subprocess
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CANNOT = 77


class Chroot:
    """What it changes is gone with it. Addresses are this machine's own."""

    def __init__(self, suite, *binds):
        argv = [os.path.join(ROOT, "tests/chroot"), "--bare"]
        for path in binds:
            argv += ["--bind", path]
        self.shell = subprocess.Popen(
            [*argv, suite, "/bin/bash"], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def run(self, command, fails=False):
        """Runs a shell command and returns what it printed."""
        end = uuid.uuid4().hex
        self.shell.stdin.write(f"{{ {command}\n}} </dev/null; echo {end} $?\n")
        lines = []
        for line in self.shell.stdout:
            if end in line:
                text, status = line.split(end)
                out = "".join(lines) + text
                assert (int(status) != 0) == fails, (command, out)
                return out
            lines.append(line)
        raise RuntimeError(f"the chroot ended: {''.join(lines)[-2000:]}")

    def close(self):
        self.shell.stdin.close()
        self.shell.wait()
