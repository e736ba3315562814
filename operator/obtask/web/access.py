"""Owns the door: a request for anything but the few open paths gets a visitor, or is sent to sign in."""

from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from obtask.web.identity.base import Identity, Reason, Refusal, is_script
from obtask.web.security import READING, local_path

LOGIN = "/login"
OPEN = frozenset({LOGIN, "/preferences", "/healthz"})
STATIC = "/static/"


class Door:
    """Finds out who asks, before any page does."""

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its visitor, or send whoever asks to sign in."""
        if scope["type"] != "http" or scope["path"] in OPEN or scope["path"].startswith(STATIC):
            await self._app(scope, receive, send)
            return
        found = await self._identity.visitor(HTTPConnection(scope))
        if isinstance(found, Refusal):
            await sent_to_sign_in(scope, found.reason)(scope, receive, send)
            return
        scope.setdefault("state", {})["visitor"] = found
        await self._app(scope, receive, send)


def sent_to_sign_in(scope: Scope, reason: Reason) -> Response:
    """Return what sends a browser to the login page, and after it back here; a script is told so, and comes back to its page."""
    connection = HTTPConnection(scope)
    back = _page_of(connection) if is_script(connection) else _asked(scope)
    words = {"reason": reason} | ({"next": back} if back not in {"", "/", "/logout"} else {})
    location = f"{LOGIN}?{urlencode(words)}"
    if is_script(connection):
        return PlainTextResponse("sign in again\n", HTTPStatus.UNAUTHORIZED, {"HX-Redirect": location})
    return RedirectResponse(location, HTTPStatus.SEE_OTHER)


def _asked(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return scope["path"] + (f"?{query}" if query else "") if scope["method"] in READING else ""


def _page_of(connection: HTTPConnection) -> str:
    """Return the page that a script stands on, as htmx tells it: what the script asks for is only a part of one."""
    try:
        shown = urlsplit(connection.headers.get("hx-current-url", ""))
    except ValueError:
        return ""
    return local_path(shown.path + (f"?{shown.query}" if shown.query else ""))
