"""Real mail and mail of odd shapes: listed, fetched whole, appended."""

import glob
import os
import re
import shutil
import time

import pytest

import compare
import odd
from imaptools import by_uid, ok
from rig import ROOT, Rig

CORPUS = os.path.join(os.path.dirname(ROOT), "shared", "corpus")
USUAL = ("DATE SUBJECT FROM SENDER REPLY-TO TO CC BCC MESSAGE-ID IN-REPLY-TO "
         "REFERENCES LIST-ID X-MAILER USER-AGENT RECEIVED DELIVERED-TO")
FIRST = 1600000000                # simulator: received, an hour apart


def corpus():
    out = {}
    for path in sorted(glob.glob(CORPUS + "/*.eml")):
        with open(path, "rb") as f:
            out[os.path.basename(path)] = f.read()
    return out


def as_kept(raw):
    """What any Dovecot storage gives back: each line ends in CRLF, and a NUL
    cannot be in a literal (RFC 3501 4.3)."""
    return re.sub(rb"\r\n|\r|\n", b"\r\n", raw).replace(b"\0", b"\x80")


@pytest.fixture(scope="module", params=["odd", "generated", "corpus"])
def seeded(request, tmp_path_factory):
    """(rig, the messages in order of their arrival)"""
    mail = {"odd": odd.messages, "generated": odd.generated,
            "corpus": corpus}[request.param]()
    if not mail:
        pytest.skip("the mail corpus is not here")
    path = tmp_path_factory.mktemp("seed")
    for name, raw in mail.items():
        name = name if name.endswith(".eml") else name + ".eml"
        (path / name).write_bytes(raw)
    rig = Rig(sim_args=["--seed-dir", str(path)]).start()
    rig.mail = [raw for _, raw in sorted(
        (n if n.endswith(".eml") else n + ".eml", r)
        for n, r in mail.items())]
    rig.names = sorted(mail)
    yield rig
    errors = rig.log_errors()
    rig.close()
    assert errors == []


def differing(names, pairs, compared):
    """What differs, by name of the message; shown by pytest."""
    out = {}
    for name, (want, got) in zip(names, pairs):
        what = compared(want, got)
        if what:
            out[name] = what
    return out


def content_differs(want, got):
    """Header fields, texts and attachment bytes."""
    a, b = compare.View(want), compare.View(got)
    if a.fields != b.fields:
        return a.fields - b.fields, b.fields - a.fields
    if not a.broken and a.texts != b.texts:
        return a.texts, b.texts
    if not a.broken and a.file_bytes() != b.file_bytes():
        return a.files, b.files
    return None


def header_differs(shown, fetched):
    """The usual fields before and after the download: same names in the same
    number, the same text or people."""
    wanted = USUAL.lower().split()
    a, b = (sorted((n, v) for n, v in compare.parse_fields(h) if n in wanted)
            for h in (shown, fetched))
    if [n for n, _ in a] != [n for n, _ in b]:
        return [n for n, _ in a], [n for n, _ in b]
    for (name, x), (_, y) in zip(a, b):
        if compare.decoded(x) != compare.decoded(y) and \
                compare.people(x) != compare.people(y):
            return name, x, y
    return None


def envelopes(conn):
    """{uid: the ENVELOPE as it stands}, literals put in."""
    out, text = {}, b""
    for part in ok(conn.uid("FETCH", "1:*", "(UID ENVELOPE)")):
        if isinstance(part, tuple):
            head = re.sub(rb"\{\d+\}$", b"", part[0])
            text += head + b'"' + re.sub(rb'(["\\])', rb"\\\1",
                                         part[1]) + b'"'
            continue
        text += part
        out[int(re.search(rb"UID (\d+)", text).group(1))] = \
            text[text.index(b"ENVELOPE"):]
        text = b""
    return out


@pytest.fixture(scope="module")
def fetched(seeded):
    """Everything by UID: before any download, and the bodies."""
    rig = seeded
    conn = rig.imap()
    ok(conn.select())
    rig.sim("log/clear")
    shown = by_uid(conn, f"BODY.PEEK[HEADER.FIELDS ({USUAL})]")
    envelope = envelopes(conn)
    downloads = [e for e in rig.requests() if "value" in e["path"]]
    raw = by_uid(conn, "BODY.PEEK[]")
    ok(conn.fetch("1:*", "(ENVELOPE BODYSTRUCTURE INTERNALDATE FLAGS)"))
    dates = ok(conn.uid("FETCH", "1:*", "(UID INTERNALDATE)"))
    conn.logout()
    # another root: nothing is known of the messages but what is fetched
    shutil.rmtree(rig.file("mail", rig.users[0]))
    conn = rig.imap()
    ok(conn.select())
    by_uid(conn, "BODY.PEEK[]")
    again = by_uid(conn, "BODY.PEEK[]")
    conn.logout()
    return {"shown": shown, "envelope": envelope, "downloads": downloads,
            "raw": raw, "dates": dates, "again": again}


