"""Lines of tasks as the plugin draws them: as the plain words have it, and quickly however long a line is. API.md section 4."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from types import FrameType
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.watching import silent_session

from kubectl_obtask.blocking import Line, holds, line_of
from kubectl_obtask.commands.locks import told_locks
from kubectl_obtask.shapes import why_shape
from kubectl_obtask.tasks import FAILED, Task
from kubectl_obtask.wording.language import Language

MANY: Final = 2_500
# How many calls of functions a task of a line may cost: pairs of 2,500 tasks would cost thousands.
MOST_CALLS: Final = 150
Lock = tuple[str, str]
LOCKS: Final[Sequence[Lock]] = [("Global", ""), ("Tenant", "a"), ("Tenant", "b"), ("Tenant", ""), ("OBProxy", ""), ("None", "")]
PHASES: Final = ["Pending", "Waiting", "Running", "Failed", "RollingBack"]


def task(number: int, phase: str, lock: Lock) -> Task:
    """Return the task that was created in that second of an hour."""
    metadata = {"name": f"t{number}", "namespace": "prod", "uid": f"u{number}", "creationTimestamp": f"2026-11-28T14:00:{number % 60:02d}Z"}
    spec = {"type": "Cluster", "cluster": "obdemo", "maintenance": lock[0]} | ({"tenant": lock[1]} if lock[1] else {})
    return Task({"metadata": metadata, "spec": spec, "status": {"phase": phase}})


class Plainly:
    """A line by its definition: each task is compared with each other one."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = sorted((task for task in tasks if task.maintenance != "None"), key=lambda task: (task.created, task.name))
        self.waiters = [task for task in self.tasks if not holds(task)]

    def conflict(self, one: Task, other: Task) -> bool:
        """Return whether two tasks exclude each other."""
        scopes = {one.maintenance, other.maintenance}
        if len(scopes) == 1:
            return scopes != {"Tenant"} or one.tenant == other.tenant
        return scopes == {"Global", "Tenant"}

    def against(self, task: Task) -> list[Task]:
        """Return the holders in the way of a task."""
        return [other for other in self.tasks if holds(other) and other is not task and self.conflict(task, other)]

    def stuck(self, task: Task) -> bool:
        """Return whether a task waits for one that failed."""
        return any(holder.phase == FAILED for holder in self.against(task))

    def ahead(self, task: Task) -> list[Task]:
        """Return the earlier waiters that a task conflicts with."""
        place = self.tasks.index(task)
        return [other for other in self.waiters if self.tasks.index(other) < place and self.conflict(task, other)]

    def in_the_way(self, task: Task) -> list[Task]:
        """Return who a task waits for."""
        return [*self.against(task), *(other for other in self.ahead(task) if not self.stuck(other))]

    def behind(self, task: Task) -> list[Task]:
        """Return who waits for a task."""
        return [other for other in self.waiters if task in self.in_the_way(other)]

    def next_ones(self) -> list[Task]:
        """Return who starts together."""
        started: list[Task] = []
        for waiter in self.waiters:
            if not self.in_the_way(waiter) and not any(self.conflict(waiter, other) for other in started):
                started.append(waiter)
        return started

    def starting_after(self, task: Task) -> list[Task]:
        """Return who starts once a task has ended."""
        before = self.next_ones()
        return [other for other in Plainly([each for each in self.tasks if each is not task]).next_ones() if other not in before]


@given(made=st.lists(st.tuples(st.sampled_from(PHASES), st.sampled_from(LOCKS)), max_size=14))
def test_lines_are_what_the_plain_words_say(made: Sequence[tuple[str, Lock]]) -> None:
    """Of every task, also in states that no operator brings about, such as holders that exclude each other."""
    tasks = [task(number, *each) for number, each in enumerate(made)]
    plain, line = Plainly(tasks), line_of(task(0, "Waiting", LOCKS[0]), tasks)

    assert [*line.next_ones()] == plain.next_ones()
    for each in plain.tasks:
        assert [*line.holders_against(each)] == plain.against(each)
        assert [*line.ahead_of(each)] == plain.ahead(each)
        assert [*line.in_the_way_of(each)] == plain.in_the_way(each)
        assert line.is_stuck(each) == plain.stuck(each)
        assert [*line.behind(each)] == plain.behind(each)
        assert [*line.starting_after(each)] == plain.starting_after(each)


def test_who_is_not_in_the_line_holds_nobody_up() -> None:
    """A task that has ended since the line was read, or that locks nothing."""
    line = line_of(task(0, "Running", ("Global", "")), [task(0, "Running", ("Global", "")), task(1, "Waiting", ("Global", ""))])

    for gone in (task(2, "Running", ("Global", "")), task(3, "Running", ("None", ""))):
        assert (line.behind(gone), line.starting_after(gone)) == ((), ())


@contextmanager
def counted() -> Iterator[list[int]]:
    """Give how many functions were called in the block: a measure of work that a busy machine does not change."""
    calls = [0]

    def note(_: FrameType, event: str, __: Any) -> None:
        calls[0] += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def made(*kinds: tuple[str, Lock]) -> list[Task]:
    """Return very many tasks, one after the other of these kinds."""
    return [task(number, *kind) for number, kind in enumerate(islice(cycle(kinds), MANY))]


HELD: Final = task(MANY, "Failed", ("Global", ""))
TENANTS: Final = [("Waiting", ("Tenant", f"t{number}")) for number in range(MANY)]
LINES: Final = {
    "behind a failure": [HELD, *made(("Waiting", ("Global", "")), ("Waiting", ("Tenant", "a")))],
    "behind work": [task(MANY, "Running", ("Global", "")), *made(("Waiting", ("Global", "")))],
    "tenants": made(*TENANTS),
    "tenants behind a failure": [HELD, *made(*TENANTS)],
    "tenants that wait each for itself": [*made(*TENANTS[::2], *(("Running", lock) for _, lock in TENANTS[::2]))],
}
ASKED: Final[dict[str, Callable[[Line, Task], object]]] = {
    "behind": Line.behind,
    "next_ones": lambda line, _: line.next_ones(),
    "starting_after": Line.starting_after,
    "in_the_way_of": Line.in_the_way_of,
    "locks": lambda line, _: [*told_locks(silent_session(Language.EN), line.tasks)],
    "why": lambda line, task: why_shape(silent_session(Language.EN), task, line)["startNext"],
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("kind", LINES)
def test_a_long_line_is_no_work(kind: str, asked: str) -> None:
    """What is asked of the first one and of the last one costs no more than a look at each task."""
    tasks = LINES[kind]
    for about in (tasks[0], tasks[-1]):
        with counted() as calls:
            ASKED[asked](line_of(about, tasks), about)

        assert calls[0] < MOST_CALLS * MANY
