"""Simulator, msgraph-oauthd and a private Dovecot, started and stopped by the
tests. Nothing is installed; everything lies in one directory."""

import contextlib
import glob
import http.cookiejar
import imaplib
import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import dovecot

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("MSGRAPH_BUILD_DIR", os.path.join(ROOT, "build"))
MAIL_UID = 29765
POSTGRES = os.path.join(ROOT, "tests", "lib", "postgres")
CLIENT_ID = "0c0ffee0-1111-2222-3333-444455556666"
# in every code, token, secret and password of a run: see Rig.leaks()
MARKER = "CANARY" + secrets.token_hex(8)
SECRET = f"{MARKER}-client-secret"
PASSWORD = f"{MARKER}-imap-password"


_taken = []


def free_port():
    """None that the kernel gives to clients meanwhile, or that another process
    of tests has been given: each port goes with a name that is held."""
    while True:
        port = random.randrange(20000, 32768)
        name = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            try:
                name.bind(f"\0msgraph-test-{port}")
                s.bind(("127.0.0.1", port))
            except OSError:
                name.close()
                continue
        _taken.append(name)
        return port


def wait_for(what, check, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        if check():
            return
        time.sleep(0.05)
    raise RuntimeError(f"{what}: not within {seconds} s")


class Rig:
    def __init__(self, users=("alice@example.com",), sim_args=(),
                 settings=None, extra=""):
        """extra: more of Dovecot's configuration"""
        # short, for the UNIX sockets, and open for Dovecot's users
        self.path = tempfile.mkdtemp(prefix="mg", dir="/tmp")
        self.users = list(users)
        self.settings = dict(settings or {})
        self.auth = dovecot.passwd_file(self.file("passwd"))
        self.store = "store = " + self.file("accounts.sqlite")
        self.extra = extra
        # further log-ins, and their fields in the userdb
        self.logins = {}
        os.chmod(self.path, 0o755)
        self.imap_port, self.http_port = free_port(), free_port()
        self.processes = {}
        self.sim_args = list(sim_args)
        self.log_seen = 0

    def file(self, *names):
        return os.path.join(self.path, *names)

    def write(self, name, text, mode=0o644):
        with open(self.file(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.file(name), mode)
        return self.file(name)

    # processes

    def _start(self, name, argv, env=None):
        log = open(self.file(name + ".out"), "ab")
        self.processes[name] = subprocess.Popen(
            argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            env=env, start_new_session=True)

    def stop(self, name):
        proc = self.processes.pop(name, None)
        if proc is None:
            return
        proc.terminate()
        try:
            proc.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGKILL)
            proc.wait()

    def kill(self, name):
        proc = self.processes.pop(name)
        proc.kill()
        proc.wait()

    def output(self, name):
        with open(self.file(name + ".out"), errors="replace") as f:
            return f.read()

    def start(self):
        self.write("secret", SECRET + "\n", 0o600)
        self.start_sim()
        self.start_oauthd()
        for user in self.users:
            self.link(user)
        self.start_dovecot()
        return self

    def close(self):
        leaks = self.leaks_of([MARKER])
        for name in ("dovecot", "oauthd", "second", "sim"):
            self.stop(name)
        leaks += self.leaks_of([MARKER])
        if os.path.exists(self.file("pg")):
            self.postgres("stop")
        shutil.rmtree(self.path, ignore_errors=True)
        assert not leaks, leaks

    # simulator

    def start_sim(self, port=0):
        argv = ["/usr/bin/python3", "-m", "graphsim", "--listen",
                f"127.0.0.1:{port}", "--make-ca", self.file("ca"),
                "--client-id", CLIENT_ID, "--client-secret-file",
                self.file("secret"), "--redirect-uri", self.redirect_uri(),
                "--marker", MARKER]
        for user in self.users:
            argv += ["--user", user]
        open(self.file("sim.out"), "w").close()
        self._start("sim", argv + self.sim_args,
                    dict(os.environ, PYTHONPATH=os.path.join(ROOT, "tests")))
        wait_for("simulator", lambda: "READY" in self.output("sim"), 600)
        self.url = re.search(r"url=(\S+)", self.output("sim")).group(1)
        self.context = ssl.create_default_context(
            cafile=self.file("ca", "ca.pem"))

    def forget_spent(self):
        """For sessions that begin now, nothing is spent of what Exchange
        allows a mailbox in ten minutes."""
        for path in glob.glob(self.file("mail", "*", "msgraph", "locks",
                                        "budget")):
            os.unlink(path)

    def sim(self, name, /, **data):
        req = urllib.request.Request(
            f"{self.url}/_sim/{name}", json.dumps(data).encode(),
            {"Content-Type": "application/json"})
        with urllib.request.urlopen(req, context=self.context) as resp:
            return json.load(resp)

    def requests(self, inner=False):
        """What Graph was asked since the last clear."""
        return [e for e in self.sim("log")["log"]
                if e["inner"] == inner and e["path"].startswith("/v1.0")]

    def messages(self, user=None, folder=None):
        state = self.sim("state", user=user or self.users[0])
        return [m for m in state["messages"]
                if folder is None or folder in (m["folder"], m["role"])]

    def imap_pids(self):
        """Processes of this Dovecot that serve a logged-in client."""
        master = self.processes["dovecot"].pid
        out = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    comm, rest = f.read().split(" ", 1)[1].rsplit(")", 1)
            except OSError:
                continue
            if comm == "(imap" and int(rest.split()[1]) == master:
                out.append(int(pid))
        return out

    # oauthd

    def redirect_uri(self):
        return (f"http://127.0.0.1:{self.http_port}/api/v2/core/"
                "user_authorization_callback")

    def postgres(self, command):
        return subprocess.run([POSTGRES, command, self.file("pg")], text=True,
                              stdout=subprocess.PIPE, check=True).stdout.strip()

    def use_postgres(self):
        self.store = (f"store = {self.postgres('start')}\n"
                      f"store_password_file = {self.file('pg', 'password')}")

    def sql(self, text):
        """Run it in the account store; the rows, fields as text."""
        if not os.path.exists(self.file("pg")):
            path = re.match(r"store = (.*)", self.store)[1]
            with contextlib.closing(sqlite3.connect(path)) as db, db:
                return [tuple(map(str, row)) for row in db.execute(text)]
        with open(self.file("pg", "password"), encoding="ascii") as f:
            env = dict(os.environ, PGPASSWORD=f.read().strip())
        out = subprocess.run(
            ["psql", "-qAtF", "\t", "-h", self.file("pg"), "-U", "msgraph",
             "-d", "postgres", "-c", text], env=env, text=True,
            stdout=subprocess.PIPE, check=True).stdout
        return [tuple(line.split("\t")) for line in out.splitlines()]

    def forget_tokens(self):
        """As if the access tokens of all accounts had expired."""
        self.sql("UPDATE account SET access_token = ''")

    def start_oauthd(self, wrapper=(), edit=lambda text: text, keep=False,
                     name="oauthd"):
        """wrapper: a program that runs it; edit: changes the configuration;
        keep: the access tokens of before; name: of another one beside it."""
        if not keep and os.path.exists(self.file("oauthd.conf")):
            self.forget_tokens()
        self.write(name + ".conf", edit(f"""
client_id = {CLIENT_ID}
client_secret_file = {self.file("secret")}
login_url = {self.url}
graph_url = {self.url}
ca_file = {self.file("ca", "ca.pem")}
public_url = http://127.0.0.1:{self.http_port}
listen = 127.0.0.1:{self.http_port}
broker = {self.file("broker.sock")}
broker_mode = 0666
broker_users = {MAIL_UID}
{self.store}
key_file = {self.file("seal.key")}
"""))
        open(self.file(name + ".out"), "w").close()
        self._start(name, [
            *wrapper, os.path.join(BUILD, "src/callback/msgraph-oauthd"), "-c",
            self.file(name + ".conf")])
        wait_for(name, lambda: "ready" in self.output(name))

    def ctl(self, *args):
        return subprocess.run(
            [os.path.join(BUILD, "src/tool/msgraphctl"), "--socket",
             self.file("broker.sock"), *args], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=60)

    def ask(self, **request):
        """One line to the daemon's socket, the answer back."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.file("broker.sock"))
            s.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def link(self, user):
        url = self.ctl("link", user).stdout.strip()
        status, page = Browser(self.context).follow(url, user)
        assert status == 200 and "linked" in page, (status, page)

    # dovecot

    def dovecot_settings(self):
        return {
            "msgraph_broker": self.file("broker.sock"),
            "msgraph_url": self.url,
            "msgraph_ca_file": self.file("ca", "ca.pem"),
            "msgraph_request_timeout": "10s", "msgraph_poll_interval": "2s",
            # a test wants to see at once what the service has
            "msgraph_select_fresh": "0s",
            **self.settings}

    def start_dovecot(self):
        os.makedirs(self.file("mail"), exist_ok=True)
        os.chown(self.file("mail"), MAIL_UID, MAIL_UID)
        modules = self.file("modules")
        if not os.path.isdir(modules):
            dovecot.make_modules(BUILD, modules)
        passwd = "".join(
            f"{u}:{{PLAIN}}{PASSWORD}:{MAIL_UID}:{MAIL_UID}::"
            f"{self.file('mail', u)}::{fields}\n" for u, fields in
            {**dict.fromkeys(self.users, ""), **self.logins}.items())
        self.write("passwd", passwd)
        self.write("dovecot.conf", dovecot.conf(
            self.path, self.imap_port, MAIL_UID, self.dovecot_settings(),
            self.auth) + self.extra)
        self._start("dovecot", dovecot.private(
            modules, "dovecot", "-F", "-c", self.file("dovecot.conf")))
        wait_for("dovecot", self._port_open)

    def _port_open(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.imap_port)) == 0

    def restart_dovecot(self):
        self.stop("dovecot")
        self.start_dovecot()

    def imap(self, user=None):
        conn = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=60)
        conn.login(user or self.users[0], PASSWORD)
        return conn

    # where secrets may be, and the simulator, which is not ours
    MAY_HOLD_SECRETS = re.compile(
        r"/((client-)?secret|passwd|seal\.key|password|ca/.*|sim\.out|"
        r"getmailrc|.*\.conf\.ext|dovecot\.conf(\.binary)?)$")

    def leaks(self, markers):
        """Which file, file name or process title holds which marker."""
        assert self.leaks_of([self.users[0]]), "the search finds nothing"
        return self.leaks_of(markers)

    def leaks_of(self, markers):
        found, markers = [], [m.encode() for m in markers]
        for top, _, names in os.walk(self.path):
            for name in names:
                path = os.path.join(top, name)
                if self.MAY_HOLD_SECRETS.search(path) or \
                        not os.path.isfile(path):
                    continue
                with open(path, "rb") as f:
                    data = f.read() + path.encode()
                found += [(path, m) for m in markers if m in data]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    data = f.read()
            except OSError:         # it has just ended
                continue
            if b"graphsim" not in data:
                found += [(pid, data, m) for m in markers if m in data]
        return found

    def doveadm(self, *args, options=(), user=None):
        """What it printed; options come first, as -o"""
        done = self.try_doveadm(*args, options=options, user=user)
        assert done.returncode == 0, (args, done.returncode, done.stderr)
        return done.stdout

    def try_doveadm(self, *args, options=(), user=None):
        return subprocess.run(
            dovecot.private(self.file("modules"), "doveadm", "-c",
                            self.file("dovecot.conf"),
                            *[w for o in options for w in ("-o", o)],
                            *args[0].split(), *(["-u", user or self.users[0]]
                                       if user is not False else []),
                            *args[1:]),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=1800, errors="surrogateescape")

    def log_errors(self):
        """New lines of the Dovecot log that must not be there."""
        try:
            with open(self.file("dovecot.log"), errors="replace") as f:
                text = f.read()
        except FileNotFoundError:
            return []
        lines = text[self.log_seen:].splitlines()
        self.log_seen = len(text)
        return [l for l in lines if re.search(
            r"Panic|Fatal|[Ii]nternal error|BUG|Error:|Bearer|EwB", l)]


class Browser:
    """Follows redirects and posts forms, with cookies."""

    def __init__(self, context):
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(self.jar))

    def open(self, url, data=None):
        try:
            resp = self.opener.open(url, data, timeout=30)
        except urllib.error.HTTPError as err:
            resp = err
        page = resp.read().decode()
        # what is not https is ours
        assert MARKER not in page or resp.url.startswith("https:"), page
        return resp.status, resp.url, page

    def follow(self, url, user, decision="accept"):
        data = None
        for _ in range(10):
            status, url, page = self.open(url, data)
            form = re.search(r'<form method="post" action="([^"]*)">(.*?)'
                             r'</form>', page, re.S)
            if not form:
                return status, page
            fields = dict(re.findall(
                r'name="(\w+)" value="([^"]*)"', form.group(2)))
            fields = {k: v.replace("&amp;", "&").replace("&quot;", '"')
                      for k, v in fields.items()}
            fields.update(user=user, decision=decision)
            if form.group(1):
                url = form.group(1).replace("&amp;", "&")
            data = urllib.parse.urlencode(fields).encode()
        raise RuntimeError("too many pages")
