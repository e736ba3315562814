"""Owns the picture of all locks in memory: which Leases are held, and which tasks hold or wait. A cache: Leases stay the truth.

It is kept up to date with every change, so that a question about one task costs as much as the task has rivals.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable

from obtask import names
from obtask.cache.queues import CachedLease, DomainLocks, LockTask, contender, in_order
from obtask.kube.leases import Lease
from obtask.model.contract import SCOPES, Phase, TaskType
from obtask.model.task import Key, Task
from obtask.rules.exclusion import Contender, InTheWay, double_holds, in_the_way, next_in_line, rivals
from obtask.rules.lock_keys import Domain, LockKey, holder_identity, holder_name, holder_uid, task_lock_key

LOOKED_AT_ONCE = 200  # free Leases, for those that nobody has used for long


class LockCache:
    """Who holds and who waits. ``enqueue`` is told of tasks that may be able to move now."""

    def __init__(self, enqueue: Callable[[Key], None]) -> None:
        self._enqueue = enqueue
        self._domains: dict[Domain, DomainLocks] = {}
        self._lock_of: dict[str, LockKey] = {}  # by uid, of unfinished tasks
        self._leases: dict[tuple[str, str], CachedLease] = {}
        self._named_by: dict[Key, set[str]] = {}  # by the holder, the names of its Leases
        self._strays: dict[tuple[str, str], CachedLease] = {}
        # In the order in which they were looked at.
        self._held: OrderedDict[tuple[str, str], CachedLease] = OrderedDict()
        self._free: OrderedDict[tuple[str, str], CachedLease] = OrderedDict()

    def update_task(self, task: Task) -> None:
        """Take note of a version of a task."""
        lock = task_lock_key(task)
        uid = task.metadata.uid
        if lock is None or task.status.phase.finished:
            self.forget_task(uid)
            return
        if self._lock_of.get(uid, lock) != lock:
            self.forget_task(uid)
        domain = self._domains.setdefault(lock.domain, DomainLocks())
        before = domain.tasks.get(uid)
        entry = LockTask(contender(task, lock), task.status.lock is not None, task.metadata.deletion_timestamp is not None)
        if entry == before:
            return
        self._lock_of[uid] = lock
        domain.tasks[uid] = entry
        self._update_holder(domain, uid)
        if before is not None and _turned(before, entry):
            self._way_free(lock, for_all=lock.whole in domain.queues)
        elif before is not None and ((before.holds and not entry.holds) or (entry.leaving and not before.leaving)):
            self._way_free(lock)

    def forget_task(self, uid: str) -> None:
        """Drop a task that is finished or gone."""
        lock = self._lock_of.pop(uid, None)
        if lock is None:
            return
        domain = self._domains[lock.domain]
        del domain.tasks[uid]
        self._update_holder(domain, uid)
        self._tidy(lock.domain)
        self._way_free(lock)

    def update_lease(self, lease: Lease) -> None:
        """Take note of a Lease unless a newer version is known."""
        name = (lease.namespace, lease.name)
        before = self._leases.get(name)
        if before is not None and int(before.lease.version) >= int(lease.version):
            return
        lock = key_of(lease)
        cached = CachedLease(lease, lock, lock is not None and is_marked(lease, lock), holder_uid(lease.holder))
        self._remove(name)
        self._leases[name] = cached
        if lease.holder:
            self._held[name] = cached
            self._named_by.setdefault(Key(lease.namespace, holder_name(lease.holder)), set()).add(lease.name)
        else:
            self._free[name] = cached
        if lock is not None and lease.holder:
            domain = self._domains.setdefault(lock.domain, DomainLocks())
            domain.leases.setdefault(cached.holder, {})[lease.name] = cached
            self._update_holder(domain, cached.holder)
        self._is_free(before, cached)

    def forget_lease(self, lease: Lease) -> None:
        """Drop a Lease that was deleted."""
        self._is_free(self._remove((lease.namespace, lease.name)), None)

    def _remove(self, name: tuple[str, str]) -> CachedLease | None:
        cached = self._leases.pop(name, None)
        if cached is None or not cached.lease.holder:
            self._free.pop(name, None)
            return cached
        del self._held[name]
        self._strays.pop(name, None)
        self._unname(cached.lease)
        if cached.lock is not None:
            domain = self._domains[cached.lock.domain]
            del domain.leases[cached.holder][cached.lease.name]
            if not domain.leases[cached.holder]:
                del domain.leases[cached.holder]
            self._update_holder(domain, cached.holder)
            self._tidy(cached.lock.domain)
        return cached

    def _is_free(self, before: CachedLease | None, after: CachedLease | None) -> None:
        if before is None or before.lock is None or not before.lease.holder:
            return
        if after is None or not after.lease.holder or after.lock != before.lock:
            self._way_free(before.lock)

    def _update_holder(self, domain: DomainLocks, holder: str) -> None:
        domain.update(holder)
        for cached in domain.leases.get(holder, {}).values():
            name = (cached.lease.namespace, cached.lease.name)
            if cached.uid and holder not in domain.tasks:
                self._strays.setdefault(name, cached)
            elif self._strays.pop(name, None) is not None:
                cached.suspected = cached.looked_up = False

    def uids(self) -> set[str]:
        """Return the unfinished tasks that have a lock or want one."""
        return set(self._lock_of)

    def lease(self, namespace: str, lock: LockKey) -> Lease | None:
        """Return the Lease of a scope key as last seen."""
        cached = self._leases.get((namespace, lock.lease_name))
        return cached.lease if cached else None

    def leases(self) -> list[Lease]:
        """Return all Leases as last seen."""
        return [cached.lease for cached in self._leases.values()]

    def leases_of(self, key: Key) -> list[Lease]:
        """Return the held Leases that name a task of this name, whatever its uid."""
        return [self._leases[key.namespace, name].lease for name in self._named_by.get(key, ())]

    def held(self) -> dict[str, int]:
        """Return how many Leases name a holder, by scope."""
        counts: dict[str, int] = {}
        for cached in self._held.values():
            if cached.lock is not None:
                counts[cached.lock.scope.value] = counts.get(cached.lock.scope.value, 0) + 1
        return counts

    def double_holds(self) -> list[tuple[Contender, Contender]]:
        """Return the pairs of tasks that exclude each other and both hold a lock by their status."""
        domains = ([entry.contender for entry in domain.tasks.values() if entry.holds] for domain in self._domains.values())
        return [pair for holders in domains if len(holders) > 1 for pair in double_holds(holders)]

    def strays_again(self) -> list[Lease]:
        """Return the Leases whose holder was unknown at the last call, too, until they are ``looked_up``.

        In between, the watches had time to tell of the holder.
        """
        again = [cached.lease for cached in self._strays.values() if cached.suspected and not cached.looked_up]
        for cached in self._strays.values():
            cached.suspected = True
        return again

    def looked_up(self, lease: Lease) -> None:
        """Take note that the API server has told who holds this version of a Lease."""
        cached = self._leases.get((lease.namespace, lease.name))
        if cached is not None and cached.lease.version == lease.version:
            cached.looked_up = True

    def suspect_strays(self) -> None:
        """Have every Lease with an unknown holder returned once more."""
        for cached in self._strays.values():
            cached.looked_up = False

    def some_held(self, count: int) -> list[Lease]:
        """Return those of the held Leases that were not returned for the longest time."""
        return [cached.lease for cached in _in_turn(self._held, count)]

    def some_free(self) -> list[Lease]:
        """Return some of the free Leases that are locks and can be deleted as far as is known; others at the next call."""
        return [cached.lease for cached in _in_turn(self._free, LOOKED_AT_ONCE) if cached.lock is not None and not cached.undeletable]

    def keep(self, lease: Lease) -> None:
        """Take note that this version of a Lease cannot be deleted."""
        cached = self._leases.get((lease.namespace, lease.name))
        if cached is not None and cached.lease.version == lease.version:
            cached.undeletable = True

    def in_the_way(self, task: Task, lock: LockKey) -> InTheWay:
        """Return who stands in a task's way."""
        domain = self._domains.get(lock.domain)
        return in_the_way(contender(task, lock), domain.line) if domain is not None else InTheWay()

    def position(self, task: Task, lock: LockKey) -> int:
        """Return how many tasks wait in front of this one for a lock that conflicts with its own."""
        domain = self._domains.get(lock.domain)
        queues = domain.queues if domain is not None else {}
        me = (task.metadata.creation_timestamp, task.metadata.name)
        return sum(bisect_left(queues[rival], me, key=in_order) for rival in rivals(lock, queues))

    def length(self, lock: LockKey) -> int:
        """Return how many tasks wait for a lock that conflicts with this one."""
        domain = self._domains.get(lock.domain)
        queues = domain.queues if domain is not None else {}
        return sum(len(queues[rival]) for rival in rivals(lock, queues))

    def claimed(self, task: Task, lock: LockKey) -> bool:
        """Return whether the Lease, as last seen, names this very task and still says what it stands for."""
        cached = self._leases.get((task.metadata.namespace, lock.lease_name))
        if cached is None or cached.lease.holder != holder_identity(task):
            return False
        return cached.marked if cached.lock == lock else is_marked(cached.lease, lock)

    def knows(self, holder: Contender) -> bool:
        """Return whether this is an unfinished task that was seen."""
        return holder.uid in self._lock_of

    def contradicted_by(self, lease: Lease) -> list[Key]:
        """Return the tasks that hold this Lease by their status although it does not name them."""
        lock = key_of(lease)
        domain = self._domains.get(lock.domain) if lock is not None else None
        if lock is None or domain is None:
            return []
        holders = (domain.tasks.get(holder) for holder in domain.held.get(lock, {}))
        held = (entry.contender for entry in holders if entry is not None and entry.holds and entry.contender.lock == lock)
        return [_key(one) for one in held if one.uid != holder_uid(lease.holder)]

    def _tidy(self, domain: Domain) -> None:
        cached = self._domains[domain]
        if not cached.tasks and not cached.leases:
            del self._domains[domain]

    def _way_free(self, lock: LockKey, *, for_all: bool = False) -> None:
        """Have the first in line looked at of those that conflict with this lock, or of all: only the first of a queue can go on."""
        domain = self._domains.get(lock.domain)
        if domain is None:
            return
        for first in next_in_line(domain.line, None if for_all else lock):
            self._enqueue(_key(first))

    def _unname(self, lease: Lease) -> None:
        key = Key(lease.namespace, holder_name(lease.holder))
        leases = self._named_by[key]
        leases.discard(lease.name)
        if not leases:
            del self._named_by[key]


