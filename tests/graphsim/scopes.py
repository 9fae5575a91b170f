"""Which permission a request needs, and whether its token has it."""

from .wire import Error

_BODY = {"body", "uniquebody", "bodypreview", "attachments",
         "singlevalueextendedproperties"}


def names(text):
    """Scopes as a set: lower case, without Graph's own prefix."""
    return {s.rsplit("/", 1)[-1].lower() for s in text.split()}


def _needs(req, rest):
    """Permissions of which one is enough; least first."""
    if not rest:
        return ["user.read", "user.read.all"]
    head = rest[0].lower()
    if head in ("mailboxsettings", "outlook"):
        write = [] if req.method != "GET" else ["mailboxsettings.read"]
        return write + ["mailboxsettings.readwrite"]
    if req.method != "GET":
        return ["mail.readwrite"]
    asked = (req.query.get("$select", "") + "," +
             req.query.get("$expand", "") + "," + rest[-1]).lower()
    if rest[-1].lower() == "$value" or any(b in asked for b in _BODY):
        return ["mail.read", "mail.readwrite"]
    return ["mail.readbasic", "mail.read", "mail.readwrite"]


def check(req, rest):
    """req.scopes is None for requests that come without a token."""
    if req.scopes is None:
        return
    needs = _needs(req, rest)
    if req.box is not req.user:
        needs = [n + ".shared" for n in needs]
    if not any(n in req.scopes for n in needs):
        raise Error(403, "ErrorAccessDenied",
                    "Access is denied. Check credentials and try again.")
