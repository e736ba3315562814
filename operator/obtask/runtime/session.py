"""Owns how kopf talks to the API server: an HTTP session that gives it envelopes, never what strangers wrote.

kopf parses whatever it lists and watches, in one place for all objects, and keeps it for some seconds. So each object reaches it as
its name, uid and version, and the rest as one text, which is parsed when it is handed over. One that cannot be read is left out.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
import kopf

from obtask import names
from obtask.kube.foreign import ListReader, items_of, lines_of, metadata_of, parse, parse_shallow, slim_task

logger = logging.getLogger(__name__)

TEXT = "text"
PIECE_BYTES = 64 * 1024
PAUSE_SECONDS = 0.02
EVENTS = (b'{"type":"ADDED","object":', b'{"type":"MODIFIED","object":', b'{"type":"DELETED","object":')


def contents(envelope: Any) -> dict[str, Any]:
    """Return the object in an envelope; raises ValueError when there is none."""
    body = parse(envelope[TEXT].encode())
    if not isinstance(body, dict):
        raise ValueError("no object")  # noqa: TRY004 - the text is wrong, not its type
    return body


def envelope(text: bytes, *, task: bool) -> dict[str, Any] | None:
    """Return what kopf gets to see of an object; None if the object cannot be read."""
    try:
        slim = slim_task(text) if task else text
        meta = metadata_of(slim)
        head = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")}
        if not task:
            parse(text)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        logger.warning("left out an object that cannot be read (%d bytes): %s", len(text), error)
        return None
    return {"metadata": head, TEXT: slim.decode(errors="replace")}


class Session:
    """What kopf takes for a session of aiohttp. ``room`` tells whether what was handed over has been taken."""

    def __init__(self, session: aiohttp.ClientSession, room: Callable[[], bool]) -> None:
        self._session = session
        self._room = room
        self.headers = session.headers

    @property
    def closed(self) -> bool:
        """True once it is closed."""
        return self._session.closed

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def request(self, *, method: str, url: str, **options: Any) -> "Answer":
        """Send a request; return the answer, the body of which is still to come."""
        answer = await self._session.request(method=method, url=url, **options)
        return Answer(answer, self._room, task=f"/{names.PLURAL}" in answer.url.path)


class Answer:
    """What kopf takes for a response of aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse, room: Callable[[], bool], *, task: bool) -> None:
        self._response = response
        self._room = room
        self._task = task
        self.status = response.status
        self.headers = response.headers
        self.content = self  # of which kopf knows iter_chunked

    @property
    def closed(self) -> bool:
        """True once it is closed."""
        return self._response.closed

    def close(self) -> None:
        """Close the connection."""
        self._response.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._response.release()

    def raise_for_status(self) -> None:
        """Raise aiohttp.ClientResponseError for a refusal."""
        self._response.raise_for_status()

    async def text(self) -> str:
        """Return the body as it is."""
        return await self._response.text()

    async def json(self) -> Any:
        """Return a list with envelopes for its items, or any other answer as it is."""
        if self.status >= 400:  # noqa: PLR2004
            return parse_shallow(await self._response.read())
        reader = ListReader()
        items = [envelope(item, task=self._task) async for item in items_of(reader, self._pieces())]
        try:
            rest = reader.ended()
        except ValueError as error:
            raise aiohttp.ClientPayloadError(f"a list broke off: {error}") from error
        return rest | {"items": [item for item in items if item is not None]} if "items" in rest else rest

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield the events of a watch, each with an envelope instead of the object."""
        async for line in lines_of(self._pieces()):
            event = next((event for event in EVENTS if line.startswith(event)), None)
            if event is None:  # a bookmark or an error
                yield json.dumps(parse_shallow(line)).encode() + b"\n"
                continue
            enclosed = envelope(line[len(event) :].rstrip()[:-1], task=self._task)
            if enclosed is not None:
                yield event + json.dumps(enclosed, ensure_ascii=False).encode() + b"}\n"

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, no faster than what it brings is taken."""
        async for piece in self._response.content.iter_chunked(PIECE_BYTES):
            yield piece
            while not self._room():  # noqa: ASYNC110 - the other side is another thread
                await asyncio.sleep(PAUSE_SECONDS)


def with_envelopes(login: kopf.ConnectionInfo, room: Callable[[], bool]) -> kopf.AiohttpSession:
    """Return a login that leads to the same server with the same rights. Needs the event loop of kopf."""
    connector = aiohttp.TCPConnector(limit=0, ssl=login.as_ssl_context())
    session = aiohttp.ClientSession(connector=connector, headers=login.as_http_headers(), proxy=login.proxy_url, trust_env=login.trust_env)
    return kopf.AiohttpSession(
        server=login.server,
        default_namespace=login.default_namespace,
        expiration=login.expiration,
        aiohttp_session=cast("aiohttp.ClientSession", Session(session, room)),
    )
