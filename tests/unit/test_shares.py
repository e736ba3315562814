"""Fair shares: what one namespace can take, who is next, and what cancelling leaves behind."""

import asyncio
import random
import threading
from contextlib import AsyncExitStack

import pytest

from obtask.shares import Pace, Slot, Slots, Threads

LONG_SECONDS = 1024.0  # no turn comes while a test lasts, however slow the machine


async def _rest() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _taken(slots: Slots, namespace: str, wanted: int) -> list[asyncio.Task[Slot]]:
    async def take() -> Slot:
        slot = Slot(slots, namespace)
        await slot.take()
        return slot

    tasks = [asyncio.create_task(take()) for _ in range(wanted)]
    await _rest()
    return tasks


async def _end(*groups: list[asyncio.Task[Slot]]) -> None:
    for task in (task for group in groups for task in group):
        task.cancel()
        if task.done() and not task.cancelled():
            task.result().give_back()
    await _rest()


@pytest.mark.parametrize("slots", [2, 3, 8, 64, 256])
async def test_one_namespace_never_takes_all(slots: int) -> None:
    """However many a namespace asks for, about a third is the most it gets, and its neighbour gets one at once."""
    shared = Slots(slots)
    greedy = await _taken(shared, "greedy", 1000)

    assert 0 < shared.held("greedy") <= max(1, slots // 3 + 1)
    async with asyncio.timeout(0.1), shared.of("neighbour"):
        assert shared.held("neighbour") == 1
    await _end(greedy)


async def test_many_greedy_namespaces_leave_something() -> None:
    """Ten greedy namespaces, one after the other, leave something, so that the eleventh still gets a slot at once."""
    shared = Slots(256)
    groups = [await _taken(shared, f"greedy-{number}", 300) for number in range(10)]

    assert sum(shared.held(f"greedy-{number}") for number in range(10)) < 256
    async with asyncio.timeout(0.1), shared.of("neighbour"):
        pass
    await _end(*groups)


async def test_a_limit_holds_whatever_is_free() -> None:
    """The limit of a namespace is not passed even by one that is alone."""
    shared = Slots(256, most=8)
    greedy = await _taken(shared, "greedy", 50)

    assert shared.held("greedy") == 8
    await _end(greedy)


async def test_those_that_wait_are_served_in_turn() -> None:
    """With one slot, namespaces take turns, however long the line of one of them is."""
    shared, order = Slots(1), list[str]()

    async def work(namespace: str) -> None:
        async with shared.of(namespace):
            order.append(namespace)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for namespace in ["a"] * 6 + ["b"] * 3 + ["c"]:
            group.create_task(work(namespace))

    assert order[:6] == ["a", "b", "c", "a", "b", "a"]


async def test_a_slot_can_be_lent_while_its_holder_sleeps() -> None:
    """Who gives a slot back for a while lets others have it, and waits for one again."""
    shared = Slots(1)
    async with shared.of("a") as slot:
        async with slot.lent():
            assert not shared.full("b")
            async with shared.of("b"):
                assert shared.full("a")
        assert shared.held("a") == 1
    assert shared.held("a") == 0


async def test_whoever_is_cancelled_while_the_slot_is_lent_gives_nothing_back_twice() -> None:
    """A holder that is cancelled in its pause, or in the line after it, leaves the slots as they were."""
    shared = Slots(1)

    async def pausing() -> None:
        async with shared.of("a") as slot, slot.lent():
            await asyncio.Event().wait()

    task = asyncio.create_task(pausing())
    await _rest()
    task.cancel()
    await _rest()

    assert shared.held("a") == 0
    assert not shared.full("a")


async def test_no_slot_is_lost_whatever_is_cancelled_and_when() -> None:
    """After thousands of takers, cancelled at any moment, every slot is free and nobody is remembered."""
    chance, shared = random.Random(7), Slots(5, most=3)  # noqa: S311 - chooses, guards nothing

    async def work(namespace: str) -> None:
        async with shared.of(namespace) as slot:
            await asyncio.sleep(0)
            async with slot.lent():
                await asyncio.sleep(0)
            await asyncio.sleep(0)

    live: set[asyncio.Task[None]] = set()
    for _ in range(3000):
        task = asyncio.create_task(work(chance.choice("abcd")))
        live.add(task)
        task.add_done_callback(live.discard)
        if live and chance.random() < 0.4:
            chance.choice(sorted(live, key=id)).cancel()
        if chance.random() < 0.3:
            await asyncio.sleep(0)
    await asyncio.wait(live, timeout=30)

    assert shared.waiting == {}
    groups = [await _taken(shared, namespace, 5) for namespace in "abcd"]
    assert sum(shared.held(namespace) for namespace in "abcd") == 5
    await _end(*groups)
    assert all(shared.held(namespace) == 0 for namespace in "abcd")


async def test_what_is_remembered_does_not_grow_with_time() -> None:
    """A namespace that always waits, with more than one slot, leaves nothing behind however often it is served."""
    shared = Slots(9)

    async def work() -> None:
        for _ in range(3000):
            async with shared.of("a"):
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(work())
        await asyncio.sleep(0.1)
        assert len(shared._line) < 100

    assert shared.waiting == {}
    assert shared._held == shared._turn_of == {}


async def test_those_who_gave_up_in_the_middle_of_a_line_are_forgotten() -> None:
    """A line remembers only those who still wait in it."""
    shared = Slots(1)
    async with shared.of("a"):
        waiting = await _taken(shared, "a", 1000)
        await _end(waiting[1:])
        assert shared.waiting == {"a": 1}
        await _end(waiting[:1])
    assert shared.waiting == {}


async def test_a_stuck_thread_counts_until_it_ends() -> None:
    """A namespace whose threads are stuck gets no more of them, though nobody waits for them; its neighbour does."""
    threads, stuck = Threads(4), threading.Event()
    async with AsyncExitStack() as stack:
        stack.callback(stuck.set)
        given_up = [asyncio.create_task(threads.run("greedy", stuck.wait)) for _ in range(10)]
        await _rest()
        for task in given_up:
            task.cancel()
        await _rest()

        assert threads.full("greedy")
        async with asyncio.timeout(5):
            assert await threads.run("neighbour", lambda: 42) == 42
    async with asyncio.timeout(5):
        assert await threads.run("greedy", lambda: 43) == 43


async def test_what_a_thread_raises_reaches_who_waits() -> None:
    """An error of the work is the caller's."""

    def fail() -> None:
        raise OSError("no such thing")

    with pytest.raises(OSError, match="no such thing"):
        await Threads(1).run("a", fail)


async def test_the_pace_of_a_namespace() -> None:
    """What comes too often waits its turn; another namespace does not, and nobody is remembered for long."""
    now = [100 * LONG_SECONDS]
    pace = Pace(1 / LONG_SECONDS, burst=10, clock=lambda: now[0])
    waiting = [asyncio.create_task(pace.turn("greedy")) for _ in range(100)]
    await _rest()
    assert sum(task.done() for task in waiting) == 10

    async with asyncio.timeout(LONG_SECONDS / 10):
        await pace.turn("neighbour")
    for task in waiting:
        task.cancel()
    for number in range(200):
        await pace.turn(f"n{number}")
    now[0] += 200 * LONG_SECONDS
    await pace.turn("last")
    assert len(pace._next_at) == 1


async def test_a_turn_that_nobody_waits_for_any_more_is_another_s() -> None:
    """Whoever gives up waiting keeps nobody out: the pace is that of what goes on."""
    pace = Pace(1 / LONG_SECONDS, burst=1, clock=lambda: LONG_SECONDS)
    await pace.turn("greedy")
    ahead = pace._next_at["greedy"]
    waiting = [asyncio.create_task(pace.turn("greedy")) for _ in range(500)]
    await _rest()
    for task in waiting:
        task.cancel()
    await _rest()

    assert pace._next_at["greedy"] == ahead
