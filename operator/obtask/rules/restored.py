"""Owns whether a task is a copy of an earlier one: restored from a backup, or created again from a dump. Pure. API.md section 4.

What such a task says was done before, and would be done again. Nothing of a status is left in what is created anew; what is left are
the marks of whoever restores, and ours: with its first write the operator notes in a task which object it is.
"""

from dataclasses import dataclass

from obtask import names
from obtask.model.command import noted_command
from obtask.model.contract import Phase
from obtask.model.limits import one_line
from obtask.model.task import Metadata, Task
from obtask.rules.decision import MarkTask
from obtask.rules.leaving import must_be_guarded

LONGEST_SHOWN = 63
# What has to be said on purpose where there is nothing that tells one copy from the next.
YES = "true"


@dataclass(frozen=True, slots=True)
class _Mark:
    """A sign that a task is a copy, and what has to be written into the annotation to have this very copy run."""

    sign: str
    word: str


def fault(task: Task, *, holds_lock: bool, marked_at_creation: bool | None) -> str | None:
    """Return why a task is taken for a copy that nobody wants to run, and how to run it on purpose; None if it is none.

    ``holds_lock``: the Lease of the lock that it has by its status names this very object. ``marked_at_creation``: whether
    a policy of the API server tells new tasks from copies; None: not known.
    """
    marks = _marks(task, marked_at_creation=marked_at_creation) if not _has_begun(task, holds_lock=holds_lock) else []
    if not marks or task.metadata.annotations.get(names.RUN_RESTORED_ANNOTATION) in {mark.word for mark in marks}:
        return None
    first = marks[0]
    return one_line(
        f"created again from a copy ({first.sign}): it does not run, since that would repeat what was done before. To run it on purpose, "
        f"create it without what a cluster adds to metadata, or with the annotation {names.RUN_RESTORED_ANNOTATION}={first.word}"
    )


def lacking(task: Task, *, marked_at_creation: bool | None) -> MarkTask | None:
    """Return what gives a task its marks if it lacks any: it is new, or was replaced by a manifest without them."""
    guard = must_be_guarded(task)
    noted = _is_noted(task.metadata, marked_at_creation=marked_at_creation)
    return None if noted and (not guard or names.FINALIZER in task.metadata.finalizers) else MarkTask(guard)


def _is_noted(meta: Metadata, *, marked_at_creation: bool | None) -> bool:
    """Return whether the task says which object it is, so that a copy of it is known for one.

    A copy that runs on purpose has what its original had: only the uid tells it from its own copies.
    """
    stamp = meta.annotations.get(names.ADOPTED_ANNOTATION)
    marked = marked_at_creation is True and stamp == names.MARKED_NEW and names.RUN_RESTORED_ANNOTATION not in meta.annotations
    return marked or stamp == meta.uid


def _has_begun(task: Task, *, holds_lock: bool) -> bool:
    """Return whether the status is this object's own: whoever may annotate it must not be able to end it while it runs.

    A status can be restored, too. It names a lock that another object held, and a start before this one was created.
    """
    status = task.status
    if status.phase.in_line:
        return False
    if status.phase.finished or (status.lock is not None and holds_lock):
        return True
    return status.lock is None and status.started_at is not None and status.started_at >= task.metadata.creation_timestamp


def _marks(task: Task, *, marked_at_creation: bool | None) -> list[_Mark]:
    meta = task.metadata
    stamp = meta.annotations.get(names.ADOPTED_ANNOTATION)
    if stamp == meta.uid:
        return []
    seen_before = task.status.observed_generation > 0
    # Where no policy marks what is new any more, the mark has come with a copy, or the task was made before that.
    new = stamp == names.MARKED_NEW and (marked_at_creation is not False or seen_before)
    found = []
    if stamp is not None and not new:
        word = one_line(stamp, LONGEST_SHOWN)
        found.append(_Mark(f"the annotation {names.ADOPTED_ANNOTATION} names another object, {word}", word))
    if task.status.phase is not Phase.PENDING:
        return found
    found += [_Mark(f"label {label}={meta.labels[label]}", meta.labels[label]) for label in names.RESTORED_LABELS if label in meta.labels]
    if not seen_before:
        # Whoever puts the finalizer on, or notes a command, notes the object, too.
        signs = _of_an_operator(task, may_be_guarded=new)
        found += [_Mark(f"it has {what}, and no operator has seen it", YES) for what, there in signs if there]
    if names.LAST_APPLIED_ANNOTATION in meta.annotations:
        found.append(_Mark("its manifest had a status", YES))
    return found


def _of_an_operator(task: Task, *, may_be_guarded: bool) -> list[tuple[str, bool]]:
    return [
        (f"the finalizer {names.FINALIZER}", names.FINALIZER in task.metadata.finalizers and not may_be_guarded),
        (f"the annotation {names.ACCEPTED_COMMAND_ANNOTATION}", noted_command(task.metadata.annotations) is not None),
    ]
