"""Which tasks are due for a turn."""

import asyncio

from obtask.engine.wakeups import Wakeups
from obtask.model.task import Key

A, B, C = (Key("ns", name) for name in "abc")


async def test_rings_before_a_turn_are_one_turn() -> None:
    """However often a task is rung, it gets one turn."""
    wakeups = Wakeups()
    for _ in range(3):
        wakeups.ring(A)

    assert await wakeups.next() == A
    assert wakeups.waiting == 0


async def test_a_ring_during_the_turn_leads_to_one_more() -> None:
    """What happens during a turn is looked at afterwards, never at the same time."""
    wakeups = Wakeups()
    wakeups.ring(A)
    await wakeups.next()
    wakeups.ring(A)
    wakeups.ring(A)
    assert wakeups.waiting == 0

    wakeups.done(A)

    assert await wakeups.next() == A
    wakeups.done(A)
    assert wakeups.waiting == 0


async def test_urgent_tasks_go_first() -> None:
    """An ended attempt or a free lock does not wait behind a crowd of newcomers."""
    wakeups = Wakeups()
    wakeups.ring(A)
    wakeups.ring(B)
    wakeups.ring(C, urgent=True)

    assert [await wakeups.next() for _ in range(3)] == [C, A, B]


async def test_an_alarm_rings_and_the_last_one_set_counts() -> None:
    """A later alarm replaces an earlier one; a forgotten one never rings."""
    wakeups = Wakeups()
    wakeups.ring_in(A, 3600)
    wakeups.ring_in(A, 0.01)
    wakeups.ring_in(B, 0.01)
    wakeups.forget(B)

    assert await asyncio.wait_for(wakeups.next(), 5) == A
    wakeups.done(A)
    assert wakeups.waiting == 0


async def test_quiet_means_that_nothing_is_due_and_nobody_has_a_turn() -> None:
    """An operator that stops can tell when all ends are recorded."""
    wakeups = Wakeups()
    wakeups.ring(A)
    await wakeups.next()
    quiet = asyncio.create_task(wakeups.quiet())
    await asyncio.sleep(0)
    assert not quiet.done()

    wakeups.done(A)

    await asyncio.wait_for(quiet, 5)
