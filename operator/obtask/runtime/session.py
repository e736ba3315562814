"""Owns how kopf talks to the API server: an HTTP session that gives it envelopes, never what strangers wrote.

kopf parses whatever it lists and watches, in one place for all objects, and keeps it for some seconds. So each object reaches it as
its name, uid and version, and the rest as one text, which is parsed when it is handed over. One that cannot be read is left out.
What is listed does not take the way through kopf, which has a whole page of it in memory at once: of that it gets the names only.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Container, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, cast

import aiohttp
import kopf
from yarl import URL

from obtask import names
from obtask.kube.client import Api
from obtask.kube.foreign import ListReader, items_of, lines_of, metadata_of, parse, parse_shallow, shallow, slim_task
from obtask.runtime.evidence import Evidence

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


class Opens(Protocol):
    """Sends requests, with whatever credentials are good now."""

    async def open(self, method: str, url: str, *, headers: Mapping[str, str], limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Return an answer that is still to be read; raises what aiohttp raises."""

    async def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told of what comes: of objects; whether there is room for more of them; and that something came at all."""

    seen: Seen
    room: Callable[[], bool]
    evidence: Evidence


class Session:
    """What kopf takes for a session of aiohttp with this server. Of what is listed of these ``kinds`` it tells by itself."""

    def __init__(self, requests: Opens, server: str, ears: Ears, kinds: Container[str]) -> None:
        self._requests = requests
        self._server = server.rstrip("/")
        self._ears = ears
        self._kinds = kinds
        self.closed = False
        self.headers = {"User-Agent": names.FIELD_MANAGER}  # kopf would add its own

    async def close(self) -> None:
        """Close the connections."""
        self.closed = True
        await self._requests.close()

    async def request(
        self,
        *,
        method: str,
        url: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
        headers: Mapping[str, str] | None = None,
        json: None = None,  # noqa: ARG002 - kopf only reads here
    ) -> "Answer":
        """Send a request; return the answer, the body of which is still to come."""
        answer = await self._requests.open(method, url, headers=headers or {}, limit=patient(url, timeout))
        return Answer(answer, self._ears, path=url.removeprefix(self._server).partition("?")[0], tells=self._kinds)


class Answer:
    """What kopf takes for a response of aiohttp."""

    def __init__(self, response: aiohttp.ClientResponse, ears: Ears, *, path: str, tells: Container[str]) -> None:
        self._response = response
        self._ears = ears
        self._path = path
        self._kind = path.rpartition("/")[2]
        self._tells = self._kind in tells
        self._task = self._kind == names.PLURAL
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
        if "items" not in rest:
            return rest
        if not (rest.get("metadata") or {}).get("continue"):
            self._ears.evidence.listed(self._path)
        return rest | {"items": [item for item in items if item is not None]}

    def _told(self, listed: dict[str, Any] | None) -> dict[str, Any] | None:
        if listed is None or not self._tells:
            return listed
        try:
            self._ears.seen(self._kind, LISTED, contents(listed))
        except ValueError as error:
            logger.warning("left out %s that cannot be read: %s", self._kind, error)
        return {"metadata": listed["metadata"]}

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield the events of a watch, each with an envelope instead of the object."""
        self._ears.evidence.heard(self._path)  # the server has begun to answer
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
            self._ears.evidence.heard(self._path)
            yield piece
            while not self._ears.room():  # noqa: ASYNC110 - the other side is another thread
                await asyncio.sleep(PAUSE_SECONDS)


def with_envelopes(api: Api, ears: Ears, kinds: Container[str]) -> kopf.AiohttpSession:
    """Return a login that goes the way of this client, which is for the event loop of kopf."""
    return kopf.AiohttpSession(server=api.server, aiohttp_session=cast("aiohttp.ClientSession", Session(api, api.server, ears, kinds)))
