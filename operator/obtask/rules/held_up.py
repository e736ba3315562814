"""Owns what a task says of that which keeps the operator from working on it, and what it says once that is over. Pure.

The condition Reconciling bears the reason HeldUp for as long. The message says why, too, unless it says what a person has to know more.
"""

from typing import Final, assert_never

from obtask.model.contract import ConditionType, Phase
from obtask.model.limits import one_line
from obtask.model.reasons import EventReason, Reason
from obtask.model.status import TaskStatus
from obtask.model.task import Task
from obtask.rules import messages
from obtask.rules.execution import described

REASON: Final = EventReason.HELD_UP  # of the condition, and of the Event
BEGINNING: Final = "held up"


def complaining(status: TaskStatus, why: str) -> TaskStatus:
    """Return the status with a message that says why the task does not get on."""
    return status if _says_what_counts(status) else status.model_copy(update={"message": one_line(why)})


def marked(status: TaskStatus, why: str) -> TaskStatus:
    """Return a status that is complete otherwise with the mark on its condition."""
    change = {"reason": REASON.value, "message": one_line(why)}
    conditions = (each.model_copy(update=change) if each.type == ConditionType.RECONCILING else each for each in status.conditions)
    return status.model_copy(update={"conditions": tuple(conditions)})


def is_marked(status: TaskStatus) -> bool:
    """Return whether the status says that the task does not get on."""
    return any(each.type == ConditionType.RECONCILING and each.reason == REASON for each in status.conditions)


def relieved(task: Task) -> TaskStatus:
    """Return the status of a task that gets on again, with the message of its phase."""
    status = task.status
    if _says_what_counts(status) or not (status.message or "").startswith(BEGINNING):
        return status
    match status.phase:
        case Phase.RUNNING | Phase.ROLLING_BACK:
            return described(task, status)
        case Phase.WAITING:
            text = messages.waiting(status.blocked_by, status.blocked_by_count or 0, task.metadata.namespace)
            return status.model_copy(update={"message": text})
        case Phase.PENDING | Phase.FAILED | Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.SKIPPED | Phase.CANCELLED | Phase.REJECTED:
            return status.model_copy(update={"message": None})
        case never:
            assert_never(never)


def _says_what_counts(status: TaskStatus) -> bool:
    return status.phase is Phase.FAILED or status.reason is Reason.LOCK_LOST
