#!/usr/bin/python3
"""Measures what the commands of an IMAP session cost: requests to Graph,
bytes, time, memory, disk. Without --host: our Dovecot on the simulator, which
sends each answer LATENCY after the request came in, whatever it has to do for it
meanwhile; LATE is by how much it took longer than that, all answers together.
FLOOR = requests x latency / 4, the least that four in flight allow."""

import argparse
import csv
import sys
import time

import backend
import plot
from rows import ROWS, Bench

FIELDS = ("messages", "latency_ms", "row", "requests", "bytes", "wall_s",
          "late_s", "to_floor", "in_flight", "throttled", "rss_kb", "anon_kb",
          "disk_kb", "limit", "note")


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--messages", default="1000,10000",
                   help="sizes of the mailbox, such as 1000,10000,100000")
    p.add_argument("--latency", default="0,20,100", help="ms, a list")
    p.add_argument("--rows", help="only those whose names have one of these "
                   "words, separated by commas, in them")
    p.add_argument("--csv", default="bench.csv")
    p.add_argument("--png", default="bench.png")
    p.add_argument("--host", help="measure this IMAP server instead")
    p.add_argument("--port", type=int, default=143)
    p.add_argument("--tls", action="store_true")
    p.add_argument("--user")
    p.add_argument("--password-file")
    return p.parse_args()


def judge(limit, messages, latency, requests, wall):
    """'' = nothing to judge, else what the row may cost and whether."""
    if limit is None or requests is None:
        return ""
    most, time_limit = limit[0](messages), limit[1]
    text = f"<= {most}"
    good = requests <= most
    if time_limit is not None and latency:
        # what the machine itself takes is not the protocol's
        allowed = time_limit(messages, requests, latency / 1000)
        text += f", {allowed:.2f} s"
        good = good and wall <= allowed
    return text + (" ok" if good else " NO")


def measure(bench, name, latency):
    make, limit = ROWS[name]
    bench.note = ""
    steps = make(bench)
    what = next(steps)
    bench.backend.clear()
    start = time.monotonic()
    what()
    wall = time.monotonic() - start
    traffic = bench.backend.traffic()
    rss, anon = bench.backend.memory()
    disk = bench.backend.disk()
    next(steps, None)
    requests = traffic[0] if traffic else None
    least = (requests or 0) * latency / 4000
    return {"messages": bench.messages, "latency_ms": latency, "row": name,
            "requests": requests, "bytes": traffic and traffic[1],
            "wall_s": round(wall, 3),
            "late_s": traffic and latency and round(traffic[4], 2),
            "to_floor": round(wall / least, 2) if least else None,
            "in_flight": traffic and traffic[2],
            "throttled": traffic and traffic[3],
            "rss_kb": rss, "anon_kb": anon, "disk_kb": disk and disk // 1024,
            "limit": judge(limit, bench.messages, latency, requests, wall),
            "note": bench.note}


def show(values):
    cells = ["" if values[f] is None else str(values[f]) for f in FIELDS]
    print("{:>8} {:>4}  {:<27} {:>8} {:>10} {:>8} {:>6} {:>6} {:>3} {:>4} "
          "{:>7} {:>7} {:>8}  {} {}".format(*cells), flush=True)


def run(make_backend, messages, latency, words):
    made = make_backend(messages, latency)
    out = []
    try:
        bench = Bench(made, messages)
        if made.traffic() is None:
            bench.some = min(bench.some, bench.conn.select())
            bench.reconnect()
        for name in ROWS:
            if words and not any(w.lower() in name.lower() for w in words):
                if name == "first SELECT":
                    bench.conn.select()
                continue
            out.append(measure(bench, name, latency))
            show(out[-1])
        bench.conn.logout()
    finally:
        made.close()
    return out


def main():
    opt = options()
    words = opt.rows.split(",") if opt.rows else None
    show({f: f for f in FIELDS})
    results = []
    if opt.host:
        with open(opt.password_file, encoding="utf-8") as f:
            password = f.readline().rstrip("\n")
        results = run(lambda n, lat: backend.Remote(
            opt.host, opt.port, opt.user, password, opt.tls), 1000, 0, words)
    else:
        for latency in map(int, opt.latency.split(",")):
            for messages in map(int, opt.messages.split(",")):
                results += run(backend.Ours, messages, latency, words)
    with open(opt.csv, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, FIELDS)
        writer.writeheader()
        writer.writerows(results)
    plot.draw(results, opt.png)


sys.exit(main())
