"""Owns where logs of attempts go: what the status shows, the ConfigMap with the rest, and the same while an attempt still runs."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.kube.api import Denied, Refusal, Unavailable
from obtask.kube.objects import Objects
from obtask.logs.store import log_config_map, log_ref, unpacked
from obtask.logs.text import AttemptLog, tail_of
from obtask.model.attempt import Attempt, AttemptId, Failed, Lost, Succeeded
from obtask.model.limits import stored_bytes
from obtask.model.status import LogRef
from obtask.rules.observation import Report

logger = logging.getLogger(__name__)

# What ends sooner is read once it has ended: a short attempt costs no write for its log.
FIRST_SHOWN_AFTER = timedelta(seconds=10)
SHOW_PAUSE = timedelta(seconds=5)
SHOW_PAUSE_PER_KIB = timedelta(seconds=0.1)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What people can read of a running attempt's log."""

    lines: int
    next_at: datetime


class LogKeeping:
    """Keeps the logs of attempts in ConfigMaps. Whatever happens to one never stops a task."""

    def __init__(self, objects: Objects, clock: Callable[[], datetime]) -> None:
        self._objects = objects
        self._clock = clock
        self._shown: dict[AttemptId, _Shown] = {}

    async def ended(self, attempt: Attempt, log: AttemptLog, end: Succeeded | Failed | Lost, room: int) -> Report:
        """Return the end of an attempt with its log, kept where it fits; ``room``: how many bytes of the tail the status may take."""
        if isinstance(end, Lost) and log.is_empty and self._clock() >= attempt.started_at + FIRST_SHOWN_AFTER:
            return await self._left_behind(attempt, end)
        tail = log.tail() or None
        shown = self._shown.pop(attempt.id, None)
        short = tail is None or (not log.is_longer_than_tail() and stored_bytes(tail) <= room)
        if short and shown is None:
            return Report(end, log_tail=tail)
        reference = await self._keep(attempt, log)
        needed = short or isinstance(end, Failed) or reference is None
        return Report(end, log_tail=tail if needed else None, log_ref=reference)

    async def show(self, running: Iterable[tuple[Attempt, AttemptLog]]) -> None:
        """Store what attempts have written so far, of those that have run for a while and have written more."""
        for attempt, log in running:
            now = self._clock()
            before = self._shown.get(attempt.id) or _Shown(0, attempt.started_at + FIRST_SHOWN_AFTER)
            if now >= before.next_at and log.written > before.lines:
                lines = log.written
                size = await self._store(attempt, log)
                pause = SHOW_PAUSE + SHOW_PAUSE_PER_KIB * (size // 1024)
                self._shown[attempt.id] = _Shown(lines, now + pause)

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of an attempt."""
        self._shown.pop(attempt, None)

    async def _left_behind(self, attempt: Attempt, end: Lost) -> Report:
        """Return a lost attempt with the log that its operator had shown before it died, if there is one."""
        try:
            found = await self._objects.config_map(attempt.namespace, log_ref(attempt.id).config_map)
        except Unavailable:
            return Report(end)
        text = None if isinstance(found, Refusal) else unpacked(found)
        return Report(end) if text is None else Report(end, log_tail=tail_of(text), log_ref=log_ref(attempt.id))

    async def _keep(self, attempt: Attempt, log: AttemptLog) -> LogRef | None:
        return log_ref(attempt.id) if await self._store(attempt, log) else None

    async def _store(self, attempt: Attempt, log: AttemptLog) -> int:
        """Store a log as it is now; return its packed size, 0 if it was not stored."""
        packed = await asyncio.to_thread(log.packed)
        try:
            answer = await self._objects.put_config_map(log_config_map(attempt, packed))
        except (Unavailable, Denied) as error:
            logger.warning("log of %s/%s not stored: %s", attempt.namespace, attempt.task, error)
            return 0
        if isinstance(answer, Refusal):
            logger.warning("log of %s/%s not stored: %s", attempt.namespace, attempt.task, answer.message)
            return 0
        return len(packed)
