"""msgraph-oauthd as a service: unit, readiness, reload, health, metrics, log."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import \
    text_string_to_metric_families

from rig import BUILD, ROOT, SECRET, Browser, Rig, free_port, wait_for

ALICE, BOB = "alice@example.com", "bob@example.com"
UNIT = os.path.join(ROOT, "conf.d", "systemd", "msgraph-oauthd.service.in")


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE, BOB))
    rig.write("secret", SECRET + "\n", 0o600)
    rig.metrics_port = free_port()
    rig.start_sim()
    start(rig)
    yield rig
    rig.close()


def start(rig, edit=lambda text: text):
    rig.start_oauthd(edit=lambda text: edit(
        text + f"metrics_listen = 127.0.0.1:{rig.metrics_port}\n"))


def monitor(rig, path, method="GET"):
    req = urllib.request.Request(
        f"http://127.0.0.1:{rig.metrics_port}{path}", method=method)
    try:
        resp = urllib.request.urlopen(req, timeout=10)
    except urllib.error.HTTPError as err:
        resp = err
    return resp.status, resp.read().decode(), resp.headers


def samples(rig):
    """Checked by Prometheus' own strict reader; when all requests have ended:
    one is counted just after its answer has gone out."""
    deadline = time.monotonic() + 10
    while True:
        status, text, headers = monitor(rig, "/metrics")
        assert status == 200 and text.endswith("# EOF\n")
        assert headers["Content-Type"].startswith(
            "application/openmetrics-text")
        got = {(s.name, *sorted(s.labels.items())): s.value
               for family in text_string_to_metric_families(text)
               for s in family.samples}
        if not got["msgraph_oauthd_requests_in_flight",]:
            return got
        assert time.monotonic() < deadline, "a request does not end"
        time.sleep(0.02)


def events(rig, name):
    """The fields of each such line."""
    out = []
    for line in rig.output("oauthd").splitlines():
        assert line.startswith("msgraph-oauthd: event="), line
        fields = dict(re.findall(
            r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)', line.partition(": ")[2]))
        rest = re.sub(r'\w+=("(?:[^"\\]|\\.)*"|[^ "]+)', "",
                      line.partition(": ")[2])
        assert not rest.strip(), line
        if fields["event"] == name:
            out.append({k: json.loads(v) if v.startswith('"') else v
                        for k, v in fields.items()})
    return out


# the unit

def unit_file(tmp_path):
    with open(UNIT, encoding="ascii") as f:
        text = f.read()
    program = os.path.join(BUILD, "src/callback/msgraph-oauthd")
    path = tmp_path / "msgraph-oauthd.service"
    path.write_text(re.sub("ExecStart=[^ ]*", "ExecStart=" + program, text))
    return str(path)


def test_unit(tmp_path):
    path = unit_file(tmp_path)
    out = subprocess.run(["systemd-analyze", "verify", "--man=no", path],
                         stderr=subprocess.PIPE, text=True)
    ours = [line for line in out.stderr.splitlines()
            if "msgraph" in line]
    assert not ours and out.returncode == 0, out.stderr
    out = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", path],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    exposure = float(re.search(r"exposure level.*?: ([\d.]+)", out)[1])
    assert exposure <= 1.5, out


def test_unit_is_installed(tmp_path):
    subprocess.run(["make", "-C", os.path.join(BUILD, "conf.d"), "install",
                    f"DESTDIR={tmp_path}"], check=True,
                   stdout=subprocess.DEVNULL)
    (unit,) = tmp_path.rglob("msgraph-oauthd.service")
    text = unit.read_text()
    assert "@" not in re.sub("@(system-service|privileged|resources)", "",
                             text)
    assert list(tmp_path.rglob("sysusers.d/msgraph.conf"))


# a service manager

class Notify:
    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(10)

    def next(self):
        return self.socket.recv(4096).decode().splitlines()


def test_readiness_and_credentials(rig):
    rig.stop("oauthd")
    notify = Notify(rig.file("notify"))
    shutil.copy(rig.file("secret"), rig.file("client-secret"))
    old = dict(os.environ)
    os.environ.update(NOTIFY_SOCKET=notify.path, CREDENTIALS_DIRECTORY=rig.path)
    try:
        start(rig, lambda text: re.sub(
            "client_secret_file.*", "client_secret_file = client-secret",
            text).replace(rig.file("seal.key"), "seal.key"))
        assert notify.next() == ["READY=1"]
        rig.ctl("unlink", ALICE)
        rig.link(ALICE)
        rig.processes["oauthd"].send_signal(signal.SIGHUP)
        lines = notify.next()
        assert lines[0] == "RELOADING=1" and lines[1].startswith("MONOTONIC")
        assert notify.next() == ["READY=1"]
        rig.processes["oauthd"].terminate()
        assert notify.next() == ["STOPPING=1"]
    finally:
        os.environ.clear()
        os.environ.update(old)
        rig.stop("oauthd")
        start(rig)


def test_readiness_is_not_claimed(rig):
    """A port that is taken: no READY=1, and a clear word."""
    notify = Notify(rig.file("notify2"))
    with open(rig.file("oauthd.conf"), encoding="utf-8") as f:
        conf = rig.write("second.conf", re.sub(
            "(broker|store) = (.*)", r"\1 = \2-2", f.read()))
    out = subprocess.run(
        [os.path.join(BUILD, "src/callback/msgraph-oauthd"), "-c", conf],
        env=dict(os.environ, NOTIFY_SOCKET=notify.path), timeout=20,
        stderr=subprocess.PIPE, text=True)
    assert out.returncode == 1 and "in use" in out.stderr
    notify.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        notify.next()


# reload

def edit_conf(rig, edit):
    with open(rig.file("oauthd.conf"), encoding="utf-8") as f:
        old = f.read()
    rig.write("oauthd.conf", edit(old))
    return old


def hup(rig, name):
    before = len(events(rig, name))
    rig.processes["oauthd"].send_signal(signal.SIGHUP)
    wait_for(name, lambda: len(events(rig, name)) > before)
    return events(rig, name)[-1]


def test_reload(rig):
    rig.ctl("unlink", ALICE)
    link = rig.ctl("link", ALICE).stdout.strip()
    browser = Browser(rig.context)
    page, _, form = link.partition("?")
    url = browser.open(page, form.encode())[1]
    old = edit_conf(rig, lambda text: text + "features = read\n"
                    "listen = 127.0.0.1:1\n")
    try:
        assert hup(rig, "reloaded")["needs_restart"] == "listen"
        # a sign-in under way goes on, the next one asks for less
        assert "Mail.Send" in url
        assert browser.follow(url, ALICE)[0] == 200
        link = rig.ctl("link", BOB).stdout.strip()
        page, _, form = link.partition("?")
        assert "Mail.Send" not in Browser(rig.context).open(
            page, form.encode())[1]
        # a broken file changes nothing and says so
        edit_conf(rig, lambda text: text + "nonsense = 1\n")
        event = hup(rig, "reload_failed")
        assert "no such setting" in event["message"]
        assert "configuration of before" in event["kept"]
        assert rig.ctl("status", ALICE).returncode == 0
        assert monitor(rig, "/healthz")[0] == 200
    finally:
        rig.write("oauthd.conf", old)
    assert "needs_restart" not in hup(rig, "reloaded")


# health, metrics, log

def test_health(rig):
    assert monitor(rig, "/healthz")[:2] == (200, "ok\n")
    assert monitor(rig, "/other")[0] == 404
    assert monitor(rig, "/metrics", "POST")[0] == 405
    # not where browsers are served
    for path in ("/healthz", "/metrics"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(
                f"http://127.0.0.1:{rig.http_port}{path}")


def test_metrics_and_log(rig):
    rig.ctl("unlink", ALICE)
    rig.ctl("unlink", BOB)
    rig.stop("oauthd")
    start(rig)
    rig.link(ALICE)
    link = rig.ctl("link", BOB).stdout.strip()
    assert Browser(rig.context).follow(link, ALICE)[0] == 403
    assert Browser(rig.context).follow(link, BOB, "cancel")[0] == 403
    rig.forget_tokens()
    rig.stop("oauthd")
    start(rig)
    rig.sim("token", op="fail", grant="refresh_token", error="invalid_grant",
            code=50173, count=1)
    rig.ctl("probe", ALICE)
    got = samples(rig)
    p = "msgraph_oauthd_"
    assert got[p + "accounts", ("state", "revoked")] == 1
    assert got[p + "accounts", ("state", "ok")] == 0
    assert got[p + "refreshes_total", ("result", "revoked")] == 1
    assert got[p + "failures_total", ("code", "AADSTS50173")] == 1
    assert got[p + "store_up",] == 1 and got[p + "requests_in_flight",] == 0
    assert any(key[0] == p + "build_info" for key in got)
    (failed,) = events(rig, "renewal_failed")
    assert failed["account"] == ALICE and failed["state"] == "revoked"
    assert failed["code"] == "AADSTS50173" and failed["message"]

    rig.sim("token", op="heal")
    time.sleep(3.2)                 # until it asks again
    rig.ctl("probe", ALICE)
    assert Browser(rig.context).follow(link, ALICE)[0] == 403
    assert Browser(rig.context).follow(link, BOB, "cancel")[0] == 403
    assert Browser(rig.context).follow(link, BOB)[0] == 200
    got = samples(rig)
    assert got[p + "accounts", ("state", "ok")] == 2
    assert got[p + "refreshes_total", ("result", "ok")] == 1
    assert got[p + "links_total", ("result", "ok")] == 1
    assert got[p + "links_total", ("result", "wrong_account")] == 1
    assert got[p + "links_total", ("result", "needs_consent")] == 1
    assert got[p + "failures_total", ("code", "AADSTS65004")] == 1
    assert got[p + "requests_total", ("page", "callback"),
               ("status", "200")] == 1
    assert got[p + "requests_total", ("page", "start"), ("status", "303")] >= 3
    assert [e["account"] for e in events(rig, "linked")] == [BOB]
    assert {e["result"] for e in events(rig, "link_failed")
            if "result" in e} == {"wrong_account"}
    rig.ctl("unlink", BOB)
    assert events(rig, "unlinked")[-1]["account"] == BOB


def test_certificate_expiry(rig):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "20", "-subj", "/CN=app", "-keyout",
                    rig.file("k.pem"), "-out", rig.file("c.pem")], check=True,
                   stderr=subprocess.DEVNULL)
    with open(rig.file("c.pem")) as c, open(rig.file("k.pem")) as k:
        rig.write("client.pem", c.read() + k.read(), 0o600)
    rig.stop("oauthd")
    start(rig, lambda text: re.sub(
        "client_secret_file.*", "client_certificate_file = " +
        rig.file("client.pem"), text))
    days = samples(rig)["msgraph_oauthd_credential_expiry_days",
                        ("kind", "certificate"), ("registration", "")]
    assert 19.9 < days <= 20
    rig.stop("oauthd")
    start(rig)


def test_metrics_on_unix_socket(rig):
    rig.stop("oauthd")
    path = rig.file("metrics.sock")
    for _ in range(2):              # a stale socket is no obstacle
        rig.start_oauthd(edit=lambda text: text +
                         f"metrics_listen = {path}\n")
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert b"200 OK" in s.makefile("rb").read()
        os.kill(rig.processes["oauthd"].pid, signal.SIGKILL)
        rig.stop("oauthd")
    start(rig)
