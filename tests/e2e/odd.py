"""Mail of odd shapes, written for these tests: {name: bytes}. Those made at
random are 60, or MSGRAPH_SHAPES."""

import base64
import os
import random

SHAPES = int(os.environ.get("MSGRAPH_SHAPES", 60))

HEAD = ("From: Odd Shape <odd@example.net>\r\nTo: alice@example.com\r\n"
        "Message-ID: <{name}@odd.example.net>\r\n"
        "Date: Mon, 02 Mar 2020 08:{minute:02d}:00 +0100\r\n"
        "Subject: odd {name}\r\n")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVQI12P4//8/AAX+Av7c"
    "zFnnAAAAAElFTkSuQmCC")

# name: what follows the five fields of HEAD (header rest, empty line, body)
_AFTER_HEAD = {
    "plain": "\r\nHello\r\n",
    "empty-body": "\r\n",
    "no-empty-line": "",
    "nested-rfc822": (
        'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="a"\r\n'
        "\r\n--a\r\nContent-Type: text/plain\r\n\r\nouter\r\n--a\r\n"
        "Content-Type: message/rfc822\r\n\r\nFrom: in@example.net\r\n"
        "Subject: middle\r\nContent-Type: message/rfc822\r\n\r\n"
        "Subject: inmost\r\nFrom: z@example.net\r\n\r\ndeep\r\n--a--\r\n"),
    "8bit-header": "X-Place: Malmö, Ångström\r\n\r\nbody\r\n",
    "broken-base64": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
        "\r\n--b\r\n\r\nsee file\r\n--b\r\nContent-Type: image/png; "
        "name=x.png\r\nContent-Disposition: attachment\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\niVBO?Rw0K*Ggo\r\nAAAANS\r\n"
        "--b--\r\n"),
    "only-attachment": (
        "MIME-Version: 1.0\r\nContent-Type: application/pdf; name=\"a.pdf\""
        "\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n" +
        base64.encodebytes(b"%PDF-1.4 not really " * 20).decode().replace(
            "\n", "\r\n")),
    "multipart-no-parts": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=c\r\n"
        "\r\nThere is no boundary here.\r\n"),
    "wrong-boundary": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=d\r\n"
        "\r\n--e\r\nContent-Type: text/plain\r\n\r\nlost text\r\n--e--\r\n"),
    "no-boundary-parameter": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed\r\n\r\n--x\r\n\r\n"
        "text\r\n--x--\r\n"),
    "truncated-multipart": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=f\r\n"
        "\r\n--f\r\nContent-Type: text/plain\r\n\r\nbegun\r\n--f\r\nContent-T"),
    "unknown-charset": (
        "Content-Type: text/plain; charset=x-nobody-knows\r\n\r\nplain words"
        "\r\n"),
    "format-flowed": (
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8; "
        "format=flowed; delsp=yes\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "A line that \r\nflows on \r\nto här.\r\n-- \r\nsig\r\n"),
    "calendar": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; "
        "boundary=g\r\n\r\n--g\r\nContent-Type: text/plain\r\n\r\nMeeting\r\n"
        "--g\r\nContent-Type: text/calendar; method=REQUEST; charset=utf-8"
        "\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
        "--g--\r\n"),
    "smime-signed": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/signed; "
        'protocol="application/pkcs7-signature"; micalg=sha-256; '
        "boundary=h\r\n\r\n--h\r\nContent-Type: text/plain\r\n\r\nSigned  "
        "words \r\n--h\r\nContent-Type: application/pkcs7-signature; "
        "name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename=smime.p7s\r\n\r\n"
        "MIIBogYJKoZIhvcN\r\n--h--\r\n"),
    "dsn-report": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; "
        "report-type=delivery-status; boundary=i\r\n\r\n--i\r\n\r\nIt did not "
        "arrive.\r\n--i\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: rfc822; "
        "x@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--i\r\n"
        "Content-Type: message/rfc822\r\n\r\nSubject: lost\r\n\r\nwords\r\n"
        "--i--\r\n"),
    "rfc2231-name": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=j\r\n"
        "\r\n--j\r\nContent-Type: text/plain\r\n\r\nfile\r\n--j\r\n"
        "Content-Type: application/octet-stream\r\nContent-Disposition: "
        "attachment;\r\n filename*0*=utf-8''%C3%9Cber%20;\r\n "
        "filename*1*=die%20Br%C3%BCcke.bin\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\nAAECAwQ=\r\n--j--\r\n"),
    "duplicate-headers": (
        "Subject: a second subject\r\nTo: second@example.net\r\n"
        "X-Twice: one\r\nX-Twice: two\r\n\r\nbody\r\n"),
    "huge-header": ("X-Huge: " + "word " * 6000 + "\r\nReferences:" + "".join(
        f"\r\n <ref{n}@example.net>" for n in range(300)) + "\r\n\r\nbody\r\n"),
    "many-recipients": ("Cc: " + ",\r\n ".join(
        f'"Person, {n}" <p{n}@example.org>' for n in range(150)) +
        "\r\n\r\nbody\r\n"),
    "groups": (
        "Cc: undisclosed-recipients:;\r\nReply-To: Team: a@example.net, "
        "B <b@example.net>;\r\n\r\nbody\r\n"),
    "empty-fields": "Cc:\r\nReply-To: \r\nX-Empty:\r\n\r\nbody\r\n",
    "encoded-words": (
        "Cc: =?iso-8859-1?Q?Andr=E9?= <andre@example.org>,\r\n =?utf-8?B?"
        "xZlla2E=?= <reka@example.org>\r\nX-Enc: =?utf-8?q?=E2=82=AC?=\r\n\r\n"
        "body\r\n"),
    "html-inline": (
        "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=k\r\n"
        "\r\n--k\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>see <img "
        'src="cid:pic@x"></p>\r\n--k\r\nContent-Type: image/png; '
        "name=p.png\r\nContent-ID: <pic@x>\r\nContent-Disposition: inline; "
        "filename=p.png\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
        base64.b64encode(PNG).decode() + "\r\n--k--\r\n"),
    "long-lines": "\r\n" + "x" * 10000 + "\r\n" + "y " * 5000 + "\r\n",
    "quoted-printable": (
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\nsoft=\r\n break "
        "=C3=A4=3D =ZZ end=20\r\n"),
    "deep-nesting": (
        "MIME-Version: 1.0\r\n" + "".join(
            f"Content-Type: multipart/mixed; boundary=n{n}\r\n\r\n--n{n}\r\n"
            for n in range(30)) + "Content-Type: text/plain\r\n\r\ndeep\r\n" +
        "".join(f"--n{n}--\r\n" for n in reversed(range(30)))),
    "dot-lines": "\r\n.\r\n..\r\n.x\r\n",
    "nul": "\r\na\0b\r\n",
    "bare-cr": "\r\none\rtwo\r\n",
}

