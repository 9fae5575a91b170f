"""/_sim/: what somebody else did, faults, switches, and a look inside."""

import base64
import hashlib

from . import ids, props, rows, store
from .wire import Error, Response, not_found


def _box(sim, data):
    name = data.get("user") or next(iter(sim.boxes))
    box = sim.box_of(name)
    if box is None:
        raise not_found("user")
    return box


def _folder(box, name, create=False):
    folder = box.find_folder(name) or box.folder_by_path(name, create)
    if folder is None:
        raise not_found("folder")
    return folder


def _messages(box, data):
    idents = data.get("ids") or ([data["id"]] if "id" in data else [])
    out = []
    for ident in idents:
        msg = box.find(ident)
        if msg is None:
            raise not_found()
        out.append(msg)
    return out


def message_state(msg):
    return {
        "id": msg.id, "folder": msg.folder.path(), "folderId": msg.folder.id,
        "role": msg.folder.role, "subject": msg.subject,
        "internetMessageId": msg.message_id, "isRead": msg.is_read,
        "flag": msg.flag, "categories": msg.categories,
        "isDraft": msg.is_draft, "verb": rows.verb(msg),
        "imapDeleted": msg.prop(props.IMAP_DELETED) == "1",
        "created": msg.created, "received": msg.received, "sent": msg.sent,
        "from": msg.addr["from"], "to": msg.addr["to"], "cc": msg.addr["cc"],
        "bodyType": msg.body[0],
        "text": hashlib.sha256(msg.body[1].encode("utf-8", "replace")
                               ).hexdigest(),
        "attachments": [{"name": a.name, "contentType": a.ctype,
                         "size": len(a.data), "sha256": a.sha}
                        for a in msg.attachments]}


def state(sim, data):
    box = _box(sim, data)
    return {"folders": [{"id": f.id, "path": f.path(), "role": f.role,
                         "hidden": f.hidden, "count": len(f.messages)}
                        for f in box.folders.values()],
            "messages": [message_state(m) for m in box.messages.values()]}


def message(sim, data):
    msg = _messages(_box(sim, data), data)[0]
    out = message_state(msg)
    out.update(body=msg.body[1], headers=msg.headers,
               properties=dict(msg.props.values()))
    return out


def deliver(sim, data):
    box = _box(sim, data)
    folder = _folder(box, data.get("folder", "inbox"), True)
    made = []
    for n in range(int(data.get("count", 1))):
        if "mime64" in data:
            raw = base64.b64decode(data["mime64"])
        elif "mime" in data:
            raw = data["mime"].encode("utf-8")
        else:
            raw = (f"From: Carol <carol@example.net>\r\nTo: {box.address}\r\n"
                   f"Subject: delivered {box.next_number}\r\nMessage-ID: "
                   f"<d{box.next_number}@example.net>\r\nDate: Mon, 23 Nov "
                   f"2026 10:00:00 +0000\r\n\r\nHello {n}\r\n").encode()
        made.append(box.deliver(raw, folder, data.get("received"),
                                bool(data.get("read"))).id)
    return {"ids": made}


def patch(sim, data):
    box = _box(sim, data)
    for msg in _messages(box, data):
        kind = "read" if set(data) <= {"user", "id", "ids", "isRead"} \
            else "row"
        for key, attr in (("isRead", "is_read"), ("flag", "flag"),
                          ("categories", "categories"),
                          ("poison", "poison")):
            if key in data:
                setattr(msg, attr, data[key])
        if "subject" in data or "text" in data:
            msg.subject = data.get("subject", msg.subject)
            msg.body = ("text", data.get("text", msg.body[1]))
            store.rebuild(msg)
        if "verb" in data:
            msg.set_prop(props.LAST_VERB, data["verb"])
        if "imapDeleted" in data:
            msg.set_prop(props.IMAP_DELETED, int(bool(data["imapDeleted"])))
        box.changed(msg, kind)
    return {}


def transfer(sim, data, copy):
    box = _box(sim, data)
    target = _folder(box, data["folder"], True)
    out = []
    for msg in _messages(box, data):
        if copy:
            out.append(box.copy(msg, target).id)
        else:
            box.move(msg, target)
            out.append(msg.id)
    return {"ids": out}


def delete(sim, data):
    box = _box(sim, data)
    for msg in _messages(box, data):
        box.remove(msg)
    return {}


