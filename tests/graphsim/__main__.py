"""Command line of the simulator; see README.md."""

import argparse
import asyncio
import signal
import socket
import ssl
import sys

from aiohttp import web

from . import seed, tlsca
from .server import make_app
from .sim import Simulator
from .switches import SWITCHES


def options():
    p = argparse.ArgumentParser(prog="graphsim")
    p.add_argument("--listen", default="127.0.0.1:0", metavar="ADDR:PORT")
    p.add_argument("--make-ca", metavar="DIR")
    p.add_argument("--tls-cert", metavar="FILE")
    p.add_argument("--tls-key", metavar="FILE")
    p.add_argument("--user", action="append", metavar="ADDR")
    p.add_argument("--locale", choices=("en", "de"), default="en")
    p.add_argument("--seed-dir", metavar="DIR")
    p.add_argument("--generate", type=int, default=0, metavar="N")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--sample", action="store_true")
    p.add_argument("--client-id")
    p.add_argument("--client-secret-file", metavar="FILE")
    p.add_argument("--marker", default="", metavar="TEXT")
    p.add_argument("--redirect-uri", action="append", default=[])
    p.add_argument("--auto-consent", action="store_true")
    p.add_argument("--log", metavar="FILE")
    p.add_argument("--latency", type=float, default=0, metavar="MS")
    p.add_argument("--switch", action="append", default=[],
                   metavar="NAME=VALUE")
    return p.parse_args()


def build(opt):
    sim = Simulator(opt.user or ["alice@example.com"], opt.locale)
    for text in opt.switch:
        name, _, value = text.partition("=")
        if name not in SWITCHES:
            sys.exit(f"graphsim: no switch {name}")
        sim.switches[name] = value
    if opt.client_id:
        sim.login.client_id = opt.client_id
    if opt.client_secret_file:
        with open(opt.client_secret_file, encoding="utf-8") as f:
            sim.login.client_secret = f.readline().strip()
    sim.login.marker = opt.marker
    sim.login.redirect_uris = opt.redirect_uri
    sim.login.auto_consent = opt.auto_consent
    sim.latency = opt.latency / 1000
    if opt.log:
        sim.log_file = open(opt.log, "a", encoding="utf-8")
    for box in sim.boxes.values():
        if opt.sample:
            seed.sample(box)
        if opt.seed_dir:
            seed.from_directory(box, opt.seed_dir)
        if opt.generate:
            seed.generate(box, opt.generate, opt.seed)
    return sim


async def serve(opt, sim):
    cert, key = opt.tls_cert, opt.tls_key
    if opt.make_ca:
        _, cert, key = tlsca.make(opt.make_ca)
    context = None
    if cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    host, _, port = opt.listen.rpartition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, int(port)))
    sim.url = f"http{'s' if cert else ''}://{host}:{sock.getsockname()[1]}"
    sim.upload_url = sim.url
    runner = web.AppRunner(make_app(sim), access_log=None)
    await runner.setup()
    await web.SockSite(runner, sock, ssl_context=context).start()
    stop = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, stop.set)
    print(f"GRAPHSIM READY url={sim.url}", flush=True)
    await stop.wait()
    await runner.cleanup()


def main():
    opt = options()
    try:
        asyncio.run(serve(opt, build(opt)))
    except OSError as err:
        sys.exit(f"graphsim: {opt.listen}: {err.strerror}")


main()
