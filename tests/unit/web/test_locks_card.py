"""What the page of locks shows of a cluster, however many hold locks there, or wait."""

from datetime import timedelta

from tests.support.builders import START
from tests.support.rows import row

from obtask.web.pages.locks import MOST_LANES, MOST_NEXT, MOST_QUEUE, Card, card_of
from obtask.web.views.lines import lines_of
from obtask.web.views.rows import Row


def card(*rows: Row) -> Card:
    """Return the card of the only cluster of these tasks."""
    lines = lines_of(rows)
    (domain,) = lines.domains
    return card_of(lines, {each.uid: each for each in rows}, domain)


def test_whatever_there_is_only_so_much_of_it_is_shown() -> None:
    """Many tenants that hold, and many Global ones that wait: the first of each kind, and how many more there are."""
    holders = [row(f"holds-{at}", phase="Running", tenant=f"t{at:03}", minutes=at) for at in range(100)]
    waiters = [row(f"waits-{at}", minutes=200 + at) for at in range(200)]

    found = card(*holders, *waiters)

    assert (len(found.lanes), found.more_lanes) == (MOST_LANES, 101 - MOST_LANES)
    assert (len(found.nexts), found.more_nexts) == (MOST_NEXT, 100 - MOST_NEXT)
    assert [(len(each.rest.rows), each.rest.more) for each in found.nexts] == [(MOST_NEXT, 200 - MOST_NEXT)] * MOST_NEXT
    (queue,) = [lane for lane in found.lanes if lane.waiters]
    assert (len(queue.waiters), queue.more) == (MOST_QUEUE, 200 - MOST_QUEUE)
    assert [each.holder.name for each in found.nexts[:2]] == ["holds-0", "holds-1"]
    assert [each.name for each in found.nexts[0].rest.rows[:2]] == ["waits-0", "waits-1"]


def test_of_many_that_start_at_once_the_first_are_named() -> None:
    """And those that wait on are not among them."""
    tenants = [row(f"tenant-{at}", tenant=f"t{at:03}", minutes=1 + at) for at in range(30)]

    (after,) = card(row("holds", phase="Running"), *tenants, row("again", minutes=90)).nexts

    assert [each.name for each in after.starts.rows] == [each.name for each in tenants[:MOST_NEXT]]
    assert after.starts.more == 30 - MOST_NEXT
    assert ([each.name for each in after.rest.rows], after.rest.more) == (["again"], 0)


def test_who_passes_is_marked() -> None:
    """The first of a line whose earlier ones wait for a person; not the second, behind which nobody passes."""
    stuck = row("stuck", phase="Failed", tenant="a", since=START + timedelta(minutes=1))
    waiters = [row("whole", minutes=2), row("first", minutes=3, tenant="b"), row("second", minutes=4, tenant="b")]

    passing = {each.row.name: each.passes for lane in card(stuck, *waiters).lanes for each in lane.waiters}

    assert passing == {"whole": False, "first": True, "second": False}
