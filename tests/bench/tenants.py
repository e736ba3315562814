"""Owns the load of one cluster with many tenants, beside the same number of clusters: a neighbour in the same domain must cost nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.batch import Batch
from tests.bench.figures import Figure
from tests.bench.operators import measured_operator
from tests.bench.sightings import Sightings
from tests.support.apiserver import api_server

from devcluster.controlplane import ControlPlane

HOLD_SECONDS = 36_000


@dataclass(frozen=True, slots=True)
class Tenants:
    """Runs the load on one control plane; each form has a namespace and an operator of its own."""

    cluster: ControlPlane
    folder: Path
    say: Callable[[str], None]

    def measure(self, counts: tuple[int, ...]) -> list[Figure]:
        """Have so many tasks hold the lock of a tenant each, all in one cluster, or each in its own; return the cost of each task."""
        return [figure for count in counts for figure in self._compare(count)]

    def _compare(self, count: int) -> list[Figure]:
        apart = self._cpu_per_task(f"apart-{count}", count, lambda number: f"cluster-{number}")
        together = self._cpu_per_task(f"together-{count}", count, lambda _: "cluster")
        what = f"{count} tenants hold a lock each"
        return [
            Figure(f"{what}, in as many clusters: operator CPU per task", apart, "ms"),
            Figure(f"{what}, in one cluster: operator CPU per task", together, "ms"),
            Figure(f"{what}: in one cluster against as many clusters", together / apart, "times", "≤ 1.1"),
        ]

    def _cpu_per_task(self, namespace: str, count: int, cluster_of: Callable[[int], str]) -> float:
        self.cluster.kubectl.run(["create", "namespace", namespace])
        api = api_server(self.cluster)
        load = Batch(api, namespace, Sightings(api, namespace))
        self.say(f"{count} tenants hold a lock each: {namespace}")
        log = self.folder / f"{namespace}.log"
        with (
            load.sightings.running() as seen,
            measured_operator(self.cluster.operator_kubeconfig, log, namespace=namespace, kill=True) as operator,
        ):
            before, began = operator.usage().cpu_seconds, time.monotonic()
            load.create_many("holder", count, cluster_of, seconds=HOLD_SECONDS, tenant=True)
            seen.wait("holder", "Running", count)
            self.say(f"{namespace}: {time.monotonic() - began:.0f} s")
            return (operator.usage().cpu_seconds - before) / count * 1000
