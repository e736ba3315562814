"""What a standby remembers, which hears of everything for weeks and works on nothing: what is there, and nothing of what was."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from obtask import names
from obtask.kube.client import connect
from obtask.runtime.assembly import Operator, assemble
from obtask.settings import Settings

SPEC = {"type": "Cluster", "cluster": "c", "maintenance": "Global", "steps": [{"name": "s", "wait": {"seconds": 0}}]}
TASKS = 300
KUBECONFIG = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


@pytest.fixture
async def standby(tmp_path: Path) -> AsyncIterator[Operator]:
    """Return an operator that was never elected; it sends nothing."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    api = await connect(str(tmp_path / "kubeconfig"))
    operator = assemble(Settings(runner="standby", leader_namespace="here"), api, lambda: datetime.now(UTC))
    yield operator
    await operator.executors.close()
    await api.close()


def task(name: str, version: int, phase: str, **metadata: Any) -> dict[str, Any]:
    """Return a version of a task."""
    moment = "2026-11-23T07:00:00Z"
    meta = {"namespace": "prod", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version), "creationTimestamp": moment}
    status: dict[str, Any] = {"phase": phase} if phase == "Pending" else {"phase": phase, "observedGeneration": 1}
    if phase == "Succeeded":
        status["finishedAt"] = moment
    return {"metadata": meta | metadata, "spec": SPEC, "status": status}


def lives(operator: Operator, name: str, versions: Iterator[int], *, deleted: bool) -> None:
    """Have a task come, run and end, as the watches tell of it."""
    held = {"finalizers": [names.FINALIZER]}
    for phase, metadata in (("Pending", {}), ("Waiting", {}), ("Running", held), ("Succeeded", held), ("Succeeded", {})):
        change = "ADDED" if phase in {"Pending", "Waiting"} else "MODIFIED"  # an event that comes again is told as ADDED, too
        operator.handlers.see(names.PLURAL, change, task(name, next(versions), phase, **metadata))
    if deleted:
        operator.handlers.see(names.PLURAL, "DELETED", task(name, next(versions), "Succeeded"))


@pytest.mark.parametrize("deleted", [False, True])
async def test_nothing_is_left_of_what_has_ended(standby: Operator, deleted: bool) -> None:
    """However many tasks came and went, and whether they were deleted or stay as finished ones."""
    versions = count(1)
    for number in range(TASKS):
        lives(standby, f"t-{number}", versions, deleted=deleted)

    cache, queue = standby.cache, standby.queue
    assert cache.tasks.all() == {}
    assert (cache.locks.uids(), cache.locks._domains) == (set(), {})
    assert (queue.waiting, queue._again, queue._due_at, queue._timers) == (0, set(), {}, [])
    assert standby.metrics.registry.get_sample_value("obtask_tasks_due") == 0


async def test_a_standby_has_nothing_due_before_it_leads(standby: Operator) -> None:
    """What it knows of is the leader's to do; once it leads itself, it does all of it."""
    standby.handlers.see(names.PLURAL, "ADDED", task("one", 1, "Pending"))

    assert standby.metrics.registry.get_sample_value("obtask_tasks_due") == 0
    standby.cache.lead()
    assert standby.metrics.registry.get_sample_value("obtask_tasks_due") == 1
