"""Owns the race: the same loads for each contender, each on a control plane of its own, one after the other on one machine."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench.figures import Figure, percentile
from tests.bench.operators import cpu_seconds
from tests.bench.peer.contenders import NAMESPACE, Argo, Contender, Ours
from tests.bench.sightings import LIMIT_SECONDS, POLL_SECONDS, Sightings
from tests.support.apiserver import ApiServer, api_server
from tests.support.patience import eventually

from devcluster.controlplane import ControlPlane, control_plane

CONCURRENT_CREATES = 16
LONG_SECONDS = 36000
QUEUE = 30  # tasks of one second each, one after the other


@dataclass(frozen=True, slots=True)
class Race:
    """Runs one contender's loads."""

    contender: Contender
    cluster: ControlPlane
    folder: Path
    api: ApiServer
    seen: Sightings

    @property
    def _path(self) -> str:
        return self.contender.path.format(NAMESPACE)

    def create(self, prefix: str, count: int, lock: Callable[[int], str], seconds: int) -> dict[str, float]:
        """Create tasks at once; return when each of them was asked for."""

        def make(number: int) -> float:
            began = time.time()
            self.api.send("POST", self._path, self.contender.task(f"{prefix}-{number}", lock(number), seconds))
            return began

        with ThreadPoolExecutor(CONCURRENT_CREATES) as pool:
            return {f"{prefix}-{number}": began for number, began in enumerate(pool.map(make, range(count)))}

    def batch(self, pid: int, count: int, seconds: int) -> tuple[float, float]:
        """Run tasks at once, with a lock each; return tasks a minute and the controller's CPU for each, in ms."""
        prefix = f"wait{seconds}"
        before = cpu_seconds(pid)
        made = self.create(prefix, count, lambda number: f"{prefix}-{number}", seconds)
        ended = self.seen.wait(prefix, "Succeeded", count)
        return count / (ended - min(made.values())) * 60, (cpu_seconds(pid) - before) / count * 1000

    def queue(self) -> list[float]:
        """Run tasks that want one lock; return the seconds from the end of each to the start of the next, as a watch sees them."""
        names = self.create("queue", QUEUE, lambda _: "queue", 1)
        self.seen.wait("queue", "Succeeded", QUEUE)
        turns = sorted((self._at(name, "Running"), self._at(name, "Succeeded")) for name in names)
        return [after[0] - before[1] for before, after in pairwise(turns)]

    def line(self, pid: int, waiting: int) -> tuple[list[float], float]:
        """Create tasks behind a holder; return after how many seconds each was shown as waiting, and the CPU for each in ms."""
        self.create("holder", 1, lambda _: "line", LONG_SECONDS)
        self.seen.wait("holder", "Running")
        before = cpu_seconds(pid)
        made = self.create("waiter", waiting, lambda _: "line", LONG_SECONDS)
        self.seen.wait("waiter", "Waiting", waiting)
        used = (cpu_seconds(pid) - before) / waiting * 1000
        return [self._at(name, "Waiting") - began for name, began in made.items()], used

    def takes_over(self) -> float:
        """Start another controller after the holder was told to give up; return after how many seconds the next one runs."""
        holder = f"{self._path}/holder-0"
        self.contender.stop(self.api, holder)
        began = time.time()
        with self.contender.controller(self.cluster, self.folder):
            eventually(lambda: self.contender.let_go(self.api, holder), bool, LIMIT_SECONDS, POLL_SECONDS)
            return self.seen.wait("waiter", "Running") - began

    def _at(self, name: str, phase: str) -> float:
        at = self.seen.at(name, phase)
        if at is None:
            raise TimeoutError(f"{name} was never seen {phase}")
        return at


def run(contender: Contender, folder: Path, say: Callable[[str], None], count: int, waiting: int) -> dict[str, tuple[float, str]]:
    """Run all loads for a contender; return each figure with its unit."""
    folder.mkdir()
    with control_plane(folder / "cluster") as cluster:
        cluster.kubectl.run(["create", "namespace", NAMESPACE])
        contender.prepare(cluster)
        api = api_server(cluster)
        with Sightings(api, NAMESPACE, path=contender.path, phase=contender.phase).running() as seen:
            race = Race(contender, cluster, folder, api, seen)
            say(f"{contender.name}: {count} tasks at once, then one after the other, then {waiting} behind a holder")
            with contender.controller(cluster, folder) as pid:
                race.create("warm", 20, lambda number: f"warm-{number}", 0)
                seen.wait("warm", "Succeeded", 20)
                slow, quick = race.batch(pid, count, 1), race.batch(pid, count, 0)
                gaps = race.queue()
                shown, each = race.line(pid, waiting)
            say(f"{contender.name}: killed, and started again")
            next_one = race.takes_over()
    return {
        f"{count} tasks at once, a lock each, one step of 1 s: throughput": (slow[0], "tasks/min"),
        f"{count} tasks at once, a lock each, one step of 1 s: controller CPU per task": (slow[1], "ms"),
        f"{count} tasks at once, a lock each, nothing to wait for: throughput": (quick[0], "tasks/min"),
        f"{count} tasks at once, a lock each, nothing to wait for: controller CPU per task": (quick[1], "ms"),
        f"one lock, {QUEUE} tasks of 1 s: end of one seen to the next one seen running, p50": (percentile(gaps, 50), "s"),
        f"one lock, {QUEUE} tasks of 1 s: end of one seen to the next one seen running, p99": (percentile(gaps, 99), "s"),
        f"{waiting} tasks created at once behind a holder: creation to shown as waiting, p50": (percentile(shown, 50), "s"),
        f"{waiting} tasks created at once behind a holder: creation to shown as waiting, p99": (percentile(shown, 99), "s"),
        f"{waiting} tasks created at once behind a holder: controller CPU per task": (each, "ms"),
        f"controller killed with {waiting} waiting: new process to next holder": (next_one, "s"),
    }


def measure(folder: Path, say: Callable[[str], None], count: int, waiting: int) -> list[Figure]:
    """Return each figure of both, one row after the other."""
    contenders: tuple[Contender, ...] = (Argo(lambda what, _: say(what)), Ours())
    found = {contender.name: run(contender, folder / f"race-{place}", say, count, waiting) for place, contender in enumerate(contenders)}
    whats = next(iter(found.values()))
    return [Figure(f"{what}: {name}", *figures[what]) for what in whats for name, figures in found.items()]
