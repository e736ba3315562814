"""Owns the siege: every hostile target at once, in one namespace, while a neighbour runs one small task after the other in another.

`python -m tests.bench.siege --minutes 10` prints what the operator took and how long the neighbour waited.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.operators import MeasuredOperator, measured_operator
from tests.support.apiserver import OBTASKS, ApiServer, ServerError, api_server
from tests.support.hostile import targets
from tests.support.neighbour import Neighbour, move_in
from tests.support.strain import Yardstick

from devcluster.controlplane import ControlPlane, control_plane
from devcluster.sqlserver import SqlServer, sql_server

LARGEST_MIB = 400.0
LONGEST_SECONDS = 1.0  # of the neighbour's 99th percentile above what it takes in peace, where there is a core to spare
PEACE_SECONDS = 10.0
TASK_SECONDS = 12
LOOK_SECONDS = 0.5
SAMPLE_SECONDS = 0.1
ENDED = frozenset({"Succeeded", "Failed", "Rejected"})


@dataclass(slots=True)
class Siege:
    """What was seen: the operator's memory at most and on average, tasks that met a target, and the neighbour's seconds."""

    peace: list[float] = field(default_factory=list)
    war: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    met: int = 0
    unmet: set[str] = field(default_factory=set)
    cpu_seconds: float = 0.0
    busy: float = 1.0  # how many times longer than on an idle machine a computation took meanwhile

    @property
    def delay(self) -> float:
        """By how many seconds the neighbour's 99th percentile grew."""
        return p99(self.war) - p99(self.peace)

    @property
    def held(self) -> bool:
        """Whether the promises were kept."""
        return max(self.memory_mib) < LARGEST_MIB and self.delay < LONGEST_SECONDS * self.busy and not self.failures and not self.unmet

    def __str__(self) -> str:
        """Return the figures, one to a line."""
        average = sum(self.memory_mib) / len(self.memory_mib)
        return "\n".join(
            (
                f"hostile tasks ended   {self.met} (targets never met: {', '.join(sorted(self.unmet)) or 'none'})",
                f"memory                {max(self.memory_mib):.0f} MiB at most, {average:.0f} on average",
                f"CPU                   {self.cpu_seconds:.0f} s",
                f"neighbour in peace    p50 {middle(self.peace):.2f} s, p99 {p99(self.peace):.2f} s ({len(self.peace)} tasks)",
                f"neighbour under siege p50 {middle(self.war):.2f} s, p99 {p99(self.war):.2f} s ({len(self.war)} tasks)",
                f"machine               a computation takes {self.busy:.1f} times as long as on an idle one",
                f"neighbour's failures  {len(self.failures)} {self.failures[:3] if self.failures else ''}",
            )
        )


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile."""
    return sorted(seconds)[max(0, -(-len(seconds) * 99 // 100) - 1)]


def middle(seconds: list[float]) -> float:
    """Return the median."""
    return sorted(seconds)[len(seconds) // 2]


class Besieger:
    """Keeps one task at every target: one that has ended is deleted, and the next one begins."""

    def __init__(self, api: ApiServer, namespace: str, ports: dict[str, int]) -> None:
        self._api = api
        self._path = OBTASKS.format(namespace)
        self._ports = ports
        for name, port in ports.items():
            secret = targets.secret(name, port)
            if secret:
                api.send("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)

    def begin(self) -> None:
        """Send a task to every target."""
        for name in self._ports:
            self._send(name)

    def renew(self, found: Siege) -> None:
        """Replace what has ended."""
        for body in self._api.get(self._path)["items"]:
            phase, name = body.get("status", {}).get("phase"), body["spec"]["cluster"]
            if phase == "Running":
                found.unmet.discard(name)
            if phase in ENDED and "deletionTimestamp" not in body["metadata"]:
                found.met += 1
                found.unmet.discard(name)
                self._api.send("DELETE", f"{self._path}/{body['metadata']['name']}")
                self._send(name)

    def _send(self, name: str) -> None:
        self._api.send("POST", self._path, targets.task(name, self._ports[name], seconds=TASK_SECONDS))


@contextmanager
def _sampled(operator: MeasuredOperator, found: Siege) -> Iterator[None]:
    """Note the operator's memory again and again, in a thread, as long as the block lasts."""
    stop = threading.Event()
    before = operator.usage().cpu_seconds

    def sample() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            found.memory_mib.append(operator.usage().memory_mib)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        found.cpu_seconds = operator.usage().cpu_seconds - before


def besiege(cluster: ControlPlane, neighbour: Neighbour, attacker: str, operator: MeasuredOperator, seconds: float) -> Siege:
    """Let the neighbour work in peace for a while, then under siege; return what was seen."""
    found = Siege()
    with neighbour.running(), targets.running() as ports:
        time.sleep(PEACE_SECONDS)
        found.peace = neighbour.latencies(0)
        began, found.unmet = time.monotonic(), set(ports)
        with _sampled(operator, found), Yardstick().measuring() as yardstick:
            besieger = Besieger(api_server(cluster), attacker, ports)
            besieger.begin()
            while time.monotonic() - began < seconds:
                time.sleep(LOOK_SECONDS)
                try:
                    besieger.renew(found)
                except (ServerError, OSError) as error:
                    sys.stderr.write(f"siege: {error}\n")
        found.war, found.busy = neighbour.latencies(began), yardstick.factor
    found.failures = neighbour.failures
    return found


def _namespaces(cluster: ControlPlane) -> tuple[str, str]:
    api = api_server(cluster)
    for name in ("attacker", "neighbour"):
        api.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return "attacker", "neighbour"


def _run(cluster: ControlPlane, seekdb: SqlServer, folder: Path, seconds: float) -> Siege:
    attacker, home = _namespaces(cluster)
    neighbour = move_in(cluster, home, seekdb)
    with measured_operator(cluster.operator_kubeconfig, folder / "operator.log", namespace=f"{attacker},{home}") as operator:
        return besiege(cluster, neighbour, attacker, operator, seconds)


def main() -> int:
    """Besiege and print; return 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="tests.bench.siege", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (default 10)")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="obtask-siege-") as place,
        control_plane(Path(place) / "cluster") as cluster,
        sql_server(Path(place) / "seekdb") as seekdb,
    ):
        found = _run(cluster, seekdb, Path(place), chosen.minutes * 60)
    sys.stdout.write(f"{found}\n")
    return 0 if found.held else 1


if __name__ == "__main__":
    sys.exit(main())
