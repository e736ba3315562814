"""Owns what is seen while an attack goes on: the neighbour's latency, the operator's probes, its memory and its life."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.attack.running import RunningOperator
from tests.support.neighbour import Neighbour

# The neighbour's p99 is to stay below a second. Of the few tasks that it has done during one attack the p99 is the slowest, hence half a
# second of grace; on a busy machine, so many times what it waits without an attack.
LIMIT_SECONDS = 1.5
TIMES_QUIET = 8.0
# A liveness probe has 5 s; half of it is an alarm, or a little less than all of it on a machine where everything takes long.
PROBE_LIMIT = 2.5
PROBE_LIMIT_BUSY = 4.5
MEMORY_LIMIT_MIB = 400.0
SAMPLE_SECONDS = 0.1


@dataclass
class Window:
    """What was seen from its beginning to its end, or to now."""

    operator: RunningOperator
    neighbour: Neighbour
    quiet: float
    began: float = field(default_factory=time.monotonic)
    probes: list[float] = field(default_factory=list)
    memory: float = 0.0
    restarted: bool = False
    latencies: list[float] = field(default_factory=list)
    died: bool = False

    @property
    def p99(self) -> float:
        """The neighbour's latency that one of a hundred tasks exceeds."""
        return percentile(self.latencies or self.neighbour.latencies(self.began), 99)

    @property
    def bound(self) -> float:
        """What the p99 may be."""
        return max(LIMIT_SECONDS, TIMES_QUIET * self.quiet)

    @property
    def probe_bound(self) -> float:
        """How long an answer of /healthz may take."""
        return max(PROBE_LIMIT, min(PROBE_LIMIT_BUSY, TIMES_QUIET * self.quiet))

    @property
    def worst_probe(self) -> float:
        """The longest wait for an answer of /healthz."""
        return max(self.probes, default=0.0)

    @property
    def hopeless(self) -> bool:
        """Whether there is no point in waiting for more."""
        return bool(self.harm(latency=False)) or self.p99 > 3 * self.bound

    def harm(self, *, latency: bool = True) -> str:
        """Return what is wrong, or nothing."""
        wrong = [
            "the operator is dead" if self.died or not self.operator.alive else "",
            f"/healthz took {self.worst_probe:.1f} s" if self.worst_probe > self.probe_bound else "",
            f"{self.memory:.0f} MiB" if self.memory > MEMORY_LIMIT_MIB else "",
            f"the neighbour's p99 is {self.p99:.2f} s (bound {self.bound:.2f})" if latency and self.p99 > self.bound else "",
        ]
        return ", ".join(filter(None, wrong))

    def sample(self, stop: threading.Event) -> None:
        """Look again and again until told to stop."""
        while not stop.wait(SAMPLE_SECONDS):
            self.memory = max(self.memory, self.operator.own_mib())
            if self.operator.alive and not self.restarted:
                took = self.operator.probe()
                # An attack that restarts the operator says so; its first answer comes when it is ready.
                self.probes += [] if self.restarted else [took]


def percentile(values: list[float], share: int) -> float:
    """Return the value below which that share of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share / 100) - 1)] if ordered else 0.0


@contextmanager
def watching(operator: RunningOperator, neighbour: Neighbour, quiet: float) -> Iterator[Window]:
    """Look at everybody while the block lasts."""
    window, stop = Window(operator, neighbour, quiet), threading.Event()
    thread = threading.Thread(target=window.sample, args=(stop,), daemon=True)
    thread.start()
    try:
        yield window
    finally:
        stop.set()
        thread.join()
        window.latencies, window.died = neighbour.latencies(window.began), not operator.alive
