"""Owns the cookies: their names and attributes, which depend on how the browser reached us."""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from obtask.web.settings import LOOPBACK

SESSION, LANGUAGE, THEME = "obtask", "obtask-language", "obtask-theme"
YEAR = 365 * 24 * 3600


def is_loopback(connection: HTTPConnection) -> bool:
    """Whether the browser is on this machine, or at the end of a port-forward: only there plain HTTP is good enough."""
    host = connection.headers.get("host", "")
    return (host if host.endswith("]") else host.rpartition(":")[0] or host) in LOOPBACK


def session_name(connection: HTTPConnection) -> str:
    """Return the name of the session's cookie. `__Host-` makes browsers refuse one that another host, or plain HTTP, has set."""
    return SESSION if is_loopback(connection) else f"__Host-{SESSION}"


def set_session(connection: HTTPConnection, response: Response, value: str) -> None:
    """Give the browser the cookie of its session; it lasts as long as the browser."""
    # Strict would sign out whoever follows a link from a chat.
    response.set_cookie(session_name(connection), value, httponly=True, secure=not is_loopback(connection), samesite="lax", path="/")


def delete_session(connection: HTTPConnection, response: Response) -> None:
    """Take the cookie of the session away."""
    response.delete_cookie(session_name(connection), httponly=True, secure=not is_loopback(connection), samesite="lax", path="/")


def set_preference(connection: HTTPConnection, response: Response, name: str, value: str) -> None:
    """Have the browser remember how its reader likes the pages."""
    response.set_cookie(name, value, max_age=YEAR, httponly=True, secure=not is_loopback(connection), samesite="lax", path="/")
