"""Owns how people are told of what a task has become: Events, lines in the log, metrics."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from obtask.kube.events import EventRecorder
from obtask.metrics import Metrics
from obtask.model.contract import Phase
from obtask.model.task import Task, Unreadable, scope_of
from obtask.rules.announcements import Announcement, announcements
from obtask.rules.decision import Record
from obtask.rules.retention import DeletionCause

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Announcer:
    """Reports what was stored, once it is stored."""

    events: EventRecorder
    metrics: Metrics
    clock: Callable[[], datetime]

    def announce(self, task: Task, record: Record) -> None:
        """Report a stored change; ``task`` is as it was before."""
        for said in announcements(task.status, record):
            self.say(task, said)
        self._count(task, record)
        if record.status.phase is not task.status.phase:
            logger.info("%s: %s -> %s: %s", task.key, task.status.phase.value, record.status.phase.value, record.status.message or "")

    def say(self, task: Task | Unreadable, said: Announcement) -> None:
        """Post one Event about the task."""
        self.events.post(task, warning=said.warning, reason=said.reason, message=said.message, now=self.clock())

    def deleted(self) -> None:
        """Count a finished task that was deleted when its time was over."""
        self.metrics.deleted.labels(DeletionCause.AGE.value).inc()

    def _count(self, task: Task, record: Record) -> None:
        status = record.status
        scope = scope_of(task.spec)
        if status.phase.finished and not task.status.phase.finished:
            self.metrics.finished.labels(status.phase.value, scope).inc()
        if status.phase is Phase.FAILED and task.status.phase is not Phase.FAILED and status.failed_subtask:
            self.metrics.failed.labels(status.failed_subtask.reason.value).inc()
        if task.status.phase.in_line and (record.took or status.lock) is not None:
            self.metrics.lock_wait.labels(scope).observe((self.clock() - task.metadata.creation_timestamp).total_seconds())
