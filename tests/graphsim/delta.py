"""Delta queries: rounds, pages, what changed since."""

import re
from collections import OrderedDict

from . import ids, odata, rows
from .synctokens import lost
from .wire import Error, Response

FILTERED_MAX = 5000
PAGE_MAX = 1000
_KINDS = {"created", "updated", "deleted"}
_OPTIONS = {"$select", "$expand", "expand", "$filter", "$orderby", "$top",
            "changeType", "$skiptoken", "$deltatoken", "$search"}


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
    token = req.sim.tokens.make(req.sim, new, long)
    data[key] = f"{req.sim.url}{state['path']}?${kind}={token}"
    return Response(200, data)


def _resume(req, token):
    state = dict(req.sim.tokens.take(token, req.sim))
    if state["box"] != req.box.oid:
        raise lost(req.sim)
    return state


def _page_size(req):
    size = min(req.page_size(10), PAGE_MAX)
    limit = int(req.sim.switches["delta_page_max"])
    return min(size, limit) if limit else size


# messages

def _changes(folder, since, upto):
    """[(number, kind, old id)]: the last word on each message in a span."""
    last = OrderedDict()
    for seq, number, kind, old_id, _ in folder.log:
        if seq <= since or seq > upto:
            continue
        if kind == "read" and last.get(number, ("",))[0] in ("row", "came"):
            kind = "row"
        last.pop(number, None)
        last[number] = (kind, old_id)
    return [(n, kind, old) for n, (kind, old) in last.items()]


def _wanted(state, folder, number, kind):
    """changeType: of a round after the first."""
    if not state["kinds"]:
        return True
    if kind == "gone":
        return "deleted" in state["kinds"]
    came = max((seq for seq, n, k, _, _ in folder.log
                if n == number and k == "came"), default=0)
    return ("created" if came > state["since"] else "updated") \
        in state["kinds"]


def _upto(req, folder):
    """How far this round sees: all, or what is older than the lag."""
    lag = float(req.sim.switches["lag"])
    if not lag:
        return req.box.seq
    young = [seq for seq, _, _, _, when in folder.log
             if when > req.sim.now() - lag]
    return min(young) - 1 if young else req.box.seq


def _check_options(req):
    for name in req.query:
        if name == "$search" or name not in _OPTIONS:
            raise Error(400, "ErrorInvalidUrlQuery",
                        f"The query option '{name}' is not supported.")
    filt = req.query.get("$filter")
    if filt and not re.fullmatch(r"receivedDateTime\s+(ge|gt)\s+\S+", filt):
        raise Error(400, "ErrorInvalidUrlQueryFilter",
                    "Only receivedDateTime ge or gt is supported.")
    order = req.query.get("$orderby")
    if order and not re.fullmatch(r"receivedDateTime\s+desc", order, re.I):
        raise Error(400, "ErrorInvalidUrlQuery",
                    "Only receivedDateTime desc is supported.")
    kinds = set(filter(None, req.query.get("changeType", "").split(",")))
    if kinds - _KINDS:
        raise Error(400, "ErrorInvalidUrlQuery", "changeType")
    return filt, bool(order), kinds


def _expand(req):
    mode = req.sim.switches["delta_expand"]
    dollar, plain = req.query.get("$expand"), req.query.get("expand")
    if mode == "refused" and (dollar or plain):
        raise Error(400, "BadRequest", "Expand is not supported in delta.")
    if mode == "plain" and dollar:
        raise Error(400, "BadRequest", "$expand is not supported in delta.")
    keys = odata.expand(dollar or plain)[0]
    return None if mode == "ignored" else keys


def _start_messages(req, folder):
    filt, ordered, kinds = _check_options(req)
    fields = odata.select(req.query.get("$select"), odata.MESSAGE_FIELDS,
                          "message")
    keys = _expand(req)
    upto = _upto(req, folder)
    hidden = {n for seq, n, kind, _, _ in folder.log
              if seq > upto and kind == "came"}
    found = [m for n, m in folder.messages.items() if n not in hidden]
    if filt:
        keep = odata.message_filter(filt)
        found = [m for m in found if keep(m)][:FILTERED_MAX]
    if ordered:
        found.sort(key=lambda m: m.received, reverse=True)
    return {
        "folder": folder.id, "box": req.box.oid, "path": req.path,
        "fields": fields, "expand": keys, "kinds": kinds, "upto": upto,
        "rest": [(m.number, "row", None) for m in found],
        "final_pending": req.sim.switches["delta_empty_last"] == "yes",
    }


def _row(req, state, folder, number, kind, old_id):
    msg = folder.messages.get(number)
    if msg is None:
        ident = ids.immutable(req.box.oid, number)
        if not req.immutable:
            ident = old_id or ident
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
                                state["expand"], prefer=req.body_type)
    if req.sim.switches["bool_strings"] == "yes" and "isRead" in row:
        row["isRead"] = "true" if row["isRead"] else "false"
    return row


def _next_round(req, state, folder):
    state["upto"] = max(state["since"], _upto(req, folder))
    switches = req.sim.switches
    since = state["since"]
    if switches["delta_replay"] == "yes":
        since = max(0, since - 6)
    rest = [c for c in _changes(folder, since, state["upto"])
            if _wanted(state, folder, c[0], c[1])]
    if switches["delta_duplicates"] == "yes":
        rest += rest[:3]
    if switches["delta_order"] == "reversed":
        rest.reverse()
    state["rest"] = rest
    state["final_pending"] = switches["delta_empty_last"] == "yes" and \
        bool(rest)


def messages(req, folder):
    token = _token(req)
    if token is None:
        state = _start_messages(req, folder)
    else:
        state = _resume(req, token)
        if state.get("folder") != folder.id:
            raise lost(req.sim)
    if state["rest"] is None:
        _next_round(req, state, folder)
    size = _page_size(req)
    if req.sim.switches["delta_empty_pages"] == "yes" and state["rest"] and \
            not state.get("gap"):
        state["gap"] = True
        return _answer(req, state, [], state["rest"], "Collection(message)")
    state["gap"] = False
    page, rest = state["rest"][:size], state["rest"][size:]
    return _answer(req, state,
                   [_row(req, state, folder, *change) for change in page],
                   rest, "Collection(message)")


# folders

def folders(req):
    token = _token(req)
    box = req.box
    if token is None:
        for name in req.query:
            if name != "$select":
                raise Error(400, "ErrorInvalidUrlQuery", f"option {name}")
        state = {"box": box.oid, "path": req.path, "upto": box.seq,
                 "folders": True,
                 "fields": odata.select(req.query.get("$select"),
                                        odata.FOLDER_FIELDS, "mailFolder"),
                 "rest": [f.id for f in box.folders.values()
                          if f.parent is not None]}
    else:
        state = _resume(req, token)
        if not state.get("folders"):
            raise lost(req.sim)
    if state["rest"] is None:
        silent = req.sim.switches["folder_counts"] == "no"
        changed = OrderedDict((ident, True) for seq, ident, counts
                              in box.folder_log if seq > state["since"]
                              and not (counts and silent))
        state["upto"] = box.seq
        state["rest"] = [i for i in changed
                         if i not in box.folders or
                         box.folders[i].parent is not None]
    size = _page_size(req)
    page = []
    for ident in state["rest"][:size]:
        folder = box.folders.get(ident)
        page.append(rows.folder_json(folder, state["fields"]) if folder else
                    {"@odata.type": "#microsoft.graph.mailFolder",
                     "id": ident, "@removed": {"reason": "deleted"}})
    return _answer(req, state, page, state["rest"][size:],
                   "Collection(mailFolder)")