def test_every_message_is_whole(seeded, fetched):
    raw = [fetched["raw"][uid] for uid in sorted(fetched["raw"])]
    assert len(raw) == len(seeded.mail)
    assert differing(seeded.names, zip(seeded.mail, raw),
                     content_differs) == {}
    assert len(fetched["again"]) == len(raw)
    for n, line in enumerate(fetched["dates"]):
        date = time.strftime("%d-%b-%Y %H:%M:%S", time.gmtime(FIRST +
                                                              n * 3600))
        assert date.encode() in line


def test_listing_needs_no_download(fetched):
    assert fetched["downloads"] == []


def test_shown_header_is_the_messages(seeded, fetched):
    uids = sorted(fetched["raw"])
    assert sorted(fetched["shown"]) == sorted(fetched["envelope"]) == uids
    assert differing(seeded.names,
                     [(fetched["shown"][u], fetched["raw"][u]) for u in uids],
                     header_differs) == {}


def append_all(rig, conn, folder):
    """{name: UID}; each with a date and flags of its own."""
    uids = {}
    for n, (name, raw) in enumerate(zip(rig.names, rig.mail)):
        date = time.strftime('"%d-%b-%Y %H:%M:%S +0000"',
                             time.gmtime(1500000000 + n * 60))
        answer = conn.append(folder, "(\\Seen)" if n % 2 else None, date, raw)
        assert answer[0] == "OK", (name, answer)
        uids[name] = int(re.search(rb"APPENDUID \d+ (\d+)",
                                   answer[1][0]).group(1))
    return uids


MEANING = {
    "subject": compare.decoded, "date": compare.moment,
    "message-id": compare.message_ids, "in-reply-to": compare.message_ids,
    "references": compare.message_ids, "from": compare.mailboxes,
    "to": compare.mailboxes, "cc": compare.mailboxes,
    "reply-to": compare.mailboxes}


def appended_differs(want, got):
    """After the service has made a message anew of what was appended."""
    a, b = compare.View(want), compare.View(compare.signed_entity(got))
    for name, meaning in MEANING.items():
        x, y = (meaning(v.field(name)) if v.field(name) else None
                for v in (a, b))
        if name == "from" and x:
            x = x[:1]             # of several the service keeps the first
        if meaning is compare.mailboxes and x:
            x, y = set(x), set(x) & set(y or ())
        if x and x != y:
            return name, x, y
    if a.broken:
        return "empty" if a.texts and not (b.texts or b.files) else None
    lost = a.file_bytes() - b.file_bytes()
    if lost:
        return "files", lost, b.files
    return text_differs(a, b)


def text_differs(a, b):
    """One body is left of a message: HTML with what was not its twin."""
    text = " ".join(t for _, t in b.texts)
    html = any(kind == "html" for kind, _ in a.texts)
    found = [words in text for kind, words in a.texts
             if (kind == "html" or not html) and
             not re.fullmatch(r"--\S+", words)]
    enough = any if a.alternative else all
    return None if not found or enough(found) else (a.texts, b.texts)


@pytest.mark.parametrize("headers", ["yes", "refused"])
def test_append_of_every_message(seeded, headers):
    """Where the service does not take the header block, what has a field of
    its own is kept."""
    rig = seeded
    folder = f"Headers {headers}"
    conn = rig.imap()
    ok(conn.create(f'"{folder}"'))
    rig.sim("switch", transport_headers=headers)
    uids = append_all(rig, conn, f'"{folder}"')
    rig.sim("switch", transport_headers="yes")
    state = sorted(rig.messages(folder=folder), key=lambda m: m["received"])
    assert [m["received"] for m in state] == \
        [1500000000 + n * 60 for n in range(len(uids))]
    assert not any(m["isDraft"] for m in state)
    # without a date of its own it was sent when it was received
    views = [compare.View(raw) for raw in rig.mail]
    dates = [v.field("date") or v.broken and "?" for v in views]
    wrong = {name: (m["sent"], date) for name, m, date in
             zip(rig.names, state, dates)
             if m["sent"] != (compare.moment(date) or m["sent"] if date
                              else m["received"])}
    assert wrong == {}
    assert [m["isRead"] for m in state] == [n % 2 == 1
                                            for n in range(len(uids))]
    ok(conn.select(f'"{folder}"'))
    raw = by_uid(conn, "BODY.PEEK[]")
    assert differing(rig.names, ((want, raw[uids[name]]) for name, want in
                                 zip(rig.names, rig.mail)),
                     lambda w, g: as_kept(w) != g and (w, g)) == {}
    for n, line in enumerate(ok(conn.uid("FETCH", "1:*", "(INTERNALDATE)"))):
        date = time.strftime("%d-%b-%Y %H:%M:%S",
                             time.gmtime(1500000000 + n * 60))
        assert date.encode() in line
    conn.logout()
    # what others see: our copy of the bytes is gone
    shutil.rmtree(rig.file("mail", rig.users[0]))
    conn = rig.imap()
    ok(conn.select(f'"{folder}"'))
    shown = by_uid(conn, f"BODY.PEEK[HEADER.FIELDS ({USUAL})]")
    anew = by_uid(conn, "BODY.PEEK[]")
    assert len(anew) == len(rig.mail)
    assert differing(rig.names, ((shown[u], anew[u]) for u in sorted(anew)),
                     header_differs) == {}
    assert differing(rig.names, zip(rig.mail, (anew[u] for u in sorted(anew))),
                     appended_differs) == {}
    conn.logout()
