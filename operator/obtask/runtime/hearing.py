"""Owns the path of watched objects from kopf's thread into the event loop, and restarts the watches when they end."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from obtask.cache.events import LIST_ENDS
from obtask.runtime.assembly import Operator
from obtask.runtime.evidence import Evidence
from obtask.runtime.kopf_session import Ears, OnObject
from obtask.runtime.watching import KopfThread, build_registry, build_settings

logger = logging.getLogger(__name__)

WATCH_PAUSE_SECONDS = 2.0
EVIDENCE_SECONDS = 5.0
MOST_ON_THE_WAY = 100  # objects, of up to a megabyte each
TURN_SECONDS = 0.005


class Handover:
    """Hands watched objects from kopf's thread to the event loop, no faster than the loop takes them. ``clock`` returns seconds.

    The loop takes some at a time: a hundred large ones at once would keep it from everything else for seconds.
    """

    def __init__(self, see: OnObject, listed: asyncio.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop = asyncio.get_running_loop()
        self._see = see
        self._listed = listed
        self._clock = clock
        self._waiting: deque[tuple[str, str, dict[str, Any]]] = deque()
        self._is_woken = False

    def seen(self, kind: str, change: str, body: dict[str, Any]) -> None:
        """Pass an object on."""
        self._waiting.append((kind, change, body))
        if not self._is_woken:  # to wake the loop takes longer than to pass an object on
            self._is_woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: the operator has ended
                self._loop.call_soon_threadsafe(self._take)

    def room(self) -> bool:
        """Return whether there is room for more."""
        return len(self._waiting) < MOST_ON_THE_WAY

    def _take(self) -> None:
        self._is_woken = False  # before the first look: what comes after the last one wakes the loop again
        until = self._clock() + TURN_SECONDS
        while self._waiting:
            kind, change, body = self._waiting.popleft()
            self._see(kind, change, body)
            if change == LIST_ENDS:
                self._listed.set()
            if self._waiting and self._clock() >= until:
                self._is_woken = True
                self._loop.call_soon(self._take)
                return


async def watch(operator: Operator, evidence: Evidence, listed: asyncio.Event) -> None:
    """Pass on what kopf sees. ``listed`` is set when a list is complete: deletions before it are reported by no event."""
    handover, loop = Handover(operator.handlers.see, listed), asyncio.get_running_loop()
    ears = Ears(handover.seen, handover.room, evidence)
    while True:
        registry = build_registry(lambda: operator.api.apart(loop), ears)
        watching = KopfThread(registry, build_settings(), operator.settings.namespaces)
        watching.start()
        try:
            await watching.ended()
        except asyncio.CancelledError:
            await watching.stop()
            raise
        except Exception as error:  # noqa: BLE001 - kopf may end with anything; the engine goes on
            logger.warning("the watches ended, starting them again: %s", error)
        await asyncio.sleep(WATCH_PAUSE_SECONDS)
        listed.set()


async def mind(evidence: Evidence) -> None:
    """Log when watches stop working, and when they work again."""
    told = ""
    while True:
        await asyncio.sleep(EVIDENCE_SECONDS)
        fault = evidence.fault()
        if fault and not told:
            logger.warning("not ready, the watches: %s", fault)
        elif told and not fault:
            logger.info("the watches are up again")
        told = fault


def from_afar(event: asyncio.Event) -> Callable[[], None]:
    """Return what sets the event from another thread."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the operator has ended
            loop.call_soon_threadsafe(event.set)

    return tell
