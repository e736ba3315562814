"""Owns the approve action: nothing runs. The approval itself is a command, which ends the attempt in the status: rules/approval.py."""

from collections.abc import Callable
from datetime import datetime

from obtask.executors.base import Executor, Log
from obtask.executors.dependencies import Dependencies
from obtask.model.actions import ApproveAction
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Running
from obtask.model.base import in_seconds
from obtask.model.reasons import FailureReason


class Approve:
    """Waits until a person approves, cancels, or the step's timeout is over. Implements ``Executor``."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._started: set[AttemptId] = set()
        self._cancelled: set[AttemptId] = set()

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Log what is awaited; there is nothing to start."""
        if attempt.id not in self._started:
            self._started.add(attempt.id)
            log.write(_awaited(attempt))

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
        """Return the state of the attempt by the clock; its end is logged."""
        end = self._end(attempt)
        if end is None:
            return Running(_awaited(attempt), attempt.deadline)
        log.write(end.message)
        return end

    async def cancel(self, attempt: Attempt) -> None:
        """End the waiting."""
        self._cancelled.add(attempt.id)

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt."""
        self._started.discard(attempt)
        self._cancelled.discard(attempt)

    async def stop(self, grace_seconds: float) -> None:
        """Nothing runs here: the next operator waits on."""

    async def close(self) -> None:
        """Nothing is open."""

    def _end(self, attempt: Attempt) -> Failed | None:
        if attempt.id in self._cancelled:
            return Failed(FailureReason.CANCELLED, "cancelled before anybody approved", untouched=True)
        if attempt.deadline is not None and self._clock() >= attempt.deadline:
            allowed = in_seconds(attempt.deadline - attempt.started_at)
            return Failed(FailureReason.TIMEOUT, f"nobody approved within {allowed} s", untouched=True)
        return None


def build(of: Dependencies) -> Executor:
    """Return the executor of approve actions."""
    return Approve(clock=of.operator.clock)


def _awaited(attempt: Attempt) -> str:
    if not isinstance(attempt.action, ApproveAction):
        raise TypeError(f"not an approve action: {type(attempt.action).__name__}")
    return attempt.action.awaited
