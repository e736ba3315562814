"""Owns where a task stands in plain names, from which the sentences about it are made: rules/situation_wording.py. Pure."""

from obtask.model.contract import Direction, Maintenance, Phase, Verb
from obtask.model.spec import TaskSpec
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.model.task import Task
from obtask.rules.approval import awaiting_approval
from obtask.rules.preview import preview
from obtask.rules.preview_wording import HeldLock
from obtask.rules.progress import current, failed_ones
from obtask.rules.situation_wording import Blocked, Situation


def situation(task: Task, behind: int = 0) -> Situation:
    """Return where a task stands. ``behind``: how many tasks wait for it."""
    status = task.status
    spec = task.spec if isinstance(task.spec, TaskSpec) else None
    step = current(status)
    failed = status.failed_subtask
    at = _concerned(status, step)
    names = [each.name for each in status.steps]
    return Situation(
        namespace=task.metadata.namespace,
        name=task.metadata.name,
        phase=status.phase.value,
        reason=status.reason.value if status.reason is not None else "",
        message=status.message or "",
        step=status.current_step or "",
        number=names.index(status.current_step) + 1 if status.current_step in names else 0,
        total=len(names) or (len(spec.steps) if spec is not None else 0),
        at=tuple(sub.name for sub in at),
        touched=tuple(sub.name for sub in at if sub.changed is not False and sub.attempts),
        failed=status.failed_subtasks or 0,
        attempt=failed.attempt if failed is not None else 0,
        why=failed.reason.value if failed is not None else "",
        code=(failed.code or "") if failed is not None else "",
        said=_said(spec, status),
        lock=lock_of(spec) if spec is not None else None,
        behind=behind,
        blocked_by=tuple(Blocked(each.name, each.phase.value) for each in status.blocked_by),
        blockers=status.blocked_by_count or len(status.blocked_by),
        allowed=tuple(verb.value for verb in status.allowed_actions),
        undo=status.direction is Direction.ROLLBACK,
        to_undo=len(preview(spec, status, Verb.ROLLBACK).undoes) if spec is not None and Verb.ROLLBACK in status.allowed_actions else 0,
    )


def lock_of(spec: TaskSpec) -> HeldLock | None:
    """Return what a task locks; None if it locks nothing."""
    if spec.maintenance is Maintenance.NONE:
        return None
    return HeldLock(spec.maintenance.value, spec.type.value, spec.agent or spec.cluster or "", spec.tenant)


def _concerned(status: TaskStatus, step: StepStatus | None) -> list[SubtaskStatus]:
    """Return the subtasks that the task is about now: those that run, or that failed."""
    if step is None:
        return []
    return failed_ones(step) if status.phase is Phase.FAILED else [sub for sub in step.subtasks if sub.phase.working]


def _said(spec: TaskSpec | None, status: TaskStatus) -> str:
    if status.failed_subtask is not None:
        return status.failed_subtask.message
    if spec is None or awaiting_approval(spec, status) is None:
        return ""
    step = current(status)
    return next((sub.message or "" for sub in step.subtasks if sub.phase.working), "") if step is not None else ""
