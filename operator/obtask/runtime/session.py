"""Owns how kopf talks to the API server: an HTTP session that gives it envelopes, never what strangers wrote.

kopf parses whatever it lists and watches, in one place for all objects, and keeps it for some seconds. So each object reaches it as
its name, uid and version, and the rest as one text, which is parsed when it is handed over. One that cannot be read is left out.
What is listed does not take the way through kopf, which has a whole page of it in memory at once: of that it gets the names only.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Container
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
import kopf
from yarl import URL

from obtask import names
from obtask.kube.foreign import ListReader, items_of, lines_of, metadata_of, parse, parse_shallow, shallow, slim_task

logger = logging.getLogger(__name__)

TEXT = "text"
PIECE_BYTES = 64 * 1024
PAUSE_SECONDS = 0.02
LISTED = ""  # what is told of an object that comes from a list, instead of the type of a change
Seen = Callable[[str, str, dict[str, Any]], None]
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
            slim = shallow(text)
            parse(slim)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        logger.warning("left out an object that cannot be read (%d bytes): %s", len(text), error)
        return None
    return {"metadata": head, TEXT: slim.decode(errors="replace")}


def patient(url: str, limit: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """Return the limit for a request: a list may take any time, as long as something comes. How long depends on what is in it."""
    if URL(url).query.get("watch") == "true":
        return limit
    return aiohttp.ClientTimeout(total=None, sock_connect=limit.sock_connect, sock_read=limit.total)


class Session:
    """What kopf takes for a session of aiohttp.

    ``seen`` is told of what is listed of these ``kinds``; ``room`` tells whether what was handed over has been taken.
    """

    def __init__(self, session: aiohttp.ClientSession, seen: Seen, room: Callable[[], bool], kinds: Container[str]) -> None:
        self._session = session
        self._seen = seen
        self._room = room
        self._kinds = kinds
        self.headers = session.headers

    @property
    def closed(self) -> bool:
        """True once it is closed."""
        return self._session.closed

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def request(self, *, method: str, url: str, timeout: aiohttp.ClientTimeout, **options: Any) -> "Answer":  # noqa: ASYNC109 - aiohttp's
        """Send a request; return the answer, the body of which is still to come."""
        answer = await self._session.request(method=method, url=url, timeout=patient(url, timeout), **options)
        kind = answer.url.path.rpartition("/")[2]
        return Answer(answer, self._seen if kind in self._kinds else None, self._room, kind=kind)


class Answer:
    """What kopf takes for a response of aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse, seen: Seen | None, room: Callable[[], bool], *, kind: str) -> None:
        self._response = response
        self._seen = seen
        self._room = room
        self._kind = kind
        self._task = kind == names.PLURAL
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
        """Return a list with nothing but the names of its items, of which it tells itself, or any other answer as it is."""
        if self.status >= 400:  # noqa: PLR2004
            return parse_shallow(await self._response.read())
        reader = ListReader()
        items = [self._told(envelope(item, task=self._task)) async for item in items_of(reader, self._pieces())]
        try:
            rest = reader.ended()
        except ValueError as error:
            raise aiohttp.ClientPayloadError(f"a list broke off: {error}") from error
        return rest | {"items": [item for item in items if item is not None]} if "items" in rest else rest

    def _told(self, listed: dict[str, Any] | None) -> dict[str, Any] | None:
        if listed is None or self._seen is None:
            return listed
        try:
            self._seen(self._kind, LISTED, contents(listed))
        except ValueError as error:
            logger.warning("left out %s that cannot be read: %s", self._kind, error)
        return {"metadata": listed["metadata"]}

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


def with_envelopes(login: kopf.ConnectionInfo, seen: Seen, room: Callable[[], bool], kinds: Container[str]) -> kopf.AiohttpSession:
    """Return a login that leads to the same server with the same rights. Needs the event loop of kopf."""
    connector = aiohttp.TCPConnector(limit=0, ssl=login.as_ssl_context())
    session = aiohttp.ClientSession(connector=connector, headers=login.as_http_headers(), proxy=login.proxy_url, trust_env=login.trust_env)
    return kopf.AiohttpSession(
        server=login.server,
        default_namespace=login.default_namespace,
        expiration=login.expiration,
        aiohttp_session=cast("aiohttp.ClientSession", Session(session, seen, room, kinds)),
    )
