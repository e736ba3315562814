"""Owns the HTTP session through which kopf reaches the API server. kopf sees envelopes, never the untrusted contents of objects.

kopf parses everything it lists and watches, all objects together, and keeps it for some seconds. Therefore each object reaches it as
name, uid and version, with the rest as one string that is parsed only when it is handed over. An unreadable object is left out.
Listed objects bypass kopf, and its lists are empty: it would keep a record of every object, and for a while a worker. Watched changes
reach it as deletions, because what is deleted is the only thing it forgets; what really happened is in the envelope.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, cast

import aiohttp
import kopf
from yarl import URL

from obtask import names
from obtask.cache.events import LIST_BEGINS, LIST_ENDS, LISTED
from obtask.kube.client import Api
from obtask.kube.foreign import ListReader, items_of, lines_of, metadata_of, parse, parse_shallow, shallow, slim_task
from obtask.runtime.evidence import Evidence

logger = logging.getLogger(__name__)

TEXT, CHANGE = "text", "change"
PIECE_BYTES = 64 * 1024
PAUSE_SECONDS = 0.02
OnObject = Callable[[str, str, dict[str, Any]], None]
DELETED = b'{"type":"DELETED","object":'
CHANGES = {b'{"type":"ADDED","object":': "ADDED", b'{"type":"MODIFIED","object":': "MODIFIED", DELETED: "DELETED"}


def change(envelope: Any) -> str:
    """Return what happened to the object in an envelope: ADDED, MODIFIED or DELETED."""
    return str(envelope[CHANGE])


def contents(envelope: Any) -> dict[str, Any]:
    """Return the object in an envelope; raises ValueError when there is none."""
    body = parse(envelope[TEXT].encode())
    if not isinstance(body, dict):
        raise ValueError("no object")  # noqa: TRY004 - the text is wrong, not its type
    return body


def envelope(text: bytes, *, task: bool) -> dict[str, Any] | None:
    """Return the envelope that kopf sees instead of an object; None if the object cannot be read."""
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
    """Return the time limit of a request. A list has no total limit, only one between two pieces: its size is up to others."""
    if URL(url).query.get("watch") == "true":
        return limit
    return aiohttp.ClientTimeout(total=None, sock_connect=limit.sock_connect, sock_read=limit.total)


class Opens(Protocol):
    """Sends requests with the credentials that are valid now."""

    async def open(self, method: str, url: str, *, headers: Mapping[str, str], limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Return a response whose body is not read yet; raises what aiohttp raises."""

    async def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class Ears:
    """Callbacks of the session: objects that arrived, whether there is room for more, and evidence that anything arrived at all."""

    seen: OnObject
    room: Callable[[], bool]
    evidence: Evidence


class KopfSession:
    """Stands in for an aiohttp session with this server. Listed objects are handed over here, not by kopf."""

    def __init__(self, requests: Opens, server: str, ears: Ears) -> None:
        self._requests = requests
        self._server = server.rstrip("/")
        self._ears = ears
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
    ) -> "KopfResponse":
        """Send a request; return the response before its body."""
        answer = await self._requests.open(method, url, headers=headers or {}, limit=patient(url, timeout))
        first = "continue" not in URL(url).query
        return KopfResponse(answer, self._ears, path=url.removeprefix(self._server).partition("?")[0], first=first)


class KopfResponse:
    """Stands in for an aiohttp response. ``first``: if it is a list, it is the first page or the only one."""

    def __init__(self, response: aiohttp.ClientResponse, ears: Ears, *, path: str, first: bool) -> None:
        self._response = response
        self._ears = ears
        self._path = path
        self._first = first
        *_, namespaces, namespace, self._kind = ["", "", *path.split("/")]
        self._whole: dict[str, Any] = {"metadata": {"namespace": namespace} if namespaces == "namespaces" else {}}
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
        """Return a list without its items, which are handed over on the way; any other answer unchanged."""
        if self.status >= 400:  # noqa: PLR2004
            return parse_shallow(await self._response.read())
        reader = ListReader()
        if self._first and self._ears.evidence.is_of(self._path):
            self._ears.seen(self._kind, LIST_BEGINS, self._whole)
        async for item in items_of(reader, self._pieces()):
            self._tell(item)
        try:
            rest = reader.ended()
        except ValueError as error:
            raise aiohttp.ClientPayloadError(f"a list broke off: {error}") from error
        if "items" not in rest:
            return rest
        if not (rest.get("metadata") or {}).get("continue"):
            self._ears.seen(self._kind, LIST_ENDS, self._whole)
            self._ears.evidence.listed(self._path)
        return rest | {"items": []}

    def _tell(self, item: bytes) -> None:
        listed = envelope(item, task=self._task)
        if listed is None:
            return
        try:
            self._ears.seen(self._kind, LISTED, contents(listed))
        except ValueError as error:
            logger.warning("left out %s that cannot be read: %s", self._kind, error)

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        """Yield the events of a watch with an envelope in place of each object."""
        self._ears.evidence.heard(self._path)  # the server has begun to answer
        async for line in lines_of(self._pieces()):
            event = next((event for event in CHANGES if line.startswith(event)), None)
            if event is None:  # a bookmark or an error
                yield json.dumps(parse_shallow(line)).encode() + b"\n"
                continue
            enclosed = envelope(line[len(event) :].rstrip()[:-1], task=self._task)
            if enclosed is not None:
                yield DELETED + json.dumps(enclosed | {CHANGE: CHANGES[event]}, ensure_ascii=False).encode() + b"}\n"

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, but no faster than the event loop takes the objects in it."""
        async for piece in self._response.content.iter_chunked(PIECE_BYTES):
            self._ears.evidence.heard(self._path)
            yield piece
            while not self._ears.room():  # noqa: ASYNC110 - the other side is another thread
                await asyncio.sleep(PAUSE_SECONDS)


def with_envelopes(api: Api, ears: Ears) -> kopf.AiohttpSession:
    """Return a login for kopf that sends its requests through this client, which belongs to kopf's event loop."""
    return kopf.AiohttpSession(server=api.server, aiohttp_session=cast("aiohttp.ClientSession", KopfSession(api, api.server, ears)))
