"""Several operators, one of which leads."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from tests.support.chart.installed import eventually
from tests.support.operators import OperatorProcess
from tests.support.tasks import TaskClient

from devcluster.controlplane import ControlPlane
from devcluster.ports import free_port
from obtask.runtime.ending import RECORD_SECONDS

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


def asked(port: int, path: str) -> str:
    """Return what an endpoint of an operator says."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            text: str = answer.read().decode().strip()
    except HTTPError as error:
        with error:
            text = error.read().decode().strip()
    return text


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
    tasks.wait_phase("held", "Failed")
    tasks.command("held", "skip")
    assert tasks.wait_phase("queued", "Succeeded")["progress"] == "1/1"
    assert leader(tasks) == "second"


def test_a_standby_ends_at_once(
    control_plane: ControlPlane, tasks: TaskClient, operators: tuple[OperatorProcess, OperatorProcess], tmp_path: Path
) -> None:
    """It knows of tasks that it may not work on, and does not wait until somebody has; the leader goes on."""
    first, health = operators[0], free_port()
    variables = {"OBTASK_LEADER_NAMESPACE": tasks.namespace, "OBTASK_HEALTH_ADDRESS": f"127.0.0.1:{health}"}
    second = OperatorProcess(control_plane.operator_kubeconfig, tasks.namespace, tmp_path / "standby.log", **variables)
    first.start()
    tasks.create("long", steps=[LONG])
    tasks.wait_phase("long", "Running")
    second.start()
    eventually(lambda: asked(health, "/readyz") == "standby", "the standby")

    began = time.monotonic()
    code = second.stop()
    took = time.monotonic() - began

    assert code == 0
    assert took < 2 * RECORD_SECONDS
    assert leader(tasks) == "first"


def test_probes_tell_leader_and_warm_standby(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Both are ready, one of them leads, and the metrics say which; when it ends the other one leads."""
    ports = {name: (free_port(), free_port()) for name in ("first", "second")}
    first, second = (
        OperatorProcess(
            control_plane.operator_kubeconfig,
            namespace,
            tmp_path / f"{name}.log",
            OBTASK_LEADER_NAMESPACE=namespace,
            HOSTNAME=name,
            OBTASK_HEALTH_ADDRESS=f"127.0.0.1:{health}",
            OBTASK_METRICS_ADDRESS=f"127.0.0.1:{metrics}",
        )
        for name, (health, metrics) in ports.items()
    )
    first.start()
    eventually(lambda: asked(ports["first"][0], "/readyz") == "leader", "leadership")
    second.start()
    eventually(lambda: asked(ports["second"][0], "/readyz") == "standby", "the standby")
    seen = [asked(ports[name][0], path) for name in ports for path in ("/healthz", "/readyz")]
    leads = [f"obtask_leader {value}" in asked(ports[name][1], "/metrics") for name, value in (("first", "1.0"), ("second", "0.0"))]
    first.stop()
    eventually(lambda: asked(ports["second"][0], "/readyz") == "leader", "the other one's leadership")
    second.stop()

    assert seen == ["alive", "leader", "alive", "standby"]
    assert leads == [True, True]


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