# whole messages
_WHOLE = {
    "no-message-id": b"From: a@example.net\r\nTo: alice@example.com\r\nDate: "
                     b"Mon, 02 Mar 2020 09:00:00 +0000\r\nSubject: no id\r\n"
                     b"\r\nbody\r\n",
    "no-date": b"From: a@example.net\r\nSubject: no date\r\nMessage-ID: "
               b"<nodate@odd.example.net>\r\n\r\nbody\r\n",
    "bad-date": b"From: a@example.net\r\nSubject: bad date\r\nDate: once upon "
                b"a time\r\nMessage-ID: <baddate@odd.example.net>\r\n\r\n"
                b"body\r\n",
    "no-subject": b"From: a@example.net\r\nMessage-ID: <nosubject@odd.example"
                  b".net>\r\n\r\nbody\r\n",
    "only-subject": b"Subject: alone\r\n\r\n",
    "bare-lf": b"From: a@example.net\nSubject: bare lf\nMessage-ID: <barelf@"
               b"odd.example.net>\nDate: Mon, 02 Mar 2020 09:01:00 +0000\n\n"
               b"one\ntwo\n",
    "latin1-header": b"From: Andr\xe9 <andre@example.org>\r\nSubject: Caf\xe9"
                     b"\r\nMessage-ID: <latin1@odd.example.net>\r\n\r\nbody"
                     b"\r\n",
    "odd-addresses": b'From: "A. \\"Q\\" B" <"a b"@example.net>\r\nTo: not an '
                     b"address\r\nCc: x@[192.0.2.1], <@r.example:y@example."
                     b"net>\r\nSubject: odd addresses\r\nMessage-ID: <oddaddr@"
                     b"odd.example.net>\r\n\r\nbody\r\n",
}


