"""Which tasks are due for a turn."""

import asyncio

import pytest

from obtask.model.task import Key
from obtask.runtime.work_queue import Wakeups

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


async def test_a_task_that_was_rung_during_its_turn_is_not_quiet() -> None:
    """An operator that stops waits for the end of a second attempt, which came during the turn of the first."""
    wakeups = Wakeups()
    wakeups.ring(A)
    await wakeups.next()
    wakeups.ring(A, urgent=True)
    quiet = asyncio.create_task(wakeups.quiet())
    await asyncio.sleep(0)

    wakeups.done(A)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not quiet.done()

    await wakeups.next()
    wakeups.done(A)
    await asyncio.wait_for(quiet, 5)


def keys(namespace: str, count: int) -> list[Key]:
    """Return the keys of so many tasks."""
    return [Key(namespace, f"t{number}") for number in range(count)]


@pytest.mark.parametrize("urgent", [False, True])
async def test_namespaces_have_turns_in_turn(*, urgent: bool) -> None:
    """However many tasks of one namespace are due, or urgent, the task of another is among the next few."""
    wakeups = Wakeups()
    for key in keys("greedy", 10_000):
        wakeups.ring(key, urgent=True)
        wakeups.ring(Key("greedy", f"{key.name}-due"))
    wakeups.ring(A, urgent=urgent)

    first = [await wakeups.next() for _ in range(10)]

    assert A in first


async def test_an_urgent_ring_moves_a_task_up() -> None:
    """Rung before or not, an urgent task does not stay behind a crowd."""
    wakeups = Wakeups()
    for key in keys("ns", 1000):
        wakeups.ring(key)
    wakeups.ring(Key("ns", "t999"), urgent=True)

    assert (await wakeups.next()).name == "t999"
    assert wakeups.waiting == 999


async def test_a_namespace_never_has_all_workers() -> None:
    """Turns that take long are never all: a neighbour's task finds a worker at once."""
    wakeups = Wakeups(workers=8, most=2)
    for key in keys("greedy", 100):
        wakeups.ring(key)
    workers = [asyncio.create_task(wakeups.next()) for _ in range(8)]
    await asyncio.sleep(0)
    busy = [worker.result() for worker in workers if worker.done()]
    assert len(busy) == 6

    wakeups.ring(A)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert A in {worker.result() for worker in workers if worker.done()}

    # When it is idle again, all that is due gets done.
    for key in busy:
        wakeups.done(key)
    seen = len(busy)
    workers = [worker for worker in workers if not worker.done() or worker.result() == A]
    while seen < 100:
        await asyncio.sleep(0)
        done, workers = [worker for worker in workers if worker.done()], [worker for worker in workers if not worker.done()]
        for worker in done:
            seen += worker.result() != A
            wakeups.done(worker.result())
            workers.append(asyncio.create_task(wakeups.next()))
    assert wakeups.waiting == 0
    for worker in workers:
        worker.cancel()


async def test_a_namespace_has_a_quarter_while_others_come_too() -> None:
    """What one namespace may do at once is little while another has something due, and for a while after that."""
    wakeups = Wakeups(workers=8, most=2)
    for namespace in ("calm", "greedy"):
        wakeups.ring(Key(namespace, "first"))
    for _ in range(2):
        wakeups.done(await wakeups.next())
    for key in keys("greedy", 100):
        wakeups.ring(key)

    workers = [asyncio.create_task(wakeups.next()) for _ in range(8)]
    await asyncio.sleep(0)
    assert sum(worker.done() for worker in workers) == 2
    for worker in workers:
        worker.cancel()


async def test_a_ring_wakes_one_worker() -> None:
    """Of 256 idle workers one looks at one task; a cancelled one passes its ring on."""
    wakeups = Wakeups()
    looks = 0
    take = wakeups._take

    def counted() -> Key | None:
        nonlocal looks
        looks += 1
        return take()

    wakeups._take = counted  # type: ignore[method-assign] # counts, and does the same
    workers = [asyncio.create_task(wakeups.next()) for _ in range(256)]
    await asyncio.sleep(0)
    assert looks == 256
    wakeups.ring(A)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert looks == 257

    wakeups.ring(B)
    for worker in workers[:200]:
        worker.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert B in {worker.result() for worker in workers if worker.done() and not worker.cancelled()}
    for worker in workers:
        worker.cancel()


async def test_alarms_that_are_replaced_take_no_room() -> None:
    """A task that is touched again and again while it waits for next week leaves nothing behind."""
    wakeups = Wakeups()
    for _ in range(1_000):
        wakeups.ring_in(A, 604_800)
        wakeups.ring_in(B, 604_800)

    assert len(wakeups._alarms) < 200
    wakeups.ring_in(B, 0)
    assert await asyncio.wait_for(wakeups.next(), 5) == B
