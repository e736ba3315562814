"""Owns which tasks are due for a turn: a queue by key, never two turns of one task at a time."""

import asyncio
import heapq
from collections import deque
from collections.abc import Container

from obtask.model.task import Key


class Wakeups:
    """Rings and alarms of tasks. A ring during a task's turn leads to one more turn; rings before a turn are one."""

    def __init__(self) -> None:
        self._due: deque[Key] = deque()
        self._urgent: deque[Key] = deque()
        self._queued: set[Key] = set()
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._alarms: list[tuple[float, int, Key]] = []
        self._alarm_of: dict[Key, float] = {}
        self._order = 0
        self._changed = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def ring(self, key: Key, *, urgent: bool = False) -> None:
        """Have the task looked at soon; urgent ones (an attempt ended, a lock is free) go first."""
        if key in self._busy:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            (self._urgent if urgent else self._due).append(key)
            self._quiet.clear()
            self._changed.set()

    def ring_in(self, key: Key, seconds: float) -> None:
        """Have the task looked at after this time, unless it is rung before. The last alarm set counts."""
        at = asyncio.get_running_loop().time() + max(seconds, 0)
        self._order += 1
        self._alarm_of[key] = at
        heapq.heappush(self._alarms, (at, self._order, key))
        self._changed.set()

    async def next(self) -> Key:
        """Return the next task that is due, and reserve it until ``done``."""
        while True:
            wait = self._ring_alarms()
            for queue in (self._urgent, self._due):
                if queue:
                    key = queue.popleft()
                    self._queued.discard(key)
                    self._alarm_of.pop(key, None)
                    self._busy.add(key)
                    return key
            self._changed.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: Key) -> None:
        """End the turn of a task; if it was rung meanwhile, it is due again."""
        self._busy.discard(key)
        if not self._busy and not self._queued:
            self._quiet.set()
        if key in self._again:
            self._again.discard(key)
            self.ring(key, urgent=True)

    def keep_only(self, keys: Container[Key]) -> None:
        """Drop the rings of all other tasks."""
        for queue in (self._urgent, self._due):
            kept = [key for key in queue if key in keys]
            queue.clear()
            queue.extend(kept)
        self._queued = {*self._urgent, *self._due}
        if not self._busy and not self._queued:
            self._quiet.set()

    def forget(self, key: Key) -> None:
        """Drop the alarm of a task that needs no more turns."""
        self._alarm_of.pop(key, None)

    async def quiet(self) -> None:
        """Wait until no task is due and none has its turn."""
        await self._quiet.wait()

    @property
    def waiting(self) -> int:
        """How many tasks are due."""
        return len(self._queued)

    def _ring_alarms(self) -> float | None:
        now = asyncio.get_running_loop().time()
        while self._alarms:
            at, _, key = self._alarms[0]
            if self._alarm_of.get(key) != at:
                heapq.heappop(self._alarms)
            elif at <= now:
                heapq.heappop(self._alarms)
                del self._alarm_of[key]
                self.ring(key)
            else:
                return at - now
        return None
