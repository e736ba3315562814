"""etcd that is put back to an older state is noticed within a minute, and the operator begins anew with what is true then."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.operators import OperatorProcess
from tests.support.tasks import TaskClient, wait_step

from devcluster import processes
from devcluster.binaries import find_or_build
from devcluster.controlplane import ControlPlane, control_plane, ensure, stop

pytestmark = pytest.mark.usefixtures("binaries")
NAMESPACE = "default"
SOON = 60.0
NOWHERE = {"name": "break", "sql": {"statements": ["select 1"]}}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return the folder of a control plane."""
    return tmp_path / "cluster"


@pytest.fixture
def cluster(state: Path) -> Iterator[ControlPlane]:
    """Return a control plane whose etcd can be put back."""
    with control_plane(state) as running:
        yield running


@pytest.fixture
def operator(cluster: ControlPlane, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return an operator that runs."""
    process = OperatorProcess(cluster.operator_kubeconfig, NAMESPACE, tmp_path / "operator.log", OBTASK_SWEEP_SECONDS="1")
    process.start()
    yield process
    process.kill()


def back_up(state: Path) -> None:
    """Keep a copy of etcd's data, which it flushes at its end."""
    stop(state)
    shutil.copytree(state / "etcd", state / "backup")
    ensure(find_or_build(), state, state / "log")


def put_back(state: Path, *, api_server_too: bool) -> None:
    """Put etcd back to the copy; also restart the API server, as the instructions of Kubernetes say, or do not."""
    if api_server_too:
        stop(state)
    else:
        processes.stop([known for known in processes.recorded(state.resolve() / "run") if known.name == "etcd"])
    shutil.rmtree(state / "etcd")
    shutil.copytree(state / "backup", state / "etcd")
    ensure(find_or_build(), state, state / "log")


@pytest.mark.timeout(240)
def test_the_operator_begins_anew(cluster: ControlPlane, state: Path, operator: OperatorProcess) -> None:
    """New tasks and commands are answered, and of two tasks that each held the lock only the one of the backup holds it."""
    tasks = TaskClient(cluster, NAMESPACE)
    tasks.create("first", maintenance="Global", connection={"secretName": "missing"}, steps=[NOWHERE])
    tasks.wait_phase("first", "Failed")
    tasks.create("second", maintenance="Global", connection={"secretName": "missing"}, steps=[NOWHERE])
    tasks.wait_phase("second", "Waiting")
    back_up(state)
    assert operator.alive
    tasks.command("first", "skip")
    tasks.wait_phase("second", "Failed")
    for number in range(20):
        tasks.create(f"lost-{number}", steps=[wait_step("s")])
    tasks.wait_phase("lost-19", "Succeeded")
    time.sleep(2)  # the operator asks once a second how far the API server has come

    put_back(state, api_server_too=True)
    began = time.monotonic()

    tasks.create("new", steps=[wait_step("s")])
    tasks.wait_phase("new", "Succeeded", seconds=SOON)
    assert tasks.status("first")["phase"] == "Failed"
    assert tasks.status("second")["phase"] == "Waiting"
    assert tasks.holders() == {"first"}
    assert tasks.command("first", "skip")["result"] == "Accepted"
    tasks.wait_phase("second", "Failed", seconds=SOON)
    assert time.monotonic() - began < SOON
    assert operator.alive
    assert "etcd was put back to an older state" in operator.log.read_text()
    assert operator.stop() == 0


@pytest.mark.timeout(240)
def test_an_api_server_that_was_not_restarted_is_named(cluster: ControlPlane, state: Path, operator: OperatorProcess) -> None:
    """It shows from memory what etcd does not know any more: nobody can work with that, and the log says what to do."""
    tasks = TaskClient(cluster, NAMESPACE)
    tasks.create("first", maintenance="Global", connection={"secretName": "missing"}, steps=[NOWHERE])
    tasks.wait_phase("first", "Failed")
    back_up(state)
    tasks.command("first", "retry")
    tasks.wait("first", lambda task: task["status"]["steps"][0]["subtasks"][0]["attempts"] == 2)
    time.sleep(2)

    put_back(state, api_server_too=False)

    deadline = time.monotonic() + SOON
    while "restart the API servers" not in operator.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert operator.alive
