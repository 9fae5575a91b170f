"""mailFolders: list, get, create, rename, move, delete, delta."""

from . import delta, ids, odata, rows
from .wire import Error, Response, not_found

WELL_KNOWN = set("""archive clutter conflicts conversationhistory deleteditems
drafts inbox junkemail localfailures msgfolderroot outbox
recoverableitemsdeletions scheduled searchfolders sentitems serverfailures
syncissues""".split())


def get(req, ident):
    folder = req.box.find_folder(ident)
    if folder is None:
        if ident.lower() not in WELL_KNOWN and not ids.well_formed(ident):
            raise Error(400, "ErrorInvalidIdMalformed", "Id is malformed.")
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
    top = int(req.query.get("$top", 10))
    skip = int(req.query.get("$skip", 0))
    found = [f for f in parent.children() if hidden or not f.hidden]
    name = req.query.get("$filter")
    if name:
        want = name.split("'", 1)[1].rsplit("'", 1)[0].replace("''", "'")
        found = [f for f in found if f.name.lower() == want.lower()]
    data = {"value": [rows.folder_json(f, fields)
                      for f in found[skip:skip + top]]}
    if len(found) > skip + top:
        data["@odata.nextLink"] = (f"{req.sim.url}{req.path}?$top={top}"
                                   f"&$skip={skip + top}")
    return Response(200, data)


def create(req, parent):
    body = req.json()
    for key in body:
        if key not in ("displayName", "isHidden", "@odata.type",
                       "singleValueExtendedProperties"):
            raise Error(400, "UnableToDeserializePostBody", f"key {key}")
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
        target = get(req, str(req.json().get("destinationId")))
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
