"""Owns where a task stands in plain names, computed from its JSON as the operator's rules/situation.py does, and since when. Pure."""

from datetime import datetime

from kubectl_obtask.preview import held_lock, told
from kubectl_obtask.resting import awaits_approval
from kubectl_obtask.tasks import FAILED, ROLLBACK, WORKING, Subtask, Task
from kubectl_obtask.wording.situation_wording import Blocked, Situation


def situation(task: Task, behind: int = 0) -> Situation:
    """Return where a task stands. ``behind``: how many tasks wait for it."""
    status, failed = task.status, task.at("status", "failedSubtask")
    names = [step.name for step in task.steps]
    step, allowed = status.text("currentStep"), status.texts("allowedActions")
    at = _concerned(task)
    blockers = [Blocked(each.text("name"), each.text("phase")) for each in status.all("blockedBy")]
    return Situation(
        namespace=task.namespace,
        name=task.name,
        phase=task.phase,
        reason=status.text("reason"),
        message=status.text("message"),
        step=step,
        number=names.index(step) + 1 if step in names else 0,
        total=len(names) or len(task.planned),
        at=tuple(sub.name for sub in at),
        touched=tuple(sub.name for sub in at if sub.truth("changed") is not False and sub.number("attempts")),
        failed=status.number("failedSubtasks"),
        attempt=failed.number("attempt"),
        why=failed.text("reason"),
        code=failed.text("code"),
        said=_said(task),
        lock=held_lock(task),
        behind=behind,
        blocked_by=tuple(blockers),
        blockers=status.number("blockedByCount") or len(blockers),
        allowed=allowed,
        undo=status.text("direction") == ROLLBACK,
        to_undo=len(told(task, "rollback").undoes) if "rollback" in allowed else 0,
    )


def waiting_since(task: Task) -> datetime | None:
    """Return since when a task waits."""
    return task.condition("LockHeld").moment("lastTransitionTime") or task.created


def in_phase_since(task: Task) -> datetime | None:
    """Return since when a task is as it is."""
    ended, failed = task.status.moment("finishedAt"), task.at("status", "failedSubtask").moment("failedAt")
    if task.finished:
        return ended
    return failed if task.phase == FAILED else task.status.moment("startedAt")


def _concerned(task: Task) -> list[Subtask]:
    """Return the subtasks that the task is about now: those that run, or that failed, the one that failed first in front."""
    step = task.current
    subtasks = step.subtasks if step is not None else ()
    if task.phase == FAILED:
        return sorted((sub for sub in subtasks if sub.phase == FAILED), key=_ended)
    return [sub for sub in subtasks if sub.phase in WORKING]


def _ended(sub: Subtask) -> str:
    ended = sub.moment("finishedAt")
    return ended.isoformat() if ended is not None else ""


def _said(task: Task) -> str:
    failed = task.at("status", "failedSubtask")
    if failed.raw:
        return failed.text("message")
    return next((sub.text("message") for sub in _concerned(task)), "") if awaits_approval(task) else ""
