"""Owns measuring what something costs the process that does it: memory at its peak, and for how long the event loop was held."""

import asyncio
import gc
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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
    # The collector would go through all that other tests have left in this process, and that would count as ours.
    gc.collect()
    gc.freeze()
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


_BURN = """
import sys, time
while True:
    began, used = time.perf_counter(), time.process_time()
    while time.process_time() - used < 0.05: pass
    print((time.perf_counter() - began) / 0.05, flush=True)
    time.sleep(0.2)
"""


class Yardstick:
    """How many times longer than on an idle machine a plain computation takes here and now, beside everything else."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    @property
    def factor(self) -> float:
        """The ninth decile; 1 where there is a core to spare."""
        return max(1.0, sorted(self._seen)[len(self._seen) * 9 // 10]) if self._seen else 1.0

    @contextmanager
    def measuring(self) -> Iterator["Yardstick"]:
        """Compute a little again and again, in a process of its own, as long as the block lasts."""
        with subprocess.Popen([sys.executable, "-c", _BURN], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
            try:
                yield self
            finally:
                process.kill()
                out, _ = process.communicate()
                self._seen = [float(line) for line in out.split()[:-1]]
