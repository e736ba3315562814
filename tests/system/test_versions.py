"""An operator and a CRD of different versions, on an API server of their own."""

import copy
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
from tests.support.chart.installed import eventually
from tests.support.operators import OperatorProcess
from tests.support.tasks import TaskClient, wait_step

from devcluster.controlplane import ControlPlane, control_plane
from devcluster.errors import DevClusterError
from devcluster.ports import free_port
from obtask.model.schema import custom_resource_definitions

pytestmark = pytest.mark.usefixtures("binaries")
NAME = "obtasks.task.oceanbase.com"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return an API server whose CRD nobody else needs."""
    with control_plane(tmp_path_factory.mktemp("versions") / "cluster") as running:
        yield running


@pytest.fixture
def address() -> str:
    """Return where the operator answers probes."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def operator(cluster: ControlPlane, address: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return an operator of this version, not started yet."""
    process = OperatorProcess(cluster.operator_kubeconfig, "default", tmp_path / "log", OBTASK_HEALTH_ADDRESS=address)
    yield process
    process.kill()


def ready(address: str) -> str:
    """Return what the operator answers to Kubernetes' question; nothing if it does not listen."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=30) as answer:
            return f"{answer.status} {answer.read().decode().strip()}"
    except HTTPError as error:
        with error:
            return f"{error.code} {error.read().decode().strip()}"
    except URLError:
        return ""


def definition(version: str, *, without: tuple[str, ...] = (), more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the CRD of another version, whose status has some fields less or more."""
    found = copy.deepcopy(custom_resource_definitions()[0])
    schema = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["description"] = re.sub(r"obtask-operator \S+", f"obtask-operator {version}.", schema["description"])
    status = schema["properties"]["status"]["properties"]
    for name in without:
        del status[name]
    status.update({name: {"type": "string", "description": "Something new."} for name in more})
    return found


def install(cluster: ControlPlane, body: dict[str, Any], seen: str) -> None:
    """Have this CRD in the cluster, and wait until what it is known by is published."""
    cluster.kubectl.apply([body])

    def published() -> bool:
        try:
            return seen in cluster.kubectl.run(["get", "--raw", "/openapi/v3/apis/task.oceanbase.com/v1alpha1"])
        except DevClusterError as error:
            if "NotFound" in str(error):
                return False
            raise

    eventually(published, "the published schema")


def check(cluster: ControlPlane) -> subprocess.CompletedProcess[str]:
    """Run `obtask check` as the operator."""
    words = ["check", "--kubeconfig", str(cluster.operator_kubeconfig), "--namespace", "default"]
    return subprocess.run([sys.executable, "-m", "obtask", *words], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603


def test_an_older_crd_is_refused(cluster: ControlPlane, operator: OperatorProcess) -> None:
    """What the operator writes would be dropped without a word: it ends, and one line names both versions, the fields and the remedy."""
    install(cluster, definition("0.0.9", without=("lastAction", "blockedBy", "lock", "progress")), "obtask-operator 0.0.9")

    result = check(cluster)
    started = operator.starts()

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert f"the CRD {NAME} in the cluster (obtask-operator 0.0.9) does not fit this operator (obtask-operator 0." in result.stderr
    assert "it lacks status.progress, status.blockedBy, status.lock and 1 more" in result.stderr
    assert "type: `helm upgrade` of the chart, or `obtask crd | kubectl apply --server-side -f -`" in result.stderr
    assert not started
    assert operator.wait() == 1
    assert operator.log.read_text().splitlines()[-1] == result.stderr.strip()


def test_a_crd_that_comes_a_moment_later_is_waited_for(cluster: ControlPlane, operator: OperatorProcess, address: str) -> None:
    """Not ready meanwhile, so that a rolling update does not go on; then it starts by itself."""
    cluster.kubectl.run(["delete", "crd", NAME])
    eventually(lambda: "is not installed; type: `helm upgrade`" in check(cluster).stderr, "the end of the CRD")

    with ThreadPoolExecutor() as beside:
        started = beside.submit(operator.starts)
        eventually(lambda: ready(address) == "503 loading", "an operator that waits")
        install(cluster, custom_resource_definitions()[0], "OBTask")
        assert started.result(), operator.log.read_text()

    assert f"waiting for at most 10 s: the CRD {NAME} is not installed" in operator.log.read_text()
    eventually(lambda: ready(address) == "200 leader", "the operator")


def test_a_newer_crd_is_accepted(cluster: ControlPlane, operator: OperatorProcess) -> None:
    """An operator that is older than the CRD, as in the middle of an upgrade or after a step back, works on, and its log says so."""
    install(cluster, definition("99.0.0", more=("colour",)), "colour")

    operator.start()
    tasks = TaskClient(cluster, "default")
    tasks.create("older", steps=[wait_step("s")])

    assert tasks.wait_phase("older", "Succeeded")["progress"] == "1/1"
    assert "the CRD (obtask-operator 99.0.0) has what this operator" in operator.log.read_text()
    assert check(cluster).returncode == 0
