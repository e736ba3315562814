"""Owns the making of thousands of tasks in one namespace, several at a time."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.bench.sightings import Sightings
from tests.support.apiserver import OBTASKS, ApiServer, Body

CONCURRENT_WRITES = 16


@dataclass(frozen=True, slots=True)
class Batch:
    """The tasks of one namespace."""

    api: ApiServer
    namespace: str
    sightings: Sightings

    @property
    def _path(self) -> str:
        return OBTASKS.format(self.namespace)

    def create(self, name: str, *, cluster: str, seconds: int = 0, tenant: bool = False, ttl: int | None = None) -> float:
        """Create a task that locks a whole cluster, or the tenant of its own name; return when."""
        lock = {"maintenance": "Tenant", "tenant": name} if tenant else {"maintenance": "Global"}
        spec: Body = {"type": "Cluster", "cluster": cluster, "steps": [{"name": "s", "wait": {"seconds": seconds}}], **lock}
        spec |= {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
        self.api.send("POST", self._path, {"metadata": {"name": name}, **KIND, "spec": spec})
        return time.time()

    def create_many(
        self, prefix: str, count: int, cluster: Callable[[int], str], *, seconds: int = 0, tenant: bool = False
    ) -> dict[str, float]:
        """Create tasks at once; return when each of them was there."""

        def create(number: int) -> float:
            return self.create(names[number], cluster=cluster(number), seconds=seconds, tenant=tenant)

        names = [f"{prefix}-{number}" for number in range(count)]
        with ThreadPoolExecutor(CONCURRENT_WRITES) as pool:
            return dict(zip(names, pool.map(create, range(count)), strict=True))

    def finish_many(self, prefix: str, count: int, *, ttl: int | None = None) -> None:
        """Create tasks that have succeeded long ago. ``ttl``: their own time to live in seconds."""

        def finish(number: int) -> None:
            name = f"{prefix}-{number}"
            self.create(name, cluster=name, ttl=ttl)
            self.api.send("PATCH", f"{self._path}/{name}/status", {"status": SUCCEEDED})

        with ThreadPoolExecutor(CONCURRENT_WRITES) as pool:
            list(pool.map(finish, range(count)))

    def delete_all(self) -> None:
        """Delete every task of the namespace."""
        self.api.send("DELETE", self._path)

    def annotate(self, name: str, verb: str) -> None:
        """Give a command."""
        self.api.send("PATCH", f"{self._path}/{name}", {"metadata": {"annotations": {"action": verb}}})


KIND: Body = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask"}
LONG_AGO = "2026-01-01T00:00:00Z"
SUCCEEDED: Body = {
    "observedGeneration": 1,
    "phase": "Succeeded",
    "reason": "Completed",
    "progress": "1/1",
    "allowedActions": [],
    "startedAt": LONG_AGO,
    "finishedAt": LONG_AGO,
    "steps": [{"name": "s", "phase": "Succeeded", "startedAt": LONG_AGO, "finishedAt": LONG_AGO}],
}
