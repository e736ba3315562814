"""Owns which tasks exclude each other and in which order they start. API.md section 4."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import chain, islice
from typing import assert_never

from obtask.model.contract import Maintenance, Phase
from obtask.model.limits import BLOCKERS
from obtask.model.status import Blocker
from obtask.rules.lock_keys import LockKey

MOST_BLOCKERS_SHOWN = BLOCKERS


@dataclass(frozen=True, slots=True)
class Contender:
    """A task that holds a lock or wants one."""

    name: str
    uid: str
    lock: LockKey
    phase: Phase
    created: datetime
    since: datetime | None = None

    @property
    def position(self) -> tuple[datetime, str]:
        """Order in the line: by creation time, then name."""
        return (self.created, self.name)


@dataclass(frozen=True, slots=True)
class DomainView:
    """Everybody in a domain: who holds each lock, by uid, and who waits for it, first come first. Whoever holds does not wait."""

    held: Mapping[LockKey, Mapping[str, Contender]]
    queues: Mapping[LockKey, Sequence[Contender]]

    @property
    def holders(self) -> tuple[Contender, ...]:
        """Who holds a lock."""
        return tuple(chain.from_iterable(holders.values() for holders in self.held.values()))

    @property
    def waiters(self) -> tuple[Contender, ...]:
        """Who waits, in order."""
        return tuple(merge(*self.queues.values(), key=_position))


@dataclass(frozen=True, slots=True)
class InTheWay:
    """The first of those who stand in a waiter's way, and how many they are."""

    first: tuple[Contender, ...] = ()
    count: int = 0


def conflicts(one: LockKey, other: LockKey) -> bool:
    """Return whether two tasks with these locks must never run together."""
    if one.domain != other.domain:
        return False
    match one.scope:
        case Maintenance.NONE:
            return False
        case Maintenance.GLOBAL:
            return _meets_global(other.scope)
        case Maintenance.TENANT:
            return other.scope is Maintenance.GLOBAL or (other.scope is Maintenance.TENANT and one.tenant == other.tenant)
        case Maintenance.OBPROXY:
            return other.scope is Maintenance.OBPROXY
        case never:
            assert_never(never)


def _meets_global(scope: Maintenance) -> bool:
    match scope:
        case Maintenance.GLOBAL | Maintenance.TENANT:
            return True
        case Maintenance.NONE | Maintenance.OBPROXY:
            return False
        case never:
            assert_never(never)


def in_the_way(me: Contender, line: DomainView) -> InTheWay:
    """Return who stands in the way of a waiter: conflicting holders, then earlier waiters that keep their place.

    An earlier waiter that is itself blocked by a Failed task does not keep its place: nobody knows when a person will act.
    Cheap for a long line: what is looked at are locks, not waiters.
    """
    holders = [holder for lock in rivals(me.lock, line.held) for holder in line.held[lock].values() if holder.uid != me.uid]
    queues = [line.queues[lock] for lock in rivals(me.lock, line.queues) if not is_stuck(lock, line)]
    earlier = [(queue, bisect_left(queue, me.position, key=_position)) for queue in queues]
    waiters = merge(*(islice(queue, ahead) for queue, ahead in earlier), key=_position)
    first = (*holders[:MOST_BLOCKERS_SHOWN], *islice(waiters, max(0, MOST_BLOCKERS_SHOWN - len(holders))))
    return InTheWay(first, len(holders) + sum(ahead for _, ahead in earlier))


def next_in_line(line: DomainView, freed: LockKey | None = None) -> list[Contender]:
    """Return the waiters that nobody stands in the way of, in order: only the first of a queue can be one.

    ``freed``: only those whose lock conflicts with this one.
    """
    locks = line.queues if freed is None else rivals(freed, line.queues)
    heads = sorted((queue[0] for lock in locks if (queue := line.queues[lock])), key=_position)
    return [head for head in heads if not in_the_way(head, line).count]


def double_holds(holders: Iterable[Contender]) -> list[tuple[Contender, Contender]]:
    """Return the pairs among a domain's holders that exclude each other, each once: none, unless somebody changed what is stored."""
    held: dict[LockKey, list[Contender]] = {}
    for holder in holders:
        held.setdefault(holder.lock, []).append(holder)
    pairs = ((one, other) for lock in held for one in held[lock] for rival in rivals(lock, held) for other in held[rival])
    return [(one, other) for one, other in pairs if (one.position, one.uid) < (other.position, other.uid)]


def rivals(lock: LockKey, locks: Collection[LockKey]) -> list[LockKey]:
    """Return the locks of a domain that conflict with this one. For a lock that is not Global only two can: itself and the Global one."""
    some = locks if lock.scope is Maintenance.GLOBAL else (lock, lock.whole)
    return [other for other in some if other in locks and conflicts(other, lock)]


def is_stuck(lock: LockKey, line: DomainView) -> bool:
    """Return whether whoever waits for this lock waits for a person."""
    return any(holder.phase is Phase.FAILED for rival in rivals(lock, line.held) for holder in line.held[rival].values())


def _position(contender: Contender) -> tuple[datetime, str]:
    return contender.position


def as_blockers(found: Iterable[Contender]) -> tuple[Blocker, ...]:
    """Return the first blockers as the status shows them."""
    return tuple(
        Blocker(name=task.name, uid=task.uid, phase=task.phase, scope=task.lock.scope.value, since=task.since)
        for task in islice(found, MOST_BLOCKERS_SHOWN)
    )
