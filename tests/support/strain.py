"""Owns measuring what something costs the process that does it: memory at its peak, and for how long the event loop was held."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
TICK_SECONDS = 0.002


@dataclass(slots=True)
class Strain:
    """What it cost: MiB above what was there before, and the longest time without a turn for others, in seconds of CPU of this process."""

    mebibytes: float = 0.0
    held_seconds: float = 0.0


@asynccontextmanager
async def strain() -> AsyncIterator[Strain]:
    """Measure the block; the figures are there when it has ended."""
    found = Strain()
    _begin_anew()
    before = _mebibytes("VmRSS")
    ticking = asyncio.create_task(_tick(found))
    try:
        yield found
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        found.mebibytes = _mebibytes("VmHWM") - before


async def _tick(found: Strain) -> None:
    """CPU time, not wall time: what a busy machine does to others says nothing about us."""
    while True:
        began = time.thread_time()
        await asyncio.sleep(TICK_SECONDS)
        found.held_seconds = max(found.held_seconds, time.thread_time() - began)


def _begin_anew() -> None:
    """Let the peak begin with what there is now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _mebibytes(name: str) -> float:
    match = re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))
    assert match is not None
    return int(match[1]) / 1024
