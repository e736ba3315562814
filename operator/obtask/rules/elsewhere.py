"""Owns what a subtask's status knows of what its attempts have started elsewhere: a task of obshell, and what is left of it there."""

from collections.abc import Iterator
from typing import assert_never

from obtask.model.actions import only_looks, works_on_what_it_undoes
from obtask.model.attempt import AttemptState, Failed, Lost, Succeeded
from obtask.model.contract import Direction, Left, SubtaskPhase
from obtask.model.spec import TaskSpec
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.model.steps import Subtask

UNTIL = "until it is retried, rolled back or passed in obshell"


def begun(subtask: Subtask, status: SubtaskStatus, *, undoes: bool) -> dict[str, object]:
    """Return the change for a new attempt: it has started nothing yet, and knows what an attempt like it has left."""
    undo = subtask.rollback
    failed_undo = status.failure is not None and status.failure.direction is Direction.ROLLBACK
    has_undone = status.phase is SubtaskPhase.ROLLING_BACK or failed_undo
    on_the_same = undoes and undo is not None and works_on_what_it_undoes(undo.action)
    taken_up = undoes is has_undone or on_the_same
    before = (status.external, status.external_mark) if status.external else (status.previous_external, status.previous_mark)
    name, mark = before if taken_up else (None, None)
    nothing: dict[str, object] = {"external": None, "external_mark": None, "external_left": None, "stage": None}
    return nothing | {"previous_external": name, "previous_mark": mark}


def known(status: SubtaskStatus, seen: AttemptState) -> dict[str, object]:
    """Return the change by what an attempt says that it has started."""
    name = None if isinstance(seen, Lost) else seen.external
    if isinstance(seen, Lost) or name is None:
        return {}
    # What it is known by changes as it goes on: that is worth a write only at its end.
    told = name != status.external or isinstance(seen, Succeeded | Failed)
    change: dict[str, object] = {"external": name, "previous_external": None, "previous_mark": None}
    return change | ({"external_mark": seen.external_mark} if told and seen.external_mark is not None else {})


def ended(seen: AttemptState) -> dict[str, object]:
    """Return the change by the end of an attempt."""
    return {"external_left": seen.left if isinstance(seen, Failed) else None, "stage": None, "fresh": False}


def undone() -> dict[str, object]:
    """Return the change for what was undone: it is no longer there to be taken up again."""
    return dict.fromkeys(("external", "external_mark", "previous_external", "previous_mark", "external_left"))


def left_behind(status: TaskStatus) -> str | None:
    """Return what obshell still holds, or may hold, of what failed attempts have started, or None if that is nothing."""
    told = [
        left_of(sub.external or sub.previous_external or "", sub.name, sub.external_left)
        for step in status.steps
        for sub in _failed_ones(step)
    ]
    if not told:
        return None
    more = f", and {len(told) - 2} more" if len(told) > 2 else ""  # noqa: PLR2004 - the first two are shown
    return f"{'; '.join(told[:2])}{more}"


def left_of(external: str, subtask: str, left: Left | None) -> str:
    """Return what an obshell task that a failed attempt has started still holds, or may hold."""
    how = "still keeps" if left is Left.HOLDING else "may still be at work or keep"
    return f"obshell task {external} of subtask {subtask!r} {how} obshell's maintenance {UNTIL}"


def _failed_ones(step: StepStatus) -> Iterator[SubtaskStatus]:
    for sub in step.subtasks:
        if _ended_without_success(sub.phase) and (sub.external or sub.previous_external) and sub.external_left is not Left.RELEASED:
            yield sub


def _ended_without_success(phase: SubtaskPhase) -> bool:
    match phase:
        case SubtaskPhase.FAILED | SubtaskPhase.SKIPPED:
            return True
        case SubtaskPhase.PENDING | SubtaskPhase.RUNNING | SubtaskPhase.SUCCEEDED | SubtaskPhase.ROLLING_BACK | SubtaskPhase.ROLLED_BACK:
            return False
        case never:
            assert_never(never)


def irreversible(spec: TaskSpec, status: TaskStatus) -> str | None:
    """Return why a rollback is of no use, if one of its undos cannot be done: obshell rolls back only what has failed."""
    for step in spec.steps:
        done = next((other for other in status.steps if other.name == step.name), None)
        for sub in done.subtasks if done is not None else ():
            if sub.phase is SubtaskPhase.SUCCEEDED and sub.external and _only_by_obshell(step.subtask_of(sub.name)):
                return (
                    f'step "{step.name}" can be undone by obshell only, which rolls back only tasks that failed: '
                    f"its obshell task {sub.external} has succeeded"
                )
    return None


def _only_by_obshell(subtask: Subtask) -> bool:
    undo = subtask.rollback
    return undo is not None and works_on_what_it_undoes(undo.action) and not only_looks(subtask.action)
