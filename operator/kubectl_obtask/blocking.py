"""Owns who waits for whom: the locks of a namespace as its unfinished tasks show them. Pure. API.md section 4.

The operator decides; this only draws what the tasks' status say, and what they would do next.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple

from kubectl_obtask.tasks import FAILED, FINISHED, IN_LINE, Task

GLOBAL: Final = "Global"
TENANT: Final = "Tenant"
NONE: Final = "None"
PLACE: Final = attrgetter("place")

Lock = tuple[str, str | None]
"""A scope, and the tenant if it is one; without a tenant: any lock of that scope."""
Found = Mapping[Lock, Sequence[Task]]


class Domain(NamedTuple):
    """What excludes itself: a cluster, or a host, in a namespace."""

    namespace: str
    type: str
    target: str


@dataclass(frozen=True)
class Line:
    """All unfinished tasks of a domain that lock something, in the order of the line: by creation, then by name.

    A line may have thousands of tasks: who conflicts is found by its lock, not by looking at each pair.
    """

    domain: Domain
    tasks: tuple[Task, ...]

    @cached_property
    def holders(self) -> tuple[Task, ...]:
        """Who holds a lock."""
        return tuple(task for task in self.tasks if holds(task))

    @cached_property
    def waiters(self) -> tuple[Task, ...]:
        """Who waits, first come first."""
        return tuple(task for task in self.tasks if not holds(task))

    @cached_property
    def _held(self) -> Found:
        return _by_lock(self.holders)

    @cached_property
    def _failed(self) -> Found:
        return _by_lock(holder for holder in self.holders if holder.phase == FAILED)

    @cached_property
    def _wanted(self) -> Found:
        return _by_lock(self.waiters)

    @cached_property
    def _kept(self) -> Found:
        """The waiters that keep their place."""
        return _by_lock(waiter for waiter in self.waiters if not self.is_stuck(waiter))

    @cached_property
    def _by_uid(self) -> Mapping[str, Task]:
        return {task.uid: task for task in self.tasks}

    @cached_property
    def _next(self) -> tuple[Task, ...]:
        # Whoever starts keeps its place, too.
        kept, starting = set[Lock](), list[Task]()
        for waiter in self.waiters:
            unwanted = excluded(waiter)
            if not any(lock in self._held or lock in kept for lock in unwanted):
                starting.append(waiter)
            if not self.is_stuck(waiter):
                kept.update(locks_of(waiter))
        return tuple(starting)

    def holders_against(self, task: Task) -> tuple[Task, ...]:
        """Return who holds what a waiter wants."""
        return tuple(other for other in _against(task, self._held) if other.uid != task.uid)

    def ahead_of(self, task: Task) -> tuple[Task, ...]:
        """Return the earlier waiters that a waiter conflicts with."""
        return tuple(_before(task, self._wanted))

    def in_the_way_of(self, task: Task) -> tuple[Task, ...]:
        """Return who a waiter waits for: holders, then earlier waiters, but for those that wait for a person themselves."""
        return (*self.holders_against(task), *_before(task, self._kept))

    def is_stuck(self, waiter: Task) -> bool:
        """Return whether a waiter waits for a task that is Failed: it does not keep its place, because nobody knows for how long."""
        return self._is_stuck(waiter, waiter)

    def behind(self, task: Task) -> tuple[Task, ...]:
        """Return who waits for a task, in order. The task may have been read apart from the line."""
        mine = self._by_uid.get(task.uid)
        if mine is None or (not holds(mine) and self.is_stuck(mine)):
            return ()
        late = (other for other in _against(mine, self._wanted) if other.uid != mine.uid)
        return tuple(other for other in late if holds(mine) or mine.place < other.place)

    def next_ones(self) -> tuple[Task, ...]:
        """Return the waiters that nobody stands in the way of, and that start together."""
        return self._next

    def starting_after(self, task: Task) -> tuple[Task, ...]:
        """Return who starts once a task has ended and could not start before: some of those that conflict with it."""
        mine = self._by_uid.get(task.uid)
        if mine is None:
            return ()
        before = {other.uid for other in (mine, *self._next)}
        return tuple(other for other in _against(mine, self._wanted) if other.uid not in before and self._is_free(other, mine))

    def _is_free(self, waiter: Task, gone: Task) -> bool:
        """Return whether nobody is in the way of a waiter but one that has ended."""
        unwanted = excluded(waiter)
        if any(holder is not gone for lock in unwanted for holder in self._held.get(lock, ())):
            return False
        earlier = (other for lock in unwanted for other in self._wanted.get(lock, ()) if other.place < waiter.place and other is not gone)
        return all(self._is_stuck(other, gone) for other in earlier)

    def _is_stuck(self, waiter: Task, but: Task) -> bool:
        return any(holder.uid != but.uid for lock in excluded(waiter) for holder in self._failed.get(lock, ()))


def domain_of(task: Task) -> Domain:
    """Return the domain of a task."""
    return Domain(task.namespace, task.spec.text("type"), task.target)


def lines(tasks: Iterable[Task]) -> Mapping[Domain, Line]:
    """Return the line of every domain in which something is locked or waited for."""
    found: dict[Domain, list[Task]] = {}
    for task in tasks:
        if task.phase not in FINISHED and scope(task) != NONE:
            found.setdefault(domain_of(task), []).append(task)
    return {domain: Line(domain, tuple(sorted(found[domain], key=PLACE))) for domain in sorted(found)}


def line_of(task: Task, tasks: Sequence[Task]) -> Line:
    """Return the line that a task belongs to."""
    return lines(tasks).get(domain_of(task), Line(domain_of(task), ()))


def scope(task: Task) -> str:
    """Return what a task locks."""
    return task.maintenance or NONE


def holds(task: Task) -> bool:
    """Return whether a task holds its lock."""
    return task.phase not in IN_LINE and task.phase not in FINISHED


def locks_of(task: Task) -> tuple[Lock, Lock]:
    """Return what a task is found by: any lock of its scope, and its own."""
    return ((scope(task), None), (scope(task), task.tenant))


def excluded(task: Task) -> tuple[Lock, ...]:
    """Return the locks that nobody else of the domain may hold while a task holds its own; none of them overlap."""
    mine = scope(task)
    if mine == NONE:
        return ()
    if mine in {GLOBAL, TENANT}:
        return ((GLOBAL, None), (TENANT, None if mine == GLOBAL else task.tenant))
    return ((mine, None),)


def _by_lock(tasks: Iterable[Task]) -> Found:
    """Return tasks by what they are found by, in their order."""
    found: dict[Lock, list[Task]] = {}
    for task in tasks:
        for lock in locks_of(task):
            found.setdefault(lock, []).append(task)
    return found


def _against(task: Task, found: Found) -> Sequence[Task]:
    """Return those of the found that a task conflicts with, in order."""
    return _together([found.get(lock, ()) for lock in excluded(task)])


def _before(task: Task, found: Found) -> Sequence[Task]:
    """Return those of the found that a task conflicts with, and that come before it, in order."""
    lists = [found.get(lock, ()) for lock in excluded(task)]
    return _together([each[: bisect_left(each, task.place, key=PLACE)] for each in lists])


def _together(lists: Sequence[Sequence[Task]]) -> Sequence[Task]:
    some = [each for each in lists if each]
    return some[0] if len(some) == 1 else sorted(chain.from_iterable(some), key=PLACE)
