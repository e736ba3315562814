"""Owns the picture of all domains in memory: which Leases are held and which tasks wait. A cache: Leases stay the truth."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from obtask import names
from obtask.cache.queues import Queues
from obtask.kube.leases import Lease
from obtask.model.contract import SCOPES, TaskType
from obtask.model.status import Phase
from obtask.model.task import Key, Task
from obtask.rules.conditions import in_the_way_since
from obtask.rules.exclusion import Contender, InTheWay, Line, double_holds, in_the_way, next_in_line
from obtask.rules.lock_keys import Domain, LockKey, holder_identity, holder_name, holder_uid, task_lock_key


@dataclass(frozen=True, slots=True)
class _Entry:
    """An unfinished task of a domain, as far as its line is concerned."""

    contender: Contender
    holds: bool
    leaving: bool

    @property
    def waits(self) -> bool:
        """Whether it stands in a queue."""
        return not self.holds and not self.leaving and self.contender.phase.in_line


class Board:
    """Who holds and who waits, by domain. ``on_way_free`` is told of a domain in which somebody may be able to move now."""

    def __init__(self, on_way_free: Callable[[Domain], None]) -> None:
        self._on_way_free = on_way_free
        self._tasks: dict[Domain, dict[str, _Entry]] = {}
        self._queues = Queues()
        self._holding: dict[Domain, dict[str, Contender]] = defaultdict(dict)
        self._domain_of: dict[str, Domain] = {}
        self._leases: dict[tuple[str, str], tuple[Lease, LockKey | None]] = {}
        self._named_by: dict[Key, set[str]] = {}  # by the holder, the names of its Leases
        self._held: dict[Domain, dict[str, tuple[Lease, LockKey]]] = defaultdict(dict)

    def see_task(self, task: Task) -> None:
        """Take note of a task."""
        lock = task_lock_key(task)
        if lock is None:
            return
        if task.status.phase.finished:
            self.forget_task(task.metadata.uid)
            return
        self._domain_of[task.metadata.uid] = lock.domain
        domain = self._tasks.setdefault(lock.domain, {})
        before = domain.get(task.metadata.uid)
        entry = domain[task.metadata.uid] = _entry(task, lock)
        self._move(before, entry)
        if before is not None and _gave_way(before, entry):
            self._on_way_free(lock.domain)

    def forget_task(self, uid: str) -> None:
        """Drop a task that is finished or gone."""
        domain = self._domain_of.pop(uid, None)
        if domain is None:
            return
        entries = self._tasks[domain]
        self._move(entries.pop(uid), None)
        if not entries:
            del self._tasks[domain]
        self._on_way_free(domain)

    def _move(self, before: _Entry | None, after: _Entry | None) -> None:
        if before is not None and before.waits:
            self._queues.leave(before.contender)
        if before is not None and before.holds:
            del self._holding[before.contender.lock.domain][before.contender.uid]
        if after is not None and after.waits:
            self._queues.join(after.contender)
        if after is not None and after.holds:
            self._holding[after.contender.lock.domain][after.contender.uid] = after.contender

    def see_lease(self, lease: Lease) -> None:
        """Take note of a Lease unless a newer version is known."""
        place = (lease.namespace, lease.name)
        known = self._leases.get(place)
        if known is not None and int(known[0].version) >= int(lease.version):
            return
        lock = key_of(lease)
        self._unname(known)
        self._leases[place] = (lease, lock)
        if lease.holder:
            self._named_by.setdefault(Key(lease.namespace, holder_name(lease.holder)), set()).add(lease.name)
        if lock is None:
            return
        if lease.holder:
            self._held[lock.domain][lease.name] = (lease, lock)
        else:
            self._free(lock.domain, lease.name)

    def forget_lease(self, lease: Lease) -> None:
        """Drop a Lease that was deleted."""
        known = self._leases.pop((lease.namespace, lease.name), None)
        self._unname(known)
        if known is not None and known[1] is not None:
            self._free(known[1].domain, lease.name)

    def lease(self, namespace: str, lock: LockKey) -> Lease | None:
        """Return the Lease of a scope key as last seen."""
        known = self._leases.get((namespace, lock.lease_name))
        return known[0] if known else None

    def leases_of(self, key: Key) -> list[Lease]:
        """Return the held Leases that name a task of this name, whatever its uid."""
        return [self._leases[key.namespace, name][0] for name in self._named_by.get(key, ())]

    def held(self) -> dict[str, int]:
        """Return how many Leases name a holder, by scope."""
        counts: dict[str, int] = {}
        for leases in self._held.values():
            for _, lock in leases.values():
                counts[lock.scope.value] = counts.get(lock.scope.value, 0) + 1
        return counts

    def double_holds(self) -> list[tuple[Contender, Contender]]:
        """Return the pairs of tasks that exclude each other and both hold a lock by their status."""
        domains = [holders.values() for holders in self._holding.values() if len(holders) > 1]
        return [pair for holders in domains for pair in double_holds(holders)]

    def strays(self) -> list[Lease]:
        """Return the Leases that name a task which is not known to be unfinished."""
        held = (lease for leases in self._held.values() for lease, _ in leases.values())
        return [lease for lease in held if (uid := holder_uid(lease.holder)) and uid not in self._domain_of]

    def leases(self) -> list[Lease]:
        """Return all Leases as last seen."""
        return [lease for lease, _ in self._leases.values()]

    def line(self, domain: Domain) -> Line:
        """Return who holds and who waits in a domain. It is good for one look: the queues go on changing."""
        entries = self._tasks.get(domain, {})
        holders = [_holder(lease, lock, entries) for lease, lock in self._held.get(domain, {}).values()]
        holders += self._holding.get(domain, {}).values()
        held: dict[LockKey, dict[str, Contender]] = {}
        for holder in holders:
            held.setdefault(holder.lock, {})[holder.uid] = holder
        queues = self._queues.of(domain)
        # Whoever has claimed its Lease already does not wait any more.
        claimed = {entry.contender for holder in holders if (entry := entries.get(holder.uid)) is not None and entry.waits}
        if claimed:
            queues = {lock: [waiter for waiter in queue if waiter not in claimed] for lock, queue in queues.items()}
        return Line({lock: tuple(found.values()) for lock, found in held.items()}, queues)

    def in_the_way(self, task: Task, lock: LockKey) -> InTheWay:
        """Return who stands in a task's way."""
        return in_the_way(_contender(task, lock), self.line(lock.domain))

    def next_keys(self, domain: Domain) -> list[Key]:
        """Return the waiting tasks of a domain that nobody stands in the way of."""
        return [Key(domain.namespace, contender.name) for contender in next_in_line(self.line(domain))]

    def place(self, task: Task, lock: LockKey) -> int:
        """Return how many tasks wait in front of this one."""
        return self._queues.ahead(_contender(task, lock).place, lock.domain)

    def claimed(self, task: Task, lock: LockKey) -> bool:
        """Return whether the Lease, as last seen, names this very task and still says what it stands for."""
        seen = self.lease(task.metadata.namespace, lock)
        return seen is not None and seen.holder == holder_identity(task) and is_marked(seen, lock)

    def knows(self, contender: Contender) -> bool:
        """Return whether this is an unfinished task that was seen."""
        return contender.uid in self._tasks.get(contender.lock.domain, {})

    def doubtful(self, lease: Lease) -> list[Key]:
        """Return the tasks that hold this Lease by their status although it does not name them."""
        lock = key_of(lease)
        entries = self._tasks.get(lock.domain, {}) if lock else {}
        return [
            Key(lease.namespace, entry.contender.name)
            for uid, entry in entries.items()
            if entry.holds and entry.contender.lock == lock and uid != holder_uid(lease.holder)
        ]

    def _unname(self, known: tuple[Lease, LockKey | None] | None) -> None:
        if known is None or not known[0].holder:
            return
        key = Key(known[0].namespace, holder_name(known[0].holder))
        leases = self._named_by[key]
        leases.discard(known[0].name)
        if not leases:
            del self._named_by[key]

    def _free(self, domain: Domain, name: str) -> None:
        held = self._held[domain]
        was_held = held.pop(name, None) is not None
        if not held:
            del self._held[domain]
        if was_held:
            self._on_way_free(domain)


