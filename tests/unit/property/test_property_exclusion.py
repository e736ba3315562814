"""Exclusion for any line of tasks: who conflicts, who is next, and that nobody is starved. API.md section 4."""

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.support.builders import Json
from tests.support.lines import form_line
from tests.support.promises import conflict
from tests.unit.property.queues import CLUSTER_LOCKS, HOLDING, LOCKS, contender, lines

from obtask.model.contract import Phase
from obtask.rules.exclusion import MOST_BLOCKERS_SHOWN, Contender, DomainView, conflicts, in_the_way, next_in_line
from obtask.rules.lock_keys import LockKey


def blockers(me: Contender, line: DomainView) -> list[Contender]:
    """Return the first of those who stand in a waiter's way."""
    return list(in_the_way(me, line).first)


@cache
def truth(one: LockKey, other: LockKey) -> bool:
    """Return whether two locks conflict, by the table of the contract as the other suites read it."""
    return one.domain.namespace == other.domain.namespace and conflict(body(one), body(other))


def body(lock: LockKey) -> Json:
    """Return a task that has this lock."""
    target = {lock.domain.type.target: lock.domain.target}
    return {"spec": target | {"type": lock.domain.type.value, "maintenance": lock.scope.value, "tenant": lock.tenant}}


def may_start(me: Contender, line: DomainView) -> bool:
    """Return whether a waiter may start, as the contract puts it."""
    if any(truth(holder.lock, me.lock) for holder in line.holders):
        return False
    earlier = [waiter for waiter in line.waiters if (waiter.created, waiter.name) < (me.created, me.name) and truth(waiter.lock, me.lock)]
    failed = [holder for holder in line.holders if holder.phase is Phase.FAILED]
    return all(any(truth(holder.lock, waiter.lock) for holder in failed) for waiter in earlier)


@given(one=LOCKS, other=LOCKS)
def test_conflicts_are_those_of_the_table(one: LockKey, other: LockKey) -> None:
    """Conflicts are symmetric and exactly those of the table; every lock conflicts with itself."""
    assert conflicts(one, other) == conflicts(other, one) == truth(one, other)
    assert conflicts(one, one)


@given(line=lines())
def test_next_in_line_agrees_with_blockers(line: DomainView) -> None:
    """Who is next in line is, in order, who nobody stands in the way of, and both are what the contract says."""
    ready = next_in_line(line)

    assert ready == [waiter for waiter in line.waiters if not blockers(waiter, line)]
    assert ready == [waiter for waiter in line.waiters if may_start(waiter, line)]


@given(line=lines())
def test_all_who_are_next_can_run_together(line: DomainView) -> None:
    """Starting everybody who is next in line leaves no two holders in conflict."""
    together = [*line.holders, *next_in_line(line)]

    assert not [pair for pair in combinations(together, 2) if conflicts(pair[0].lock, pair[1].lock)]


@given(line=lines())
def test_blockers_are_in_the_way(line: DomainView) -> None:
    """Everybody who is named as a blocker conflicts, and holds or came earlier; nobody is named twice."""
    for waiter in line.waiters:
        found = blockers(waiter, line)
        assert all(conflicts(other.lock, waiter.lock) for other in found)
        assert all(other in line.holders or other.position < waiter.position for other in found)
        assert len({other.uid for other in found}) == len(found)


@given(line=lines())
def test_everybody_in_the_way_is_counted(line: DomainView) -> None:
    """The number is that of all holders and earlier waiters by the contract; the first of them are shown, holders before waiters."""
    failed = [holder for holder in line.holders if holder.phase is Phase.FAILED]
    for me in line.waiters:
        earlier = [waiter for waiter in line.waiters if waiter.position < me.position and truth(waiter.lock, me.lock)]
        keeping = [waiter for waiter in earlier if not any(truth(holder.lock, waiter.lock) for holder in failed)]
        everybody = [*(holder for holder in line.holders if truth(holder.lock, me.lock)), *keeping]
        found = in_the_way(me, line)
        assert found.count == len(everybody)
        assert set(found.first) == set(everybody[:MOST_BLOCKERS_SHOWN])


