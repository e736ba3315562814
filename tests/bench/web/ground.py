"""Owns what every part of the measurement of the Task Center stands on: a control plane with many tasks, and people who may look."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
from tests.bench.batch import CONCURRENT_WRITES, KIND, LONG_AGO
from tests.bench.plugin import WAITING
from tests.bench.web.served import PATIENCE_SECONDS, Served, served
from tests.support.apiserver import OBTASKS, ApiServer, Body, admin_tls, api_server

from devcluster.controlplane import ControlPlane

NAMESPACE = "web"
MAY_LOOK = "bench-web"
CLUSTERS = 50
MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much there is: all tasks, those of them that are unfinished, and how many unfinished ones there are at the end."""

    tasks: int
    seconds: float = 120.0  # that tabs rest

    @property
    def unfinished(self) -> int:
        """Of all tasks."""
        return self.tasks * 3 // 100

    @property
    def more(self) -> int:
        """Unfinished ones, at the end."""
        return self.tasks // 10


@dataclass(frozen=True)
class Ground:
    """The control plane, and what was made there."""

    cluster: ControlPlane
    folder: Path
    say: Callable[[str], None]
    scale: Scale

    @cached_property
    def api(self) -> ApiServer:
        """The API server, asked by its admin."""
        return api_server(self.cluster)

    def prepare(self) -> None:
        """Make the namespace, the rights, and the tasks that are there from the beginning."""
        run = self.cluster.kubectl.run
        run(["create", "namespace", NAMESPACE])
        run(["create", "clusterrole", MAY_LOOK, "--verb=get,list,watch", "--resource=obtasks.task.oceanbase.com,configmaps"])
        self.say(f"{self.scale.tasks} tasks, {self.scale.unfinished} of them unfinished")
        self.make("done", self.scale.tasks - self.scale.unfinished, lambda _: "Succeeded")
        self.make(
            "task", self.scale.unfinished, lambda number: "Failed" if number % 30 == 0 else "Running" if number % 10 == 1 else "Waiting"
        )

    @contextmanager
    def center(self, **settings: str) -> Iterator[Served]:
        """Run a Task Center that nobody has looked at yet until the block ends. ``settings``: environment variables."""
        with served(self.cluster, self.folder / "web.log", **settings) as running:
            yield running

    def token(self, name: str) -> str:
        """Return a token of somebody new who may look at everything."""
        run = self.cluster.kubectl.run
        run(["create", "serviceaccount", name, "-n", NAMESPACE])
        run(["create", "clusterrolebinding", f"bench-{name}", f"--clusterrole={MAY_LOOK}", f"--serviceaccount={NAMESPACE}:{name}"])
        return run(["create", "token", name, "-n", NAMESPACE, "--duration=2h"]).strip()

    def write_progress(self, name: str, progress: str) -> None:
        """Change the status of a task in what a list shows of it."""
        self.api.send("PATCH", f"{OBTASKS.format(NAMESPACE)}/{name}/status", {"status": {"progress": progress}})

    def make(self, prefix: str, count: int, phase: Callable[[int], str]) -> None:
        """Make tasks in a phase, several at a time, over connections that are kept: there are thousands."""
        path = OBTASKS.format(NAMESPACE)
        self.api.get(f"{path}?limit=1")  # waits until the API server knows them

        def make(number: int) -> None:
            name = f"{prefix}-{number}"
            spec = {
                "type": "Cluster",
                "cluster": f"c-{number % CLUSTERS}",
                "maintenance": "Global",
                "steps": [{"name": "s", "wait": {"seconds": 1}}],
            }
            client.post(path, json={"metadata": {"name": name}, **KIND, "spec": spec}).raise_for_status()
            status = json.dumps({"status": status_of(phase(number))})
            client.patch(f"{path}/{name}/status", content=status, headers=MERGE).raise_for_status()

        admin = httpx.Client(base_url=self.cluster.url, verify=admin_tls(self.cluster), trust_env=False, timeout=PATIENCE_SECONDS)
        with admin as client, ThreadPoolExecutor(CONCURRENT_WRITES) as pool:
            list(pool.map(make, range(count)))


def _unfinished(number: int) -> str:
    return "Failed" if number % 30 == 0 else "Running" if number % 10 == 1 else "Waiting"


def status_of(phase: str, step: str = "1/3") -> Body:
    """Return a status as large as the operator's: with conditions, steps, and a lock where one is held."""
    lock = {"lease": "obt-x", "scope": "Global", "acquiredAt": LONG_AGO, "token": 7} if phase in {"Running", "Failed"} else None
    times = {"startedAt": LONG_AGO, "finishedAt": LONG_AGO}
    steps = [{"name": "s", "phase": "Succeeded", **times, "subtasks": [{"name": "s", "phase": "Succeeded", "attempts": 1, **times}]}]
    ended = {**times, "steps": steps, "allowedActions": []} if phase == "Succeeded" else {"startedAt": LONG_AGO, "steps": steps}
    if phase == "Waiting":
        return WAITING
    left_out = {"blockedBy", "blockedByCount", "blockedBySummary"}
    kept = {name: value for name, value in WAITING.items() if name not in left_out}
    return {**kept, "phase": phase, "progress": step, **ended, **({"lock": lock} if lock else {})}
