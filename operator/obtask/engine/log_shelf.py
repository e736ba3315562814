"""Owns which log ConfigMaps a task has, and deletes the ones beyond its budget. Rules: logs/retention.py."""

import asyncio
import logging

from obtask.kube.api import ApiError
from obtask.kube.config_maps import ConfigMaps
from obtask.logs.retention import TASK_BYTES, StoredLog, given_up, read_stored
from obtask.model.attempt import Attempt, AttemptId
from obtask.model.base import rfc3339

logger = logging.getLogger(__name__)

GIVEN_UP_AT_ONCE = 100  # anybody can make ConfigMaps that look like logs: the others have to wait for the next log


class _Task:
    """The logs of one task, remembered while this operator runs any of its attempts."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.logs: dict[str, StoredLog] | None = None
        self.users: set[AttemptId] = set()
        self.running: set[AttemptId] = set()


class LogShelf:
    """Makes room for logs. Logs stored by earlier operators are listed once, before the first log of a task is stored."""

    def __init__(self, maps: ConfigMaps) -> None:
        self._maps = maps
        self._tasks: dict[str, _Task] = {}

    async def make_room(self, attempt: Attempt, name: str, octets: int, *, ended: bool) -> bool:
        """Return whether the attempt's log may take that many bytes in the ConfigMap of this name. Raises kube.api.ApiUnavailable."""
        task = self._tasks.setdefault(attempt.id.uid, _Task())
        task.users.add(attempt.id)
        async with task.lock:
            logs = await self._known(task, attempt)
            before = logs.pop(name, None)
            new = StoredLog(attempt.id, name, before.uid if before else "", octets, rfc3339(attempt.started_at))
            for log in given_up([*logs.values(), new], {*task.running, attempt.id})[:GIVEN_UP_AT_ONCE]:
                await self._give_up(attempt, logs, log)
            (task.running.discard if ended else task.running.add)(attempt.id)
            fits = sum(log.octets for log in logs.values()) + octets <= TASK_BYTES
            if fits or before is not None:
                logs[name] = new if fits or before is None else before
            return fits

    def drop(self, attempt: AttemptId, name: str) -> None:
        """Note that the attempt does not own the ConfigMap of this name after all."""
        task = self._tasks.get(attempt.uid)
        if task is not None and task.logs is not None:
            task.logs.pop(name, None)

    def forget(self, attempt: AttemptId) -> None:
        """Drop the entries of an attempt whose end is recorded."""
        task = self._tasks.get(attempt.uid)
        if task is None:
            return
        task.users.discard(attempt)
        task.running.discard(attempt)
        if not task.users:
            del self._tasks[attempt.uid]

    async def _known(self, task: _Task, attempt: Attempt) -> dict[str, StoredLog]:
        if task.logs is None:
            listed = await self._maps.of_task(attempt.namespace, attempt.id.uid)
            if isinstance(listed, ApiError):
                logger.warning("logs of %s/%s cannot be listed, so that none of them is given up: %s", *_who(attempt), listed.message)
            read = [] if isinstance(listed, ApiError) else [read_stored(meta, attempt.id.uid) for meta in listed]
            task.logs = {log.name: log for log in read if log is not None}
        return task.logs

    async def _give_up(self, attempt: Attempt, logs: dict[str, StoredLog], log: StoredLog) -> None:
        answer = await self._maps.delete(attempt.namespace, log.name, log.uid) if log.uid else None
        if isinstance(answer, ApiError) and not (answer.missing or answer.conflict):
            logger.warning("log %s of %s/%s cannot be given up: %s", log.name, *_who(attempt), answer.message)
            return
        logs.pop(log.name, None)

    def stored(self, attempt: AttemptId, name: str, uid: str) -> None:
        """Note the uid of the ConfigMap that the attempt's log was stored in."""
        task = self._tasks.get(attempt.uid)
        log = task.logs.get(name) if task is not None and task.logs is not None else None
        if task is not None and task.logs is not None and log is not None:
            task.logs[name] = StoredLog(log.attempt, name, uid, log.octets, log.started_at)


def _who(attempt: Attempt) -> tuple[str, str]:
    return attempt.namespace, attempt.task
