"""What a mailbox has in it at the start."""

import email.utils
import gc
import os
import random
import zlib
from email.message import EmailMessage

from . import props

_WORDS = ("contract hearing invoice meeting draft report budget schedule "
          "travel review agenda minutes proposal statement notice reminder "
          "delivery summary question answer").split()


def from_directory(box, path):
    """DIR/x.eml goes to the Inbox, DIR/<Folder>/x.eml to that folder."""
    count = 0
    for root, dirs, files in os.walk(path):
        dirs.sort()
        rel = os.path.relpath(root, path)
        folder = box.find_folder("inbox") if rel == "." else \
            box.folder_by_path(rel, create=True)
        for name in sorted(files):
            if not name.endswith(".eml"):
                continue
            with open(os.path.join(root, name), "rb") as f:
                raw = f.read()
            box.deliver(raw, folder, received=1600000000 + count * 3600)
            count += 1
    return count


def _generated(box, n, rng):
    """One message of text, not yet parsed: 100,000 of them take seconds."""
    words = " ".join(rng.choice(_WORDS) for _ in range(4))
    who = rng.randrange(200)
    sender = f"person{who}@example.net"
    when = 1500000000 + n * 600
    text = f"{words}\r\nmessage {n}\r\n"
    headers = [
        ("From", f"Person {who} <{sender}>"), ("To", box.address),
        ("Subject", f"{words} {n}"), ("Date", email.utils.formatdate(when)),
        ("Message-ID", f"<g{n}@example.net>"),
        ("Content-Type", "text/plain; charset=utf-8")]
    msg = box.new_message()
    msg.headers = headers
    msg.source = lambda: ("".join(f"{k}: {v}\r\n" for k, v in headers) +
                          "\r\n" + text).encode()
    msg.subject, msg.body = f"{words} {n}", ("text", text)
    msg.message_id = f"<g{n}@example.net>"
    person = {"emailAddress": {"name": f"Person {who}", "address": sender}}
    msg.addr["from"] = msg.addr["sender"] = [person]
    msg.addr["to"] = [{"emailAddress": {"name": box.address,
                                        "address": box.address}}]
    msg.received = msg.sent = when
    msg.is_read = n % 3 != 0
    msg.set_prop(props.MESSAGE_SIZE, 900 + len(text) * 2)
    return msg


def generate(box, count, seed=1, folder="inbox"):
    rng = random.Random(seed)
    target = box.find_folder(folder)
    collecting = gc.isenabled()
    gc.disable()                      # nothing here becomes garbage
    for n in range(count):
        box.add(_generated(box, n, rng), target)
    if collecting:
        gc.enable()


def _mail(sender, to, subject, date, text, html=None, reply=None, files=()):
    msg = EmailMessage()
    msg["From"], msg["To"], msg["Subject"] = sender, to, subject
    msg["Date"] = email.utils.formatdate(date)
    msg["Message-ID"] = f"<{date}.{zlib.crc32(subject.encode()) % 9973}@example.org>"
    if reply:
        msg["In-Reply-To"] = msg["References"] = reply
    msg.set_content(text)
    if html:
        msg.add_alternative(html, subtype="html")
    for name, ctype, data in files:
        main, sub = ctype.split("/")
        msg.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return msg.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), \
        msg["Message-ID"]


def sample(box):
    """A small mailbox as somebody might have it."""
    me = f"Alice Archer <{box.address}>"
    bob, zoe = "Bob Brunner <bob@example.net>", "Zoë Ångström <zoe@example.org>"
    now = 1795500000
    inbox = box.find_folder("inbox")
    archive = box.make_role("archive")
    project = box.folder_by_path("Projects/Harbour bridge", create=True)
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae"
        "426082")
    first, ident = _mail(bob, me, "Lunch on Friday?", now - 90000,
                         "Shall we try the new place at the harbour?\n")
    box.deliver(first, inbox, now - 90000, read=True)
    reply, _ = _mail(me, bob, "Re: Lunch on Friday?", now - 86000,
                     "Yes, twelve o'clock.\n", reply=ident)
    box.deliver(reply, box.find_folder("sentitems"), now - 86000, read=True)
    mails = [
        (inbox, zoe, "Grüße aus Malmö", "Det är kallt men vackert här.\n",
         "<p>Det är <b>kallt</b> men vackert här.</p>", ()),
        (inbox, bob, "Minutes of the meeting", "See the attachment.\n", None,
         [("minutes.txt", "text/plain", b"1. Opening\r\n2. Closing\r\n")]),
        (inbox, zoe, "A picture for you", "Look!\n", None,
         [("pixel.png", "image/png", png)]),
        (project, bob, "Load calculation, second draft",
         "The figures for pier three changed.\n", None,
         [("loads.csv", "text/csv", b"pier,load\n3,1200\n")]),
        (project, zoe, "Site visit", "Tuesday, nine o'clock, gate B.\n",
         None, ()),
        (archive, bob, "Last year's budget", "For the files.\n", None, ()),
    ]
    for n, (folder, sender, subject, text, body, files) in enumerate(mails):
        raw, _ = _mail(sender, me, subject, now - 80000 + n * 7000, text,
                       body, files=files)
        box.deliver(raw, folder, now - 80000 + n * 7000, read=n % 2 == 0)
    for n in range(12):
        raw, _ = _mail(f"Weekly <weekly{n}@example.org>", me,
                       f"Weekly news, number {n + 1}", now - 40000 + n * 900,
                       f"News of week {n + 1}.\n")
        box.deliver(raw, inbox, now - 40000 + n * 900, read=n < 8)
    flagged = list(inbox.messages.values())[1]
    flagged.flag = "flagged"
    flagged.categories = ["Red category"]