def _charset(name, text, transfer="8bit"):
    data = text.encode(name)
    if transfer == "base64":
        data = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return (f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset={name}"
            f"\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n"
            ).encode() + data + b"\r\n"


def messages():
    out = {}
    for minute, (name, rest) in enumerate(_AFTER_HEAD.items()):
        out[name] = HEAD.format(name=name, minute=minute).encode() + \
            rest.encode()
    for minute, (name, charset, text, transfer) in enumerate((
            ("iso-2022-jp", "iso-2022-jp", "日本語のメール", "7bit"),
            ("gb18030", "gb18030", "中文邮件", "8bit"),
            ("koi8-r", "koi8-r", "Письмо", "8bit"),
            ("utf-16", "utf-16", "wide", "base64"),
            ("windows-1252", "windows-1252", "“quoted” €", "8bit"))):
        out["charset-" + name] = HEAD.format(
            name=name, minute=minute).encode() + _charset(charset, text,
                                                          transfer)
    out.update(_WHOLE)
    return out


def _part(rng, depth):
    kind = rng.choice(["text", "html", "bin", "none", "mixed", "alternative",
                       "message", "broken"] if depth else
                      ["text", "html", "bin", "none"])
    if kind in ("mixed", "alternative"):
        mark = f"b{rng.randrange(10 ** 9)}"
        inner = "".join(f"--{mark}\r\n{_part(rng, depth - 1)}\r\n"
                        for _ in range(rng.randrange(4)))
        end = f"--{mark}--\r\n" if rng.random() < .8 else ""
        return (f"Content-Type: multipart/{kind}; boundary=\"{mark}\"\r\n\r\n"
                f"{rng.choice(['', 'preamble'])}\r\n{inner}{end}")
    if kind == "message":
        return "Content-Type: message/rfc822\r\n\r\n" + _shape(rng, depth - 1)
    if kind == "bin":
        data = base64.encodebytes(rng.randbytes(rng.randrange(300))).decode()
        return ("Content-Type: application/x-odd; name=" + rng.choice(
            ["a.bin", '"b c.bin"', '"=?utf-8?q?=C3=A9?="', "", ";;"]) +
            "\r\nContent-Disposition: attachment\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n" +
            data.replace("\n", "\r\n"))
    if kind == "broken":
        return rng.choice(["no header at all", "Content-Type\r\n\r\nx",
                           "Content-Type: multipart/mixed\r\n\r\nno boundary",
                           "Content-Transfer-Encoding: odd\r\n\r\ny",
                           "Content-Type: text/plain; charset=none\r\n\r\n"
                           "\xe9\xff"])
    text = rng.choice(["short\r\n", "", "a" * 2000 + "\r\n", "caf\xe9\r\n",
                       "From x\r\n.\r\n..\r\n", "\r\n\r\n", "no end",
                       "=E9 =\r\n=3D", "tab\tand\x0bodd\r\n"])
    header = "" if kind == "none" else (
        f"Content-Type: text/{'html' if kind == 'html' else 'plain'}"
        f"{rng.choice(['', '; charset=utf-8', '; charset=iso-8859-1'])}\r\n"
        + rng.choice(["", "Content-Transfer-Encoding: 8bit\r\n",
                      "Content-Transfer-Encoding: quoted-printable\r\n"]))
    return header + "\r\n" + text


def _shape(rng, depth=2):
    """A message of some odd shape, as text of Latin-1."""
    fields = ["From: Ann <ann@example.net>", "To: undisclosed:;",
              "Subject: =?utf-8?b?w6k=?= odd", "Subject:", "Date: yesterday",
              "Date: Tue, 01 Sep 2020 10:00:00 +0200", "Cc: a@b, c@d (e)",
              f"Message-ID: <{rng.randrange(10 ** 12)}@odd>", "X-Odd:\tx",
              "References: <a@b>\r\n <c@d>", "Received: by x; y",
              "From: <>", "Bcc: z@example.org", "X-8bit: \xe9",
              "MIME-Version: 1.0", "Importance: high"]
    chosen = rng.sample(fields, rng.randrange(1, 9))
    return "\r\n".join(chosen) + "\r\n" + _part(rng, depth)


def generated(count=SHAPES):
    """{name: bytes} of shapes at random, always the same."""
    rng = random.Random(4)
    return {f"shape{n:04}": _shape(rng).encode("latin-1")
            for n in range(count)}
