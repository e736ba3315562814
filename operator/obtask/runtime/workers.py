"""Owns the workers that give tasks their turns, and the pause after a turn that went wrong."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from obtask.engine.reconcile import Engine
from obtask.engine.wakeups import Wakeups
from obtask.kube.api import Denied, Unavailable
from obtask.model.task import Key

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 15.0


class Workers:
    """Gives tasks their turns, several at once, never two of one task."""

    def __init__(self, engine: Engine, wakeups: Wakeups, *, count: int, jitter: Callable[[], float]) -> None:
        self._engine = engine
        self._wakeups = wakeups
        self._count = count
        self._jitter = jitter
        self._failures: dict[Key, int] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._wakeups.next()
            try:
                pause = await self._turn(key)
                if pause is not None:
                    self._wakeups.ring_in(key, pause.total_seconds())
            finally:
                self._wakeups.done(key)

    async def _turn(self, key: Key) -> timedelta | None:
        metrics = self._engine.metrics
        try:
            with metrics.turns.time():
                pause = await self._engine.reconcile(key)
        except (Unavailable, Denied) as error:
            metrics.turn_errors.labels(type(error).__name__).inc()
            logger.warning("%s: %s", key, error)
        except Exception as error:
            # One task that cannot be handled must not take the others with it.
            metrics.turn_errors.labels(type(error).__name__).inc()
            logger.exception("%s: turn failed", key)
        else:
            self._failures.pop(key, None)
            return pause
        # Nobody knows what was stored: the next turn starts from what the API server says.
        self._engine.doubted.add(key)
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        seconds = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
        return timedelta(seconds=seconds * (1 + self._jitter() / 2))
