"""Owns the log of errors that reached the event loop unhandled: each kind at most once in 30 s, with a count of the omitted ones."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

PAUSE_SECONDS = 30.0
MOST_KINDS = 100

logger = logging.getLogger(__name__)


class LoopErrors:
    """An exception handler for a loop. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_at: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error as the loop would, unless one of its kind was logged just now."""
        kind = (str(context.get("message")), type(context.get("exception")).__name__)
        now = self._clock()
        if now < self._next_at.get(kind, now):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        if len(self._next_at) >= MOST_KINDS:
            self._next_at.clear()
        self._next_at[kind] = now + PAUSE_SECONDS
        left_out = self._left_out.pop(kind, 0)
        if left_out:
            logger.error("%d more of these in the last %g s: %s (%s)", left_out, PAUSE_SECONDS, *kind)
        loop.default_exception_handler(context)
