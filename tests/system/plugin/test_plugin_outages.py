"""An API server that is slow, breaks its streams, or is away for a while: waiting and following go on. API.md section 10."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Gateway
from tests.support.kubectl import Kubectl
from tests.support.plugin import Plugin, plugin
from tests.support.tasks import TaskClient, sql_step, wait_step
from tests.support.verdicts import Delay

from devcluster.controlplane import ControlPlane

pytestmark = pytest.mark.usefixtures("module_operator")
SQL = {"connection": {"secretName": "seekdb"}}


@pytest.fixture(scope="module")
def readable(kubectl: Kubectl, module_namespace: str) -> None:
    """Let the account of the gateway, which is the operator's, read what people may."""
    kubectl("create", "rolebinding", "reads", "--clusterrole=view", "--user=obtask-operator", "-n", module_namespace)


@pytest.fixture
def far(control_plane: ControlPlane, module_namespace: str, readable: None, tmp_path: Path) -> Iterator[tuple[Gateway, Plugin]]:  # noqa: ARG001
    """Return the plugin behind a gateway that can fail; the operator is not behind it."""
    with Gateway(control_plane, tmp_path).running() as gateway:
        yield gateway, plugin(control_plane, module_namespace, tmp_path / "plugin", source=gateway.kubeconfig)


def until(running: "subprocess.Popen[str]", text: str, found: list[str]) -> None:
    """Read lines until one has the text."""
    assert running.stdout is not None
    for line in running.stdout:
        found.append(line.rstrip("\n"))
        if text in line:
            return
    raise AssertionError(f"{text!r} was not said: {found}")


def test_following_goes_on_when_the_api_server_is_back(far: tuple[Gateway, Plugin], module_tasks: TaskClient) -> None:
    """Every line is printed once, in order: those of the time of the outage, too; the user is told once that it is away."""
    gateway, obtask = far
    talk = [sql_step(name, f"select '{name}'", "select sleep(3)") for name in ("one", "two", "three")]
    module_tasks.create("spoken", **SQL, steps=[{"name": "ask", "approve": {}}, *talk])
    found: list[str] = []

    with obtask.started("logs", "spoken", "-f") as running:
        until(running, "awaits approval", found)
        module_tasks.command("spoken", "approve")
        until(running, "select 'one'", found)
        gateway.shut()
        until(running, "trying again", found)
        module_tasks.wait("spoken", lambda task: task["status"].get("currentStep") not in {"ask", "one"})
        gateway.open()
        until(running, "nothing more to follow", found)
        assert running.wait(20) == 0

    text = "\n".join(found)
    assert [line.rpartition(" ")[2] for line in found if "statement 1 of 2: select" in line] == ["'one'", "'two'", "'three'"]
    assert [line for line in found if line.startswith("==>") and "ask" not in line] == [
        "==> one #1 <==",
        "==> two #1 <==",
        "==> three #1 <==",
    ]
    assert text.count("trying again") == text.count("answers again") == 1
    assert text.count("succeeded: 2 statements") == 3


def test_waiting_goes_on_when_the_api_server_is_back(far: tuple[Gateway, Plugin], module_tasks: TaskClient) -> None:
    """What became of the task meanwhile is seen; a broken stream alone is not worth a word."""
    gateway, obtask = far
    module_tasks.create("patient", steps=[wait_step("long", 6)])
    found: list[str] = []

    with obtask.started("wait", "patient") as running:
        until(running, "patient: Running", found)
        gateway.shut()
        until(running, "trying again", found)
        module_tasks.wait_phase("patient", "Succeeded")
        gateway.open()
        until(running, "patient: Succeeded", found)
        assert running.wait(20) == 0

    assert [line.partition(":")[0] for line in found] == [
        "patient",
        "the API server does not answer, trying again",
        "the API server answers again",
        "patient",
    ]


def test_an_api_server_that_stays_away(far: tuple[Gateway, Plugin], module_tasks: TaskClient) -> None:
    """A wait ends at its time, other commands at once, and neither hangs."""
    gateway, obtask = far
    module_tasks.create("nobody-sees", steps=[wait_step("long", 600)])
    gateway.shut()

    began = time.monotonic()
    waited = obtask.run("wait", "nobody-sees", "--timeout", "2s")
    listed = obtask.run("list")

    assert (waited.code, listed.code) == (124, 1)
    assert "refused" in waited.err
    assert time.monotonic() - began < 20


def test_a_slow_api_server(far: tuple[Gateway, Plugin], module_tasks: TaskClient) -> None:
    """Everything takes longer, and works."""
    gateway, obtask = far
    module_tasks.create("slow", steps=[{"name": "ask", "approve": {}}, wait_step("then")])
    module_tasks.wait("slow", lambda task: task.get("status", {}).get("reason") == "AwaitingApproval")
    gateway.rule = lambda *_: Delay(1.0)

    assert "slow" in obtask.run("list").out
    approved = obtask.run("approve", "slow", "-y")
    assert (approved.code, "slow: Succeeded 2/2" in approved.err) == (0, True), approved


def test_impatient_people_can_say_so(far: tuple[Gateway, Plugin]) -> None:
    """Kubectl's own flag for it is passed on, like all of them."""
    gateway, obtask = far
    gateway.rule = lambda *_: Delay(30.0)

    began = time.monotonic()
    listed = obtask.run("list", "--request-timeout=1s")

    assert listed.code == 1
    assert time.monotonic() - began < 15
