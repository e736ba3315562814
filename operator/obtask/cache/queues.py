"""Owns who holds and who waits in one domain, kept in order while tasks and Leases come and go."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from datetime import datetime

from obtask.kube.leases import Lease
from obtask.model.contract import Phase
from obtask.model.task import Task
from obtask.rules.conditions import in_the_way_since
from obtask.rules.exclusion import Contender, DomainView
from obtask.rules.lock_keys import LockKey, holder_name, holder_uid

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class LockTask:
    """An unfinished task that has a lock or wants one."""

    contender: Contender
    holds: bool
    leaving: bool

    @property
    def waits(self) -> bool:
        """Whether it stands in a queue."""
        return not self.holds and not self.leaving and self.contender.phase.in_line


@dataclass(slots=True)
class CachedLease:
    """A Lease as last seen, what it stands for, and whether it bears all marks of that. ``uid``: of the task it names, if it names one.

    ``suspected``: this version was found to name a task that is not known. ``looked_up``: the API server was asked for that task since.
    ``undeletable``: the API server keeps it.
    """

    lease: Lease
    lock: LockKey | None
    marked: bool
    uid: str
    suspected: bool = False
    looked_up: bool = False
    undeletable: bool = False

    @property
    def holder(self) -> str:
        """Under which its holder is kept: the uid of a task, or the name of the Lease if it names none."""
        return self.uid or f"/{self.lease.name}"


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a holder or waiter stands: the locks under which it is held, and its place in a queue."""

    held: tuple[LockKey, ...]
    queued: Contender | None


@dataclass(slots=True)
class DomainLocks:
    """The locks of one cluster or host. Who holds is kept by the uid of its task, or the name of the Lease if it names none."""

    tasks: dict[str, LockTask] = field(default_factory=dict)
    leases: dict[str, dict[str, CachedLease]] = field(default_factory=dict)
    held: dict[LockKey, dict[str, Contender]] = field(default_factory=dict)
    queues: dict[LockKey, list[Contender]] = field(default_factory=dict)
    stands: dict[str, _Stand] = field(default_factory=dict)

    @property
    def line(self) -> DomainView:
        """Who holds and who waits, as it is at the moment."""
        return DomainView(self.held, self.queues)

    def update(self, holder: str) -> None:
        """Put a holder or waiter where it stands now."""
        before = self.stands.pop(holder, None)
        if before is not None:
            self._withdraw(holder, before)
        task, leases = self.tasks.get(holder), self.leases.get(holder, {})
        if task is None and not leases:
            return
        held = {cached.lock: _holder(cached.lease, cached.lock, task) for cached in leases.values() if cached.lock is not None}
        if task is not None and task.holds:
            held[task.contender.lock] = task.contender
        for lock, contender in held.items():
            self.held.setdefault(lock, {})[holder] = contender
        # Whoever has claimed its Lease already does not wait any more.
        queued = task.contender if task is not None and task.waits and not leases else None
        if queued is not None:
            insort(self.queues.setdefault(queued.lock, []), queued, key=in_order)
        self.stands[holder] = _Stand(tuple(held), queued)

    def _withdraw(self, holder: str, stand: _Stand) -> None:
        for lock in stand.held:
            del self.held[lock][holder]
            if not self.held[lock]:
                del self.held[lock]
        if stand.queued is not None:
            queue = self.queues[stand.queued.lock]
            index = bisect_left(queue, stand.queued.position, key=in_order)
            del queue[queue.index(stand.queued, index)]
            if not queue:
                del self.queues[stand.queued.lock]


def in_order(contender: Contender) -> tuple[datetime, str]:
    """Return the order in a queue: first come, first served."""
    return contender.position


def contender(task: Task, lock: LockKey) -> Contender:
    """Return the task as a contender for its lock."""
    created = task.metadata.creation_timestamp
    since = in_the_way_since(task.status, created)
    return Contender(task.metadata.name, task.metadata.uid, lock, task.status.phase, created, since)


def _holder(lease: Lease, lock: LockKey, cached: LockTask | None) -> Contender:
    uid = holder_uid(lease.holder)
    since = datetime.fromisoformat(lease.acquired_at) if lease.acquired_at else None
    if cached is not None:
        task = cached.contender
        return Contender(task.name, uid, lock, task.phase, task.created, task.since if cached.holds else since)
    return Contender(holder_name(lease.holder), uid, lock, Phase.RUNNING, EPOCH, since)
