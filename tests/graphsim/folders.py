"""mailFolders: list, get, create, rename, move, delete, delta."""

import re

from . import delta, ids, odata, rows
from .wire import Error, Response, not_found

WELL_KNOWN = set("""archive clutter conflicts conversationhistory deleteditems
drafts inbox junkemail localfailures msgfolderroot outbox
recoverableitemsdeletions scheduled searchfolders sentitems serverfailures
syncissues""".split())


def get(req, ident, syncing=False):
    folder = req.box.find_folder(ident)
    if folder is None:
        if ident.lower() not in WELL_KNOWN and not ids.well_formed(ident):
            raise Error(400, "ErrorInvalidIdMalformed", "Id is malformed.")
        if syncing:
            raise Error(404, "ErrorSyncFolderNotFound",
                        "The folder to synchronize could not be found.")
        raise not_found("folder")
    return folder


def _exists(req):
    status = int(req.sim.switches["folder_exists_status"])
    return Error(status, "ErrorFolderExists",
                 "A folder with the specified name already exists.")


def _check_name(req, body, parent, but=None):
    name = body.get("displayName")
    if not isinstance(name, str) or not name.strip():
        raise Error(400, "ErrorInvalidRequest", "displayName is missing.")
    name = name.strip()
    if len(name) > 255:
        raise Error(400, "ErrorInvalidRequest",
                    "The folder name is too long.")
    if req.box.name_taken(parent, name, but):
        raise _exists(req)
    return name


def listing(req, parent):
    fields = odata.select(req.query.get("$select"), odata.FOLDER_FIELDS,
                          "mailFolder")
    hidden = req.query.get("includeHiddenFolders", "").lower() == "true"
    found = [f for f in parent.children() if hidden or not f.hidden]
    text = req.query.get("$filter")
    if text:
        m = re.fullmatch(r"displayName\s+eq\s+'((?:[^']|'')*)'", text)
        if not m:
            raise Error(400, "ErrorInvalidUrlQueryFilter", "filter")
        want = m.group(1).replace("''", "'").lower()
        found = [f for f in found if f.name.lower() == want]
    page, data = odata.page(req, found)
    data["value"] = [rows.folder_json(f, fields) for f in page]
    return Response(200, data)


def _check_keys(body):
    for key in body:
        if key not in ("displayName", "isHidden", "@odata.type",
                       "singleValueExtendedProperties"):
            raise Error(400, "UnableToDeserializePostBody", f"key {key}")
    if not isinstance(body.get("isHidden", False), bool):
        raise Error(400, "UnableToDeserializePostBody", "isHidden")


def create(req, parent):
    body = req.json()
    _check_keys(body)
    name = _check_name(req, body, parent)
    folder = req.box._folder(name, parent, bool(body.get("isHidden")))
    return Response(201, rows.folder_json(folder))


def _distinguished(folder, verb):
    if folder.role is not None:
        raise Error(400, f"Error{verb}DistinguishedFolder",
                    "The operation is not allowed on a default folder.")


def handle(req, rest):
    """rest: what follows mailFolders."""
    if not rest:
        if req.method == "GET":
            return listing(req, req.box.root)
        if req.method == "POST":
            return create(req, req.box.root)
        raise Error(405, "ErrorInvalidRequest", "method")
    if rest[0].lower().split("(")[0] == "delta" and req.method == "GET":
        return delta.folders(req)
    folder = get(req, rest[0])
    action = rest[1].lower() if len(rest) > 1 else None
    if action is None:
        return _one(req, folder)
    if action == "childfolders":
        return listing(req, folder) if req.method == "GET" \
            else create(req, folder)
    if action == "move" and req.method == "POST":
        _distinguished(folder, "Move")
        target = get(req, str(req.json().get("destinationId") or ""))
        step = target
        while step is not None:
            if step is folder:
                raise Error(400, "ErrorMoveCopyFailed", "into itself")
            step = step.parent
        if req.box.name_taken(target, folder.name, folder):
            raise _exists(req)
        folder.parent = target
        req.box.touch_folder(folder)
        return Response(200, rows.folder_json(folder))
    if action == "permanentdelete" and req.method == "POST":
        _distinguished(folder, "Delete")
        req.box.remove_folder(folder)
        return Response(204)
    return None


def _one(req, folder):
    if req.method == "GET":
        fields = odata.select(req.query.get("$select"), odata.FOLDER_FIELDS,
                              "mailFolder")
        return Response(200, rows.folder_json(folder, fields))
    if req.method == "PATCH":
        body = req.json()
        _check_keys(body)
        if folder.role is not None:
            raise Error(400, "ErrorRenameDistinguishedFolder",
                        "Distinguished folders cannot be renamed.")
        folder.name = _check_name(req, body, folder.parent, folder)
        req.box.touch_folder(folder)
        return Response(200, rows.folder_json(folder))
    if req.method == "DELETE":
        _distinguished(folder, "Delete")
        req.box.remove_folder(folder)
        return Response(204)
    raise Error(405, "ErrorInvalidRequest", "method")
