"""Owns what the address of the list asks for (API.md, section 9): which tasks, in which order, which page. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from operator import attrgetter
from typing import Any, TypeVar
from urllib.parse import urlencode

from obtask.model.contract import Maintenance, Phase, Stage, TaskType
from obtask.web.views.lines import Lines
from obtask.web.views.rows import Row

PAGE_ROWS = 50
LONGEST = 200  # characters of what is looked for
LAST_PAGE = 1_000_000
_STEPS = re.compile(r"(\d{1,4})/(\d{1,4})")
Member = TypeVar("Member", bound=StrEnum)


class Status(StrEnum):
    """How far tasks are, as the list offers it."""

    ALL = "all"
    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    FINISHED = "finished"

    def has(self, phase: Phase) -> bool:
        """Return whether a task in this phase is one of them."""
        return self is Status.ALL or _STATUS[phase] is self


# By default, what a person has to look at comes first.
_STAGES = {Stage.STOPPED: Status.FAILED, Stage.WORKING: Status.RUNNING, Stage.IN_LINE: Status.WAITING, Stage.FINISHED: Status.FINISHED}
FINISHED = frozenset(phase for phase in Phase if phase.finished)
_STATUS = {phase: _STAGES[phase.stage] for phase in Phase}
_PLACE = {phase: [*_STAGES].index(phase.stage) for phase in Phase}


class Order(StrEnum):
    """What a list can be sorted by."""

    NAME = "name"
    NAMESPACE = "namespace"
    TYPE = "type"
    MAINTENANCE = "maintenance"
    TARGET = "target"
    TENANT = "tenant"
    STATUS = "status"
    PROGRESS = "progress"
    STEP = "step"
    COST = "cost"
    STARTED = "started"
    FINISHED = "finished"
    DURATION = "duration"
    AGE = "age"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. ``status`` is None when the address says nothing of it: all tasks, the finished ones as far as they are known."""

    status: Status | None = None
    phases: tuple[Phase, ...] = ()
    type: TaskType | None = None
    maintenance: Maintenance | None = None
    namespace: str = ""
    tenant: str = ""
    text: str = ""
    order: Order | None = None
    descending: bool = False
    page: int = 1

    @property
    def wants_history(self) -> bool:
        """Whether finished tasks are asked for by name."""
        return self.status in {Status.ALL, Status.FINISHED} or any(phase.finished for phase in self.phases)

    @property
    def takes_finished(self) -> bool:
        """Whether a finished task can be one that is asked for, by name or because nothing leaves it out."""
        by_phase = not self.phases or any(phase.finished for phase in self.phases)
        return by_phase and self.status in {None, Status.ALL, Status.FINISHED}

    @property
    def narrows(self) -> bool:
        """Whether it leaves any task out."""
        return self.status not in {None, Status.ALL} or bool(
            self.phases or self.type or self.maintenance or self.namespace or self.tenant or self.text
        )

    def has(self, row: Row) -> bool:
        """Return whether a task is asked for."""
        return (
            (self.status is None or self.status.has(row.phase))
            and (not self.phases or row.phase in self.phases)
            and (self.type is None or row.type is self.type)
            and (self.maintenance is None or row.maintenance is self.maintenance)
            and (not self.namespace or row.namespace == self.namespace)
            and (not self.tenant or row.tenant == self.tenant)
            and (not self.text or self._finds(row))
        )

    def _finds(self, row: Row) -> bool:
        return self.text.casefold() in f"{row.name}\n{row.display_name}\n{row.target}\n{row.tenant}".casefold()

    def path(self, base: str = "/tasks", **changes: Any) -> str:
        """Return the address that asks for this with some changes; unless a page is among them, for the first one."""
        asked = replace(self, **{"page": 1, **changes})
        given = {
            "status": asked.status or "",
            "phase": ",".join(asked.phases),
            "type": asked.type or "",
            "maintenance": asked.maintenance or "",
            "ns": asked.namespace,
            "tenant": asked.tenant,
            "q": asked.text,
            "sort": f"{'-' if asked.descending else ''}{asked.order}" if asked.order else "",
            "page": str(asked.page) if asked.page > 1 else "",
        }
        query = urlencode({name: value for name, value in given.items() if value})
        return f"{base}?{query}" if query else base


