"""Owns deleting the finished tasks that are not kept: slowly, and never a namesake or a task that has changed."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from obtask.engine.finished import FinishedTasks
from obtask.kube.api import Denied, Refusal
from obtask.kube.tasks import Tasks
from obtask.metrics import Metrics
from obtask.model.task import Key
from obtask.rules.retention import Cause, Finished, Retention, surplus

logger = logging.getLogger(__name__)

# A limit that is set for the first time may delete thousands, each with its Jobs and logs: the API server has other work, too.
PAUSE_SECONDS = 0.05
ROUND = 100


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
        """Delete what is not kept, some at a time; return whether there is more.

        Raises kube.api.Unavailable, or Denied when deleting is refused.
        """
        tasks = None if self._retention.keeps_everything else self._finished.certain()
        if tasks is None:
            return False
        found = surplus(tasks, self._retention, self._clock())
        for task, cause in found[:ROUND]:
            await self._delete(task, cause)
            await asyncio.sleep(PAUSE_SECONDS)
        return len(found) > ROUND

    async def _delete(self, task: Finished, cause: Cause) -> None:
        key = Key(task.namespace, task.name)
        answer = await self._tasks.delete(key, task.uid, task.version)
        if isinstance(answer, Refusal) and not (answer.conflict or answer.missing):
            raise Denied(f"cannot delete {key}: {answer.message}")
        # Whatever it has become instead, the watches tell.
        self._finished.drop(task)
        if not isinstance(answer, Refusal):
            self._metrics.deleted.labels(cause.value).inc()
            logger.info("%s: deleted, finished at %s: %s", key, task.finished_at.isoformat(), _WHY[cause])


_WHY = {Cause.AGE: "its time is over", Cause.NUMBER: "its namespace has newer ones enough"}
