"""Owns how many large answers are in memory at once, and how they take turns on the event loop; namespaces share both."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from obtask.shares import Slot, Slots, Threads

T = TypeVar("T")

SMALL_BYTES = 64 * 1024  # what every attempt may hold of an answer, without asking for room
ROOMS = 12
THREADS = 2
ROOM_SECONDS = 60.0  # for how long one answer may take up room, from its first large part to its end


class LargeAnswers:
    """Memory (rooms) for large answers, and turns on the event loop for handling them; each namespace has its share of both.

    A room stands for the most that one answer occupies: a few MiB as read, and several times that as Python values.
    """

    def __init__(self, *, rooms: int = ROOMS, seconds: float = ROOM_SECONDS) -> None:
        self.rooms = Slots(rooms)
        self.turns = Slots(1)
        self.threads = Threads(THREADS)
        self.seconds = seconds

    def of(self, namespace: str) -> "Share":
        """Return one attempt's part in it."""
        return Share(self, namespace)


class Share:
    """One attempt's share. ``leave`` gives it back, and may be called at any time."""

    def __init__(self, large: LargeAnswers, namespace: str) -> None:
        self._large = large
        self._namespace = namespace
        self._room: Slot | None = None
        self._until = 0.0

    async def enter(self) -> None:
        """Wait for room for an answer that is large, unless this attempt has it already."""
        if self._room is None:
            room = Slot(self._large.rooms, self._namespace)
            await room.take()
            self._room, self._until = room, asyncio.get_running_loop().time() + self._large.seconds

    @property
    def seconds(self) -> float:
        """For how long an answer may have room."""
        return self._large.seconds

    @property
    def seconds_left(self) -> float | None:
        """For how long the answer may still have its room; None if it has none."""
        return None if self._room is None else max(0.0, self._until - asyncio.get_running_loop().time())

    def leave(self) -> None:
        """Give the room back, if there is one."""
        if self._room is not None:
            self._room.give_back()
            self._room = None

    def another(self) -> "Share":
        """Return a part of the same namespace for another answer."""
        return Share(self._large, self._namespace)

    async def run(self, work: Callable[[], T]) -> T:
        """Return the result of work that takes long, carried out in a thread."""
        return await self._large.threads.run(self._namespace, work)

    async def turn(self) -> None:
        """Let other tasks on the loop run first; only one large answer is worked on at a time."""
        async with self._large.turns.of(self._namespace):
            await asyncio.sleep(0)
