"""Owns copying the logs of a pod's containers into the log of an attempt: streamed, never held as a whole.

So much work of the loop in a second is spent on the logs of running containers, and so much memory in all. What is not read while a
container runs is read when it ends.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from obtask.executors.base import Log
from obtask.executors.job.cursor import Cursor
from obtask.executors.job.ending import container_statuses
from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable
from obtask.kube.errors import explained
from obtask.kube.jobs import LOG_BYTES, Jobs
from obtask.model.utf8 import unfinished
from obtask.shares import Amount, Pace

Json = dict[str, Any]

LONGEST_LINE = 256 * 1024
TRIES = 3
PAUSE_SECONDS = 0.5
READ_SECONDS = 120.0
FOLLOW_SECONDS = 3600.0
POLL_BYTES = 1024 * 1024
# 2026-11-22T22:42:04.123456789Z, in UTC whatever the node's clock shows.
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z ?")
# A container may write faster than the loop should read: the work of so many lines, or bytes, is one turn (2 to 3 ms).
LINES_OF_A_TURN: Final = 256
BYTES_OF_A_TURN: Final = 64 * 1024
TURNS_OF_A_NAMESPACE, TURNS_OF_ALL = 32, 100  # in a second
# What the logs of all running Jobs may take.
KEPT_BYTES: Final = 64 * 1024 * 1024
LINE_BYTES: Final = 200  # that a line takes in memory on top of its text
KEPT_LOG_BYTES: Final = 1152 * 1024  # of a longer log the first and the newest lines are kept
FULL_PAUSE_SECONDS = 1.0


def weight(octets: int, lines: int) -> int:
    """Return how many bytes of memory a log occupies once this much of it was read."""
    whole = octets + LINE_BYTES * lines
    return whole if octets <= KEPT_LOG_BYTES else whole * KEPT_LOG_BYTES // octets


class Restraint:
    """What namespaces share."""

    def __init__(self, kept: int = KEPT_BYTES) -> None:
        self._kept = Amount(kept)
        self._of_each = Pace(TURNS_OF_A_NAMESPACE, burst=2 * TURNS_OF_A_NAMESPACE)
        self._of_all = Pace(TURNS_OF_ALL, burst=2 * TURNS_OF_ALL)

    def has_room(self, namespace: str) -> bool:
        """Return whether more of the namespace's logs may be kept in memory."""
        return self._kept.has_room(namespace)

    def keep(self, namespace: str, change: int) -> None:
        """Note that the namespace's logs occupy this many bytes more (or fewer)."""
        self._kept.keep(namespace, change)

    async def turn(self, namespace: str) -> None:
        """Wait until the namespace may read on."""
        await self._of_each.turn(namespace)
        await self._of_all.turn("")


@dataclass(slots=True, eq=False)
class Copy:
    """The log of one container, and how far it was copied.

    ``following``: it has a slot. ``urgent``: it may be gone soon. ``final``: the container has ended.
    """

    pod: Json
    name: str
    prefix: str
    log: Log
    cursor: Cursor
    following: bool = False
    urgent: bool = False
    final: bool = False
    opened: bool = False
    ended: bool = False  # it was followed to its end
    streaming: bool = False
    cut: tuple[str, str | None] | None = None  # a line that broke off, and its time
    read: int = 0  # bytes, those that came again included
    size: int = 0
    lines: int = 0
    weight: int = 0  # what it takes of the memory that all share
    fresh: asyncio.Event = field(default_factory=asyncio.Event)  # what is written from now on cannot get lost, or was just read
    task: asyncio.Task[None] | None = None

    @property
    def namespace(self) -> str:
        """Whose it is."""
        return str(self.pod["metadata"]["namespace"])

    def say(self, text: str) -> None:
        """Write a line about this log."""
        self.log.write(f"{self.prefix}the log of container {self.name} {text}")


