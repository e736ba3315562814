"""Owns who holds, who waits behind whom, and what a failure costs those who wait; by the rules of exclusion, of rows. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from itertools import accumulate, chain, islice
from typing import TypeVar

from obtask.rules.exclusion import Contender, DomainView, in_the_way, is_stuck, next_in_line, rivals
from obtask.rules.lock_keys import Domain, LockKey
from obtask.web.views.rows import Row

FEW = 2  # queues that a lock excludes, unless it is a Global one
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Cost:
    """How many tasks wait for one, and for how long they have, all together, in seconds."""

    tasks: int = 0
    seconds: float = 0

    def mean_start(self, now: datetime) -> datetime:
        """Return since when they have waited on average: times the number of tasks, the time since then is the cost at any time."""
        return now - timedelta(seconds=self.seconds / max(1, self.tasks))


NOTHING = Cost()


@dataclass(frozen=True, slots=True)
class Queue:
    """Those who wait, in order. ``sums``: how many seconds after the first of them the first 0, 1, 2, … came, added up."""

    waiters: Sequence[Contender]
    sums: Sequence[float]

    def behind(self, position: tuple[datetime, str] | None) -> int:
        """Return from which place on they are behind a position, counted from 0; all are behind None."""
        return bisect_right(self.waiters, position, key=_position) if position is not None else 0

    def waited(self, at: int, since: datetime, now: datetime) -> float:
        """Return for how long those from a place on have waited, all together: since then, or since they came, if that was later."""
        before = max(at, bisect_right(self.waiters, since, key=_created))
        until = max(before, bisect_right(self.waiters, now, key=_created))
        begun = (before - at) * max(0.0, (now - since).total_seconds())
        if before == until:
            return begun
        return begun + (until - before) * (now - self.waiters[0].created).total_seconds() - (self.sums[until] - self.sums[before])


@dataclass(frozen=True, slots=True)
class Front:
    """What a lock excludes: the queues of those who want it. ``is_stuck``: whether whoever waits for the lock waits for a person."""

    queues: tuple[Queue, ...]
    is_stuck: bool


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines in front of all locks that are held or wanted. However long they are, a question about one task is cheap."""

    domains: Mapping[Domain, DomainView]
    _fronts: Mapping[LockKey, Front] = field(repr=False)
    _rows: Mapping[str, Row] = field(repr=False)

    def behind(self, uid: str, most: int | None = None) -> tuple[Row, ...]:
        """Return the tasks that wait for this one, in order: those that it is in the way of by the rules, not only by their status.

        With ``most``, the first so many of them.
        """
        waiting = merge(*(islice(queue.waiters, at, None) for queue, at in self._tails(uid)), key=_position)
        return tuple(self._rows[each.uid] for each in islice(waiting, most))

    def count_behind(self, uid: str) -> int:
        """Return how many tasks wait for this one."""
        return sum(len(queue.waiters) - at for queue, at in self._tails(uid))

    def cost(self, uid: str, now: datetime) -> Cost:
        """Return what a task costs those who wait for it: since it is as it is, or since they came, if that was later."""
        row, waiting = self._rows.get(uid), self.count_behind(uid)
        if row is None or not waiting:
            return NOTHING
        return Cost(waiting, sum(queue.waited(at, row.since, now) for queue, at in self._tails(uid)))

    def place(self, uid: str) -> int | None:
        """Return at which place in line a waiting task is, from 1; None if it does not wait."""
        spot = self._spot(uid)
        if spot is None or not spot[0].waits:
            return None
        row, lock, _ = spot
        me = row.contender(lock).position
        return 1 + sum(bisect_left(queue.waiters, me, key=_position) for queue in self._fronts[lock].queues)

    def next_after(self, uid: str) -> tuple[Row, ...]:
        """Return the tasks that would start at once if this one ended now, in order."""
        if (spot := self._spot(uid)) is None:
            return ()
        _, lock, line = spot
        return tuple(self._rows[each.uid] for each in next_in_line(_without(line, lock, uid), freed=lock) if in_the_way(each, line).count)

    def _tails(self, uid: str) -> list[tuple[Queue, int]]:
        """Return the queues with those who wait for a task, and from which place on they do."""
        spot = self._spot(uid)
        if spot is None or not (spot[0].holds or spot[0].waits):
            return []
        row, lock, _ = spot
        front = self._fronts[lock]
        if row.waits and front.is_stuck:
            return []
        me = row.contender(lock).position if row.waits else None
        return [(queue, queue.behind(me)) for queue in front.queues]

    def _spot(self, uid: str) -> tuple[Row, LockKey, DomainView] | None:
        """Return a task, its lock and the lines of its domain; None for one that is not known or locks nothing."""
        row = self._rows.get(uid)
        lock = row.lock if row is not None else None
        line = self.domains.get(lock.domain) if lock is not None else None
        return (row, lock, line) if row is not None and lock is not None and line is not None else None


def lines_of(rows: Iterable[Row]) -> Lines:
    """Return the lines of these tasks; the finished ones among them have no part in it."""
    taking = {row.uid: row for row in rows if not row.phase.finished}
    held: dict[Domain, dict[LockKey, dict[str, Contender]]] = {}
    queues: dict[Domain, dict[LockKey, list[Contender]]] = {}
    for row in taking.values():
        lock = row.lock
        if lock is None or not (row.holds or row.waits):
            continue
        contender = row.contender(lock)
        if row.holds:
            held.setdefault(lock.domain, {}).setdefault(lock, {})[row.uid] = contender
        else:
            queues.setdefault(lock.domain, {}).setdefault(lock, []).append(contender)
    for each in queues.values():
        for queue in each.values():
            queue.sort(key=_position)
    domains = {domain: DomainView(held.get(domain, {}), queues.get(domain, {})) for domain in {**held, **queues}}
    return Lines(domains, dict(chain.from_iterable(map(_fronts_of, domains.values()))), taking)


def _fronts_of(line: DomainView) -> Iterator[tuple[LockKey, Front]]:
    """Yield for each lock what it excludes; all queues that a Global lock excludes are one, since it may exclude any number of them."""
    queues = {lock: _queue(queue) for lock, queue in line.queues.items()}
    for lock in {**line.held, **line.queues}:
        met = [queues[rival] for rival in rivals(lock, queues)]
        if len(met) > FEW:
            met = [_queue(sorted(chain.from_iterable(queue.waiters for queue in met), key=_position))]
        yield lock, Front(tuple(met), is_stuck(lock, line))


def _queue(waiters: Sequence[Contender]) -> Queue:
    after = ((each.created - waiters[0].created).total_seconds() for each in waiters)
    return Queue(waiters, tuple(accumulate(after, initial=0.0)))


def _without(line: DomainView, lock: LockKey, uid: str) -> DomainView:
    """Return the lines without one of those who have or want a lock."""
    held = {other: each for other, each in line.held.get(lock, {}).items() if other != uid}
    queue = [each for each in line.queues.get(lock, ()) if each.uid != uid]
    return DomainView(_replaced(line.held, lock, held), _replaced(line.queues, lock, queue))


def _replaced(known: Mapping[LockKey, Part], lock: LockKey, part: Part) -> Mapping[LockKey, Part]:
    """Return the parts of all locks with another one for a lock; an empty one is left out."""
    return {other: each for other, each in {**known, lock: part}.items() if other != lock or part}


def _position(contender: Contender) -> tuple[datetime, str]:
    return contender.position


def _created(contender: Contender) -> datetime:
    return contender.created
