"""Owns what is remembered under the name of one task, and how each part of it changes."""

from dataclasses import dataclass
from datetime import datetime

from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus
from obtask.model.task import Metadata, Task, Unreadable
from obtask.rules.exclusion import Contender


@dataclass(frozen=True, slots=True)
class Large:
    """A task with a spec that takes many times its text in memory. ``head``: all but its steps, or None if that is large as well."""

    metadata: Metadata
    status: TaskStatus
    packed: bytes
    scope: str
    head: TaskSpec | None


@dataclass(frozen=True, slots=True)
class Met:
    """Who was met at a Lease although the lock cache knows of nobody, and until when that counts."""

    blockers: tuple[Contender, ...]
    until: datetime


@dataclass(slots=True)
class Tracked:
    """What is remembered under the name of a task, besides its newest version. Only ``cache`` writes these fields.

    ``stale``: the version may be wrong and is read again before it is used. ``deleted``: the uids of tasks of this name that are gone,
    and left something that is still to be cleaned up. ``at_rest``: the watch has told that the task needs nothing any more. ``ending``:
    the same by our own reads; the watch has the last word. ``failures``: reconciles that failed in a row. ``told_at``, ``told``: what
    people were told last of that. Of this very task: ``shown_at``: when its place in the line was stored; ``met``: who was met at its
    Lease; ``noted``: people were told that nothing can be written to it.
    """

    version: Task | Large | Unreadable | None = None
    stale: bool = False
    deleted: frozenset[str] = frozenset()
    at_rest: bool = False
    ending: bool = False
    failures: int = 0
    told_at: datetime | None = None
    told: str = ""
    shown_at: datetime | None = None
    met: Met | None = None
    noted: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing worth remembering."""
        return self.version is None and not self.deleted

    def next_task(self) -> None:
        """Forget what concerns one task, and not the next of its name."""
        self.version = self.shown_at = self.met = None
        self.stale = self.at_rest = self.ending = self.noted = False

    def mark_stale(self) -> None:
        """Take note that the version may be wrong."""
        self.stale = True

    def mark_fresh(self) -> None:
        """Take note that the version is about to be read again. Who marks it in between knows what the answer may not tell."""
        self.stale = False

    def ended(self) -> bool:
        """Take note that the task is finished, by our own reads; return whether both they and the watch have told so, or they twice."""
        over = self.at_rest or self.ending
        self.ending = True
        return over

    def failed(self) -> int:
        """Take note that a reconcile failed; return how many have failed in a row."""
        self.failures += 1
        return self.failures

    def succeeded(self) -> None:
        """Take note that a reconcile came to its end."""
        self.failures = 0

    def tell(self, why: str, now: datetime) -> None:
        """Take note that people are told why the task makes no progress."""
        self.told_at, self.told = now, why

    def first_note(self) -> bool:
        """Take note that people are told that nothing can be written to the task; return whether this is the first time."""
        first = not self.noted
        self.noted = True
        return first

    def show(self, now: datetime, *, waits: bool) -> None:
        """Take note that a status was stored: of a waiting task it shows the place in the line."""
        self.shown_at, self.met = (now, self.met) if waits else (None, None)

    def last_shown(self, now: datetime) -> datetime:
        """Return when the place in the line was stored last; if it is not known, that counts as now."""
        self.shown_at = self.shown_at or now
        return self.shown_at

    def meet(self, met: Met) -> None:
        """Take note of who was met at the task's Lease."""
        self.met = met