@given(line=lines(), late=LOCKS)
def test_who_comes_later_changes_nothing(line: DomainView, late: LockKey) -> None:
    """A newcomer is in nobody's way."""
    longer = form_line(line.holders, (*line.waiters, contender("zzzz", late, 9)))

    assert [blockers(waiter, longer) for waiter in line.waiters] == [blockers(waiter, line) for waiter in line.waiters]
    assert next_in_line(longer)[: len(next_in_line(line))] == next_in_line(line)


@given(line=lines(), data=st.data())
def test_order_of_arrival_at_the_operator_does_not_matter(line: DomainView, data: st.DataObject) -> None:
    """Lost, late and repeated watch events change nothing: only creation time and name count."""
    shuffled = form_line(line.holders, data.draw(st.permutations([*line.holders, *line.waiters])))

    assert shuffled.waiters == line.waiters


@given(line=lines())
def test_first_in_line_waits_for_holders_only(line: DomainView) -> None:
    """Whoever is first is blocked by nobody but holders."""
    for first in line.waiters[:1]:
        assert set(blockers(first, line)) <= set(line.holders)


class DomainLife(RuleBasedStateMachine):
    """Tasks of a cluster come, start when it is their turn, end, fail, and are taken up again."""

    @initialize()
    def open(self) -> None:
        """Start with nobody there."""
        self.holders: list[Contender] = []
        self.waiters: list[Contender] = []
        self.second = 0

    @property
    def line(self) -> DomainView:
        """The line."""
        return form_line(self.holders, self.waiters)

    @rule(locks=st.lists(st.sampled_from(CLUSTER_LOCKS), min_size=1, max_size=4), pause=st.integers(0, 1))
    def arrive(self, locks: Sequence[LockKey], pause: int) -> None:
        """Have tasks created."""
        self.second += pause
        count = len(self.holders) + len(self.waiters)
        self.waiters += [
            contender(f"t{(self.second * 7 + count + number) % 10}-{self.second}-{count + number}", lock, self.second)
            for number, lock in enumerate(locks)
        ]

    @precondition(lambda self: bool(next_in_line(self.line)))
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        """Start one of those who are next: it conflicts with no holder, and passes only who is blocked by a failed task."""
        line = self.line
        one = data.draw(st.sampled_from(next_in_line(line)))
        assert not [holder for holder in self.holders if conflicts(holder.lock, one.lock)]
        failed = [holder for holder in self.holders if holder.phase is Phase.FAILED]
        for passed in (waiter for waiter in line.waiters if waiter.position < one.position and conflicts(waiter.lock, one.lock)):
            assert any(conflicts(holder.lock, passed.lock) for holder in failed), f"{one.name} passed {passed.name}"
        self.waiters.remove(one)
        self.holders.append(self._in(one, Phase.RUNNING))

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), phase=st.sampled_from([*HOLDING, None]))
    def move(self, data: st.DataObject, phase: Phase | None) -> None:
        """Have a holder fail, be retried, be undone, or end."""
        one = data.draw(st.sampled_from(self.holders))
        self.holders.remove(one)
        if phase is not None:
            self.holders.append(self._in(one, phase))

    def teardown(self) -> None:
        """Everybody has a turn once the holders end: in each round whoever is first of all waiters starts."""
        while getattr(self, "waiters", None):
            self.holders = []
            ready = next_in_line(self.line)
            assert ready[0] == self.line.waiters[0]
            self.waiters = [waiter for waiter in self.waiters if waiter not in ready]

    def _in(self, one: Contender, phase: Phase) -> Contender:
        return Contender(one.name, one.uid, one.lock, phase, one.created)


TestDomainLife = pytest.mark.timeout(600)(DomainLife.TestCase)
