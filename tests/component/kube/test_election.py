"""The Lease of the leader: who may take it, and when."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.kubectl import Kubectl

from devcluster.controlplane import ControlPlane
from obtask.kube import client as api
from obtask.kube.client import Api
from obtask.kube.election import ElectionLease

NAME = "obtask-operator"
SECONDS = 15


@dataclass
class Time:
    """The time as a candidate sees it: monotonic seconds, and a clock that people may set."""

    seconds: float = 1000.0
    ahead: timedelta = timedelta()

    def timer(self) -> float:
        """Return monotonic seconds."""
        return self.seconds

    def clock(self) -> datetime:
        """Return the time of the machine's clock."""
        return datetime.now(UTC) + self.ahead


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Api]:
    """Return the operators' way to the API server."""
    connected = await api.connect(str(control_plane.operator_kubeconfig))
    yield connected
    await connected.close()


@pytest.fixture
def time() -> Time:
    """Return the time of all candidates of the test."""
    return Time()


def candidate(client: Api, namespace: str, identity: str, time: Time) -> ElectionLease:
    """Return what a candidate knows of the Lease: nothing yet."""
    return ElectionLease(client, name=NAME, namespace=namespace, identity=identity, seconds=SECONDS, clock=time.clock, timer=time.timer)


async def test_a_lease_that_is_renewed_stays_with_its_leader(client: Api, namespace: str, time: Time) -> None:
    """A standby may look for as long as it likes; nobody else's clock matters, not even one that is years ahead."""
    leader, standby = candidate(client, namespace, "leader", time), candidate(client, namespace, "standby", time)
    for _ in range(5):
        assert await leader.take()
        assert not await standby.take()
        time.seconds += SECONDS - 1
        time.ahead += timedelta(days=365)

    assert await leader.take()
    assert leader.unrenewed_seconds == 0


async def test_a_lease_that_is_not_renewed_is_taken_over(client: Api, namespace: str, kubectl: Kubectl, time: Time) -> None:
    """After the time of a Lease since it was seen to be renewed, and no sooner; the leader of before gets nothing then."""
    leader, standby = candidate(client, namespace, "leader", time), candidate(client, namespace, "standby", time)
    assert await leader.take()
    assert not await standby.take()
    time.seconds += SECONDS - 0.1
    assert not await standby.take()
    time.seconds += 0.1

    assert await standby.take()
    assert not await leader.take()
    assert leader.unrenewed_seconds == SECONDS
    held = kubectl("get", "lease", NAME, "-n", namespace, "-o", "jsonpath={.spec.holderIdentity} {.spec.leaseTransitions}")
    assert held == "standby 2"


async def test_a_lease_that_is_deleted_under_its_leader_is_left_to_it(client: Api, namespace: str, kubectl: Kubectl, time: Time) -> None:
    """A standby that saw the leader does not make a new one; the leader does, and so may somebody who never saw it."""
    leader, standby = candidate(client, namespace, "leader", time), candidate(client, namespace, "standby", time)
    assert await leader.take()
    assert not await standby.take()
    kubectl("delete", "lease", NAME, "-n", namespace)

    assert not await standby.take()
    assert await leader.take()
    kubectl("delete", "lease", NAME, "-n", namespace)
    assert await candidate(client, namespace, "stranger", time).take()


async def test_a_lease_that_was_handed_over_is_free(client: Api, namespace: str, kubectl: Kubectl, time: Time) -> None:
    """Nobody waits for a leader that has resigned, also when the empty Lease is deleted."""
    leader, standby = candidate(client, namespace, "leader", time), candidate(client, namespace, "standby", time)
    assert await leader.take()
    assert not await standby.take()
    await leader.resign()
    assert await standby.take()
    await standby.resign()
    assert await leader.take()
    await leader.resign()
    kubectl("delete", "lease", NAME, "-n", namespace)

    assert await standby.take()


async def test_only_the_leader_resigns(client: Api, namespace: str, time: Time) -> None:
    """A standby that ends takes nothing from the leader."""
    leader, standby = candidate(client, namespace, "leader", time), candidate(client, namespace, "standby", time)
    assert await leader.take()
    await standby.resign()

    assert not await standby.take()
    assert await leader.take()