def read_query(given: Mapping[str, str]) -> Query:
    """Return what an address asks for; what it says that means nothing is left out."""
    order = given.get("sort", "")
    page = given.get("page", "")
    return Query(
        status=_member(Status, given.get("status", "")),
        phases=tuple(dict.fromkeys(phase for name in given.get("phase", "")[:LONGEST].split(",") if (phase := _member(Phase, name)))),
        type=_member(TaskType, given.get("type", "")),
        maintenance=_member(Maintenance, given.get("maintenance", "")),
        namespace=given.get("ns", "").strip()[:LONGEST],
        tenant=given.get("tenant", "")[:LONGEST],
        text=given.get("q", "").strip()[:LONGEST],
        order=_member(Order, order.removeprefix("-")),
        descending=order.startswith("-"),
        page=min(int(page), LAST_PAGE) if page.isascii() and page.isdecimal() and len(page) < 8 and int(page) > 0 else 1,  # noqa: PLR2004
    )


def _member(kind: type[Member], value: str) -> Member | None:
    return next((member for member in kind if member.value == value), None)


def newest_first(rows: Iterable[Row]) -> list[Row]:
    """Return tasks in the order of their creation, the last one first. What is nearly in this order is sorted in little time."""
    return sorted(rows, key=attrgetter("created", "uid"), reverse=True)


def in_order(found: Sequence[Row], query: Query, lines: Lines, now: datetime) -> list[Row]:
    """Return tasks in the order that is asked for. ``found``: newest first, the finished ones behind all others if they are apart."""
    if query.order is None:
        return sorted(found, key=lambda row: _PLACE[row.phase])
    found = newest_first(found)
    values = list(map(_key(query.order, lines, now), found))
    known = [place for place, value in enumerate(values) if value is not None]
    known.sort(key=values.__getitem__, reverse=query.descending)
    # What has no value comes last, whichever way the others are sorted.
    return [found[place] for place in known] + [row for row, value in zip(found, values, strict=True) if value is None]


def _key(order: Order, lines: Lines, now: datetime) -> Callable[[Row], Any]:
    keys: dict[Order, Callable[[Row], Any]] = {
        Order.NAME: lambda row: row.name,
        Order.NAMESPACE: lambda row: row.namespace,
        Order.TYPE: lambda row: row.type,
        Order.MAINTENANCE: lambda row: row.maintenance,
        Order.TARGET: lambda row: row.target,
        Order.TENANT: lambda row: row.tenant or None,
        Order.STATUS: lambda row: _PLACE[row.phase],
        Order.PROGRESS: lambda row: _share(row.progress),
        Order.STEP: lambda row: row.step or None,
        Order.COST: lambda row: None if row.phase in FINISHED else lines.cost(row.uid, now).seconds or None,
        Order.STARTED: lambda row: row.started,
        Order.FINISHED: lambda row: row.finished,
        Order.DURATION: lambda row: row.seconds(now),
        Order.AGE: lambda row: -row.created.timestamp(),
    }
    return keys[order]


def steps_of(progress: str) -> tuple[int, int] | None:
    """Return how many steps are done, and of how many; None if that is not known."""
    found = _STEPS.fullmatch(progress)
    return (int(found[1]), int(found[2])) if found else None


def _share(progress: str) -> float | None:
    steps = steps_of(progress)
    return steps[0] / steps[1] if steps and steps[1] else None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. ``first`` and ``last`` count from 1; both are 0 when there is nothing."""

    rows: Sequence[Row]
    number: int
    pages: int
    first: int
    last: int
    total: int

    @property
    def around(self) -> Sequence[int]:
        """The numbers of pages to offer, with 0 for a gap: the first, the last, and those around this one."""
        near = sorted({1, self.pages, *range(max(1, self.number - 2), min(self.pages, self.number + 2) + 1)})
        return [each for before, number in pairwise([0, *near]) for each in ([0] if number > before + 1 else []) + [number]]


def page_of(found: Sequence[Row], number: int, size: int = PAGE_ROWS) -> Page:
    """Return a page; beyond the last one, the last one."""
    pages = max(1, -(-len(found) // size))
    number = min(max(1, number), pages)
    rows = found[(number - 1) * size : number * size]
    first = (number - 1) * size + 1 if rows else 0
    return Page(rows, number, pages, first, first + len(rows) - 1 if rows else 0, len(found))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tasks are how far: the numbers at the list's choices, and in the header."""

    waiting: int = 0
    running: int = 0
    failed: int = 0
    finished: int = 0

    @property
    def all(self) -> int:
        """All of them."""
        return self.waiting + self.running + self.failed + self.finished

    def __add__(self, more: "Counts") -> "Counts":
        """Return how many there are with others."""
        return Counts(self.waiting + more.waiting, self.running + more.running, self.failed + more.failed, self.finished + more.finished)


def counts_of(rows: Iterable[Row]) -> Counts:
    """Return how many tasks are how far."""
    found: Counter[Status] = Counter()
    for phase, number in Counter(row.phase for row in rows).items():
        found[_STATUS[phase]] += number
    return Counts(found[Status.WAITING], found[Status.RUNNING], found[Status.FAILED], found[Status.FINISHED])
