"""Owns reading many tasks with the rights of whoever asks: pages of a list, and what changes after it. A task is read while it comes."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from obtask import names
from obtask.kube.api import ApiError, ApiUnavailable, Inspects, Json, Streams, path_of
from obtask.kube.foreign import ListReader, items_of, lines_of, off_loop, parse, parse_task
from obtask.kube.listing import PageEnd, page_end

GONE: Final = 410  # what was asked for is too old to be told
SILENCE_SECONDS = 100.0  # the API server sends a bookmark every minute
SLACK_SECONDS = 30
_EVENT = re.compile(rb'\{"type":"([A-Z]+)","object":(.*)\}\s*', re.DOTALL)


class Reads(Streams, Inspects, Protocol):
    """What reading needs of a client."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a task: ADDED, MODIFIED or DELETED; or BOOKMARK, then only the version means something."""

    type: str
    body: Json
    version: str


class TaskLists:
    """The tasks of one namespace, or of all."""

    def __init__(self, api: Reads, namespace: str | None) -> None:
        scope = () if namespace is None else ("namespaces", namespace)
        self._path = path_of("apis", names.GROUP, names.VERSION, *scope, names.PLURAL)
        self._api = api

    async def page(self, each: Callable[[Json], None], *, limit: int, selector: str = "", token: str = "") -> PageEnd | ApiError:
        """Read a page, one task after the other, or return why not; raises ApiUnavailable, also in the middle of a page."""
        given = {"limit": str(limit), "fieldSelector": selector, "continue": token}
        query = {name: value for name, value in given.items() if value}
        reader = ListReader()
        async with self._api.streaming(self._path, query=query, seconds=None) as answer:
            if isinstance(answer, ApiError):
                return answer
            async for item in items_of(reader, answer):
                body = await off_loop(item, partial(_read, item))
                if body is not None:
                    each(body)
        return page_end(reader)

    async def count(self) -> int | None:
        """Return how many tasks there are, about; None if that is not told. Raises ApiUnavailable."""
        answer = await self._api.metadata(self._path, query={"limit": "1"})
        if isinstance(answer, ApiError):
            return None
        return len(answer.get("items") or ()) + int((answer.get("metadata") or {}).get("remainingItemCount") or 0)

    async def changes(self, version: str, seconds: int) -> AsyncGenerator[Change | ApiError, None]:
        """Yield what happens after a version, for so many seconds; a refusal is the last thing. Raises ApiUnavailable.

        The first thing is a BOOKMARK of that version: the API server answers, although it may have nothing to tell for long.
        """
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        async with self._api.streaming(self._path, query=query, seconds=seconds + SLACK_SECONDS) as answer:
            if isinstance(answer, ApiError):
                yield answer
                return
            yield Change("BOOKMARK", {}, version)
            async with aclosing(_unless_silent(lines_of(answer))) as lines:
                async for line in lines:
                    change = await off_loop(line, partial(_change, line))
                    if change is not None:
                        yield change
                    if isinstance(change, ApiError):
                        return


async def _unless_silent(lines: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield the lines; raises ApiUnavailable when one is too long, or when none comes for long."""
    try:
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                line = await anext(lines, None)
            if line is None:
                return
            yield line
    except (TimeoutError, ValueError) as error:
        raise ApiUnavailable(f"a watch of tasks broke off: {error or 'nothing was heard for long'}") from error


def _read(item: bytes) -> Json | None:
    try:
        body = parse_task(item)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _change(line: bytes) -> Change | ApiError | None:
    found = _EVENT.fullmatch(line)
    if found is None:
        return None
    try:
        body: Any = parse(found[2]) if found[1] == b"ERROR" else parse_task(found[2])
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    if found[1] == b"ERROR":
        return ApiError(int(body.get("code") or 0), str(body.get("reason", "")), str(body.get("message", "")))
    return Change(found[1].decode(), body, str((body.get("metadata") or {}).get("resourceVersion", "")))