def _gave_way(before: _Entry, after: _Entry) -> bool:
    released = (before.holds and not after.holds) or (after.leaving and not before.leaving)
    # Others may pass a waiter that is blocked by a Failed task, and no longer once it works again.
    turned = before.contender.phase is not after.contender.phase and Phase.FAILED in {before.contender.phase, after.contender.phase}
    return released or turned


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


def _entry(task: Task, lock: LockKey) -> _Entry:
    return _Entry(
        contender=_contender(task, lock),
        holds=task.status.lock is not None,
        leaving=task.metadata.deletion_timestamp is not None,
    )


def _contender(task: Task, lock: LockKey) -> Contender:
    created = task.metadata.creation_timestamp
    since = in_the_way_since(task.status, created)
    return Contender(task.metadata.name, task.metadata.uid, lock, task.status.phase, created, since)


def _holder(lease: Lease, lock: LockKey, entries: dict[str, _Entry]) -> Contender:
    uid = holder_uid(lease.holder)
    known = entries.get(uid)
    since = datetime.fromisoformat(lease.acquired_at) if lease.acquired_at else None
    if known is not None:
        task = known.contender
        return Contender(task.name, uid, lock, task.phase, task.created, task.since if known.holds else since)
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return Contender(holder_name(lease.holder), uid, lock, Phase.RUNNING, epoch, since)
