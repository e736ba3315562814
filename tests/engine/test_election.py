"""The Lease of the leader: whoever saw a leader leaves it the Lease for its time, even if somebody deletes it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from tests.kubectl import Kubectl

from devcluster.controlplane import ControlPlane
from obtask.kube import client as api
from obtask.kube.client import Api
from obtask.kube.election import ElectionLock

NAME = "obtask-operator"


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """Return the operators' way to the API server."""
    connected = await api.connect(str(control_plane.operator_kubeconfig))
    yield connected
    await connected.close()


def candidate(client: Api, namespace: str, identity: str) -> ElectionLock:
    """Return what a candidate knows of the Lease: nothing yet."""
    return ElectionLock(client, name=NAME, namespace=namespace, identity=identity, seconds=3600, clock=lambda: datetime.now(UTC))


async def create(lock: ElectionLock, namespace: str) -> bool:
    """Let a candidate make the Lease."""
    return await lock.create(NAME, namespace, LeaderElectionRecord(lock.identity, "seconds", "held", "held"))


async def test_a_lease_that_is_deleted_under_its_leader_is_left_to_it(client: Api, namespace: str, kubectl: Kubectl) -> None:
    """A standby that saw the leader does not make a new one; the leader does, and so may somebody who never saw it."""
    leader, standby = candidate(client, namespace, "leader"), candidate(client, namespace, "standby")
    assert await create(leader, namespace)
    assert (await standby.get(NAME, namespace))[0]
    kubectl("delete", "lease", NAME, "-n", namespace)
    assert not (await standby.get(NAME, namespace))[0]

    assert not await create(standby, namespace)
    assert await create(leader, namespace)


async def test_a_lease_that_was_handed_over_is_free(client: Api, namespace: str, kubectl: Kubectl) -> None:
    """Nobody waits for a leader that has resigned."""
    leader, standby = candidate(client, namespace, "leader"), candidate(client, namespace, "standby")
    assert await create(leader, namespace)
    await standby.get(NAME, namespace)
    await leader.resign()
    await standby.get(NAME, namespace)
    kubectl("delete", "lease", NAME, "-n", namespace)

    assert await create(standby, namespace)
