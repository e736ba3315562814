"""Owns how a view is kept up: the unfinished tasks of one namespace, or of all, are listed and then watched; the others on demand."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from itertools import chain, repeat
from typing import Protocol

from obtask.kube.api import ApiError, ApiUnauthorized, ApiUnavailable, Json
from obtask.kube.listing import UNFINISHED
from obtask.kube.task_lists import GONE, TaskLists
from obtask.web.views.rows import Row, row_of

logger = logging.getLogger(__name__)

PAUSES = (1, 2, 5)  # seconds between tries while the API server does not answer
SETTLING = 60.0  # seconds in which an API server that has begun anew may not know yet who may do what
SHORTEST = 1.0  # seconds of a watch; one that ends sooner is not asked for again at once


@dataclass(frozen=True, slots=True)
class Pace:
    """How a view reads: tasks in a page, seconds of a watch, after which rights are looked at again, and until what is refused is asked."""

    page: int = 500
    watch: int = 300
    again: float = 300


class Standing(Enum):
    """How far what is shown can be believed."""

    OPENING = auto()
    LIVE = auto()
    REFUSED = auto()
    UNAVAILABLE = auto()


@dataclass(slots=True)
class History:
    """How far finished tasks are known: ``read`` tasks of ``about`` so many, if that is known."""

    asked: bool = False
    complete: bool = False
    read: int = 0
    about: int | None = None


class Keeper(Protocol):
    """Keeps the rows of a view."""

    def put(self, row: Row) -> None:
        """Take a row, unless a newer one is known."""

    def drop(self, uid: str) -> None:
        """Forget a task for good: it was deleted."""

    def retain(self, namespace: str | None, *, finished: bool, seen: set[str]) -> None:
        """Forget those of a namespace, or of all, that are finished, or that are not, and were not seen."""

    def stands(self, source: "Source") -> None:
        """Take note that a source stands otherwise than before."""

    def ended(self) -> None:
        """Take note that the API server does not know the visitor any more."""


class Source:
    """The tasks of one namespace, or of all, as one visitor may see them."""

    def __init__(
        self, lists: TaskLists, namespace: str | None, keeper: Keeper, pace: Pace, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.namespace = namespace
        self.standing = Standing.OPENING
        self.message = ""
        self.total: int | None = None
        self.history = History()
        self._lists = lists
        self._keeper = keeper
        self._pace = pace
        self._sleep = sleep
        self._nudged = asyncio.Event()
        self._wanted = asyncio.Event()
        self._version = ""
        self._pauses = _pauses()
        self._was_live = False  # until it was refused

    def nudge(self) -> None:
        """Have a refused source ask again at once: somebody looks."""
        self._nudged.set()

    def want_history(self) -> None:
        """Have the finished tasks read, too."""
        if not self.history.asked:
            self.history.asked = True
            self._wanted.set()

    async def run(self) -> None:
        """Keep the view up until cancelled, or until the API server does not know the visitor any more."""
        reading = asyncio.create_task(self._read_history())
        try:
            await self._follow()
        finally:
            reading.cancel()

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        unavailable = -SETTLING  # when it was so for the last time
        while True:
            try:
                refused = await self._open() if not self._version else None
                if refused is None:
                    refused = await self._watch()
            except ApiUnauthorized:
                self._keeper.ended()
                return
            except ApiUnavailable as error:
                unavailable = loop.time()
                await self._wait(str(error))
                continue
            if refused is not None and refused.status != GONE and self._was_live and loop.time() - unavailable < SETTLING:
                await self._wait(refused.message)
                continue
            if refused is not None and refused.status != GONE:
                self.standing, self.message, self._was_live = Standing.REFUSED, refused.message, False
                self._keeper.stands(self)
                await self._rest()
            if refused is not None:
                self._version = ""

    async def _wait(self, why: str) -> None:
        """Wait until the API server is asked again."""
        self._stand(Standing.UNAVAILABLE, why)
        await self._sleep(next(self._pauses))

    async def _open(self) -> ApiError | None:
        """List what is not finished, and begin to watch after it."""
        seen: set[str] = set()
        version = token = ""
        while True:
            end = await self._lists.page(lambda body: self._seen(body, seen), limit=self._pace.page, selector=UNFINISHED, token=token)
            if isinstance(end, ApiError):
                return end
            version, token = version or end.version, end.token
            if not token:
                break
        self._keeper.retain(self.namespace, finished=False, seen=seen)
        self.total = await self._lists.count()
        self._version = version
        if self.history.complete:
            self.history = History(asked=True)
            self._wanted.set()
        self._stand(Standing.LIVE)
        return None

    async def _watch(self) -> ApiError | None:
        """Follow what happens until the watch ends; return why it was refused, if it was."""
        began = asyncio.get_running_loop().time()
        async with aclosing(self._lists.changes(self._version, self._pace.watch)) as changes:
            async for change in changes:
                if isinstance(change, ApiError):
                    return change
                self._stand(Standing.LIVE)
                self._version = change.version or self._version
                self._apply(change.type, change.body)
        if asyncio.get_running_loop().time() - began < SHORTEST:
            await self._sleep(SHORTEST)
        return None

    def _apply(self, kind: str, body: Json) -> None:
        if kind == "BOOKMARK":
            return
        if self.total is not None:
            self.total += {"ADDED": 1, "DELETED": -1}.get(kind, 0)
        if kind == "DELETED":
            self._keeper.drop(str((body.get("metadata") or {}).get("uid", "")))
        else:
            self._seen(body, set())

    def _seen(self, body: Json, seen: set[str]) -> None:
        try:
            row = row_of(body)
        except ValueError as error:
            logger.warning("left out a task that cannot be read: %s", error)
            return
        seen.add(row.uid)
        self._keeper.put(row)

    async def _rest(self) -> None:
        self._nudged.clear()
        waiting = asyncio.create_task(self._nudged.wait())
        sleeping = asyncio.ensure_future(self._sleep(self._pace.again))
        try:
            await asyncio.wait({waiting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()

    async def _read_history(self) -> None:
        """Read all tasks each time that is asked for, as often as it takes."""
        while True:
            await self._wanted.wait()
            try:
                refused = await self._read_all()
            except ApiUnavailable:
                refused = ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "", "")
            if refused is None:
                self._wanted.clear()
            elif refused.status != GONE:
                await self._sleep(PAUSES[-1])

    async def _read_all(self) -> ApiError | None:
        seen: set[str] = set()
        token = ""
        while True:
            end = await self._lists.page(lambda body: self._seen(body, seen), limit=self._pace.page, token=token)
            if isinstance(end, ApiError):
                return end
            self.history.read, token = len(seen), end.token
            self.history.about = len(seen) + end.remaining if end.remaining is not None else self.total
            if not token:
                break
            self._keeper.stands(self)
        self._keeper.retain(self.namespace, finished=True, seen=seen)
        self.history.complete = True
        self._keeper.stands(self)
        return None

    def _stand(self, standing: Standing, message: str = "") -> None:
        if standing is Standing.LIVE:
            self._pauses, self._was_live = _pauses(), True
        if (standing, message) != (self.standing, self.message):
            self.standing, self.message = standing, message
            self._keeper.stands(self)


def _pauses() -> Iterator[int]:
    return chain(PAUSES, repeat(PAUSES[-1]))
