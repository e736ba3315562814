"""Owns a rollback that the target refuses before anything was undone: the task stands where it stood, and retry goes forward."""

from datetime import datetime

from obtask.model.contract import Direction, Phase, SubtaskPhase
from obtask.model.reasons import Reason
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.rules import progress
from obtask.rules.subtask_context import live


def turned_back(status: TaskStatus, step: StepStatus, now: datetime) -> TaskStatus | None:
    """Return the task as Failed forward, if its rollback has changed nothing and cannot; None if it goes on, or has undone something."""
    refused = [sub for sub in step.subtasks if _refused(sub)]
    if not refused or any(live(sub) for sub in step.subtasks) or _failed_otherwise(step) or _undid_something(status, step):
        return None
    restored = step.model_copy(update={"phase": SubtaskPhase.FAILED, "finished_at": now, "subtasks": tuple(map(_restored, step.subtasks))})
    failed = progress.failed_ones(restored)
    first = progress.failed_subtask(restored, next(sub for sub in failed if sub.name == refused[0].name), now)
    position = progress.position(status, step.name)
    text = f'{position}: the rollback of subtask "{first.subtask}" was refused: {first.message}; retry goes forward'
    change: dict[str, object] = {"phase": Phase.FAILED, "direction": Direction.FORWARD, "reason": Reason.SUBTASK_FAILED, "message": text}
    change |= {"failed_subtask": first, "failed_subtasks": len(failed), "cancelling": False}
    return progress.replace_step(status, restored).model_copy(update=change)


def _refused(sub: SubtaskStatus) -> bool:
    return sub.phase is SubtaskPhase.FAILED and sub.failure is not None and sub.failure.refused


def _failed_otherwise(step: StepStatus) -> bool:
    """Return whether an undo failed for a reason that may pass: then the rollback is worth another try."""
    return any(
        sub.phase is SubtaskPhase.FAILED
        and sub.failure is not None
        and sub.failure.direction is Direction.ROLLBACK
        and not sub.failure.refused
        for sub in step.subtasks
    )


def _undid_something(status: TaskStatus, step: StepStatus) -> bool:
    """Return whether anything was undone, or a later step was passed on the way back."""
    after = False
    for other in status.steps:
        if after and other.started_at is not None:
            return True
        after = after or other.name == step.name
    return any(sub.phase is SubtaskPhase.ROLLED_BACK and sub.rollback_attempts > 0 for sub in step.subtasks)


def _restored(sub: SubtaskStatus) -> SubtaskStatus:
    """Return a subtask as it was before the rollback: one that had nothing to undo is not undone any more."""
    if sub.phase is SubtaskPhase.ROLLED_BACK:
        return sub.model_copy(update={"phase": SubtaskPhase.SUCCEEDED if sub.failure is None else SubtaskPhase.FAILED})
    if _refused(sub) and sub.failure is not None:
        return sub.model_copy(update={"failure": sub.failure.model_copy(update={"direction": Direction.FORWARD, "refused": False})})
    return sub
