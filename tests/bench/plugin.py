"""Owns what the plugin for kubectl costs: wall and CPU time of a command, its kubectl included, with many tasks in the cluster."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.bench.batch import CONCURRENT_WRITES, Batch
from tests.bench.figures import Figure
from tests.bench.sightings import Sightings
from tests.support.apiserver import OBTASKS, Body, api_server

from devcluster.controlplane import ControlPlane

NAMESPACE = "plugin"
RUNS = 15
# As the operator writes it: five conditions, each with the same message.
SINCE = "2026-01-01T00:00:00.000000Z"
MESSAGE = "waiting for holder (Global, Failed since 2026-01-01T00:00:00Z): kubectl annotate obtask holder action=retry (or rollback, skip)"
WAITING: Body = {
    "observedGeneration": 1,
    "phase": "Waiting",
    "direction": "Forward",
    "reason": "Queued",
    "message": MESSAGE,
    "progress": "0/1",
    "allowedActions": ["cancel"],
    "blockedBy": [{"name": "holder", "uid": "u", "phase": "Failed", "scope": "Global", "since": SINCE}],
    "blockedByCount": 1,
    "blockedBySummary": "holder (Failed)",
    "conditions": [
        {"type": kind, "status": "False", "reason": "Waiting", "message": MESSAGE, "observedGeneration": 1, "lastTransitionTime": SINCE}
        for kind in ("Finished", "Ready", "Reconciling", "Stalled", "LockHeld")
    ],
}


@dataclass(frozen=True, slots=True)
class PluginCost:
    """Runs the plugin against one control plane; no operator runs."""

    cluster: ControlPlane
    folder: Path
    say: Callable[[str], None]

    def measure(self, unfinished: int, all_tasks: int) -> list[Figure]:
        """Return the figures with so many unfinished tasks, and then with so many tasks in all."""
        self.cluster.kubectl.run(["create", "namespace", NAMESPACE])
        api = api_server(self.cluster)
        tasks = Batch(api, NAMESPACE, Sightings(api, NAMESPACE))
        self.say(f"{unfinished} unfinished tasks")
        tasks.create_many("waiter", unfinished, lambda _: "line")

        def wait(number: int) -> None:
            api.send("PATCH", f"{OBTASKS.format(NAMESPACE)}/waiter-{number}/status", {"status": WAITING})

        with ThreadPoolExecutor(CONCURRENT_WRITES) as pool:
            list(pool.map(wait, range(unfinished)))
        figures = [
            *self._cost("kubectl get --raw of the same list alone", [self.cluster.kubectl.program, "get", "--raw", self._path()]),
            *self._cost("kubectl-obtask --help", [beside("kubectl-obtask"), "--help"], wall="< 150"),
            *self._cost(f"kubectl-obtask list, {unfinished} unfinished", [beside("kubectl-obtask"), "list"], wall="< 300", cpu="< 250"),
            *self._cost(f"kubectl obtask list, {unfinished} unfinished", [self.cluster.kubectl.program, "obtask", "list"]),
        ]
        self.say(f"{all_tasks} tasks")
        tasks.finish_many("done", all_tasks - unfinished)
        return [
            *figures,
            *self._cost(f"kubectl-obtask list, {all_tasks} tasks, {unfinished} unfinished", [beside("kubectl-obtask"), "list"]),
            *self._cost(f"kubectl-obtask list --all, {all_tasks} tasks", [beside("kubectl-obtask"), "list", "--all"], runs=3),
        ]

    def _path(self) -> str:
        return f"{OBTASKS.format(NAMESPACE)}?limit=500"

    def _cost(self, what: str, words: Sequence[str | Path], *, wall: str = "", cpu: str = "", runs: int = RUNS) -> list[Figure]:
        """Return the median wall and CPU time of a command, that of its children included."""
        taken = [self._once([str(word) for word in words]) for _ in range(runs + 1)][1:]  # the first one fills caches
        return [
            Figure(f"{what}: wall time, p50", statistics.median(each[0] for each in taken) * 1000, "ms", wall),
            Figure(f"{what}: CPU, p50", statistics.median(each[1] for each in taken) * 1000, "ms", cpu),
        ]

    def _once(self, words: list[str]) -> tuple[float, float]:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{self.cluster.kubectl.program.parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "KUBECACHEDIR": str(self.folder / "kubectl-cache"),
            "HOME": str(self.folder),
        }
        where = [] if words[1] == "get" else ["-n", NAMESPACE] if "--help" not in words else []
        began = time.perf_counter()
        with subprocess.Popen([*words, *where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:  # noqa: S603 - our own words
            _, code, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
        if process.returncode:
            raise ConnectionError(f"{words} ended with {process.returncode}")
        return time.perf_counter() - began, used.ru_utime + used.ru_stime


def beside(program: str) -> Path:
    """Return a program of this environment."""
    return Path(sys.executable).parent / program