def edit_folder(sim, data):
    box = _box(sim, data)
    op = data["op"]
    if op == "create":
        return {"id": _folder(box, data["path"], True).id}
    if op == "role":
        return {"id": box.make_role(data["role"]).id}
    folder = _folder(box, data.get("id") or data["path"])
    if op == "rename":
        folder.name = data["name"]
        box.touch_folder(folder)
    elif op == "move":
        folder.parent = _folder(box, data["to"]) if data["to"] else box.root
        box.touch_folder(folder)
    elif op == "hide":
        folder.hidden = True
        box.touch_folder(folder)
    elif op == "delete":
        box.remove_folder(folder)
    elif op == "empty":
        for msg in list(folder.messages.values()):
            box.remove(msg)
    else:
        raise Error(400, "BadRequest", op)
    return {"id": folder.id}


def switch(sim, data):
    for name, value in data.items():
        if name not in sim.switches:
            raise Error(400, "BadRequest", f"no switch {name}")
        sim.switches[name] = str(value)
    return dict(sim.switches)


def token(sim, data):
    box = _box(sim, data)
    if data["op"] == "expire":
        sim.login.expire(box)
    elif data["op"] == "cae":
        sim.login.challenge(box, data["claims"])
    elif data["op"] == "revoke":
        sim.login.revoke(box)
    elif data["op"] == "fail":
        sim.login.failures.append({k: v for k, v in data.items()
                                   if k not in ("op", "user")})
    elif data["op"] == "heal":
        sim.login.failures.clear()
    return {}


def settings(sim, data):
    """What the login host and a mailbox know of themselves."""
    if "redirect_uris" in data:
        sim.login.redirect_uris = data["redirect_uris"]
    if "auto_consent" in data:
        sim.login.auto_consent = bool(data["auto_consent"])
    if "share_with" in data:
        sim.shares[_box(sim, data).address] = list(data["share_with"])
    for name in ("admin_required", "admin_consented"):
        if name in data:
            setattr(sim.login, name, bool(data[name]))
    for name in ("apps", "app_roles"):
        if name in data:
            setattr(sim.login, name, data[name])
    for name in ("expired_secrets", "app_denied"):
        if name in data:
            setattr(sim.login, name, set(data[name]))
    if "certificate" in data:
        sim.login.certificate = data["certificate"]
    if "address" in data:
        # the user principal name; the object id stays
        box = sim.boxes.pop(_box(sim, data).address)
        box.address = data.pop("address")
        sim.boxes[box.address] = box
        data["user"] = box.address
    if "latency" in data:
        sim.latency = float(data["latency"]) / 1000
    if "date_offset" in data:
        sim.date_offset = int(data["date_offset"])
    if "mail" in data:
        _box(sim, data).mail = data["mail"]
    if "proxies" in data:
        _box(sim, data).proxies = data["proxies"]
    return {}


def device(sim, data):
    """The code is entered on another device."""
    return {"known": sim.login.enter_code(
        data["user_code"], data.get("user", ""),
        data.get("decision", "accept") == "accept")}


def fault(sim, data):
    sim.faults.add(data)
    return {}


def clear_faults(sim, data):
    sim.faults.clear()
    return {}


def get_log(sim, data):
    return {"log": sim.log[int(data.get("since", 0)):]}


def clear_log(sim, data):
    sim.log.clear()
    sim.limits.most.clear()
    return {}


def stats(sim, data):
    outer = [e for e in sim.log if not e["inner"]]
    return {"requests": len(outer), "all": len(sim.log),
            "max_in_flight": sim.limits.most,
            "throttled": sim.limits.throttled}


def clock(sim, data):
    sim.skew += float(data.get("advance", 0))
    return {"now": sim.now()}


def forget_changes(sim, data):
    for folder in _box(sim, data).folders.values():
        folder.log.clear()
    return {}


def new_ids(sim, data):
    box = _box(sim, data)
    for msg in box.messages.values():
        msg.id = ids.immutable(box.oid + msg.id, msg.number)
        box.by_id[msg.id] = msg
    for folder in box.folders.values():
        folder.log.clear()
    return {}


def lose_tokens(sim, data):
    sim.tokens.states.clear()
    return {}


OPS = {
    "state": state, "message": message, "deliver": deliver, "patch": patch,
    "move": lambda s, d: transfer(s, d, False),
    "copy": lambda s, d: transfer(s, d, True), "delete": delete,
    "folder": edit_folder, "switch": switch, "token": token,
    "settings": settings, "device": device, "fault": fault, "faults/clear": clear_faults,
    "log": get_log, "log/clear": clear_log, "stats": stats, "clock": clock,
    "lose-tokens": lose_tokens, "forget-changes": forget_changes,
    "new-ids": new_ids,
}


def handle(sim, name, data):
    op = OPS.get(name)
    if op is None:
        raise not_found("operation")
    return Response(200, op(sim, data))
