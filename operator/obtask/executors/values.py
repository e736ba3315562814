"""Owns putting values in place: no executor sees a `${{ }}`, but for those in SQL texts. API.md section 2.2.

Values that are nothing but the path of another one are there at once; all others are evaluated in a process apart, while the attempt waits.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from obtask.executors.base import Executor, Log, LooksAfter
from obtask.executors.evaluation.evaluator import Expressions
from obtask.executors.inprocess import unexpected
from obtask.executors.outputs import Giving
from obtask.model.action_expressions import outputs_of
from obtask.model.actions import Action, SqlAction, kind, works_on_what_it_undoes
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Running, Succeeded
from obtask.model.connections import ConnectionRef
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Vocabulary, short
from obtask.rules.values import Misfit, connection_in_place, direct, in_place, is_direct, wanted

EVALUATING = "its values are being evaluated"


PAUSE_SECONDS = 5.0
STOPPED = Failed(
    FailureReason.INTERRUPTED, "the operator stopped before its values were evaluated; nothing was done", untouched=True, passing=True
)


@dataclass(slots=True)
class _Entry:
    """What is known of an attempt with values: the attempt with its values in place, or why they have no place.

    ``starts``: it begins here, so that nothing of it can run before ``begins``. What another operator has begun may well run.
    """

    ready: Attempt | Failed | None = None
    outputs: Succeeded | Failed | None = None
    working: asyncio.Task[None] | None = None
    starts: bool = False
    begins: Attempt | None = None


@dataclass(slots=True)
class Valued:
    """Puts the values of attempts in place for another executor. Implements ``Executor``.

    ``on_news`` has the task of an attempt reconciled.
    """

    inner: Executor
    expressions: Expressions
    on_news: Callable[[AttemptId], None]
    pause_seconds: float = PAUSE_SECONDS
    _entries: dict[AttemptId, _Entry] = field(default_factory=dict)
    _stopping: bool = False

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Start the attempt once its values are in place."""
        ready = self._ready(attempt, log, starts=True)
        if isinstance(ready, Attempt):
            await self.inner.start(ready, log)

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
        """Return the state of the attempt."""
        ready = self._ready(attempt, log, starts=False)
        if ready is None:
            return Running(EVALUATING)
        if isinstance(ready, Failed):
            return ready
        seen = await self.inner.observe(ready, log)
        return self._with_outputs(ready, log, seen) if isinstance(seen, Succeeded) and isinstance(ready.action, JobAction) else seen

    async def cancel(self, attempt: Attempt) -> None:
        """Stop the attempt, or the evaluation of its values. One that may run already is stopped once they tell where."""
        entry = self._entries.get(attempt.id)
        if entry is None or isinstance(entry.ready, Attempt):
            known = _as_it_is_now(entry.ready, attempt) if entry is not None else None
            await self.inner.cancel(known if isinstance(known, Attempt) else attempt)
        elif entry.ready is None and entry.starts and entry.begins is None:
            _stop(entry)
            entry.ready = Failed(FailureReason.CANCELLED, "cancelled before it began", untouched=True)

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt."""
        entry = self._entries.pop(attempt, None)
        if entry is not None:
            _stop(entry)
        self.inner.forget(attempt)

    async def stop(self, grace_seconds: float) -> None:
        """Stop working in this process: attempts that wait for their values still begin, in half of the grace period."""
        self._stopping = True
        clock = asyncio.get_running_loop().time
        until = clock() + grace_seconds
        if beginning := [entry.working for entry in self._entries.values() if entry.starts and entry.working is not None]:
            await asyncio.wait(beginning, timeout=grace_seconds / 2)
        for entry in self._entries.values():
            _stop(entry)
            entry.ready = entry.ready or entry.begins or (STOPPED if entry.starts else None)
        await self.inner.stop(max(0.0, until - clock()))

    async def close(self) -> None:
        """Release what is still open."""
        await self.inner.close()

    def _ready(self, attempt: Attempt, log: Log, *, starts: bool) -> Attempt | Failed | None:
        if not _has_values(attempt):
            return attempt
        entry = self._entries.setdefault(attempt.id, _Entry())
        entry.starts = entry.starts or starts
        if entry.ready is None and entry.working is None and not self._stopping:
            texts = _wanted(attempt)
            if all(map(is_direct, texts)):
                entry.ready = _filled(attempt, {text: direct(text, attempt.variables) for text in texts}, log)
            else:
                work = self._evaluate(entry, attempt, texts, log)
                entry.working = asyncio.create_task(work, name=f"values of {attempt.task}/{attempt.id.subtask}")
        return _as_it_is_now(entry.ready, attempt)

    async def _evaluate(self, entry: _Entry, attempt: Attempt, texts: tuple[str, ...], log: Log) -> None:
        try:
            found = {text: await self._value(attempt, text) for text in texts}
            while not entry.starts and any(map(_passing, found.values())):
                # It may run elsewhere: that nobody can evaluate its values just now says nothing of it.
                await asyncio.sleep(self.pause_seconds)
                found = {text: await self._value(attempt, text) for text in texts}
            filled = _filled(attempt, found, log)
            if entry.starts and isinstance(filled, Attempt):
                entry.begins = filled
                await self.inner.start(filled, log)
            entry.ready = filled
        except Exception as error:  # noqa: BLE001 - whatever it is, it must become a value: nobody awaits this task
            entry.ready = unexpected(attempt, log, error)
        entry.working = None
        self.on_news(attempt.id)

    async def _value(self, attempt: Attempt, text: str) -> Any:
        if is_direct(text):
            return direct(text, attempt.variables)
        return await self.expressions.value(attempt.namespace, Vocabulary.VALUES, text, attempt.variables)

    def _with_outputs(self, attempt: Attempt, log: Log, seen: Succeeded) -> AttemptState:
        wanted_outputs = outputs_of(attempt.action)
        if not wanted_outputs:
            return seen
        if seen.seen is None:
            return Failed(FailureReason.INVALID_EXPRESSION, f"{seen.message}, but its pod is gone, and with it what outputs are made of")
        entry = self._entries.setdefault(attempt.id, _Entry(ready=attempt))
        if entry.outputs is None and entry.working is None and not self._stopping:
            entry.working = asyncio.create_task(self._give(entry, attempt, log, seen), name=f"outputs of {attempt.task}")
        return entry.outputs or Running("its outputs are being evaluated")

    async def _give(self, entry: _Entry, attempt: Attempt, log: Log, seen: Succeeded) -> None:
        giving = Giving(self.expressions, attempt.namespace, Vocabulary(kind(attempt.action)), attempt.variables)
        try:
            found = await giving.values(outputs_of(attempt.action), seen.seen or {})
            if isinstance(found, Failed):
                log.write(f"failed: {found.message}")
            entry.outputs = found if isinstance(found, Failed) else replace(seen, outputs=found)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must become a value: nobody awaits this task
            entry.outputs = unexpected(attempt, log, error)
        entry.working = None
        self.on_news(attempt.id)


@dataclass(slots=True)
class ValuedLooking(Valued):
    """The same for an executor that watches what failed attempts have left. Implements ``LooksAfter``, too."""

    looking: LooksAfter | None = None

    def remark(self, attempt: Attempt) -> str | None:
        """Return what has become of what the attempt has left; None if that is not known yet, or the values of its connection are not."""
        texts = _wanted(attempt) if _has_values(attempt) else ()
        if self.looking is None or not all(map(is_direct, texts)):
            return None
        ready = _filled(attempt, {text: direct(text, attempt.variables) for text in texts}, None)
        return self.looking.remark(ready) if isinstance(ready, Attempt) else None


def with_values(inner: Executor, expressions: Expressions, on_news: Callable[[AttemptId], None]) -> Valued:
    """Return the executor that puts values in place before another one sees them."""
    if isinstance(inner, LooksAfter):
        return ValuedLooking(inner, expressions, on_news, looking=inner)
    return Valued(inner, expressions, on_news)


def _as_it_is_now(ready: Attempt | Failed | None, attempt: Attempt) -> Attempt | Failed | None:
    """Return the attempt with its values in place as its status has it by now: what was kept, made or started elsewhere is noted there."""
    if not isinstance(ready, Attempt):
        return ready
    return replace(attempt, action=ready.action, connection=ready.connection, counterpart=ready.counterpart, values=ready.values)


def _passing(value: Any) -> bool:
    return isinstance(value, ExpressionFault) and value.kind is ExpressionFaultKind.UNAVAILABLE


def _stop(entry: _Entry) -> None:
    if entry.working is not None:
        entry.working.cancel()
        entry.working = None


def _has_values(attempt: Attempt) -> bool:
    return any(holder.written for holder in _holders(attempt))


def _holders(attempt: Attempt) -> tuple[Action | ConnectionRef, ...]:
    """Return everything of an attempt that may have values in its texts."""
    return tuple(holder for holder in (attempt.action, _undone(attempt), attempt.connection) if holder is not None)


def _undone(attempt: Attempt) -> Action | None:
    """Return the action that an undo needs to know."""
    restores = isinstance(attempt.action, ResourceAction) and attempt.action.restore is True
    return attempt.counterpart if restores or works_on_what_it_undoes(attempt.action) else None


def _wanted(attempt: Attempt) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for holder in _holders(attempt) for text in wanted(holder)))


def _filled(attempt: Attempt, values: Mapping[str, Any], log: Log | None) -> Attempt | Failed:
    for text, value in values.items():
        if isinstance(value, ExpressionFault):
            return _failed(f"{value.message}: {short(text)}", log, passing=_passing(value))
    action = in_place(attempt.action, values)
    connection = connection_in_place(attempt.connection, values) if attempt.connection is not None else None
    counterpart = in_place(attempt.counterpart, values) if attempt.counterpart and _undone(attempt) else attempt.counterpart
    if isinstance(action, Misfit):
        return _failed(f"{action.path}: {action.why}", log)
    if isinstance(connection, Misfit):
        return _failed(f"connection.{connection.path}: {connection.why}", log)
    if isinstance(counterpart, Misfit):
        return _failed(f"what is to be undone: {counterpart.path}: {counterpart.why}", log)
    texts = values if isinstance(attempt.action, SqlAction) else {}
    return replace(attempt, action=action, connection=connection, counterpart=counterpart, values=texts)


def _failed(why: str, log: Log | None, *, passing: bool = False) -> Failed:
    message = one_line(f"{why}; nothing was done")
    if log is not None:
        log.write(f"failed: {message}")
    return Failed(FailureReason.INVALID_EXPRESSION, message, untouched=True, permanent=not passing, passing=passing)
