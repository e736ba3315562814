"""Owns deleting the finished tasks that are not kept: slowly, and never a namesake or a task that has changed."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from obtask.cache.finished import FinishedTasks
from obtask.kube.api import Refusal
from obtask.kube.tasks import Tasks
from obtask.metrics import Metrics
from obtask.model.task import Key
from obtask.rules.retention import Cause, Finished, Retention, surplus

logger = logging.getLogger(__name__)

# A limit that is set for the first time may delete thousands, each with its Jobs and logs: the API server has other work, too.
PAUSE_SECONDS = 0.05
ROUND = 100
# Rights and policies change slowly.
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
        # Tasks that may not be deleted, by uid, and when to try again.
        self._aside: dict[str, datetime] = {}

    async def clean(self) -> bool:
        """Delete what is not kept, some at a time; return whether there is more. Raises kube.api.Unavailable.

        A task that may not be deleted does not keep the others: it is set aside for a while.
        """
        tasks = self._finished.certain()
        if tasks is None:
            return False
        found = self._not_aside(surplus(tasks, self._retention, self._clock()))
        for task, cause in found[:ROUND]:
            await self._delete(task, cause)
            await asyncio.sleep(PAUSE_SECONDS)
        return len(found) > ROUND

    def _not_aside(self, found: list[tuple[Finished, Cause]]) -> list[tuple[Finished, Cause]]:
        now, uids = self._clock(), {task.uid for task, _ in found}
        self._aside = {uid: until for uid, until in self._aside.items() if uid in uids}
        return [(task, cause) for task, cause in found if self._aside.get(task.uid, now) <= now]

    async def _delete(self, task: Finished, cause: Cause) -> None:
        key = Key(task.namespace, task.name)
        answer = await self._tasks.delete(key, task.uid, task.version)
        if isinstance(answer, Refusal) and not (answer.conflict or answer.missing):
            self._set_aside(task, f"cannot delete {key}: {answer.message}")
            return
        # Whatever it has become instead, the watches tell.
        self._finished.drop(task)
        if not isinstance(answer, Refusal):
            self._metrics.deleted.labels(cause.value).inc()
            logger.info("%s: deleted, finished at %s: %s", key, task.finished_at.isoformat(), _WHY[cause])

    def _set_aside(self, task: Finished, why: str) -> None:
        if task.uid not in self._aside:
            logger.warning("%s; it is tried again every %d minutes", why, ASIDE.total_seconds() // 60)
        self._aside[task.uid] = self._clock() + ASIDE


_WHY = {Cause.AGE: "its time is over", Cause.NUMBER: "its namespace has newer ones enough"}
