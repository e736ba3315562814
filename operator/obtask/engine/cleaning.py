"""Owns deletion of finished tasks past their retention: at a limited rate, guarded by uid and version."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from obtask.cache.finished import FinishedTasks
from obtask.kube.api import ApiError
from obtask.kube.tasks import Tasks
from obtask.metrics import Metrics
from obtask.model.task import Key
from obtask.rules.retention import DeletionCause, Finished, Retention

logger = logging.getLogger(__name__)

# A limit that is set for the first time may delete thousands of tasks with their Jobs and logs; this rate leaves the API server room.
PAUSE_SECONDS = 0.05
ROUND = 100
# A deletion that was refused is tried again after this time: rights and policies change slowly.
ASIDE = timedelta(minutes=5)


class Cleaner:
    """Deletes finished tasks that are too old or too many."""

    def __init__(
        self, tasks: Tasks, finished: FinishedTasks, retention: Retention, metrics: Metrics, clock: Callable[[], datetime]
    ) -> None:
        self._tasks = tasks
        self._finished = finished
        self._retention = retention
        self._metrics = metrics
        self._clock = clock

    async def clean(self) -> bool:
        """Delete one batch of tasks that are past their retention; return whether more are left. Raises kube.api.ApiUnavailable.

        A task whose deletion is refused is set aside for a while, so that it does not block the others.
        """
        due = self._finished.surplus(self._retention, self._clock())
        for task, cause in due[:ROUND]:
            await self._delete(task, cause)
            await asyncio.sleep(PAUSE_SECONDS)
        return len(due) > ROUND

    async def _delete(self, task: Finished, cause: DeletionCause) -> None:
        key = Key(task.namespace, task.name)
        answer = await self._tasks.delete(key, task.uid, task.version)
        if isinstance(answer, ApiError) and not (answer.conflict or answer.missing):
            self._set_aside(task, f"cannot delete {key}: {answer.message}")
            return
        # A conflict means that it has changed or is gone: the watch reports the newer state.
        self._finished.drop(task)
        if not isinstance(answer, ApiError):
            self._metrics.deleted.labels(cause.value).inc()
            logger.info("%s: deleted, finished at %s: %s", key, task.finished_at.isoformat(), _WHY[cause])

    def _set_aside(self, task: Finished, why: str) -> None:
        if self._finished.set_aside(task, self._clock() + ASIDE):
            logger.warning("%s; it is tried again every %d minutes", why, ASIDE.total_seconds() // 60)


_WHY = {
    DeletionCause.AGE: "its time to live has passed",
    DeletionCause.NUMBER: "its namespace has more finished tasks than the history limit keeps",
}
