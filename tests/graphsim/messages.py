"""messages: list, get, $value, PATCH, move, copy, delete."""

from . import (attachments, create, delta, fields, folders, ids, mimeio, odata,
               rows, search, store)
from .wire import Error, Response, not_found

_POISON = {
    "404": (404, "ErrorItemNotFound", "The specified object was not found."),
    "500": (500, "ErrorInternalServerError", "An internal server error."),
    "400": (400, "ErrorInvalidRecipients", "At least one recipient is not "
            "valid."),
}


def poison(what):
    """A message that is listed and never opens: a status, or a code."""
    if str(what) in _POISON:
        return Error(*_POISON[str(what)])
    return Error(500, str(what), "OLE conversion failed for an attachment.")


def find(req, ident, folder=None):
    msg = req.box.find(ident)
    if msg is None or (folder is not None and msg.folder is not folder):
        if not ids.well_formed(ident):
            raise Error(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        if ident in req.box.folders:
            raise Error(400, "ErrorCannotUseFolderIdForItemId", "folder id")
        raise not_found()
    if msg.poison:
        raise poison(msg.poison)
    return msg


def listing(req, folder):
    fields = odata.select(req.query.get("$select"), odata.MESSAGE_FIELDS,
                          "message")
    expand, with_files = odata.expand(req.query.get("$expand"))
    born = req.sim.now() - float(req.sim.switches["lag"])
    pool = folder.messages if folder else req.box.messages
    seen = [m for m in pool.values() if m.created <= born]
    if "$search" in req.query:
        found = search.find(req, seen)
    else:
        order = req.query.get("$orderby")
        odata.check_order(order, req.query.get("$filter"))
        keep = odata.message_filter(req.query.get("$filter"))
        found = sorted((m for m in seen if keep(m)),
                       key=lambda m: (m.received, m.number),
                       reverse=not order or order.endswith(" desc"))
    page, data = odata.page(req, found)
    data["value"] = [rows.message_json(m, req.immutable, fields, expand,
                                       with_files, req.body_type)
                     for m in page]
    return Response(200, data)


# writing

def _check_match(req, msg):
    match = req.headers.get("if-match")
    if match and match not in ("*", f'W/"{msg.change_key}"'):
        raise Error(412, "ErrorIrresolvableConflict", "The send or update "
                    "operation could not be performed because the change key "
                    "passed in the request does not match the current change "
                    "key for the item.")
    every = int(req.sim.switches["conflicts"])
    if not match and every and req.method == "PATCH":
        req.sim.patches += 1
        if req.sim.patches % every == 0:
            raise Error(412, "ErrorIrresolvableConflict", "change key")


def _apply(req, msg, body):
    received = req.sim.switches["patch_received"]
    for key, value in body.items():
        if fields.set_state(msg, key, value, False) or \
                fields.is_read_only(key):
            continue                  # read-only: answered 200, no effect
        scratch = msg if msg.is_draft or received == "accepted" \
            else msg.writable()
        if not fields.set_content(scratch, key, value):
            raise fields.refuse(f"The property '{key}' does not exist.")
        if scratch is not msg and received == "refused":
            raise Error(400, "ErrorInvalidPropertySet",
                        f"{key} can be set in drafts alone.")


def patch(req, msg):
    _check_match(req, msg)
    body = req.json()
    trial = msg.writable()
    _apply(req, trial, body)          # all of it or nothing
    msg.take(trial)
    if msg.is_draft and not set(body).isdisjoint(
            {"subject", "body", "from", *fields.PEOPLE}):
        store.rebuild(msg)
    req.box.changed(msg, "read" if set(body) == {"isRead"} else "row")
    if "return=minimal" in req.prefer:
        return Response(204)
    return Response(200, rows.message_json(msg, req.immutable,
                                           prefer=req.body_type))


def transfer(req, msg, copying):
    body = req.json()
    ident = body.get("destinationId")
    if not isinstance(ident, str) or not ident:
        raise Error(400, "ErrorInvalidRequest", "destinationId is missing.")
    target = folders.get(req, ident)
    if target.role == "recoverableitemsdeletions" and \
            req.sim.switches["move_recoverable"] == "refused":
        raise Error(403, "ErrorAccessDenied", "Access is denied.")
    if copying:
        msg = req.box.copy(msg, target)
    elif target is msg.folder and req.sim.switches["move_same"] == "refused":
        raise Error(400, "ErrorMoveCopyFailed",
                    "The move or copy operation failed.")
    else:
        req.box.move(msg, target)
    return Response(201, rows.message_json(msg, req.immutable,
                                           prefer=req.body_type))


def delete(req, msg):
    _check_match(req, msg)
    target = "recoverableitemsdeletions"
    if req.sim.switches["delete_target"] == "deleteditems" and \
            msg.folder.role != "deleteditems":
        target = "deleteditems"
    if msg.folder.role == "recoverableitemsdeletions":
        req.box.remove(msg)
    else:
        req.box.move(msg, req.box.find_folder(target))
    return Response(204)


# routes

def handle(req, rest, folder=None):
    """rest: what follows messages."""
    if not rest:
        if req.method == "GET":
            return listing(req, folder)
        if req.method == "POST":
            return create.handle(req, folder)
        raise Error(405, "ErrorInvalidRequest", "method")
    if rest[0].lower().split("(")[0] == "delta" and folder is not None and \
            req.method == "GET":
        return delta.messages(req, folder)
    if rest[0] == "$count":
        return Response(200, body=str(len((folder or req.box).messages)).encode(),
                        headers={"Content-Type": "text/plain"})
    msg = find(req, rest[0], folder)
    action = rest[1].lower() if len(rest) > 1 else None
    if action is None:
        if req.method == "GET":
            expand, atts = odata.expand(req.query.get("$expand"))
            return Response(200, rows.message_json(
                msg, req.immutable,
                odata.select(req.query.get("$select"), odata.MESSAGE_FIELDS,
                             "message"), expand, atts, req.body_type))
        if req.method == "PATCH":
            return patch(req, msg)
        if req.method == "DELETE":
            return delete(req, msg)
    if action == "$value" and req.method == "GET":
        return Response(200, body=mimeio.regenerate(
            msg.content, req.sim.switches["text_alternative"]),
                        headers={"Content-Type": "text/plain"})
    if action in ("move", "copy") and req.method == "POST":
        return transfer(req, msg, action == "copy")
    if action == "permanentdelete" and req.method == "POST" and \
            req.sim.switches["permanent_delete"] == "yes":
        req.box.remove(msg)
        return Response(204)
    if action == "attachments":
        return attachments.handle(req, msg, rest[2:])
    raise Error(405, "ErrorInvalidRequest", "method")
