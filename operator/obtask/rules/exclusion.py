"""Owns which tasks exclude each other and in which order they start. API.md section 4."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from obtask.model.spec import Maintenance
from obtask.model.status import Blocker, Phase
from obtask.rules.lock_keys import LockKey


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
    def place(self) -> tuple[datetime, str]:
        """Order in the line: by creation time, then name."""
        return (self.created, self.name)


@dataclass(frozen=True, slots=True)
class Line:
    """Everybody in a domain: who holds a lock, and who waits for one, first come first."""

    holders: tuple[Contender, ...]
    waiters: tuple[Contender, ...]


def conflicts(one: LockKey, other: LockKey) -> bool:
    """Return whether two tasks with these locks must never run together."""
    if one.domain != other.domain:
        return False
    match (one.scope, other.scope):
        case (Maintenance.OBPROXY, Maintenance.OBPROXY):
            return True
        case (Maintenance.OBPROXY, _) | (_, Maintenance.OBPROXY):
            return False
        case (Maintenance.TENANT, Maintenance.TENANT):
            return one.tenant == other.tenant
        case _:
            return True


def form_line(holders: Iterable[Contender], waiters: Iterable[Contender]) -> Line:
    """Return the line of a domain in its order; whoever holds a lock does not wait."""
    holding = tuple(holders)
    held = {holder.uid for holder in holding}
    return Line(holding, tuple(sorted((w for w in waiters if w.uid not in held), key=lambda waiter: waiter.place)))


def blockers(me: Contender, line: Line) -> list[Contender]:
    """Return who stands in the way of a waiter: conflicting holders, then earlier waiters that keep their place.

    An earlier waiter that is itself blocked by a Failed task does not keep its place: nobody knows when a person will act.
    """
    found = [holder for holder in line.holders if holder.uid != me.uid and conflicts(holder.lock, me.lock)]
    for waiter in line.waiters:
        if waiter.place >= me.place:
            break
        if waiter.uid != me.uid and conflicts(waiter.lock, me.lock) and not _stuck(waiter, line.holders):
            found.append(waiter)
    return found


def next_in_line(line: Line) -> list[Contender]:
    """Return the waiters that nobody stands in the way of, in order. One pass: cheap for a long line."""
    ready: list[Contender] = []
    reserved: list[LockKey] = [holder.lock for holder in line.holders]
    taken: set[LockKey] = set(reserved)
    for waiter in line.waiters:
        if waiter.lock in taken or any(conflicts(lock, waiter.lock) for lock in reserved):
            if not _stuck(waiter, line.holders) and waiter.lock not in taken:
                reserved.append(waiter.lock)
                taken.add(waiter.lock)
            continue
        ready.append(waiter)
        reserved.append(waiter.lock)
        taken.add(waiter.lock)
    return ready


def _stuck(waiter: Contender, holders: Sequence[Contender]) -> bool:
    return any(holder.phase is Phase.FAILED and holder.uid != waiter.uid and conflicts(holder.lock, waiter.lock) for holder in holders)


MOST_BLOCKERS_SHOWN = 10


def as_blockers(found: Sequence[Contender]) -> tuple[Blocker, ...]:
    """Return the first blockers as the status shows them."""
    return tuple(
        Blocker(name=task.name, uid=task.uid, phase=task.phase, scope=task.lock.scope.value, since=task.since)
        for task in found[:MOST_BLOCKERS_SHOWN]
    )
