"""Runs the benchmark and prints one table: throughput, latencies, writes, CPU and memory."""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure, percentile, table
from tests.bench.kinds import Kinds
from tests.bench.load import Load, Times, hand_overs
from tests.bench.meters import meters
from tests.bench.neighbour import Neighbour
from tests.bench.operators import MeasuredOperator, measured_operator
from tests.bench.peer import race
from tests.bench.plugin import PluginCost
from tests.bench.scale import Scale
from tests.bench.tenants import Tenants
from tests.bench.web import measure as web_measure
from tests.bench.web.ground import Scale as WebScale
from tests.support.chart.policies import put_policies

from devcluster.controlplane import ControlPlane, control_plane
from obtask.kube.client import connect


def throughput(times: list[Times]) -> float:
    """Return tasks per minute from the first creation to the last end."""
    return len(times) / max(task.finished for task in times) * 60


def say(text: str) -> None:
    """Tell what goes on."""
    sys.stderr.write(f"bench: {text}\n")


async def measure(cluster: ControlPlane, operator: MeasuredOperator, count: int, finished: int) -> list[Figure]:
    """Run all loads; return the figures."""
    api = await connect(str(cluster.kubeconfig))
    load = Load(api, "default")
    try:
        idle = operator.usage()
        await load.run("warm", 20, seconds=0)
        figures = []
        for locked, seconds, most, least in ((True, 0, 6, 1500), (True, 1, 6, 1200), (False, 0, 3, 1500), (False, 1, 3, 1200)):
            what = f"{count} one-step tasks at once, {'a lock each' if locked else 'no lock'}, wait {seconds} s"
            say(what)
            before = meters(cluster, operator)
            times = await load.run(f"wait{seconds}{'' if locked else '-free'}", count, seconds=seconds, locked=locked)
            used = meters(cluster, operator) - before
            begun = [task.started - task.created for task in times]
            figures += [
                Figure(f"{what}: throughput", throughput(times), "tasks/min", f"> {least:,}"),
                Figure(f"{what}: creation to first step, p50", percentile(begun, 50), "s"),
                Figure(f"{what}: creation to first step, p99", percentile(begun, 99), "s"),
                # One of the requests is the creation by the load itself.
                Figure(f"{what}: requests per task, Events included", used.requests / count - 1, "", f"≤ {most}"),
                Figure(f"{what}: operator CPU per task", used.operator_seconds / count * 1000, "ms", "≤ 7"),
                Figure(f"{what}: API server CPU per task", used.server_seconds / count * 1000, "ms"),
            ]
        say("one lock, 50 tasks")
        gaps = hand_overs(await load.run("lock", 50, seconds=0, one_lock=True))
        figures += [
            Figure("one lock, 50 tasks: hand-over, p50", percentile(gaps, 50), "s"),
            Figure("one lock, 50 tasks: hand-over, p99", percentile(gaps, 99), "s", "< 0.3"),
        ]
        done = 20 + 4 * count + 50
        say(f"up to {finished} finished tasks")
        if finished > done:
            await load.run("more", finished - done, seconds=0)
        full = operator.usage()
        figures += [
            Figure("operator memory, 0 tasks", idle.memory_mib, "MiB"),
            Figure(f"operator memory, {finished} finished tasks", full.memory_mib, "MiB"),
            Figure("operator CPU, 0 tasks (start)", idle.cpu_seconds, "s"),
            Figure(f"operator CPU, {finished} tasks done", full.cpu_seconds, "s"),
        ]
    finally:
        await api.close()
    return figures


