"""The Debian packages, built for a release and installed in a fresh system of
that release: a log-in against the simulator, and nothing left after a purge."""

import glob
import imaplib
import os
import platform
import re
import subprocess
import sys

import pytest

from chroot import CANNOT, ROOT, Chroot

sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from rig import CLIENT_ID, PASSWORD, Browser, Rig, wait_for  # noqa: E402

USER = "alice@example.com"
MAIL_UID = 29766


def native():
    return platform.freedesktop_os_release().get("VERSION_CODENAME")


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def suite(request):
    return request.param


@pytest.fixture(scope="module")
def debs(suite, tmp_path_factory):
    """The directory with the packages. Lintian has found no error in them."""
    out = str(tmp_path_factory.mktemp(suite))
    argv = [os.path.join(ROOT, "tests/packages/build.sh"), out]
    if suite != native():
        argv = [os.path.join(ROOT, "tests/chroot"), "--bind", out, suite, *argv]
    run = subprocess.run(argv, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=900)
    if run.returncode == CANNOT:
        pytest.skip(run.stdout.splitlines()[-1])
    assert run.returncode == 0, run.stdout[-4000:]
    return out


@pytest.fixture(scope="module")
def rig():
    rig = Rig(users=(USER,))
    os.chmod(rig.path, 0o755)
    rig.write("secret", "the-client-secret-value\n", 0o600)
    rig.start_sim()
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def system(suite, debs, rig):
    """A system with Dovecot and nothing of ours."""
    system = Chroot(suite, debs, rig.path)
    system.run("export DEBIAN_FRONTEND=noninteractive LC_ALL=C\n"
               "apt-get install -y -qq --no-install-recommends dovecot-imapd")
    yield system
    system.close()


