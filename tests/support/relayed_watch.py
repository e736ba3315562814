"""Owns the events of watches that pass through the gateway: each is delivered, delayed, followed by older ones, or cuts the watch."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterable, Awaitable, Callable

from tests.support.verdicts import Delay, EventVerdict, Expire, Fate, Repeat

REMEMBERED = 500
BOOKMARK = b'{"type":"BOOKMARK"'

EventRule = Callable[[str], EventVerdict]
Write = Callable[[bytes], Awaitable[None]]


def deliver_all(path: str) -> Fate:  # noqa: ARG001 - a rule's argument
    """Deliver every event."""
    return Fate.PASS


class RelayedWatches:
    """Passes events on. ``rule(path)`` is asked about each; bookmarks are no events."""

    def __init__(self) -> None:
        self.rule: EventRule = deliver_all
        self._past: dict[str, deque[bytes]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    async def relay(self, path: str, lines: AsyncIterable[bytes], write: Write) -> bool:
        """Pass the events of one watch on; return False if its connection is to be broken now."""
        async for line in lines:
            verdict = Fate.PASS if line.startswith(BOOKMARK) else self.rule(path)
            if verdict is Fate.DROP:
                return False
            if verdict is Fate.LOSE:
                await write(line[: len(line) // 2])
                return False
            if isinstance(verdict, Expire):
                await write(_error(verdict.code))
                return True
            if isinstance(verdict, Delay):
                await asyncio.sleep(verdict.seconds)
            await write(line)
            if not line.startswith(BOOKMARK):
                self._past[path].append(line)
            for old in self._older(path, verdict):
                await write(old)
        return True

    def back_to(self, path: str, *marks: str) -> int:
        """Return how far back the last event with all these texts is once one more event has come."""
        past = list(self._past[path])
        found = max(number for number, line in enumerate(past) if all(mark.encode() in line for mark in marks))
        return len(past) + 1 - found

    def _older(self, path: str, verdict: EventVerdict) -> list[bytes]:
        past = self._past[path]
        return [past[-min(back, len(past))] for back in verdict.back] if isinstance(verdict, Repeat) else []


def _error(code: int) -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "no", "code": code}
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
