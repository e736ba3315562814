"""Owns all that the process remembers of the cluster: one method updates it, one forgets, and tests can copy it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from obtask.cache.finished import FinishedTasks
from obtask.cache.locks import LockCache
from obtask.cache.tasks import TaskCache
from obtask.cache.tracked import Tracked
from obtask.kube.leases import Lease
from obtask.model.task import Key, Task, Unreadable


class Enqueue(Protocol):
    """Has a task reconciled soon."""

    def __call__(self, key: Key, *, urgent: bool = False) -> None:
        """Have the task reconciled soon; urgent ones go first."""


@dataclass(frozen=True, slots=True)
class ClusterDump:
    """The cached tasks and Leases, without state that matters for a few seconds only. Derived state is rebuilt."""

    tasks: tuple[Task | Unreadable, ...]
    leases: tuple[Lease, ...]
    deleted: tuple[tuple[Key, str], ...]
    stale: tuple[Key, ...]
    at_rest: tuple[Key, ...]
    ending: tuple[Key, ...]


class ClusterCache:
    """What the process remembers. ``enqueue`` gets the tasks that a change concerns.

    A ``standby`` has nothing reconciled, and need not clean up: it remembers what is there, and nothing of what was.
    """

    def __init__(self, enqueue: Enqueue, finished: FinishedTasks, *, standby: bool = False) -> None:
        self._enqueue = enqueue
        self._standby = standby
        self.tasks = TaskCache()
        self.finished = finished
        self.locks = LockCache(self._way_free)

    def lead(self) -> None:
        """Stop being a standby: every task is reconciled."""
        self._standby = False
        for key in self.tasks.all():
            self.enqueue(key)

    @property
    def is_standby(self) -> bool:
        """Whether another operator works."""
        return self._standby

    def enqueue(self, key: Key, *, urgent: bool = False) -> None:
        """Have a task reconciled soon, unless this is a standby."""
        if not self._standby:
            self._enqueue(key, urgent=urgent)

    def update(self, body: Mapping[str, Any]) -> Task | Unreadable | None:
        """Update the cache with a version of a task; return it if it is new."""
        task = self.tasks.update(body)
        match task:
            case Task():
                self.locks.update_task(task)
            case Unreadable():
                self.locks.forget_task(task.metadata.uid)  # its Lease says whether it holds a lock
            case None:
                pass
        return task

    def forget(self, key: Key, uid: str, *, deleted: bool) -> None:
        """Drop everything that is remembered of a task that is finished for good or, with what it left still to be cleaned up, deleted."""
        self.tasks.forget(key, uid, deleted=deleted and not self._standby)
        self.locks.forget_task(uid)
        if deleted:
            self.finished.forget(key.namespace, uid)

    def mark_stale(self, key: Key) -> None:
        """Mark a task as stale: it is read again before it is reconciled."""
        tracked = self.tasks.tracked(key)
        if tracked is not None:
            tracked.mark_stale()

    def dump(self) -> ClusterDump:
        """Return what is remembered."""
        tracked = self.tasks.all()
        return ClusterDump(
            tasks=tuple(task for key in sorted(tracked, key=str) if (task := self.tasks.get(key)) is not None),
            leases=tuple(sorted(self.locks.leases(), key=lambda lease: (lease.namespace, lease.name))),
            stale=_keys(tracked, lambda one: one.stale),
            at_rest=_keys(tracked, lambda one: one.at_rest),
            ending=_keys(tracked, lambda one: one.ending),
            deleted=tuple((key, uid) for key in sorted(tracked, key=str) for uid in sorted(tracked[key].deleted)),
        )

    def restore(self, dump: ClusterDump) -> None:
        """Restore a dump into a fresh cache."""
        for task in dump.tasks:
            self.tasks.track(task.key).version = task
            if isinstance(task, Task):
                self.locks.update_task(task)
        for lease in dump.leases:
            self.locks.update_lease(lease)
        for key, uid in dump.deleted:
            self.tasks.track(key).deleted |= {uid}
        for key in dump.stale:
            self.tasks.track(key).stale = True
        for key in dump.at_rest:
            self.tasks.track(key).at_rest = True
        for key in dump.ending:
            self.tasks.track(key).ending = True

    def _way_free(self, key: Key) -> None:
        self.enqueue(key, urgent=True)


def _keys(tracked: Mapping[Key, Tracked], which: Callable[[Tracked], bool]) -> tuple[Key, ...]:
    return tuple(sorted((key for key, one in tracked.items() if which(one)), key=str))
