"""Delta queries: opaque tokens, pages, what changed."""

import os
import re
from collections import OrderedDict

from . import ids, odata, rows
from .wire import Error, Response


class Tokens:
    """What a token stands for is kept here; the token itself says nothing."""

    def __init__(self, limit=2000):
        self.limit = limit
        self.states = OrderedDict()

    def make(self, state, long=False):
        token = ids._b64(os.urandom(1600 if long else 330))
        self.states[token] = state
        while len(self.states) > self.limit:
            self.states.popitem(last=False)
        return token

    def take(self, token):
        state = self.states.get(token)
        if state is None:
            raise Error(410, "SyncStateNotFound",
                        "The sync state generation is not found; restart.")
        self.states.move_to_end(token)
        return state


def _token(req):
    m = re.search(r"\$?(?:skip|delta)token=([^&]+)", req.raw_query, re.I)
    return m.group(1) if m else None


def _answer(req, state, page, rest, context):
    data = {"@odata.context": f"{req.sim.url}/v1.0/$metadata#{context}",
            "value": page}
    long = req.sim.count % 7 == 0
    new = dict(state, rest=rest)
    if rest or state.get("final_pending"):
        kind, key = "skiptoken", "@odata.nextLink"
        if not rest:
            new["final_pending"] = False
    else:
        kind, key = "deltatoken", "@odata.deltaLink"
        new = {k: v for k, v in state.items()
               if k not in ("rest", "since", "final_pending")}
        new["since"] = state["upto"]
        new["rest"] = None
    token = req.sim.tokens.make(new, long)
    data[key] = f"{req.sim.url}{state['path']}?${kind}={token}"
    return Response(200, data)


# messages

def _changes(folder, since):
    """[(number, kind)]: the last word on each message since a point."""
    last = OrderedDict()
    for seq, number, kind in folder.log:
        if seq <= since:
            continue
        if kind == "read" and last.get(number) == "row":
            kind = "row"
        last.pop(number, None)
        last[number] = kind
    return list(last.items())


def _start_messages(req, folder):
    if "$search" in req.query:
        raise Error(400, "ErrorInvalidUrlQuery", "$search is not supported.")
    filt = req.query.get("$filter")
    if filt and not re.fullmatch(r"receivedDateTime\s+(ge|gt)\s+\S+", filt):
        raise Error(400, "ErrorInvalidUrlQueryFilter", "filter")
    mode = req.sim.switches["delta_expand"]
    dollar, plain = req.query.get("$expand"), req.query.get("expand")
    if mode == "refused" and (dollar or plain):
        raise Error(400, "BadRequest", "Expand is not supported in delta.")
    if mode == "plain" and dollar:
        raise Error(400, "BadRequest", "$expand is not supported in delta.")
    text = None if mode == "ignored" else dollar or plain
    select = req.query.get("$select")
    keep = filt and odata.message_filter(filt)
    numbers = [n for n, m in folder.messages.items() if not keep or keep(m)]
    if filt:
        numbers = numbers[:5000]
    return {
        "folder": folder.id, "box": req.box.address, "path": req.path,
        "fields": odata.select(select, odata.MESSAGE_FIELDS, "message"),
        "expand": odata.expand(text)[0], "upto": req.box.seq,
        "rest": [(n, "row") for n in numbers],
        "final_pending": req.sim.switches["delta_empty_last"] == "yes",
    }


def _row(req, state, folder, number, kind):
    msg = folder.messages.get(number)
    if msg is None:
        ident = ids.immutable(req.box.oid, number)
        gone = req.box.messages.get(number)
        if not req.immutable:
            ident = gone.default_id() if gone else ident
        return {"@odata.type": "#microsoft.graph.message", "id": ident,
                "@removed": {"reason":
                             req.sim.switches["removed_reason"]}}
    if kind == "read" and req.sim.switches["delta_rows"] == "partial":
        row = {"@odata.type": "#microsoft.graph.message",
               "@odata.etag": f'W/"{msg.change_key}"',
               "id": msg.id if req.immutable else msg.default_id(),
               "isRead": msg.is_read}
    else:
        row = rows.message_json(msg, req.immutable, state["fields"],
                                state["expand"])
    if req.sim.switches["bool_strings"] == "yes" and "isRead" in row:
        row["isRead"] = "true" if row["isRead"] else "false"
    return row


def messages(req, folder):
    token = _token(req)
    if token is None:
        state = _start_messages(req, folder)
    else:
        state = dict(req.sim.tokens.take(token))
        if state.get("folder") != folder.id or \
                state["box"] != req.box.address:
            raise Error(410, "SyncStateNotFound", "foreign token")
    if state["rest"] is None:
        changes = _changes(folder, state["since"])
        state["upto"] = req.box.seq
        state["rest"] = changes
        if req.sim.switches["delta_duplicates"] == "yes":
            state["rest"] += state["rest"][:3]
        state["final_pending"] = False
    size = req.page_size(10)
    limit = int(req.sim.switches["delta_page_max"])
    size = min(size, limit) if limit else size
    if req.sim.switches["delta_empty_pages"] == "yes" and state["rest"] and \
            not state.get("gap"):
        state["gap"] = True
        return _answer(req, state, [], state["rest"], "Collection(message)")
    state["gap"] = False
    page, rest = state["rest"][:size], state["rest"][size:]
    return _answer(req, state,
                   [_row(req, state, folder, n, k) for n, k in page], rest,
                   "Collection(message)")


# folders

def folders(req):
    token = _token(req)
    box = req.box
    if token is None:
        state = {"box": box.address, "path": req.path, "upto": box.seq,
                 "folders": True,
                 "fields": odata.select(req.query.get("$select"),
                                        odata.FOLDER_FIELDS, "mailFolder"),
                 "rest": [f.id for f in box.folders.values()
                          if f.parent is not None]}
    else:
        state = dict(req.sim.tokens.take(token))
        if not state.get("folders") or state["box"] != box.address:
            raise Error(410, "SyncStateNotFound", "foreign token")
    if state["rest"] is None:
        changed = OrderedDict()
        for seq, ident, _ in box.folder_log:
            if seq > state["since"]:
                changed[ident] = True
        state["upto"] = box.seq
        state["rest"] = [i for i in changed
                         if i not in box.folders or
                         box.folders[i].parent is not None]
    size = req.page_size(10)
    page = []
    for ident in state["rest"][:size]:
        folder = box.folders.get(ident)
        page.append(rows.folder_json(folder, state["fields"]) if folder else
                    {"id": ident, "@removed": {"reason": "deleted"}})
    return _answer(req, state, page, state["rest"][size:],
                   "Collection(mailFolder)")
