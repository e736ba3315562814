"""Owns the wait action: arithmetic on the attempt's own times, so that a restart of the operator changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from obtask.executors.base import Executor, Log
from obtask.executors.dependencies import Dependencies
from obtask.model.actions import WaitAction
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Running, Succeeded
from obtask.model.base import in_seconds
from obtask.model.reasons import FailureReason

WORTH_TELLING_SECONDS = 5


class Wait:
    """Lets time pass. Implements ``Executor``."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._started: set[AttemptId] = set()
        self._cancelled: set[AttemptId] = set()
        self._ended: set[AttemptId] = set()

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Log until when the attempt waits, unless that is soon; there is nothing else to start."""
        if attempt.id not in self._started:
            self._started.add(attempt.id)
            if _seconds(attempt) < WORTH_TELLING_SECONDS:
                return  # nobody reads it in time, and to show it would cost three requests
            log.write(f"waiting {_seconds(attempt)} s, until {_text(_end(attempt))}")

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
        """Return the state of the attempt by the clock; its end is logged."""
        seen = self._look(attempt)
        if isinstance(seen, Succeeded | Failed) and attempt.id not in self._ended:
            self._ended.add(attempt.id)
            log.write(seen.message or "done")
        return seen

    async def cancel(self, attempt: Attempt) -> None:
        """End the wait, unless its time has passed already."""
        if self._clock() < _end(attempt):
            self._cancelled.add(attempt.id)

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt."""
        self._started.discard(attempt)
        self._cancelled.discard(attempt)
        self._ended.discard(attempt)

    async def stop(self, grace_seconds: float) -> None:
        """Nothing runs here: the next operator computes with the same times."""

    async def close(self) -> None:
        """Nothing is open."""

    def _look(self, attempt: Attempt) -> AttemptState:
        now, end = self._clock(), _end(attempt)
        if attempt.id in self._cancelled:
            return Failed(FailureReason.CANCELLED, "cancelled while waiting")
        if attempt.deadline is not None and attempt.deadline < end:
            if now < attempt.deadline:
                return Running(f"waiting until {_text(end)}", attempt.deadline)
            allowed = in_seconds(attempt.deadline - attempt.started_at)
            return Failed(FailureReason.TIMEOUT, f"did not end within {allowed} s: it had to wait {_seconds(attempt)} s")
        return Running(f"waiting until {_text(end)}", end) if now < end else Succeeded(f"waited {_seconds(attempt)} s")


def build(of: Dependencies) -> Executor:
    """Return the executor of wait actions."""
    return Wait(clock=of.operator.clock)


def _seconds(attempt: Attempt) -> int:
    if not isinstance(attempt.action, WaitAction):
        raise TypeError(f"not a wait action: {type(attempt.action).__name__}")
    return attempt.action.seconds


def _end(attempt: Attempt) -> datetime:
    return attempt.started_at + timedelta(seconds=_seconds(attempt))


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
