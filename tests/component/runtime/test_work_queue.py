"""Which tasks are due."""

import asyncio

import pytest

from obtask.model.task import Key
from obtask.runtime.work_queue import WorkQueue

A, B, C = (Key("ns", name) for name in "abc")


async def test_rings_before_a_turn_are_one_turn() -> None:
    """However often a task is enqueued, it is reconciled once."""
    queue = WorkQueue()
    for _ in range(3):
        queue.enqueue(A)

    assert await queue.next() == A
    assert queue.waiting == 0


async def test_a_ring_during_the_turn_leads_to_one_more() -> None:
    """What happens during a reconcile is looked at afterwards, never at the same time."""
    queue = WorkQueue()
    queue.enqueue(A)
    await queue.next()
    queue.enqueue(A)
    queue.enqueue(A)
    assert queue.waiting == 0

    queue.done(A)

    assert await queue.next() == A
    queue.done(A)
    assert queue.waiting == 0


async def test_urgent_tasks_go_first() -> None:
    """An ended attempt or a free lock does not wait behind a crowd of newcomers."""
    queue = WorkQueue()
    queue.enqueue(A)
    queue.enqueue(B)
    queue.enqueue(C, urgent=True)

    assert [await queue.next() for _ in range(3)] == [C, A, B]


async def test_the_last_time_set_counts() -> None:
    """A later time replaces an earlier one."""
    queue = WorkQueue()
    queue.enqueue_after(A, 3600)
    queue.enqueue_after(A, 0.01)

    assert await asyncio.wait_for(queue.next(), 5) == A
    queue.done(A)
    assert queue.waiting == 0


async def test_quiet_means_that_nothing_is_due_and_nobody_has_a_turn() -> None:
    """An operator that stops can tell when all ends are recorded."""
    queue = WorkQueue()
    queue.enqueue(A)
    await queue.next()
    quiet = asyncio.create_task(queue.quiet())
    await asyncio.sleep(0)
    assert not quiet.done()

    queue.done(A)

    await asyncio.wait_for(quiet, 5)


async def test_a_task_that_was_rung_during_its_turn_is_not_quiet() -> None:
    """An operator that stops waits for the end of a second attempt, which came during the reconcile of the first."""
    queue = WorkQueue()
    queue.enqueue(A)
    await queue.next()
    queue.enqueue(A, urgent=True)
    quiet = asyncio.create_task(queue.quiet())
    await asyncio.sleep(0)

    queue.done(A)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not quiet.done()

    await queue.next()
    queue.done(A)
    await asyncio.wait_for(quiet, 5)


def keys(namespace: str, count: int) -> list[Key]:
    """Return the keys of so many tasks."""
    return [Key(namespace, f"t{number}") for number in range(count)]


@pytest.mark.parametrize("urgent", [False, True])
async def test_namespaces_have_turns_in_turn(*, urgent: bool) -> None:
    """However many tasks of one namespace are due, or urgent, the task of another is among the next few."""
    queue = WorkQueue()
    for key in keys("greedy", 10_000):
        queue.enqueue(key, urgent=True)
        queue.enqueue(Key("greedy", f"{key.name}-due"))
    queue.enqueue(A, urgent=urgent)

    first = [await queue.next() for _ in range(10)]

    assert A in first


async def test_an_urgent_ring_moves_a_task_up() -> None:
    """Rung before or not, an urgent task does not stay behind a crowd."""
    queue = WorkQueue()
    for key in keys("ns", 1000):
        queue.enqueue(key)
    queue.enqueue(Key("ns", "t999"), urgent=True)

    assert (await queue.next()).name == "t999"
    assert queue.waiting == 999


async def test_a_namespace_never_has_all_workers() -> None:
    """Turns that take long are never all: a neighbour's task finds a worker at once."""
    queue = WorkQueue(workers=8, most=2)
    for key in keys("greedy", 100):
        queue.enqueue(key)
    workers = [asyncio.create_task(queue.next()) for _ in range(8)]
    await asyncio.sleep(0)
    busy = [worker.result() for worker in workers if worker.done()]
    assert len(busy) == 6

    queue.enqueue(A)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert A in {worker.result() for worker in workers if worker.done()}

    # When it is idle again, all that is due gets done.
    for key in busy:
        queue.done(key)
    seen = len(busy)
    workers = [worker for worker in workers if not worker.done() or worker.result() == A]
    while seen < 100:
        await asyncio.sleep(0)
        done, workers = [worker for worker in workers if worker.done()], [worker for worker in workers if not worker.done()]
        for worker in done:
            seen += worker.result() != A
            queue.done(worker.result())
            workers.append(asyncio.create_task(queue.next()))
    assert queue.waiting == 0
    for worker in workers:
        worker.cancel()


async def test_a_namespace_has_a_quarter_while_others_come_too() -> None:
    """What one namespace may do at once is little while another has something due, and for a while after that."""
    queue = WorkQueue(workers=8, most=2)
    for namespace in ("calm", "greedy"):
        queue.enqueue(Key(namespace, "first"))
    for _ in range(2):
        queue.done(await queue.next())
    for key in keys("greedy", 100):
        queue.enqueue(key)

    workers = [asyncio.create_task(queue.next()) for _ in range(8)]
    await asyncio.sleep(0)
    assert sum(worker.done() for worker in workers) == 2
    for worker in workers:
        worker.cancel()


async def test_a_ring_wakes_one_worker() -> None:
    """Of 256 idle workers one looks at one task; a cancelled one passes its key on."""
    queue = WorkQueue()
    looks = 0
    take = queue._take

    def counted() -> Key | None:
        nonlocal looks
        looks += 1
        return take()

    queue._take = counted  # type: ignore[method-assign] # counts, and does the same
    workers = [asyncio.create_task(queue.next()) for _ in range(256)]
    await asyncio.sleep(0)
    assert looks == 256
    queue.enqueue(A)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert looks == 257

    queue.enqueue(B)
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
    queue = WorkQueue()
    for _ in range(1_000):
        queue.enqueue_after(A, 604_800)
        queue.enqueue_after(B, 604_800)

    assert len(queue._timers) < 200
    queue.enqueue_after(B, 0)
    assert await asyncio.wait_for(queue.next(), 5) == B
