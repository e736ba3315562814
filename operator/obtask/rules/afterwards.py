"""Owns what becomes, while a task is Failed, of what its failed attempts have left elsewhere: a person may act there as well."""

from collections.abc import Collection
from datetime import timedelta

from obtask.model.attempt import Attempt
from obtask.model.contract import Direction, SubtaskPhase, Verb
from obtask.model.limits import one_line
from obtask.model.task import InvalidSpec, Task
from obtask.rules import progress
from obtask.rules.decision import Intent, Record, Rest
from obtask.rules.observation import Observation
from obtask.rules.subtask_context import contexts

SINCE = "; since then: "
HINT = ": action="
LOOK_AGAIN = timedelta(seconds=10)
MESSAGE_CHARACTERS = 1536


def left_attempts(task: Task) -> tuple[Attempt, ...]:
    """Return the failed attempts forward of a task's current step that have started something elsewhere."""
    step = progress.current(task.status)
    if isinstance(task.spec, InvalidSpec) or step is None or task.status.direction is Direction.ROLLBACK:
        return ()
    failed = [sub for sub in step.subtasks if sub.phase is SubtaskPhase.FAILED and (sub.external or sub.previous_external)]
    where = contexts(task, task.status, step) if failed else {}
    return tuple(where[sub.name].attempt(sub) for sub in failed)


def _with_hints(remark: str, allowed: Collection[Verb]) -> str:
    """Return a remark with its hints at commands that would be accepted now: ``what has happened: action=VERB does this, action=...``."""
    what, _, hints = remark.rpartition(HINT)
    kept = [hint for hint in hints.split(", action=") if hint.partition(" ")[0] in allowed]
    return (what + (HINT + ", action=".join(kept) if kept else "")) if what else remark


def remarked(task: Task, observed: Observation) -> Intent:
    """Return what to do with a task that is Failed: say what has happened elsewhere since, once that is known; else wait for a person."""
    if not observed.remarks:
        return Rest()
    wait = Rest(observed.now + LOOK_AGAIN)
    if any(remark is None for remark in observed.remarks.values()):
        return wait
    before = task.status.message or ""
    told = "; ".join(_with_hints(remark, task.status.allowed_actions) for remark in observed.remarks.values() if remark)
    text = one_line(before.partition(SINCE)[0] + (f"{SINCE}{told}" if told else ""), MESSAGE_CHARACTERS)
    unchanged = text == before or (not told and SINCE not in before)
    return wait if unchanged else Record(task.status.model_copy(update={"message": text}))
