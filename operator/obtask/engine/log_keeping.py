"""Owns where the log of an attempt is published: the tail in the status, the whole log in a ConfigMap, live while the attempt runs.

API.md section 6. The log of a failed attempt always goes to a ConfigMap, because the status shows only the last attempt.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from obtask import names
from obtask.engine.log_shelf import LogShelf
from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable, Json
from obtask.kube.errors import explained
from obtask.kube.objects import Objects
from obtask.logs.retention import TASK_BYTES, stored_size
from obtask.logs.store import End, log_config_map, log_name, log_ref, unpacked
from obtask.logs.text import AttemptLog
from obtask.model.attempt import Attempt, AttemptId, Failed, Lost, Succeeded
from obtask.model.limits import one_line, stored_bytes
from obtask.model.reasons import FailureReason
from obtask.rules.nonces import Nonces
from obtask.rules.observation import ObservedAttempt
from obtask.rules.owned import is_made_for, is_owned
from obtask.shares import Slot, Slots, Threads

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Shorter attempts are published once, at their end. Checked every half second, a live log appears within 3 s and is at most 2 s old.
FIRST_SHOWN_AFTER = timedelta(seconds=1.5)
# Under load an attempt may start long after it was recorded: counted from its first line, a one-second attempt needs no live log.
FIRST_LINE_SHOWN_AFTER = timedelta(seconds=1)
SHOW_PAUSE = timedelta(seconds=1)
SHOW_PAUSE_PER_KIB = timedelta(seconds=0.1)
SHOWN_AT_ONCE = 8
# Masking and packing have their own threads, so that slow DNS lookups cannot occupy them.
THREADS, THREADS_PER_NAMESPACE = 4, 2
# Live logs may use half of a task's budget: the rest is for attempts that have ended.
SHOWN_BYTES = TASK_BYTES // 2

# After a refusal, such as an exceeded quota: it would be refused again a second later.
REFUSED_PAUSE = timedelta(seconds=30)

NOT_KEPT = "the whole log could not be kept: "
NO_ROOM = "the logs of the task take all the room that a task has"


@dataclass(frozen=True, slots=True)
class _LogMap:
    """The ConfigMap of an attempt: its uid once it was read, the nonce that proves that it is ours, and how many lines it shows."""

    name: str
    nonce: str
    uid: str | None = None
    lines: int = 0
    next_at: datetime | None = None


class LogKeeping:
    """Publishes logs of attempts in ConfigMaps. A log that cannot be stored never stops a task.

    Anybody can compute the names: a ConfigMap found there is read or replaced only if it carries proof that it is the attempt's own.
    """

    def __init__(self, objects: Objects, shelf: LogShelf, nonces: Nonces, clock: Callable[[], datetime]) -> None:
        self._objects = objects
        self._shelf = shelf
        self._nonces = nonces
        self._clock = clock
        self._maps: dict[AttemptId, _LogMap] = {}
        self._showing: dict[AttemptId, asyncio.Lock] = {}
        self._under_way: set[AttemptId] = set()
        self._threads = Threads(THREADS, most=THREADS_PER_NAMESPACE)
        self._slots = Slots(SHOWN_AT_ONCE)

    async def recall(self, attempt: Attempt, log: AttemptLog) -> None:
        """Start the log of an attempt that another operator began with the lines which that one had published."""
        if self._clock() < attempt.started_at + FIRST_SHOWN_AFTER:
            return  # nothing was published yet
        name = log_name(attempt.id)
        try:
            config_map = await self._objects.config_map(attempt.namespace, name)
        except ApiUnavailable:
            return
        if isinstance(config_map, ApiError) or not is_made_for(config_map["metadata"], attempt):
            return
        for line in (unpacked(config_map) or "").splitlines():
            at, _, rest = line.partition(" ")
            log.write(rest, at)
        nonce = config_map["metadata"]["annotations"].get(names.NONCE_ANNOTATION) or self._nonces.of(attempt.id)
        self._maps[attempt.id] = _LogMap(name, nonce, config_map["metadata"]["uid"], log.written, self._clock())

    async def ended(self, attempt: Attempt, log: AttemptLog, end: Succeeded | Failed | Lost, room: int) -> ObservedAttempt:
        """Return the final state of an attempt with its log, stored where it fits. ``room``: bytes that the status has for the tail."""
        # A write of the live log may be in flight: the whole log must come after it.
        async with self._lock(attempt):
            shown = self._map(attempt).uid is not None
            if shown or (log.written and not (isinstance(end, Succeeded) and (await self._tail(attempt, log, room))[1])):
                kept = await self._store(attempt, log, end=self._end(end))
            else:
                kept = False
            name = self._map(attempt).name
        tail, short = await self._tail(attempt, log, room)
        needed = not short or shown or name != log_name(attempt.id)
        reference = log_ref(name) if kept and needed else None
        return ObservedAttempt(end, tail if short or isinstance(end, Failed) or reference is None else None, reference)

    async def masked(self, attempt: Attempt, log: AttemptLog, message: str) -> str:
        """Return a message of the attempt in one line, with secrets masked."""
        return await self._read(attempt, log, lambda: log.mask(message))

    async def reveals(self, attempt: Attempt, log: AttemptLog, texts: Sequence[str]) -> bool:
        """Return whether texts hold a secret of the attempt, each or one after the other."""
        return await self._read(attempt, log, lambda: log.reveals(texts))

    async def show(self, running: Iterable[tuple[Attempt, AttemptLog]], is_running: Callable[[AttemptId], bool]) -> None:
        """Publish the live logs of attempts that have run for a while and have new lines.

        May be called again before it returns: a log that is being written is left to the call that started it.
        """
        listed = list(running)
        count = Counter(attempt.id.uid for attempt, _ in listed)
        due = [(attempt, log) for attempt, log in listed if self._is_due(attempt, log)]
        await asyncio.gather(*(self._show(attempt, log, is_running, SHOWN_BYTES // count[attempt.id.uid]) for attempt, log in due))

    def forget(self, attempt: AttemptId) -> None:
        """Drop the entries of an attempt."""
        self._maps.pop(attempt, None)
        self._showing.pop(attempt, None)
        self._shelf.forget(attempt)

    async def _tail(self, attempt: Attempt, log: AttemptLog, room: int) -> tuple[str | None, bool]:
        """Return the tail of a log, and whether it is the whole log and fits into the status."""
        tail, longer = await self._read(attempt, log, lambda: (log.tail() or None, log.is_longer_than_tail()))
        return tail, tail is None or (not longer and stored_bytes(tail) <= room)

    async def _read(self, attempt: Attempt, log: AttemptLog, reading: Callable[[], T]) -> T:
        return await self._threads.run(attempt.namespace, reading) if log.heavy else reading()

    def _is_due(self, attempt: Attempt, log: AttemptLog) -> bool:
        if attempt.id in self._under_way:
            return False
        log_map = self._map(attempt)
        if log.begun_at is None or log.written <= log_map.lines:
            return False
        return self._clock() >= (log_map.next_at or max(attempt.started_at + FIRST_SHOWN_AFTER, log.begun_at + FIRST_LINE_SHOWN_AFTER))

    async def _show(self, attempt: Attempt, log: AttemptLog, is_running: Callable[[AttemptId], bool], share: int) -> None:
        slot = Slot(self._slots, attempt.namespace)
        self._under_way.add(attempt.id)
        try:
            await slot.take()
            if not is_running(attempt.id):
                return
            async with self._lock(attempt):
                if is_running(attempt.id):
                    now, lines = self._clock(), log.written
                    size = await self._store(attempt, log, most=share * 3 // 4)
                    log_map = self._map(attempt)
                    pause = SHOW_PAUSE + SHOW_PAUSE_PER_KIB * ((size or 0) // 1024) if size != 0 else REFUSED_PAUSE
                    self._maps[attempt.id] = replace(log_map, lines=log_map.lines if size is None else lines, next_at=now + pause)
        finally:
            slot.give_back()
            self._under_way.discard(attempt.id)
            if attempt.id not in self._showing:  # it was forgotten meanwhile
                self.forget(attempt.id)

    def _map(self, attempt: Attempt) -> _LogMap:
        return self._maps.get(attempt.id) or _LogMap(log_name(attempt.id), self._nonces.of(attempt.id))

    def _lock(self, attempt: Attempt) -> asyncio.Lock:
        return self._showing.setdefault(attempt.id, asyncio.Lock())

    def _end(self, end: Succeeded | Failed | Lost) -> End:
        if isinstance(end, Failed):
            return End(self._clock(), end.reason.value, end.code)
        return End(self._clock(), "Succeeded" if isinstance(end, Succeeded) else FailureReason.INTERRUPTED.value)

    async def _store(self, attempt: Attempt, log: AttemptLog, *, end: End | None = None, most: int | None = None) -> int | None:
        """Store a log as it is now; return its packed size, 0 if it was refused, None if the API server did not answer."""
        try:
            size = await self._put(attempt, log, end, most)
            if size is None:
                foreign, own = log_name(attempt.id), log_name(attempt.id, self._nonces.of(attempt.id))
                self._shelf.drop(attempt.id, foreign)
                self._maps[attempt.id] = _LogMap(own, self._nonces.of(attempt.id))
                log.write(f"ConfigMap {foreign} is not the operator's and is left alone: this log is in ConfigMap {own}")
                size = await self._put(attempt, log, end, most)
        except ApiForbidden as error:
            return self._not_kept(attempt, log, str(error), end)
        except ApiUnavailable as error:
            self._not_kept(attempt, log, str(error), end)
            return None
        return size or 0

    def _not_kept(self, attempt: Attempt, log: AttemptLog, why: str, end: End | None) -> int:
        """Note that a log was not stored; its last line says so to whoever reads the tail."""
        logger.warning("log of %s/%s not stored: %s", attempt.namespace, attempt.task, why)
        if end is not None:
            log.write(NOT_KEPT + one_line(why))
        return 0

    async def _put(self, attempt: Attempt, log: AttemptLog, end: End | None, most: int | None) -> int | None:
        """Store a log; return its packed size, 0 if it was not stored, None if the ConfigMap of this name belongs to somebody else."""
        log_map = self._map(attempt)
        packed = await self._threads.run(attempt.namespace, partial(log.packed, most))
        octets = stored_size(len(packed))
        if not await self._shelf.make_room(attempt, log_map.name, octets, ended=end is not None):
            return self._not_kept(attempt, log, NO_ROOM, end)
        manifest = log_config_map(attempt, log_map.name, packed, nonce=log_map.nonce, octets=octets, end=end)
        answer = await self._written(attempt, log_map, manifest)
        if isinstance(answer, ApiError):
            return self._not_kept(attempt, log, explained(answer), end)
        if answer is None:
            return None
        uid = str((answer.get("metadata") or {}).get("uid") or "")
        self._maps[attempt.id] = replace(log_map, uid=uid)
        self._shelf.stored(attempt.id, log_map.name, uid)
        return len(packed)

    async def _written(self, attempt: Attempt, log_map: _LogMap, manifest: Json) -> Json | ApiError | None:
        """Create or replace the ConfigMap; None if the one that exists belongs to somebody else or is immutable."""
        answer = await self._objects.replace_config_map(manifest, log_map.uid) if log_map.uid else None
        if answer is None or (isinstance(answer, ApiError) and (answer.conflict or answer.missing)):
            answer = await self._objects.create_config_map(manifest)
        if isinstance(answer, ApiError) and answer.conflict:
            config_map = await self._objects.config_map(attempt.namespace, log_map.name)
            if isinstance(config_map, ApiError):
                return config_map
            if not self._is_own(config_map["metadata"], attempt, log_map):
                return None
            answer = await self._objects.replace_config_map(manifest, config_map["metadata"]["uid"])
        return None if isinstance(answer, ApiError) and answer.invalid else answer

    def _is_own(self, meta: Json, attempt: Attempt, log_map: _LogMap) -> bool:
        annotations = meta.get("annotations") or {}
        mine = is_owned(meta, attempt.id.uid) and annotations.get(names.NONCE_ANNOTATION) == log_map.nonce
        return mine or is_made_for(meta, attempt)
