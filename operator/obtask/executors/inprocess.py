"""Owns attempts that run inside the operator: their asyncio tasks, deadlines, slots and ends. What they do is up to a ``Work``."""

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from obtask.executors.base import Log
from obtask.executors.records import Records
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Lost, Outcome, Running
from obtask.model.reasons import FailureReason
from obtask.shares import Pace, Slot, Slots

Sleep = Callable[[float], Awaitable[None]]

CLEANUP_SECONDS = 7.0  # how long a cancelled attempt may take to stop its statement on the server
SHOWN_FRAMES = 20  # the last ones: a recursion has a thousand

logger = logging.getLogger(__name__)


class Reporter:
    """How a work reports its progress and gives its slot away. Call it with one line, without secrets, that says what is being done.

    ``touched``: whether the work may have changed its target so far. It is True unless the work says otherwise; a work that can tell
    sets it to False when it begins, and to True before it does anything that could have an effect.
    """

    def __init__(self, tell: Callable[[str, str | None], None], slot: Slot, idle: Slot, turn: Callable[[], Awaitable[None]]) -> None:
        self._tell = tell
        self._turn = turn
        self._slot = slot
        self._idle = idle
        self.touched = True

    def __call__(self, text: str, *, own: bool = False) -> None:
        """Report what is being done; ``own``: in the task's own words (``until.message``)."""
        self._tell(text, text if own else None)

    async def turn(self) -> None:
        """Wait for the namespace's turn: for what polls without holding a slot."""
        await self._turn()

    @asynccontextmanager
    async def resting(self) -> AsyncGenerator[bool]:
        """Give the slot away for the duration of the block, which is told whether it may keep a connection open meanwhile."""
        async with self._slot.lent():
            kept = self._idle.take_now()
            try:
                yield kept
            finally:
                self._idle.give_back()

    def pausing(self, sleep: Callable[[float], Awaitable[None]], close: Callable[[], Awaitable[None]] | None = None) -> Sleep:
        """Return a sleep that gives the slot away; ``close`` is called first when too many sleepers keep connections open."""

        async def rest(seconds: float) -> None:
            async with self.resting() as kept:
                if close is not None and not kept:
                    await close()
                await sleep(seconds)
                await self._turn()

        return rest


class Work(Protocol):
    """Carries one attempt to its end."""

    async def __call__(self, attempt: Attempt, log: Log, report: Reporter) -> Outcome:
        """Do the work. When cancelled, stop it at the target too, then re-raise the cancellation."""


@dataclass(slots=True)
class _Supervised:
    """What is remembered of an attempt until it is forgotten."""

    task: asyncio.Task[Outcome] | None = None
    progress: str | None = None
    stage: str | None = None
    awaits_slot: bool = False
    cancelled: bool = False
    resumed: bool = False
    reporter: Reporter | None = None
    end: Outcome | Lost | None = None

    def report(self, text: str, stage: str | None = None) -> None:
        self.progress, self.stage = text, stage

    def known(self, end: Outcome) -> Outcome:
        """Return the end, with whether the target is known to be unchanged; after a takeover or an unexpected error it is not."""
        begun = self.reporter is not None and self.reporter.touched
        unknown = self.resumed or (isinstance(end, Failed) and end.reason is FailureReason.INTERRUPTED)
        return replace(end, untouched=not begun and not unknown)