def _in_turn(order: OrderedDict[tuple[str, str], CachedLease], count: int) -> list[CachedLease]:
    """Return those that were not returned for the longest time."""
    found = []
    for _ in range(min(count, len(order))):
        name, cached = next(iter(order.items()))
        order.move_to_end(name)
        found.append(cached)
    return found


def _turned(before: LockTask, after: LockTask) -> bool:
    """Return whether a task has failed, or works again: others may pass a waiter that is blocked by a Failed task."""
    phases = {before.contender.phase, after.contender.phase}
    return len(phases) > 1 and Phase.FAILED in phases


def _key(one: Contender) -> Key:
    return Key(one.lock.domain.namespace, one.name)


def is_marked(lease: Lease, lock: LockKey) -> bool:
    """Return whether the Lease bears the labels and annotations by which others find and read it."""
    return lock.labels.items() <= dict(lease.labels).items() and lock.annotations.items() <= dict(lease.annotations).items()


def key_of(lease: Lease) -> LockKey | None:
    """Return the scope key that a Lease stands for, or None if its annotations do not fit its name."""
    written = lease.annotations
    try:
        type_ = TaskType(written.get(names.LOCK_TYPE_ANNOTATION, ""))
    except ValueError:
        return None
    target = written.get(names.LOCK_CLUSTER_ANNOTATION if type_ is TaskType.CLUSTER else names.LOCK_AGENT_ANNOTATION, "")
    tenant = written.get(names.LOCK_TENANT_ANNOTATION, "")
    domain = Domain(lease.namespace, type_, target)
    scopes = [scope for scope in SCOPES if bool(scope.field) is bool(tenant)]
    return next((key for scope in scopes if (key := LockKey(domain, scope, tenant)).lease_name == lease.name), None)
