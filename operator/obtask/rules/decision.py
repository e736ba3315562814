"""Owns what can be decided: one intent per look at a task."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from obtask.model.attempt import Attempt
from obtask.model.command import Command
from obtask.model.spec import TaskSpec
from obtask.model.status import LockStatus, TaskStatus
from obtask.model.template_ref import Expansion
from obtask.rules.expressions import Question
from obtask.rules.opening import StepQuestion


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do before ``wake_at``, or before the task is enqueued."""

    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Have the task's expressions compiled, elsewhere; decide again once the answers are known."""

    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Expanded:
    """What a template makes of a task: its whole spec, the steps in it as they are written in the template, and what is noted of that."""

    spec: TaskSpec
    steps: Sequence[Any]
    note: Expansion


@dataclass(frozen=True, slots=True)
class MarkTask:
    """Note in the task which object it is; ``guard``: put the finalizer on, too, so that a deletion cannot be missed.

    ``expanded``: write the steps of its template into it, too.
    """

    guard: bool
    expanded: Expanded | None = None


@dataclass(frozen=True, slots=True)
class TakeCommand:
    """Take the command off the user's annotation and note it as accepted for handling.

    ``again``: it is noted already, and only written once more, because the answer tells something; what is in the annotations stays.
    """

    command: Command
    again: bool = False


@dataclass(frozen=True, slots=True)
class TakeLock:
    """Try to take the lock; then record what follows from the answer."""


@dataclass(frozen=True, slots=True)
class VerifyLock:
    """Look at the Lease itself: the cache does not say that the task still holds it."""


@dataclass(frozen=True, slots=True)
class Record:
    """Store the status; only once it is stored, start and cancel attempts.

    ``took`` is a lock that the task has got since the last status, also if it needs it no more.
    """

    status: TaskStatus
    start: tuple[Attempt, ...] = ()
    cancel: tuple[Attempt, ...] = ()
    took: LockStatus | None = None


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Have an expression of a step evaluated, elsewhere; decide again once the answer is known. If that takes long, do ``meanwhile``."""

    question: StepQuestion
    meanwhile: Record | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask running attempts to stop, then wait for their end; ``meanwhile`` is done once they have been asked and still run."""

    attempts: tuple[Attempt, ...]
    meanwhile: Record | TakeCommand | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Give the lock back, then take the finalizer off."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Take the finalizer off a task that is being deleted unfinished; its lock is freed once it is gone."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the task: its time after the end is over."""


Intent = Rest | Check | Delete | Evaluate | MarkTask | TakeCommand | TakeLock | VerifyLock | Record | Stop | Finish | RemoveFinalizer
