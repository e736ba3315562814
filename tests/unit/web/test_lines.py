"""Who waits behind whom, by the rules that the operator itself goes by."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import START
from tests.support.rows import NOW, row

from obtask.model.contract import Phase
from obtask.rules.exclusion import conflicts
from obtask.web.views.lines import Cost, lines_of
from obtask.web.views.query import Order, Query, in_order
from obtask.web.views.rows import Row

TUNE = row("tune", phase="Failed", since=START + timedelta(minutes=10))
RESIZE = row("resize", minutes=1, tenant="orders")
BILLING = row("billing", minutes=2, tenant="billing")
UPGRADE = row("upgrade", minutes=3)
LINES = lines_of([TUNE, UPGRADE, BILLING, RESIZE, row("done", phase="Succeeded")])


def test_who_waits_behind_a_holder() -> None:
    """All whose locks conflict with it, in their order."""
    assert [each.name for each in LINES.behind(TUNE.uid)] == ["resize", "billing", "upgrade"]
    assert LINES.behind("uid-of-done") == LINES.behind("unknown") == ()


def test_who_waits_behind_a_waiter() -> None:
    """Behind a failed holder nobody keeps a place; else those that conflict and came later do wait."""
    working = lines_of([row("tune", phase="Running", tenant="orders"), RESIZE, BILLING, UPGRADE])

    assert LINES.behind(RESIZE.uid) == ()
    assert [each.name for each in working.behind(RESIZE.uid)] == ["upgrade"]
    assert [working.place(each.uid) for each in (RESIZE, BILLING, UPGRADE, TUNE)] == [1, 1, 3, None]


def test_what_a_failure_costs() -> None:
    """The time of all who wait, since it failed or since they came, whichever was later."""
    late = row("late", minutes=30, tenant="late")
    lines = lines_of([TUNE, RESIZE, late])

    assert lines.cost(TUNE.uid, START + timedelta(minutes=40)) == Cost(2, (30 + 10) * 60)
    assert lines.cost(RESIZE.uid, START) == Cost()


def test_who_would_start_next() -> None:
    """Tenants that are not in each other's way start together; a Global task waits for both."""
    assert [each.name for each in LINES.next_after(TUNE.uid)] == ["resize", "billing"]
    assert LINES.next_after(UPGRADE.uid) == ()


def _meet(one: Row, other: Row) -> bool:
    return one.lock is not None and other.lock is not None and conflicts(one.lock, other.lock)


def _plainly_behind(me: Row, rows: Sequence[Row]) -> list[Row]:
    """Return who waits for a task, by looking at each of the others."""
    stuck = any(row.holds and row.phase is Phase.FAILED and _meet(me, row) for row in rows)
    if me.waits and stuck:
        return []
    found = [row for row in rows if row.waits and row.uid != me.uid and _meet(me, row)]
    return sorted((row for row in found if me.holds or _position(row) > _position(me)), key=_position)


def _plain_cost(me: Row, rows: Sequence[Row], now: datetime) -> float:
    return sum(max(0.0, (now - max(each.created, me.since)).total_seconds()) for each in _plainly_behind(me, rows))


def _position(row: Row) -> tuple[datetime, str]:
    return (row.created, row.name)


@st.composite
def _tasks(draw: st.DrawFn) -> list[Row]:
    """Draw tasks of one cluster that began, and changed, at any time of an hour."""
    minutes = st.integers(0, 60)
    phases = st.sampled_from(["Waiting", "Waiting", "Waiting", "Running", "Failed"])
    drawn = draw(st.lists(st.tuples(minutes, minutes, st.sampled_from(["", "a", "b", "c"]), phases), max_size=12))
    return [
        row(f"task-{at}", minutes=begun, tenant=tenant, phase=phase, since=START + timedelta(minutes=since))
        for at, (begun, since, tenant, phase) in enumerate(drawn)
    ]


@given(_tasks(), st.integers(0, 90))
def test_what_is_said_of_a_task_is_what_looking_at_each_of_the_others_says(rows: list[Row], minutes: int) -> None:
    """Who is behind it, how many they are, what it costs them at any time, and at which place it is."""
    lines, now = lines_of(rows), START + timedelta(minutes=minutes)

    for me in rows:
        behind = _plainly_behind(me, rows)
        ahead = [other for other in rows if other.waits and _meet(me, other) and _position(other) < _position(me)]
        assert list(lines.behind(me.uid)) == behind
        assert list(lines.behind(me.uid, 2)) == behind[:2]
        assert lines.count_behind(me.uid) == len(behind)
        assert lines.cost(me.uid, now) == Cost(len(behind), _plain_cost(me, rows, now))
        assert lines.place(me.uid) == (1 + len(ahead) if me.waits else None)


def test_ten_thousand_tasks_of_a_cluster_are_sorted_by_their_cost_in_no_time() -> None:
    """Half of them Global, half of as many tenants: the line is not gone through for each of them."""
    one = row("tune", tenant="orders")
    some = [replace(one, uid=f"t{at}", name=f"t{at}", tenant=f"t{at}", created=START + timedelta(seconds=at)) for at in range(5000)]
    rows = [*some, *(replace(row("all"), uid=f"g{at}", name=f"g{at}", created=START + timedelta(seconds=at)) for at in range(5000))]
    lines = lines_of(rows)
    began = time.process_time()

    found = in_order(rows, Query(order=Order.COST), lines, NOW)

    assert time.process_time() - began < 2
    # Behind the first Global one is everybody else.
    assert lines.cost("g0", NOW).tasks == 9999
    assert len(found) == 10_000
