"""What is measured: our Dovecot on the simulator, or any IMAP server."""

import base64
import email.message
import email.policy
import os
import sys
import time

import imapwire

TESTS = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "tests")
sys.path.insert(0, os.path.join(TESTS, "e2e"))


def message(number, size=0):
    """Some text; with a size: and an attachment that makes it as large."""
    mail = email.message.EmailMessage()
    mail["From"], mail["To"] = "Bench <bench@example.net>", "r@example.com"
    mail["Subject"] = f"bench {number}"
    mail["Message-ID"] = f"<bench{number}.{time.time_ns()}@example.net>"
    mail["Date"] = "Tue, 01 Sep 2020 10:00:00 +0200"
    mail.set_content("The quick brown fox jumps over the lazy dog.\n" * 8)
    if size:
        mail.add_attachment(os.urandom(size * 73 // 100), "application",
                            "octet-stream", filename="data.bin")
    return mail.as_bytes(policy=email.policy.SMTP)


class Remote:
    """Nothing is known of it but what IMAP tells."""

    latency = 0

    def __init__(self, host, port, user, password, tls):
        self.address, self.user = (host, port, tls), (user, password)

    def imap(self):
        conn = imapwire.Imap(*self.address)
        conn.login(*self.user)
        return conn

    def clear(self):
        pass

    def traffic(self):
        """(requests, bytes, most in flight, throttled, and by how many
        seconds the simulator was later than its latency, all answers
        together) since clear()."""
        return None

    def memory(self):
        return None, None

    def disk(self):
        return None

    def deliver(self, folder, count, size=0):
        conn = self.imap()
        for n in range(count):
            conn.append(folder, message(n, size))
        conn.logout()

    def folder(self, name):
        conn = self.imap()
        try:
            conn.run(f'CREATE "{name}"')
        except imapwire.Refused:
            pass                      # it is there from the last time
        conn.logout()

    def folders(self, count):
        for n in range(count):
            self.folder(f"status{n:03}")

    def forget_spent(self):
        """For sessions that begin now: what the mailbox has cost before."""

    def close(self):
        pass


class Ours(Remote):
    """Simulator, msgraph-oauthd and Dovecot by the rig of the tests."""

    def __init__(self, messages, latency):
        from rig import PASSWORD, Rig
        self.latency = latency
        # Dovecot's 256 MB are too little for the index of a million messages
        self.rig = Rig(sim_args=["--generate", str(messages)],
                       extra="default_vsz_limit = 2G\n").start()
        Remote.__init__(self, "127.0.0.1", self.rig.imap_port,
                        self.rig.users[0], PASSWORD, False)
        self.rig.sim("settings", latency=latency)

    def clear(self):
        self.rig.sim("log/clear")

    def traffic(self):
        log = self.rig.requests()
        return (len(log), sum(e["in"] + e["out"] for e in log),
                max(self.rig.sim("stats")["max_in_flight"].values(),
                    default=0),
                sum(e["status"] in (429, 503) for e in log),
                sum(max(0, e["ms"] - self.latency) for e in log) / 1000)

    def memory(self):
        """kB of the largest imap process: what it has had at most, and what
        it has now that is no file's."""
        most, anon = 0, 0
        for pid in self.rig.imap_pids():
            try:
                with open(f"/proc/{pid}/status") as f:
                    kb = {line.split(":")[0]: line.split()[1] for line in f
                          if line.startswith(("VmHWM", "RssAnon"))}
            except OSError:
                continue
            most = max(most, int(kb["VmHWM"]))
            anon = max(anon, int(kb["RssAnon"]))
        return most, anon

    def disk(self):
        total = 0
        for root, _, files in os.walk(self.rig.file("mail")):
            for name in files:
                try:
                    total += os.lstat(os.path.join(root, name)).st_blocks
                except OSError:
                    pass
        return total * 512

    def deliver(self, folder, count, size=0):
        for n in range(count):
            self.rig.sim("deliver", folder=folder, mime64=base64.b64encode(
                message(n, size)).decode())

    def folder(self, name):
        self.rig.sim("folder", op="create", path=name)
        time.sleep(1.1)               # a LIST holds for so long

    def folders(self, count):
        for n in range(count):
            self.rig.sim("folder", op="create", path=f"status{n:03}")
        time.sleep(1.1)

    def forget_spent(self):
        self.rig.forget_spent()

    def close(self):
        errors = self.rig.log_errors()
        self.rig.close()
        for line in errors:
            print("dovecot:", line, file=sys.stderr)
