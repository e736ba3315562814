"""Owns detection of a blocked event loop: for how long, and by which code. Meanwhile nothing runs, not even probes or the Lease renewal."""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Histogram

logger = logging.getLogger(__name__)

HELD_SECONDS = 0.2
BEAT_SECONDS = 0.05
LOOK_SECONDS = 0.05
SAID_EVERY_SECONDS = 10.0
FRAMES = 12


@dataclass(slots=True)
class _Hold:
    """A span in which the loop did not run, and the stack of its thread when that was noticed."""

    since: float
    stack: str


class LoopWatchdog:
    """Watches the event loop from its own thread. A long block is counted, and logged at most every ten seconds."""

    def __init__(self, held: Histogram, *, held_seconds: float = HELD_SECONDS) -> None:
        self._held = held
        self._limit = held_seconds
        self._beat_at = time.monotonic()
        self._end = threading.Event()
        self._said_at = float("-inf")
        self._unsaid = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the running loop as long as the block lasts."""
        self._beat_at = time.monotonic()
        beating = asyncio.create_task(self._beat())
        thread = threading.Thread(target=self._watch, args=(threading.get_ident(),), name="loop-watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            beating.cancel()

    async def _beat(self) -> None:
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    def _watch(self, loop_thread: int) -> None:
        hold: _Hold | None = None
        while not self._end.wait(LOOK_SECONDS):
            beat_at = self._beat_at
            if hold is not None and beat_at != hold.since:
                # Part of the time between two beats is a pause.
                self._note(beat_at - hold.since - BEAT_SECONDS, hold.stack)
                hold = None
            if hold is None and time.monotonic() - beat_at > self._limit + BEAT_SECONDS:
                hold = _Hold(beat_at, _stack_of(loop_thread))

    def _note(self, seconds: float, stack: str) -> None:
        self._held.observe(seconds)
        now = time.monotonic()
        if now - self._said_at < SAID_EVERY_SECONDS:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more times since the last such line)" if self._unsaid else ""
        logger.warning("the event loop was held for %.2f s%s by:\n%s", seconds, more, stack)
        self._said_at, self._unsaid = now, 0


def _stack_of(thread: int) -> str:
    """Return where a thread is, the innermost call last. The values of variables are not shown."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - documented, for debuggers
    return "".join(traceback.format_stack(frame)[-FRAMES:]).rstrip() if frame is not None else "nobody knows what"
