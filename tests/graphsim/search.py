"""$search: an index of words. Section 14 of the contract: words and their
beginnings, phrases, properties, AND; newest first; an end that nobody tells."""

import html
import re

from .wire import Error

_TERM = re.compile(r'(?:(\w+):)?(?:"([^"]*)"|([^\s"]+))')


def _words(text):
    return re.findall(r"\w+", text.lower())


def _people(msg, *keys):
    return " ".join(" ".join(a["emailAddress"].values())
                    for key in keys for a in msg.addr[key])


def _body(msg):
    kind, text = msg.body
    return html.unescape(re.sub(r"<[^>]*>", " ", text)) \
        if kind == "html" else text


_FIELDS = {
    "subject": lambda msg: [msg.subject],
    "from": lambda msg: [_people(msg, "from")],
    "to": lambda msg: [_people(msg, "to")],
    "body": lambda msg: [_body(msg)],
    None: lambda msg: [_people(msg, "from"), msg.subject, _body(msg)],
}


def _has(text, wanted, prefix):
    """The words one after the other; of the last perhaps the beginning."""
    words = _words(text)
    for start in range(len(words) - len(wanted) + 1):
        here = words[start:start + len(wanted)]
        if here == wanted or (prefix and here[:-1] == wanted[:-1] and
                              here[-1].startswith(wanted[-1])):
            return True
    return False


def _term(field, text):
    if field not in _FIELDS:
        raise Error(400, "BadRequest", f"Unknown property {field}.")
    wanted, prefix = _words(text), text.endswith("*")
    if not wanted:
        raise Error(400, "BadRequest", "Syntax error in the search query.")
    return lambda msg: any(_has(part, wanted, prefix)
                           for part in _FIELDS[field](msg))


def predicate(query):
    if len(query) < 2 or query[0] != '"' or query[-1] != '"':
        raise Error(400, "BadRequest", "Syntax error: character is not valid "
                    "in a search query.")
    text = query[1:-1].replace('\\"', '"')
    terms = [_term(m.group(1) and m.group(1).lower(),
                   m.group(2) if m.group(2) is not None else m.group(3))
             for m in _TERM.finditer(text) if m.group(0) != "AND"]
    if not terms:
        raise Error(400, "BadRequest", "Syntax error in the search query.")
    return lambda msg: all(t(msg) for t in terms)


def find(req, messages):
    if req.sim.switches["search"] == "refused":
        raise Error(400, "ErrorRestrictionTooComplex",
                    "The search is too complex.")
    for name in ("$filter", "$orderby"):
        if name in req.query:
            raise Error(400, "SearchWithFilter" if name == "$filter" else
                        "SearchWithOrderBy", "$search")
    keep = predicate(req.query["$search"])
    found = sorted((m for m in messages if keep(m)),
                   key=lambda m: (m.sent, m.number), reverse=True)
    return found[:int(req.sim.switches["search_max"])]
