"""Owns what every request has to pass before a page sees it, and what every answer tells the browser."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from obtask.web.identity.cookies import is_loopback

BODY_BYTES = 1024 * 1024
HEAD_BYTES = 64 * 1024
CLOSE = {"Connection": "close"}
READING = frozenset({"GET", "HEAD"})
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?P<port>:[0-9]{1,5})?")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
NO_STORE = "no-store"
HSTS = "max-age=31536000"


class AnswerHeaders:
    """Adds to every answer what the browser must know; nothing is kept by caches unless the answer says so itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        secure = not is_loopback(HTTPConnection(scope))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", NO_STORE)
                if secure:
                    headers["Strict-Transport-Security"] = HSTS
            await send(message)

        await self._app(scope, receive, answer)


class HostCheck:
    """Answers 421 to a request that calls us by a name that is not ours: a foreign page whose name leads here is told nothing."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and not self._is_ours(Headers(scope=scope).getlist("host")):
            answer = PlainTextResponse("this server does not go by that name; see --host\n", HTTPStatus.MISDIRECTED_REQUEST)
            await answer(scope, receive, send)
        elif scope["type"] != "websocket":
            await self._app(scope, receive, send)

    def _is_ours(self, given: list[str]) -> bool:
        found = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
        return found is not None and (found["name"] in self._hosts or found[0] in self._hosts)


class PostRule:
    """Answers 403 to whatever could change something, unless a page of ours sent it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http" and scope["method"] not in READING and not _is_from_here(scope):
            await PlainTextResponse("this request does not come from a page of this server\n", HTTPStatus.FORBIDDEN)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_from_here(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if scope["method"] != "POST":
        return False
    if "sec-fetch-site" in headers:
        return headers.getlist("sec-fetch-site") == ["same-origin"]
    # A browser of before 2023. The host was checked before.
    host = headers["host"].lower()
    return headers.get("origin", "").lower() in {f"http://{host}", f"https://{host}"}


class SizeLimits:
    """Answers 431 to a request with too long a head, and 413 to one with too long a body, before or while it comes."""

    def __init__(self, app: ASGIApp, most: int = BODY_BYTES) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) + len(scope["query_string"]) > HEAD_BYTES:
            text = f"the head of a request has at most {HEAD_BYTES} bytes\n"
            await PlainTextResponse(text, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, CLOSE)(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or int(length[:20]) > self._most:
            await self._refuse(scope, receive, send)
            return
        seen, begun = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise _TooLongError
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLongError:
            if begun:
                raise
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"a request has at most {self._most} bytes\n"
        await PlainTextResponse(text, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, CLOSE)(scope, receive, send)


class _TooLongError(Exception):
    """More came than is read."""


def local_path(given: str) -> str:
    """Return a path of this server to go on to; whatever could lead elsewhere leads to the list of tasks."""
    is_local = given.startswith("/") and not given.startswith("//") and "\\" not in given and given.isprintable()
    return given if is_local else "/tasks"
