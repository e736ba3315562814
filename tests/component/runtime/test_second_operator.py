"""An operator that is behind another one: what it claims for a task that has ended is given back at once."""

from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.tasks import TaskClient, wait_step

from devcluster.controlplane import ControlPlane
from obtask import names
from obtask.engine.outcome import Again
from obtask.kube import client as api
from obtask.kube.client import Api
from obtask.model.task import Key
from obtask.runtime.assembly import Operator, assemble
from obtask.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with its tasks, and the operators' way to the API server."""

    tasks: TaskClient
    client: Api

    def operator(self, runner: str) -> Operator:
        """Return an operator that is told nothing; its reconciles are made by the test."""
        return assemble(Settings(namespaces=(self.tasks.namespace,), runner=runner), self.client, lambda: datetime.now(UTC))

    def key(self, name: str) -> Key:
        """Return the key of a task."""
        return Key(self.tasks.namespace, name)


@pytest.fixture
async def place(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Place]:
    """Return a namespace on the real API server, in which no operator runs by itself."""
    client = await api.connect(str(control_plane.operator_kubeconfig))
    yield Place(TaskClient(control_plane, namespace), client)
    await client.close()


def guarded(body: dict[str, Any]) -> dict[str, Any]:
    """Return a new task as an operator finds it that is about to take its lock."""
    found = deepcopy(body)
    found["metadata"]["finalizers"] = [names.FINALIZER]
    found["metadata"]["annotations"] = {names.ADOPTED_ANNOTATION: found["metadata"]["uid"]}
    return found


async def end(operator: Operator, key: Key) -> None:
    """Give a task reconciles until nothing is left to do for it."""
    while await operator.engine.reconcile(key) == Again(timedelta()):
        pass


async def test_a_claim_for_a_task_that_has_ended_is_given_back(place: Place) -> None:
    """The Lease of a task that another operator has carried out in the meantime is free after the reconcile, not only after a sweep."""
    created = place.tasks.create("one", maintenance="Global", steps=[wait_step("s")])
    behind, ahead = place.operator("behind"), place.operator("ahead")
    behind.cache.update(guarded(created))
    ahead.cache.update(created)
    await end(ahead, place.key("one"))
    assert place.tasks.status("one")["phase"] == "Succeeded"
    (lease,) = place.tasks.leases().values()

    await end(behind, place.key("one"))

    (after,) = place.tasks.leases().values()
    assert int(after["metadata"]["resourceVersion"]) > int(lease["metadata"]["resourceVersion"]), "nothing was claimed"
    assert not place.tasks.holders()
