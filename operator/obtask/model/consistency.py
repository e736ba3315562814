"""Owns what a status must say for anything to follow from it. The operator writes no other; a person with an editor may."""

from obtask.model.contract import Maintenance
from obtask.model.reasons import Reason
from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus
from obtask.model.steps import Step


def contradiction(spec: TaskSpec | None, status: TaskStatus) -> str | None:
    """Return what makes no sense in the status of a task that was begun, or None. ``spec`` is None when it cannot be read."""
    if not status.phase.holds_lock:
        return None
    found = [step.name for step in status.steps]
    if status.current_step not in found:
        return f"status.currentStep: {status.current_step or 'nothing'} is none of status.steps"
    if spec is None:
        return None
    if found != [step.name for step in spec.steps]:
        return "status.steps: these are not the steps of the spec"
    for step, planned in zip(status.steps, spec.steps, strict=True):
        if not _fits(planned, [sub.name for sub in step.subtasks]):
            return f"status.steps: the subtasks of {step.name} are not those of the spec"
    if spec.maintenance is not Maintenance.NONE and status.lock is None and status.reason is not Reason.LOCK_LOST:
        return f"status.lock: a task that is {status.phase.value} holds its lock"
    return None


def _fits(planned: Step, found: list[str]) -> bool:
    if planned.for_each is not None:
        return found == [f"{planned.name}-{index}" for index in range(len(found))] or found == [planned.name]
    return found == ([sub.name for sub in planned.parallel] if planned.parallel is not None else [planned.name])