class InProcess:
    """Runs attempts as supervised asyncio tasks, each within its deadline, in slots that namespaces share.

    ``idle`` are slots for connections that sleeping attempts keep open. Implements ``Executor``.

    What this process did not start, or cut when it stopped, is Lost. With ``records`` the work can be resumed: doing it twice does no
    harm. Then an attempt that nobody carries out is started again, and one that is cut stays Running, for the next operator.
    """

    def __init__(
        self,
        work: Work,
        *,
        clock: Callable[[], datetime],
        slots: Slots,
        idle: Slots,
        pace: Pace,
        on_end: Callable[[AttemptId], None],
        records: Records | None = None,
        closing: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._work = work
        self._clock = clock
        self._slots = slots
        self._idle = idle
        self._pace = pace
        self._on_end = on_end
        self._records = records
        self._closing = closing
        self._entries: dict[AttemptId, _Supervised] = {}
        self._live: set[asyncio.Task[Outcome]] = set()
        self._stopping = False

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Start the attempt, unless it was started before or the operator is stopping."""
        if attempt.id not in self._entries and not self._stopping:
            self._start(attempt, log)

    def _start(self, attempt: Attempt, log: Log, *, resumed: bool = False) -> None:
        """Start the attempt; ``resumed``: another operator began it."""
        entry = self._entries[attempt.id] = _Supervised(resumed=resumed)
        entry.task = asyncio.create_task(self._within_deadline(attempt, log, entry), name=f"attempt {attempt.task}/{attempt.id.subtask}")
        self._live.add(entry.task)
        entry.task.add_done_callback(lambda task: self._ended(attempt, log, entry, task))

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
        """Return the state of the attempt. One that is not running here is resumed if the work allows that, and otherwise Lost."""
        wanted = self._records.look(attempt) if self._records is not None else None
        entry = self._entries.get(attempt.id)
        if entry is None or isinstance(entry.end, Lost):
            return Lost() if self._records is None else self._resume(attempt, log)
        return Running(entry.progress, stage=entry.stage, kept=wanted) if entry.end is None else entry.end

    def _resume(self, attempt: Attempt, log: Log) -> Running:
        if not self._stopping:
            log.write("going on: the operator that began this attempt is gone, and doing it again does no harm")
            self._start(attempt, log, resumed=True)
        return Running()

    async def cancel(self, attempt: Attempt) -> None:
        """Stop the attempt if it still runs; it ends as Cancelled when its work has been stopped."""
        entry = self._entries.get(attempt.id)
        if entry is None or entry.task is None or entry.end is not None or entry.cancelled:
            return  # a second cancellation would interrupt the stopping itself
        entry.cancelled = True
        entry.task.cancel()

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt; one that still runs is stopped."""
        entry = self._entries.pop(attempt, None)
        if entry is not None and entry.task is not None and entry.end is None and not entry.cancelled:
            entry.cancelled = True
            entry.task.cancel()
        if self._records is not None:
            self._records.forget(attempt)

    async def stop(self, grace_seconds: float) -> None:
        """Start nothing new, let running attempts end within the grace period, then cancel them; resumable ones are cancelled at once."""
        self._stopping = True
        if self._live and self._records is None:
            await asyncio.wait(self._live, timeout=grace_seconds)
        cut = set(self._live)
        for task in cut:
            task.cancel()
        if cut:
            await asyncio.wait(cut, timeout=CLEANUP_SECONDS)

    async def close(self) -> None:
        """Close what the work has opened for all attempts."""
        if self._closing is not None:
            await self._closing()

    def _ended(self, attempt: Attempt, log: Log, entry: _Supervised, task: asyncio.Task[Outcome]) -> None:
        """Record the end. This is a callback because a task that is cancelled before its first step runs none of its own code."""
        self._live.discard(task)
        if entry.cancelled:
            text = _with_progress("cancelled", entry)
            entry.end = entry.known(Failed(FailureReason.CANCELLED, text))
            log.write(text)
        elif task.cancelled():
            entry.end = Lost()
            log.write("cut: the operator is stopping")
        else:
            entry.end = entry.known(task.result())
        self._on_end(attempt.id)

    async def _within_deadline(self, attempt: Attempt, log: Log, entry: _Supervised) -> Outcome:
        left = None if attempt.deadline is None else (attempt.deadline - self._clock()).total_seconds()
        if left is not None and left <= 0:
            entry.report("its time was over before this operator could start it")
            return self._timeout(attempt, log, entry)
        try:
            async with asyncio.timeout(left) as limit:
                return await self._in_slot(attempt, log, entry)
        except TimeoutError as error:
            return self._timeout(attempt, log, entry) if limit.expired() else unexpected(attempt, log, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must become a value: nobody awaits this task
            return unexpected(attempt, log, error)

    async def _in_slot(self, attempt: Attempt, log: Log, entry: _Supervised) -> Outcome:
        if self._slots.full(attempt.namespace):
            entry.report("waiting for a free slot in the operator")
        entry.awaits_slot = True
        await self._pace.turn(attempt.namespace)
        async with self._slots.of(attempt.namespace) as slot:
            entry.awaits_slot = False
            entry.progress = None
            entry.reporter = self._reporter(attempt, entry, slot)
            return await self._work(attempt, log, entry.reporter)

    def _reporter(self, attempt: Attempt, entry: _Supervised, slot: Slot) -> Reporter:
        namespace = attempt.namespace
        return Reporter(entry.report, slot, Slot(self._idle, namespace), partial(self._pace.turn, namespace))

    def _timeout(self, attempt: Attempt, log: Log, entry: _Supervised) -> Failed:
        if attempt.deadline is None:
            raise AssertionError("an attempt without a deadline has no timeout")
        allowed = f"did not end within {(attempt.deadline - attempt.started_at).total_seconds():g} s"
        message = (
            f"{allowed}: it waited for a free slot in the operator all the time" if entry.awaits_slot else _with_progress(allowed, entry)
        )
        log.write(message)
        return Failed(FailureReason.TIMEOUT, message)


def _with_progress(text: str, entry: _Supervised) -> str:
    return f"{text}: {entry.progress}" if entry.progress else text


def unexpected(attempt: Attempt, log: Log, error: Exception) -> Failed:
    """Report an unexpected error: the attempt's log says that it happened, the operator's log where. Its text may hold secrets."""
    kind = type(error).__qualname__
    logger.error(
        "unexpected %s in attempt %d of %s/%s in task %s/%s\n%s",
        kind, attempt.id.number, attempt.id.step, attempt.id.subtask, attempt.namespace, attempt.task,
        "".join(traceback.format_tb(error.__traceback__, limit=-SHOWN_FRAMES)),
    )  # fmt: skip
    message = f"unexpected {kind} in the operator: the outcome is unknown, the operator's log says where it happened"
    log.write(message)
    return Failed(FailureReason.INTERRUPTED, message)
