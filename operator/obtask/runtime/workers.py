"""Owns the workers that reconcile tasks, and the back-off after a reconcile that failed."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import assert_never

from obtask.engine.held_up import explain, is_due
from obtask.engine.outcome import Again, Done, Outcome
from obtask.engine.reconcile import Engine
from obtask.kube.api import ApiBusy, ApiForbidden, ApiUnavailable
from obtask.model.task import Key
from obtask.runtime.work_queue import WorkQueue

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 15.0
# The API server's message when an admission webhook gives no verdict: that concerns this task alone.
WEBHOOK = "failed calling webhook"
TELLING_FAILURES = 3  # what passes by itself within a second is not worth a message


class Workers:
    """Reconcile several tasks at once, but never one task twice at the same time."""

    def __init__(self, engine: Engine, queue: WorkQueue, *, count: int, jitter: Callable[[], float]) -> None:
        self._engine = engine
        self._queue = queue
        self._count = count
        self._jitter = jitter

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._queue.next()
            try:
                match await self._reconcile(key):
                    case Done():
                        pass
                    case Again(after=after):
                        self._queue.enqueue_after(key, after.total_seconds())
                    case never:
                        assert_never(never)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: Key) -> Outcome:
        metrics = self._engine.announcer.metrics
        why: str | None = None
        try:
            with metrics.reconciles.time():
                outcome = await self._engine.reconcile(key)
        except ApiForbidden as error:
            metrics.reconcile_errors.labels("Denied").inc()
            logger.warning("%s: %s", key, error)
            why = f"held up: {error}"
        except ApiUnavailable as error:
            metrics.reconcile_errors.labels("Busy" if isinstance(error, ApiBusy) else "Unavailable").inc()
            logger.warning("%s: %s", key, error)
            # Any other outage concerns all tasks, and a write to report it would fail as well.
            if WEBHOOK in str(error):
                why = f"held up: {error}"
        except Exception as error:
            # One task that cannot be handled must not stop the others.
            metrics.reconcile_errors.labels(type(error).__name__).inc()
            # The traceback is logged once: a fault that repeats, in many tasks, would fill the log.
            logger.error("%s: reconcile failed: %s", key, type(error).__name__, exc_info=not self._failures(key))  # noqa: TRY400
            why = f"held up by a fault of the operator ({type(error).__name__}); its log says more"
        else:
            if (tracked := self._engine.cache.tasks.tracked(key)) is not None:
                tracked.succeeded()
            return outcome
        # It is unknown what was stored: the next reconcile starts from what the API server says.
        self._engine.cache.mark_stale(key)
        tracked = self._engine.cache.tasks.tracked(key)
        failures = tracked.failed() if tracked is not None else 1
        if why is not None and failures >= TELLING_FAILURES:
            await self._tell(key, why)
        seconds = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
        return Again(timedelta(seconds=seconds * (1 + self._jitter() / 2)))

    def _failures(self, key: Key) -> int:
        tracked = self._engine.cache.tasks.tracked(key)
        return tracked.failures if tracked is not None else 0

    async def _tell(self, key: Key, why: str) -> None:
        """Tell people, now and then, why a task makes no progress. A failure of that does not stop the next reconcile."""
        tracked = self._engine.cache.tasks.tracked(key)
        if tracked is None or not is_due(tracked, why, self._engine.clock()):
            return
        try:
            await explain(self._engine, key, why)
        except (ApiUnavailable, ApiForbidden) as error:
            logger.warning("%s: %s", key, error)
        except Exception:
            logger.exception("%s: nobody was told why it is held up", key)
