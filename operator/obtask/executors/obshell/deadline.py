"""Owns how long an attempt may take: until its deadline or a cancel, plus a short while to stop cleanly."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from obtask.model.attempt import Attempt
from obtask.model.base import in_seconds
from obtask.model.reasons import FailureReason

LONGEST_POST_SECONDS = 600.0  # as the SDK has it
SHORTEST_SECONDS = 0.1

T = TypeVar("T")


class Deadline:
    """The time of one attempt. ``stop`` is set by a cancel; from then on, or from the deadline on, there are ``stop_seconds`` left."""

    def __init__(self, attempt: Attempt, clock: Callable[[], datetime], stop: asyncio.Event, stop_seconds: float) -> None:
        self._attempt = attempt
        self._clock = clock
        self._stop = stop
        self._stop_seconds = stop_seconds
        self._stop_by: float | None = None

    @property
    def over(self) -> FailureReason | None:
        """Why the attempt must stop, if it must."""
        if self._stop.is_set():
            return FailureReason.CANCELLED
        return FailureReason.TIMEOUT if self.left <= 0 else None

    @property
    def left(self) -> float:
        """How many seconds there are until the deadline."""
        deadline = self._attempt.deadline
        return LONGEST_POST_SECONDS if deadline is None else (deadline - self._clock()).total_seconds()

    def cause(self, why: FailureReason) -> str:
        """Return for people why the attempt stops."""
        if why is FailureReason.CANCELLED or self._attempt.deadline is None:
            return "cancelled"
        return f"did not end within {in_seconds(self._attempt.deadline - self._attempt.started_at)} s"

    def within(self, seconds: float) -> float:
        """Return how many seconds a request may take that would like so many: no more than are left."""
        return max(SHORTEST_SECONDS, min(seconds, self.left))

    def stopping(self, seconds: float) -> float:
        """Return the same for a request that helps to stop in order; the first call begins the time for all of them."""
        now = asyncio.get_running_loop().time()
        if self._stop_by is None:
            self._stop_by = now + self._stop_seconds
        return max(SHORTEST_SECONDS, min(seconds, self._stop_by - now))

    @property
    def stopped(self) -> bool:
        """True when the time for a clean stop has passed, too."""
        return self._stop_by is not None and asyncio.get_running_loop().time() >= self._stop_by

    async def pause(self, seconds: float) -> None:
        """Wait; no longer than there is time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.within(seconds)):
                await self._stop.wait()

    async def unless_over(self, work: Coroutine[Any, Any, T], grace: float = 0) -> T | None:
        """Return the result of work; None if the attempt has to stop first and it does not come within the grace (seconds) after that."""
        if self.over is not None and grace <= 0:
            work.close()
            return None
        doing = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        both: list[asyncio.Future[Any]] = [doing, stopping]
        try:
            await asyncio.wait(both, timeout=max(0.0, self.left), return_when=asyncio.FIRST_COMPLETED)
            if not doing.done() and grace > 0:
                await asyncio.wait({doing}, timeout=self.stopping(grace))
            return doing.result() if doing.done() else None
        finally:
            for task in both:
                task.cancel()
