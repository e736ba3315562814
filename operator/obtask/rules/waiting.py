"""Owns the status of a task in line: behind whom it waits, or why it is turned away. API.md section 3. Pure."""

from datetime import datetime
from typing import Final

from obtask.model.contract import OnConflict, Phase
from obtask.model.limits import one_line
from obtask.model.reasons import Reason
from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus
from obtask.model.task import Task
from obtask.rules import messages
from obtask.rules.decision import Intent, Record, Rest
from obtask.rules.observation import Observation, Obstacle

UNBLOCKED: Final = {"blocked_by": (), "blocked_by_count": None, "blocked_by_summary": None}


def wait(task: Task, observed: Observation) -> Intent:
    """Return what a task does that somebody is in the way of: show whom, if that is news, and rest."""
    waiting = blocked(task, task.status, observed.obstacle, observed.now)
    changed = waiting.blocked_by != task.status.blocked_by or waiting.blocked_by_count != task.status.blocked_by_count
    return Record(waiting) if waiting.phase is not task.status.phase or (changed and observed.refresh_due) else Rest()


def does_not_wait(task: Task) -> bool:
    """Return whether a task ends when somebody is in its way: then it has to be true that somebody is."""
    return isinstance(task.spec, TaskSpec) and task.spec.on_conflict is OnConflict.REJECT


def blocked(task: Task, status: TaskStatus, obstacle: Obstacle, now: datetime) -> TaskStatus:
    """Return the status of a task behind others: Waiting, or Rejected if it does not want to wait."""
    text = messages.waiting(obstacle.blockers, obstacle.count, task.metadata.namespace)
    if does_not_wait(task):
        return rejected(status, Reason.CONFLICT, "conflict: " + text.removeprefix("waiting for "), now)
    return status.model_copy(
        update={
            "phase": Phase.WAITING,
            "reason": Reason.QUEUED,
            "message": text,
            "blocked_by": obstacle.blockers,
            "blocked_by_count": obstacle.count,
            "blocked_by_summary": messages.blocked_by_summary(obstacle.blockers, obstacle.count),
        }
    )


def rejected(status: TaskStatus, reason: Reason, message: str, now: datetime) -> TaskStatus:
    """Return the status of a task that ends before it began."""
    change = {"phase": Phase.REJECTED, "reason": reason, "message": one_line(message), "finished_at": now, "lock": None}
    return status.model_copy(update=UNBLOCKED | change)
