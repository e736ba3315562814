"""Owns the conditions of a task. API.md section 3.3."""

from datetime import datetime
from typing import assert_never

from obtask.model.contract import ConditionStatus, ConditionType, Phase
from obtask.model.status import Condition, TaskStatus
from obtask.model.task import Metadata
from obtask.rules import messages


def with_conditions(status: TaskStatus, metadata: Metadata, now: datetime) -> TaskStatus:
    """Return the status with all five conditions; a transition time changes only when its status does."""
    before = {condition.type: condition for condition in status.conditions}
    message = status.message or ""
    conditions = []
    for kind in ConditionType:
        text = _lock_message(status, metadata.namespace) if kind is ConditionType.LOCK_HELD else message
        value = ConditionStatus.TRUE if _holds(kind, status) else ConditionStatus.FALSE
        old = before.get(kind)
        since = old.last_transition_time if old is not None and old.status is value else now
        conditions.append(
            Condition(
                type=kind.value,
                status=value,
                reason=status.phase.value,
                message=text,
                observed_generation=metadata.generation,
                last_transition_time=since,
            )
        )
    return status.model_copy(update={"conditions": tuple(conditions), "observed_generation": metadata.generation})


def in_the_way_since(status: TaskStatus, created: datetime) -> datetime:
    """Return since when others meet the task as it is: since it failed, since it works with its lock, or since it waits for that."""
    if status.lock is None:
        return created
    failed = status.phase is Phase.FAILED
    turned = next((one.last_transition_time for one in status.conditions if one.type == status.phase.condition), None)
    if failed and turned is not None:
        return turned
    if failed and status.failed_subtask is not None:
        return status.failed_subtask.failed_at
    return max(status.lock.acquired_at, turned or status.lock.acquired_at)


def _holds(kind: ConditionType, status: TaskStatus) -> bool:
    match kind:
        case ConditionType.FINISHED:
            return status.phase.finished
        case ConditionType.READY | ConditionType.RECONCILING | ConditionType.STALLED:
            return status.phase.condition is kind
        case ConditionType.LOCK_HELD:
            return status.lock is not None
        case never:
            assert_never(never)


def _lock_message(status: TaskStatus, namespace: str) -> str:
    if status.lock is not None:
        return f"{status.lock.scope} lock held since {status.lock.acquired_at:%Y-%m-%dT%H:%M:%SZ} (Lease {status.lock.lease})"
    if status.phase is Phase.WAITING:
        return messages.waiting(status.blocked_by, status.blocked_by_count or 0, namespace, shown=len(status.blocked_by))
    return "no lock held"
