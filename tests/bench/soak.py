"""Owns the soak: tasks come, run, wait for each other and are deleted for a long time, and the operator's memory must not grow.

`python -m tests.bench.soak --minutes 60` runs for an hour.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.batch import Batch
from tests.bench.operators import MeasuredOperator, measured_operator
from tests.bench.sightings import Sightings
from tests.support.apiserver import api_server

from devcluster.controlplane import ControlPlane, control_plane

ROUND = 60
LOCKS = 12
ALLOWED_MIB = 6.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The operator after one round."""

    seconds: float
    tasks: int
    memory_mib: float


def soak(cluster: ControlPlane, namespace: str, operator: MeasuredOperator, seconds: float) -> Iterator[Sample]:
    """Make, finish and delete tasks until the time is over; yield a sample after each round."""
    api = api_server(cluster)
    began = time.monotonic()
    count = 0
    while time.monotonic() - began < seconds:
        with Sightings(api, namespace).running() as seen:
            batch = Batch(api, namespace, seen)
            batch.create_many(f"r{count}", ROUND, lambda number: f"cluster-{number % LOCKS}")
            seen.wait(f"r{count}", "Succeeded", ROUND)
            batch.delete_all()
        count += ROUND
        yield Sample(time.monotonic() - began, count, operator.usage().memory_mib)


def growth(samples: list[Sample]) -> float:
    """Return by how many MiB memory grew from the second third to the last: the first one fills caches. The least of each counts."""
    third = len(samples) // 3
    return min(sample.memory_mib for sample in samples[-third:]) - min(sample.memory_mib for sample in samples[third : 2 * third])


def main() -> int:
    """Soak and print; return 1 if memory grew."""
    parser = argparse.ArgumentParser(prog="tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="how long (default 60)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="obtask-soak-") as folder, control_plane(Path(folder) / "cluster") as cluster:
        samples = []
        with measured_operator(cluster.operator_kubeconfig, Path(folder) / "operator.log", namespace="default") as operator:
            for sample in soak(cluster, "default", operator, chosen.minutes * 60):
                samples.append(sample)
                sys.stderr.write(f"soak: {sample.seconds:6.0f} s  {sample.tasks:7d} tasks  {sample.memory_mib:7.1f} MiB\n")
    grown = growth(samples)
    sys.stdout.write(f"memory grew by {grown:.1f} MiB over {samples[-1].tasks} tasks; allowed are {ALLOWED_MIB:g}\n")
    return 1 if grown > ALLOWED_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
