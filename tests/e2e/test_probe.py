"""msgraphctl probe: each step that can fail, and what it says then."""

import json
import os
import re
import socket
import subprocess
import threading

import pytest

from rig import BUILD, MARKER, SECRET, Browser, Rig

ALICE = "alice@example.com"
STEPS = ["configuration", "login host name", "login host connection",
         "login host TLS", "login host clock", "login host configuration",
         "daemon", "token", "token contents", "Graph name",
         "Graph connection", "Graph TLS", "Graph clock", "Graph account",
         "Graph folders", "Graph message header", "Graph throttling"]


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(ALICE,), sim_args=["--sample"])
    rig.write("secret", SECRET + "\n", 0o600)
    rig.start_sim()
    rig.start_oauthd()
    rig.link(ALICE)
    yield rig
    rig.close()


@pytest.fixture(autouse=True)
def healed(rig):
    yield
    rig.sim("faults/clear")
    rig.sim("token", op="heal")


def probe(rig, edit=None, wrapper=(), conf="probe.conf", user=ALICE):
    with open(rig.file("oauthd.conf"), encoding="utf-8") as f:
        text = f.read()
    if conf == "probe.conf":
        rig.write(conf, edit(text) if edit else text)
    out = subprocess.run(
        [*wrapper, os.path.join(BUILD, "src/tool/msgraphctl"), "-c",
         rig.file(conf), "probe", user, "--json"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=120)
    assert out.stderr == "" and MARKER not in out.stdout
    steps = {s["step"]: s for s in json.loads(out.stdout)}
    assert (out.returncode != 0) == ("fail" in {
        s["result"] for s in steps.values()})
    for s in steps.values():
        assert s["detail"] and ("remedy" in s) == (s["result"] == "fail"), s
    return steps


def failed(steps):
    return [name for name, s in steps.items() if s["result"] == "fail"]


def setting(name, value):
    return lambda text: re.sub(f"(?m)^{name} = .*\n", "", text) + \
        f"{name} = {value}\n"


def test_all_is_well(rig):
    steps = probe(rig)
    assert list(steps) == STEPS and not failed(steps)
    assert ALICE in steps["Graph account"]["detail"]
    assert re.match(r"read: \d+ fields", steps["Graph message header"]["detail"])
    # for people
    out = subprocess.run(
        [os.path.join(BUILD, "src/tool/msgraphctl"), "-c",
         rig.file("oauthd.conf"), "probe", ALICE], stdout=subprocess.PIPE,
        text=True)
    assert out.returncode == 0 and MARKER not in out.stdout
    lines = out.stdout.splitlines()
    assert len(lines) == len(STEPS)
    assert all(line.startswith("ok   ") for line in lines)


def test_it_reads_no_secret(rig):
    """Its user may not be able to."""
    steps = probe(rig, setting("client_secret_file", "/nonexistent/x"))
    assert not failed(steps)


def test_configuration(rig):
    steps = probe(rig, lambda text: text + "nonsense = 1\n")
    assert "configuration" in failed(steps)
    assert "no such setting" in steps["configuration"]["detail"]
    steps = probe(rig, conf="missing.conf")
    assert "configuration" in failed(steps)


def test_name(rig):
    for host, name in (("login_url", "login host name"),
                       ("graph_url", "Graph name")):
        steps = probe(rig, setting(host, "https://no-such-host.invalid"))
        assert failed(steps) == [name]
        assert "no-such-host.invalid" in steps[name]["detail"]
    assert steps["Graph account"]["result"] == "skipped"


def test_connection(rig):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))        # nobody listens
        url = "https://127.0.0.1:%d" % s.getsockname()[1]
        steps = probe(rig, setting("login_url", url))
        assert failed(steps) == ["login host connection"]
        assert "firewall" in steps["login host connection"]["remedy"]
        steps = probe(rig, setting("graph_url", url))
        assert failed(steps) == ["Graph connection"]


