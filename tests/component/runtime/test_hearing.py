"""What kopf's thread has seen comes into the event loop in order, a few at a time."""

import asyncio
from itertools import pairwise
from typing import Any

from obtask.cache.events import LIST_ENDS
from obtask.runtime.hearing import MOST_ON_THE_WAY, TURN_SECONDS, Handover


async def test_the_loop_does_other_things_between_large_objects() -> None:
    """A hundred objects that each take a turn's time do not hold the loop for a hundred turns."""
    now = 0.0
    loop, order = asyncio.get_running_loop(), list[str]()

    def see(_kind: str, _change: str, body: dict[str, Any]) -> None:
        nonlocal now
        now += TURN_SECONDS
        order.append(body["name"])
        loop.call_soon(order.append, "other")

    listed = asyncio.Event()
    handover = Handover(see, listed, lambda: now)
    for number in range(MOST_ON_THE_WAY):
        assert handover.room()
        handover.seen("obtasks", "LISTED", {"name": str(number)})
    full = handover.room()
    handover.seen("obtasks", LIST_ENDS, {"name": "end"})
    await listed.wait()

    assert not full
    assert handover.room()
    assert [name for name in order if name != "other"] == [*map(str, range(MOST_ON_THE_WAY)), "end"]
    numbers = [index for index, name in enumerate(order) if name != "other"]
    assert all(after - before > 1 for before, after in pairwise(numbers))


async def test_small_objects_come_together() -> None:
    """Objects that take no time are all handled in one turn of the loop."""
    order, loop = list[str](), asyncio.get_running_loop()

    def see(_kind: str, _change: str, body: dict[str, Any]) -> None:
        order.append(body["name"])
        loop.call_soon(order.append, "other")

    listed = asyncio.Event()
    handover = Handover(see, listed, lambda: 0.0)
    for number in range(5):
        handover.seen("leases", "ADDED", {"name": str(number)})
    handover.seen("leases", LIST_ENDS, {"name": "end"})
    await listed.wait()

    assert order[:6] == ["0", "1", "2", "3", "4", "end"]
