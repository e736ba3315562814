"""Owns where logs of attempts go: what the status shows, the ConfigMap with the rest, and the same while an attempt still runs."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from obtask.kube.api import Denied, Refusal, Unavailable
from obtask.kube.objects import Objects
from obtask.logs.store import log_config_map, log_ref, unpacked
from obtask.logs.text import AttemptLog
from obtask.model.attempt import Attempt, AttemptId, Failed, Lost, Succeeded
from obtask.model.limits import stored_bytes
from obtask.model.status import LogRef
from obtask.rules.observation import Report
from obtask.shares import Threads

T = TypeVar("T")

logger = logging.getLogger(__name__)

# What ends sooner is read once it has ended: a short attempt costs no write for its log.
FIRST_SHOWN_AFTER = timedelta(seconds=10)
SHOW_PAUSE = timedelta(seconds=5)
SHOW_PAUSE_PER_KIB = timedelta(seconds=0.1)
# Masking and packing are done in threads of their own: a name that takes long to look up holds none of them.
THREADS, THREADS_PER_NAMESPACE = 4, 2


@dataclass(frozen=True, slots=True)
class _Shown:
    """What people can read of a running attempt's log."""

    lines: int
    next_at: datetime


class LogKeeping:
    """Keeps the logs of attempts in ConfigMaps. Whatever happens to one never stops a task."""

    def __init__(self, objects: Objects, clock: Callable[[], datetime]) -> None:
        self._threads = Threads(THREADS, most=THREADS_PER_NAMESPACE)
        self._objects = objects
        self._clock = clock
        self._shown: dict[AttemptId, _Shown] = {}
        self._showing: dict[AttemptId, asyncio.Lock] = {}

    async def recall(self, attempt: Attempt, log: AttemptLog) -> None:
        """Begin the log of an attempt that another operator started with what that one had shown of it."""
        if self._clock() < attempt.started_at + FIRST_SHOWN_AFTER:
            return  # nothing was shown yet
        try:
            found = await self._objects.config_map(attempt.namespace, log_ref(attempt.id).config_map)
        except Unavailable:
            return
        text = None if isinstance(found, Refusal) else unpacked(found)
        for line in (text or "").splitlines():
            at, _, rest = line.partition(" ")
            log.write(rest, at)
        if text:
            self._shown[attempt.id] = _Shown(log.written, self._clock())

    async def ended(self, attempt: Attempt, log: AttemptLog, end: Succeeded | Failed | Lost, room: int) -> Report:
        """Return the end of an attempt with its log, kept where it fits; ``room``: how many bytes of the tail the status may take."""
        tail, longer = await self._read(attempt, log, lambda: (log.tail() or None, log.is_longer_than_tail()))
        short = tail is None or (not longer and stored_bytes(tail) <= room)
        # A store of what was written so far may be under way: the whole log comes after it.
        async with self._lock(attempt):
            if short and attempt.id not in self._shown:
                return Report(end, log_tail=tail)
            size = await self._store(attempt, log)
        reference = log_ref(attempt.id) if size else None
        return Report(end, log_tail=self._needed(tail, end, reference, short=short), log_ref=reference)

    async def masked(self, attempt: Attempt, log: AttemptLog, message: str) -> str:
        """Return a message of the attempt on one line, without its secrets."""
        return await self._read(attempt, log, lambda: log.mask(message))

    async def show(self, running: Iterable[tuple[Attempt, AttemptLog]], is_running: Callable[[AttemptId], bool]) -> None:
        """Store what attempts have written so far, of those that have run for a while and have written more."""
        for attempt, log in running:
            now = self._clock()
            before = self._shown.get(attempt.id) or _Shown(0, attempt.started_at + FIRST_SHOWN_AFTER)
            if now < before.next_at or log.written <= before.lines:
                continue
            async with self._lock(attempt):
                if is_running(attempt.id):
                    lines = log.written
                    size = await self._store(attempt, log)
                    self._shown[attempt.id] = _Shown(lines, now + SHOW_PAUSE + SHOW_PAUSE_PER_KIB * (size // 1024))

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of an attempt."""
        self._shown.pop(attempt, None)
        self._showing.pop(attempt, None)

    async def _read(self, attempt: Attempt, log: AttemptLog, reading: Callable[[], T]) -> T:
        return await self._threads.run(attempt.namespace, reading) if log.heavy else reading()

    def _needed(self, tail: str | None, end: Succeeded | Failed | Lost, reference: LogRef | None, *, short: bool) -> str | None:
        return tail if short or isinstance(end, Failed) or reference is None else None

    def _lock(self, attempt: Attempt) -> asyncio.Lock:
        return self._showing.setdefault(attempt.id, asyncio.Lock())

    async def _store(self, attempt: Attempt, log: AttemptLog) -> int:
        """Store a log as it is now; return its packed size, 0 if it was not stored."""
        packed = await self._threads.run(attempt.namespace, log.packed)
        try:
            answer = await self._objects.put_config_map(log_config_map(attempt, packed))
        except (Unavailable, Denied) as error:
            logger.warning("log of %s/%s not stored: %s", attempt.namespace, attempt.task, error)
            return 0
        if isinstance(answer, Refusal):
            logger.warning("log of %s/%s not stored: %s", attempt.namespace, attempt.task, answer.message)
            return 0
        return len(packed)