def test_certificate(rig):
    steps = probe(rig, lambda text: re.sub("ca_file.*", "", text))
    assert failed(steps) == ["login host TLS", "Graph TLS"]
    assert "ca_file" in steps["Graph TLS"]["remedy"]
    # it got no token
    assert steps["Graph account"]["result"] == "skipped"


def test_no_tls_at_all(rig):
    """A portal or a proxy that speaks plain HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            while True:
                try:
                    conn, _ = server.accept()
                except OSError:
                    return
                conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nsign in to the net")
                conn.close()
        threading.Thread(target=answer, daemon=True).start()
        steps = probe(rig, setting(
            "login_url", "https://127.0.0.1:%d" % server.getsockname()[1]))
        server.shutdown(socket.SHUT_RDWR)
    assert failed(steps) == ["login host TLS"]


@pytest.mark.parametrize("offset, words", [
    # some seconds pass
    (3600, "(359.|360.) seconds behind"),
    (-3600, "(359.|360.) seconds ahead")])
def test_clock(rig, offset, words):
    rig.sim("settings", date_offset=offset)
    try:
        steps = probe(rig)
    finally:
        rig.sim("settings", date_offset=0)
    assert failed(steps) == ["login host clock", "Graph clock"]
    assert re.search(words, steps["Graph clock"]["detail"])
    assert "timesync" in steps["Graph clock"]["remedy"]


def test_tenant(rig):
    steps = probe(rig, setting("tenant", "nowhere"))
    assert failed(steps) == ["login host configuration"]
    assert "AADSTS90002" in steps["login host configuration"]["detail"]


def test_daemon(rig):
    steps = probe(rig, setting("broker", rig.file("nothing.sock")))
    assert failed(steps) == ["daemon"]
    assert steps["token"]["result"] == "skipped"
    assert steps["Graph TLS"]["result"] == "ok"


def test_token(rig):
    steps = probe(rig, user="nobody@example.com")
    assert failed(steps) == ["token"]
    assert "msgraphctl link" in steps["token"]["remedy"]
    rig.stop("oauthd")
    rig.start_oauthd()
    rig.sim("token", op="fail", grant="refresh_token", error="invalid_grant",
            code=65001, count=1)
    steps = probe(rig)
    assert failed(steps) == ["token"]
    assert "AADSTS65001" in steps["token"]["detail"]
    assert "/start?i=" in steps["token"]["detail"]
    rig.link(ALICE)


def test_graph(rig):
    for path, name in (("/me\\?", "Graph account"),
                       ("mailFolders\\?", "Graph folders"),
                       ("messages\\?", "Graph message header")):
        for status, code, words in (
                (401, "InvalidAuthenticationToken", "link the account"),
                (403, "ErrorAccessDenied", "permission"),
                (404, "ErrorItemNotFound", "mailbox"),
                (500, "InternalServerError", "service health")):
            rig.sim("fault", path=path, status=status, code=code)
            steps = probe(rig)
            assert failed(steps) == [name]
            assert words in steps[name]["remedy"]
        rig.sim("fault", path=path, status=200, body="<html>portal</html>")
        assert failed(probe(rig)) == [name]


def test_throttled(rig):
    rig.sim("fault", path="mailFolders\\?", status=429, retry_after=17)
    steps = probe(rig)
    assert failed(steps) == ["Graph folders", "Graph throttling"]
    assert "17 seconds" in steps["Graph throttling"]["detail"]


def test_address_that_was_taken_away(rig):
    rig.sim("settings", user=ALICE, proxies=["smtp:info@example.com"])
    link = rig.ctl("link", "info@example.com").stdout.strip()
    assert Browser(rig.context).follow(link, ALICE)[0] == 200
    assert not failed(probe(rig, user="info@example.com"))
    rig.sim("settings", user=ALICE, proxies=[])
    steps = probe(rig, user="info@example.com")
    assert failed(steps) == ["Graph account"]
    rig.ctl("unlink", "info@example.com")
