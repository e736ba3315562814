"""Several operators, one of which leads."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.operators import OperatorProcess
from tests.scenario.tasks import TaskClient

from obtask.devcluster.controlplane import ControlPlane

LONG = {"name": "long", "wait": {"seconds": 3600}}
SHORT = {"name": "short", "wait": {"seconds": 0}}


@pytest.fixture
def operators(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """Return two operators that stand for election in the test's namespace, not started yet."""
    pair = tuple(
        OperatorProcess(
            control_plane.operator_kubeconfig, namespace, tmp_path / f"{name}.log", OBTASK_LEADER_NAMESPACE=namespace, HOSTNAME=name
        )
        for name in ("first", "second")
    )
    yield pair[0], pair[1]
    for operator in pair:
        operator.kill()


def leader(tasks: TaskClient) -> str:
    """Return the host that leads."""
    lease = json.loads(tasks.kubectl("get", "lease", "obtask-operator", "-o", "json"))
    return str(lease["spec"].get("holderIdentity") or "").partition(".")[0]


def test_a_standby_takes_over_when_the_leader_ends_in_order(tasks: TaskClient, operators: tuple[OperatorProcess, OperatorProcess]) -> None:
    """SIGTERM hands leadership over without waiting for the Lease to expire; the standby knows all tasks already."""
    first, second = operators
    first.start()
    tasks.create("before", maintenance="Global", steps=[SHORT])
    tasks.wait_phase("before", "Succeeded")
    second.start()
    tasks.create("held", maintenance="Global", steps=[LONG])
    tasks.wait_phase("held", "Running")
    tasks.create("queued", maintenance="Tenant", tenant="t", steps=[SHORT])
    tasks.wait_phase("queued", "Waiting")
    assert leader(tasks) == "first"

    assert first.stop() == 0

    tasks.command("held", "cancel")
    tasks.command("held", "skip")
    assert tasks.wait_phase("queued", "Succeeded")["progress"] == "1/1"
    assert leader(tasks) == "second"


def test_a_standby_does_no_work(tasks: TaskClient, operators: tuple[OperatorProcess, OperatorProcess]) -> None:
    """Every attempt is recorded by the leader, however many operators run."""
    first, second = operators
    first.start()
    tasks.create("zero", steps=[SHORT])
    runner = tasks.wait_phase("zero", "Succeeded")["steps"][0]["subtasks"][0]["runner"]
    second.start()

    for number in range(5):
        tasks.create(f"task-{number}", steps=[SHORT])
    runners = {tasks.wait_phase(f"task-{number}", "Succeeded")["steps"][0]["subtasks"][0]["runner"] for number in range(5)}

    assert runners == {runner}
