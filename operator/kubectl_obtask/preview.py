"""Owns what a command would do to a task, computed from its JSON as the operator's rules/preview.py does. Pure."""

from collections.abc import Iterator
from typing import Final

from kubectl_obtask.tasks import IN_LINE, ROLLBACK, Planned, Step, Subtask, Task
from kubectl_obtask.wording.preview_wording import CHANGED_NOTHING, NO_ROLLBACK, HeldLock, Piece, Told

OPEN: Final = frozenset({"Failed", "Pending"})
ENDS: Final = {"rollback": "RolledBack", "skip": "Skipped"}


def told(task: Task, verb: str, *, fresh: bool = False) -> Told:
    """Return what an allowed command would do. ``fresh``: with the option of that name."""
    undoing, started = task.status.text("direction") == ROLLBACK, task.phase not in IN_LINE
    undoes: tuple[Piece, ...] = ()
    left: tuple[tuple[Piece, str], ...] = ()
    ends = ENDS.get(verb, "Succeeded")
    if verb == "rollback" or (verb == "retry" and undoing):
        undoes, left = _undoing(task)
        ends = "RolledBack"
    elif verb == "cancel":
        ends = "Failed" if started else "Cancelled"
    return Told(
        verb=verb,
        step=task.status.text("currentStep") or None,
        runs=() if ends != "Succeeded" else _runs(task, verb),
        undoes=undoes,
        left=left,
        stops=_of_current(task, {"Running", "RollingBack"}) if verb == "cancel" and started else (),
        skips=_of_current(task, OPEN) if verb in {"skip", "skip-step"} else (),
        ends=ends,
        lock=held_lock(task),
        undoing=undoing,
        started=started,
        fresh=fresh,
    )


def held_lock(task: Task) -> HeldLock | None:
    """Return what a task locks, or wants to; None if it locks nothing."""
    scope = task.spec.text("maintenance")
    if scope in {"None", ""}:
        return None
    return HeldLock(scope, task.spec.text("type"), task.target, task.spec.text("tenant") or None)


def _runs(task: Task, verb: str) -> tuple[Piece, ...]:
    again = _again(task) if verb == "retry" else ()
    return (*again, *_later(task))


def _again(task: Task) -> Iterator[Piece]:
    step = task.current
    planned = {each.name: each for each in task.planned}.get(step.name) if step is not None else None
    if step is None or planned is None:
        return
    asks = step.moment("startedAt") is None and planned.conditional
    if planned.loop and not _is_expanded(step):
        yield Piece(step.name, None, depends=asks)
        return
    for sub in step.subtasks:
        if sub.phase in OPEN:
            yield Piece(step.name, sub.name, depends=asks)


def _is_expanded(step: Step) -> bool:
    return step.has("items") or bool(step.subtasks and step.subtasks[0].name != step.name)


def _later(task: Task) -> Iterator[Piece]:
    names = [step.name for step in task.planned]
    current = task.status.text("currentStep")
    for step in task.planned[names.index(current) + 1 if current in names else 0 :]:
        if step.loop:
            yield Piece(step.name, None, depends=step.conditional)
        for subtask in step.subtasks:
            yield Piece(step.name, subtask, depends=step.conditional)


def _of_current(task: Task, phases: set[str] | frozenset[str]) -> tuple[Piece, ...]:
    step = task.current
    return tuple(Piece(step.name, sub.name) for sub in step.subtasks if sub.phase in phases) if step is not None else ()


def _undoing(task: Task) -> tuple[tuple[Piece, ...], tuple[tuple[Piece, str], ...]]:
    planned = {step.name: step for step in task.planned}
    undoes: list[Piece] = []
    left: list[tuple[Piece, str]] = []
    for step in reversed(_up_to_current(task)):
        begun = [sub for sub in step.subtasks if sub.number("attempts") > 0 and sub.phase != "RolledBack"]
        plan = planned.get(step.name)
        for sub in reversed(begun) if plan is not None and plan.loop and plan.in_turn else begun:
            why = _why_not(plan, sub)
            if why is None:
                undoes.append(Piece(step.name, sub.name))
            else:
                left.append((Piece(step.name, sub.name), why))
    return tuple(undoes), tuple(left)


def _up_to_current(task: Task) -> tuple[Step, ...]:
    names = [step.name for step in task.steps]
    current = task.status.text("currentStep")
    return task.steps[: names.index(current) + 1 if current in names else len(names)]


def _why_not(planned: Planned | None, sub: Subtask) -> str | None:
    if planned is None or not planned.undoes(sub.name):
        return NO_ROLLBACK
    return CHANGED_NOTHING if sub.truth("changed") is False else None