class PodLog:
    """Copies what the containers of a pod write."""

    def __init__(self, jobs: Jobs, restraint: Restraint | None = None) -> None:
        self._jobs = jobs
        self._restraint = restraint or Restraint()

    async def follow(self, copy: Copy) -> ApiError | None:
        """Copy what is new until the container ends; return why that is not possible. Raises kube.api.ApiUnavailable, also in between."""
        async with self._jobs.log(copy.pod, copy.name, follow=True, seconds=FOLLOW_SECONDS, since=copy.cursor.since) as answer:
            copy.fresh.set()
            if isinstance(answer, ApiError):
                return answer
            copy.streaming = copy.opened = True
            copy.ended = False
            try:
                await self._copy(answer, copy)
                copy.ended = True
            finally:
                copy.streaming = False
                copy.fresh.clear()
        return None

    async def poll(self, copy: Copy, *, whole: bool = False) -> ApiError | None:
        """Copy some of what is new until now; return why that is not possible. Raises kube.api.ApiUnavailable, also in between."""
        limit = LOG_BYTES if whole else POLL_BYTES
        async with self._jobs.log(copy.pod, copy.name, follow=False, seconds=READ_SECONDS, since=copy.cursor.since, limit=limit) as answer:
            if not isinstance(answer, ApiError):
                copy.opened = True
                await self._copy(answer, copy, whole=whole)
            copy.fresh.set()
            return answer if isinstance(answer, ApiError) else None

    async def finish(self, copy: Copy) -> None:
        """Copy the rest of the log of a container that has ended; it never fails, it says in the log what could not be had."""
        copy.final = True
        failing = retry_if_exception_type((ApiUnavailable, ApiForbidden))
        asking = AsyncRetrying(retry=failing, wait=wait_fixed(PAUSE_SECONDS), stop=stop_after_attempt(TRIES), reraise=True)
        try:
            await asking(self._rest, copy)
        except (ApiUnavailable, ApiForbidden) as error:
            if not copy.ended:
                copy.say(f"breaks off: {error}")

    async def _rest(self, copy: Copy) -> None:
        before = copy.read
        refused = await self.poll(copy, whole=True)
        if refused is not None:
            self._without_end(copy, refused)
        if copy.read - before >= LOG_BYTES:
            await self._end(copy)

    def _without_end(self, copy: Copy, refused: ApiError) -> None:
        if copy.cut is not None:
            copy.log.write(*copy.cut)
        if not copy.ended:
            copy.say(f"cannot be read: {explained(refused)}")

    async def _end(self, copy: Copy) -> None:
        copy.say(f"is longer than {LOG_BYTES} bytes: its last lines follow")
        try:
            async with self._jobs.log_end(copy.pod, copy.name, seconds=READ_SECONDS) as answer:
                if not isinstance(answer, ApiError):
                    await self._copy(answer, copy, whole=True)
        except ApiUnavailable as error:
            copy.say(f"breaks off: {error}")

    async def _copy(self, pieces: AsyncIterator[bytes], copy: Copy, *, whole: bool = False) -> None:
        """Write the lines that were not written before, a last one that breaks off only if this is the ``whole`` log: else it comes again.

        Only the kubelet's own time, at the beginning of a line, is believed: what follows is the container's, whatever it looks like.
        """
        cursor, at, beginning, new = copy.cursor, "", b"", True
        cursor.reopen()
        copy.cut = None
        async for octets, begins, ends in _lines(_paced(pieces, self._turn(copy))):
            copy.read += len(octets) + 1
            text = octets.decode(errors="surrogateescape").removesuffix("\r")
            if begins:
                time = _TIME.match(text)
                at = f"{time[1]}.{time[2] or '':0<9}Z" if time else ""
                text = text[time.end() :] if time else text
                beginning, new = octets, cursor.is_new(at, octets)
            if not new:
                continue
            if ends is None and not whole:
                copy.cut = (copy.prefix + text, at or None)
                return
            copy.log.write(copy.prefix + text, at=at or None)
            copy.size += len(octets) + 1
            if ends:
                copy.lines += 1
                cursor.passed(at, beginning)

    def _turn(self, copy: Copy) -> Callable[[], Awaitable[None]]:
        async def turn() -> None:
            taken = weight(copy.size, copy.lines)
            self._restraint.keep(copy.namespace, taken - copy.weight)
            copy.weight = taken
            while copy.following and not (copy.urgent or copy.final or self.has_room(copy)):  # noqa: ASYNC110 - no event says that there is room
                await asyncio.sleep(FULL_PAUSE_SECONDS)
            if not (copy.urgent or copy.final):
                await self._restraint.turn(copy.namespace)

        return turn

    def has_room(self, copy: Copy) -> bool:
        """Return whether more of such a log may be kept in memory."""
        return self._restraint.has_room(copy.namespace)

    def release(self, copy: Copy) -> None:
        """Note that the log is no longer in memory."""
        self._restraint.keep(copy.namespace, -copy.weight)
        copy.weight = 0


def started_containers(pod: Json) -> list[str]:
    """Return the containers of a pod that have a log."""
    return [status["name"] for status in container_statuses(pod.get("status") or {}) if _has_started(status)]


def prefix_of(pod: Json, container: str) -> str:
    """Return what the lines of a container begin with, so that those of several can be told apart."""
    return f"[{container}] " if len(container_statuses(pod.get("status") or {})) > 1 else ""


def _has_started(container: Mapping[str, Any]) -> bool:
    state = container.get("state") or {}
    return bool(state.get("running") or (state.get("terminated") or {}).get("containerID"))


async def _paced(pieces: AsyncIterator[bytes], turn: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    """Pass the pieces on, in parts that are the work of one turn."""
    async for piece in pieces:
        for start in range(0, len(piece), BYTES_OF_A_TURN):
            part = piece[start : start + BYTES_OF_A_TURN]
            for _ in range(1 + part.count(b"\n") // LINES_OF_A_TURN):
                await turn()
            yield part


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool, bool | None]]:
    """Yield the lines, and whether each begins where the kubelet began it, and ends where it ended it: a long one comes in parts.

    For the last line this is None if the text ends in the middle of it.
    """
    rest, begins = bytearray(), True
    async for piece in pieces:
        first, *others = piece.split(b"\n")
        rest += first
        for other in others:
            yield bytes(rest), begins, True
            rest, begins = bytearray(other), True
        if len(rest) > LONGEST_LINE:
            end = len(rest) - unfinished(rest)
            yield bytes(rest[:end]), begins, False
            rest, begins = rest[end:], False
    if rest:
        yield bytes(rest), begins, None
