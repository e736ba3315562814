"""Owns the loads with thousands of tasks: long lines, restarts in the middle of them, and what finished tasks cost."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.batch import Batch
from tests.bench.figures import Figure, percentile
from tests.bench.operators import MeasuredOperator, measured_operator
from tests.bench.sightings import Sightings
from tests.support.apiserver import api_server

from devcluster.controlplane import ControlPlane

YEARS = 300_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """Runs the loads on one control plane; each load has a namespace, and starts and kills operators of its own."""

    cluster: ControlPlane
    folder: Path
    say: Callable[[str], None]

    def long_line(self, waiting: int) -> list[Figure]:
        """Many tasks wait behind one; the operator is killed, a person gives the holder up, and a new operator hands over."""
        load = self._load("line")
        with load.sightings.running() as seen:
            with self._operator("line"):
                load.create("holder-0", cluster="line", seconds=3600)
                seen.wait("holder", "Running")
                self.say(f"{waiting} tasks at once behind a holder")
                made = load.create_many("waiter", waiting, lambda _: "line", seconds=3600)
                seen.wait("waiter", "Waiting", waiting)
            load.annotate("holder-0", "cancel")
            self.say(f"a new operator with {waiting} waiting tasks")
            began = time.time()
            with self._operator("line"):
                seen.wait("holder", "Failed")
                load.annotate("holder-0", "skip")
                handed = seen.wait("waiter", "Running")
        shown = [(seen.at(name, "Waiting") or 0) - created for name, created in made.items()]
        what = f"{waiting} tasks created at once behind a holder"
        return [
            Figure(f"{what}: creation to Waiting, p50", percentile(shown, 50), "s"),
            Figure(f"{what}: creation to Waiting, p99", percentile(shown, 99), "s", "< 1"),
            Figure(f"operator killed with {waiting} waiting: new process to next hand-over", handed - began, "s", "< 5"),
        ]

    def restart(self, holding: int, waiting: int) -> list[Figure]:
        """Many tasks hold, each with a line behind it; the operator is killed and a new one looks at all of them."""
        load = self._load("many")
        with load.sightings.running() as seen:
            with self._operator("many"):
                self.say(f"{holding} holders with {waiting} waiters in all")
                load.create_many("holder", holding, lambda number: f"cluster-{number}", seconds=36000)
                seen.wait("holder", "Running", holding)
                load.create_many("waiter", waiting, lambda number: f"cluster-{number % holding}", seconds=3600)
                seen.wait("waiter", "Waiting", waiting)
            began = time.time()
            with self._operator("many") as operator:
                settled = operator.settled(holding + waiting) - began
                doubled = seen.count("waiter", "Running")
                memory = operator.usage().memory_mib
        what = f"restart with {holding + waiting} tasks, {holding} of them holding"
        return [
            Figure(f"{what}: every task looked at", settled, "s", "< 10"),
            Figure(f"{what}: tasks that got a lock beside its holder", doubled, "", "0"),
            Figure(f"{what}: memory", memory, "MiB"),
        ]

    def finished(self, finished: int, unfinished: int) -> list[Figure]:
        """Many finished tasks lie about; an operator starts and looks at the others."""
        load = self._load("old")
        self.say(f"{finished} finished tasks, {unfinished} unfinished ones")
        load.finish_many("old", finished)
        load.create_many("new", unfinished, lambda number: f"cluster-{number}", seconds=36000)
        with load.sightings.running() as seen:
            began = time.time()
            with self._operator("old"):
                seen.wait("new", "Running", unfinished)
                first = time.time() - began
            began = time.time()
            with self._operator("old") as operator:
                again = operator.settled(unfinished) - began
                memory = operator.usage().memory_mib
        what = f"{finished} finished and {unfinished} unfinished tasks in one namespace"
        return [
            Figure(f"{what}: start until all of them run", first, "s"),
            Figure(f"{what}: start until all of them are looked at", again, "s", "< 30"),
            Figure(f"{what}: memory", memory, "MiB"),
        ]

    def memory(self, finished: int) -> list[Figure]:
        """Finished tasks lie about, first without and then with a time to live of their own; return what the operator needs for them."""
        return [self._memory("plain", finished), self._memory("own-ttl", finished, ttl=YEARS)]

    def _memory(self, namespace: str, finished: int, *, ttl: int | None = None) -> Figure:
        load = self._load(namespace)
        self.say(f"{finished} finished tasks: {namespace}")
        load.finish_many("old", finished, ttl=ttl)
        with load.sightings.running() as seen, self._operator(namespace) as operator:
            load.create("last-0", cluster="last")
            seen.wait("last", "Succeeded")
            own = ", each with a time to live of its own" if ttl is not None else ""
            return Figure(f"{finished} finished tasks{own}: memory", operator.usage().memory_mib, "MiB", "≤ 150")

    def _load(self, namespace: str) -> Batch:
        self.cluster.kubectl.run(["create", "namespace", namespace])
        api = api_server(self.cluster)
        return Batch(api, namespace, Sightings(api, namespace))

    def _operator(self, namespace: str) -> AbstractContextManager[MeasuredOperator]:
        return measured_operator(self.cluster.operator_kubeconfig, self.folder / f"{namespace}.log", namespace=namespace, kill=True)