def files(system):
    # apt, dpkg and ldconfig keep books, and user databases have backups
    return set(system.run(
        "find / -xdev \\( -path /tmp -o -path /proc -o -path /run/dovecot "
        "-o -path /var/lib/dovecot -o -path /var/lib/apt -o -path /var/cache "
        "-o -path /var/log -o -path /var/lib/dpkg "
        "\\) -prune -o -print").splitlines()) - {
            f"/etc/{name}-" for name in
            ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")}


def edit(system, path, pairs):
    """Takes the '#' from settings and gives them values."""
    for key, value in pairs.items():
        system.run(f"grep -q '^ *#* *{key} =' {path} && "
                   f"sed -i 's|^\\( *\\)#* *{key} =.*|\\1{key} = {value}|' {path}")


def test_abi(suite, debs):
    """Only with the Dovecot that it was built for"""
    deb, = glob.glob(os.path.join(debs, "dovecot-msgraph_*.deb"))
    depends = subprocess.run(["dpkg-deb", "-f", deb, "Depends"], text=True,
                             stdout=subprocess.PIPE, check=True).stdout
    abi = {"bookworm": "2.3", "trixie": "2.4"}[suite]
    assert re.search(rf"dovecot-abi-{re.escape(abi)}\.abiv\d+", depends)


def configure_daemon(system, rig):
    system.run(f"cp {rig.file('ca', 'ca.pem')} /etc/msgraph/ca.pem\n"
               f"install -m 600 {rig.file('secret')} "
               "/etc/msgraph/client-secret")
    edit(system, "/etc/msgraph/msgraph-oauthd.conf", {
        "client_id": CLIENT_ID, "broker_users": "vmail",
        "public_url": f"http://127.0.0.1:{rig.http_port}",
        "listen": f"127.0.0.1:{rig.http_port}", "login_url": rig.url,
        "graph_url": rig.url, "ca_file": "/etc/msgraph/ca.pem"})


def configure_dovecot(system, rig, suite):
    system.run(f"useradd -r -u {MAIL_UID} -d /srv/vmail -m vmail\n"
               f"echo '{USER}:{{PLAIN}}{PASSWORD}:{MAIL_UID}:{MAIL_UID}::"
               "/srv/vmail/alice::' > /etc/dovecot/users")
    conf = "/etc/dovecot/conf.d/90-msgraph.conf"
    edit(system, conf, {"msgraph_url": rig.url,
                        "msgraph_ca_file": "/etc/msgraph/ca.pem"})
    kept = {"bookworm": {"mail_location": "msgraph:~/msgraph"},
            "trixie": {"mail_driver": "msgraph", "mail_path": "~/msgraph"}}
    edit(system, conf, kept[suite])
    passwd = {"bookworm": "driver = passwd-file\n args = /etc/dovecot/users",
              "trixie": "passwd_file_path = /etc/dovecot/users"}[suite]
    name = {"bookworm": "", "trixie": "passwd-file "}[suite]
    system.run(f"""cat > /etc/dovecot/local.conf <<'END'
passdb {name}{{
 {passwd}
}}
userdb {name}{{
 {passwd}
}}
ssl = no
log_path = {rig.file("dovecot.log")}
first_valid_uid = {MAIL_UID}
service imap-login {{
 inet_listener imap {{
  port = {rig.imap_port}
 }}
 inet_listener imaps {{
  port = 0
 }}
}}
service anvil {{
 chroot =
}}
END""")


def start_daemon(system, rig):
    """What systemd does by our unit"""
    rig.write("oauthd.out", "")
    system.run(f"""
install -d -o msgraph -g msgraph -m 755 /run/msgraph
install -d -o msgraph -g msgraph -m 750 /var/lib/msgraph
install -d -o msgraph -m 700 /run/credentials
install -o msgraph -m 400 /etc/msgraph/seal.key /etc/msgraph/client-secret \\
    /run/credentials
CREDENTIALS_DIRECTORY=/run/credentials setpriv --reuid msgraph \\
    --regid msgraph --clear-groups msgraph-oauthd --config \\
    /etc/msgraph/msgraph-oauthd.conf > {rig.file('oauthd.out')} 2>&1 &
daemon=$!""")
    wait_for("oauthd", lambda: "ready" in rig.output("oauthd"))


def install(system, debs):
    system.run(f"apt-get install -y -qq --no-install-recommends {debs}/"
               f"dovecot-msgraph_*.deb {debs}/msgraph-oauthd_*.deb")


def purge(system):
    system.run("apt-get purge -y -qq dovecot-msgraph msgraph-oauthd")


def test_log_in(suite, system, debs, rig):
    # once for the libraries, which stay
    install(system, debs)
    purge(system)
    before = files(system)
    install(system, debs)
    # Dovecot as it comes still works: nobody's mail was moved
    out = system.run("doveconf -n")
    assert "msgraph:" not in out and "mail_driver = msgraph" not in out

    configure_daemon(system, rig)
    configure_dovecot(system, rig, suite)
    start_daemon(system, rig)
    url = system.run(f"msgraphctl link {USER}").strip()
    status, page = Browser(rig.context).follow(url, USER)
    assert status == 200 and "linked" in page, page

    system.run("dovecot")
    conn = imaplib.IMAP4("127.0.0.1", rig.imap_port)
    conn.login(USER, PASSWORD)
    assert conn.append("INBOX", None, None,
                       b"Subject: hello\r\n\r\nhi\r\n")[0] == "OK"
    assert conn.select()[0] == "OK"
    assert b"hello" in conn.fetch("1", "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0][1]
    conn.logout()
    log = rig.file("dovecot.log")
    assert "Error" not in open(log, encoding="utf-8").read()

    system.run("doveadm stop\nkill $daemon; wait $daemon\nrm -r /srv/vmail /run/credentials\n"
               "userdel vmail; rm -f /etc/dovecot/users /etc/dovecot/local.conf")
    purge(system)
    assert system.run("getent passwd msgraph", fails=True) == ""
    assert files(system) - before == set()