def everything(folder: Path, chosen: argparse.Namespace) -> list[Figure]:
    """Return the figures of all scenarios but the neighbour's."""
    say("starting a control plane and the operator")
    with control_plane(folder / "cluster") as cluster:
        put_policies(cluster)
        with measured_operator(
            cluster.operator_kubeconfig, folder / "operator.log", namespace=None, OBTASK_MARKED_AT_CREATION="true"
        ) as operator:
            figures = asyncio.run(measure(cluster, operator, chosen.tasks, chosen.finished))
    figures += kinds(folder, chosen)
    with control_plane(folder / "scale") as cluster:
        scale = Scale(cluster, folder, say)
        figures += scale.long_line(chosen.waiting)
        figures += scale.restart(chosen.waiting // 2, chosen.waiting * 9 // 2)
        figures += scale.finished(chosen.waiting * 10, chosen.waiting)
        figures += scale.memory(chosen.waiting * 10)
    return figures + plugin(folder, chosen) + tenants(folder, chosen)


def kinds(folder: Path, _: argparse.Namespace) -> list[Figure]:
    """Return what one step of each kind costs."""
    with control_plane(folder / "kinds", audit=True) as cluster:
        return Kinds(cluster, folder, say).measure(20)


def memory(folder: Path, chosen: argparse.Namespace) -> list[Figure]:
    """Return what finished tasks take of the operator's memory."""
    with control_plane(folder / "memory") as cluster:
        return Scale(cluster, folder, say).memory(chosen.waiting * 10)


def neighbour(folder: Path, chosen: argparse.Namespace) -> list[Figure]:
    """Return how long a task waits beside a greedy namespace."""
    with control_plane(folder / "neighbour") as cluster:
        return Neighbour(cluster, folder, say).measure(chosen.greedy, 4, 30)


def peer(folder: Path, chosen: argparse.Namespace) -> list[Figure]:
    """Return the figures of this operator and of another controller, by the same loads."""
    return race.measure(folder, say, chosen.tasks, chosen.waiting)


def tenants(folder: Path, chosen: argparse.Namespace) -> list[Figure]:
    """Return the figures of one cluster with many tenants."""
    with control_plane(folder / "tenants") as cluster:
        return Tenants(cluster, folder, say).measure(tuple(chosen.tenants))


def web(folder: Path, chosen: argparse.Namespace) -> list[Figure]:
    """Return what the Task Center costs, and how soon it shows what happens."""
    return web_measure.measure(folder, say, WebScale(chosen.web_tasks, chosen.rest), chosen.only)


def plugin(folder: Path, chosen: argparse.Namespace) -> list[Figure]:
    """Return what the plugin for kubectl costs."""
    with control_plane(folder / "plugin") as cluster:
        return PluginCost(cluster, folder, say).measure(chosen.waiting // 2, chosen.waiting * 10)


def whole(folder: Path, chosen: argparse.Namespace) -> list[Figure]:
    """Return the figures of all scenarios but those of the Task Center and of the other controller."""
    return everything(folder, chosen) + neighbour(folder, chosen)


SCENARIOS: Final[Mapping[str, Callable[[Path, argparse.Namespace], list[Figure]]]] = {
    "all": whole,
    "kinds": kinds,
    "memory": memory,
    "neighbour": neighbour,
    "peer": peer,
    "plugin": plugin,
    "tenants": tenants,
    "web": web,
}


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--tasks", type=int, default=300, help="tasks created at once (default 300)")
    parser.add_argument("--finished", type=int, default=2000, help="finished tasks at the end (default 2000)")
    parser.add_argument(
        "--waiting", type=int, default=1000, help="waiting tasks of the long line; restarts use 5 and 11 times as many (default 1000)"
    )
    parser.add_argument("--greedy", type=int, default=1000, help="greedy tasks beside a neighbour's (default 1000)")
    parser.add_argument("--tenants", type=int, nargs="+", default=[250, 1000, 5000], help="tenants of one cluster (default 250 1000 5000)")
    parser.add_argument(
        "--scenario",
        choices=SCENARIOS,
        default="all",
        help="which (default all)",
    )
    parser.add_argument("--web-tasks", type=int, default=10_000, help="tasks that the Task Center shows (default 10000)")
    parser.add_argument("--rest", type=float, default=120, help="seconds that tabs of the Task Center are at rest (default 120)")
    parser.add_argument(
        "--only", choices=web_measure.NAMES, nargs="+", default=(), help="of the scenario web: these parts (default all but suite)"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix="obtask-bench-") as folder:
        figures = SCENARIOS[chosen.scenario](Path(folder), chosen)
    sys.stdout.write(table(figures) + "\n")
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


if __name__ == "__main__":
    main()
