"""Owns the small facts about steps that status shows: progress, position, the first failed subtask."""

from collections.abc import Iterable
from datetime import datetime

from obtask.model.contract import Direction, SubtaskPhase
from obtask.model.reasons import FailureReason
from obtask.model.spec import TaskSpec
from obtask.model.status import FailedSubtask, StepStatus, SubtaskStatus, TaskStatus


def fresh_steps(spec: TaskSpec) -> tuple[StepStatus, ...]:
    """Return the steps as they are before anything was started."""
    return tuple(StepStatus(name=step.name, subtasks=tuple(SubtaskStatus(name=sub.name) for sub in step.subtasks)) for step in spec.steps)


def to_undo(step: StepStatus) -> list[SubtaskStatus]:
    """Return the subtasks that were started and are not undone yet."""
    return [subtask for subtask in step.subtasks if subtask.attempts > 0 and subtask.phase is not SubtaskPhase.ROLLED_BACK]


def progress(status: TaskStatus) -> str:
    """Return "steps done / steps"; in direction Rollback a step is done when nothing in it is left to undo."""
    if status.direction is Direction.ROLLBACK:
        done = sum(1 for step in status.steps if not to_undo(step))
    else:
        done = sum(1 for step in status.steps if step.phase.done)
    return f"{done}/{len(status.steps)}"


def position(status: TaskStatus, step: str) -> str:
    """Return where a step stands, as people read it: step 2/3 "resize"."""
    number = next((index for index, other in enumerate(status.steps, 1) if other.name == step), 0)
    return f'step {number}/{len(status.steps)} "{step}"'


def current(status: TaskStatus) -> StepStatus | None:
    """Return the status of the current step, or None before the first and after the last one."""
    return next((step for step in status.steps if step.name == status.current_step), None)


def step_summary(status: TaskStatus) -> str | None:
    """Return the current step, and how far what its only running subtask follows is: ``go 3/11 Start observer``."""
    step = current(status)
    working = [sub for sub in step.subtasks if sub.phase.working] if step is not None else []
    stage = working[0].stage if len(working) == 1 else None
    return f"{status.current_step} {stage}" if stage else status.current_step


def find_step(status: TaskStatus, name: str) -> StepStatus:
    """Return the status of a step."""
    return next(step for step in status.steps if step.name == name)


def replace_step(status: TaskStatus, step: StepStatus) -> TaskStatus:
    """Return the status with one step replaced."""
    return status.model_copy(update={"steps": tuple(step if other.name == step.name else other for other in status.steps)})


def failed_ones(step: StepStatus) -> list[SubtaskStatus]:
    """Return the subtasks that failed, the one that failed first in front."""
    failed = [subtask for subtask in step.subtasks if subtask.phase is SubtaskPhase.FAILED]
    return sorted(failed, key=end_time)


def end_time(subtask: SubtaskStatus) -> str:
    """Return a key that sorts subtasks by the end of their last attempt."""
    return subtask.finished_at.isoformat() if subtask.finished_at else ""


def failed_subtask(step: StepStatus, subtask: SubtaskStatus, now: datetime) -> FailedSubtask:
    """Return the record of a failed subtask that status.failedSubtask shows."""
    failure = subtask.failure
    direction = failure.direction if failure else Direction.FORWARD
    return FailedSubtask(
        step=step.name,
        subtask=subtask.name,
        attempt=subtask.rollback_attempts if direction is Direction.ROLLBACK else subtask.attempts,
        direction=direction,
        reason=failure.reason if failure else FailureReason.CANCELLED,
        code=failure.code if failure else None,
        message=subtask.message or "",
        failed_at=subtask.finished_at or now,
        log_tail=subtask.log_tail,
        log_ref=subtask.log_ref,
    )


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the earliest of the moments that are known, or None."""
    return min((moment for moment in moments if moment is not None), default=None)
