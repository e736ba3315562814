"""No operator runs, or it runs and has published nothing yet: what can be seen and said all the same."""

import io
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tests.support.node import Node
from tests.support.operators import operator_settings, operator_thread
from tests.support.patience import happens
from tests.support.plugin import Plugin
from tests.support.tasks import TaskClient, wait_step

from devcluster.controlplane import ControlPlane
from devcluster.errors import DevClusterError
from kubectl_obtask.acting import Given, answers, give
from kubectl_obtask.kubectl import Kubectl
from kubectl_obtask.session import Session
from kubectl_obtask.terminal import Terminal
from kubectl_obtask.wording.language import Language


def in_a_hurry(obtask: Plugin) -> tuple[Session, Callable[[], str]]:
    """Return a session whose seconds are a tenth as long, and what it has said so far."""
    said = io.StringIO()
    terminal = Terminal(said, said, io.StringIO(), interactive=False, colour=False, width=0)
    kubectl = Kubectl(environment=obtask.environment)
    return Session(kubectl, terminal, Language.EN, lambda: datetime.now(UTC), lambda: time.monotonic() * 10), said.getvalue


def test_nobody_answers(obtask: Plugin, module_tasks: TaskClient) -> None:
    """It is said after a while, given up in the end, and a second command is refused as long as the first one waits."""
    module_tasks.create("alone", steps=[wait_step("a", 600)])
    session, said = in_a_hurry(obtask)

    version = give(session, "alone", "cancel", reason="nobody is there")
    assert isinstance(version, int)
    codes = answers(session, module_tasks.namespace, {"alone": Given("cancel", version, "Cancelled")})
    again = obtask.run("cancel", "alone", "-y")
    why = obtask.run("why", "alone").out

    assert codes == {"alone": 124}
    assert "no operator has answered for 10s; is it running?" in said()
    assert "no operator has answered within 1m; the command stays with alone" in said()
    assert (again.code, "another command (cancel) of alone still waits" in again.err) == (5, True)
    assert "no operator has looked at it" in why


@pytest.mark.usefixtures("module_tasks")
def test_a_job_that_the_operator_has_published_nothing_of(obtask: Plugin, module_tasks: TaskClient, control_plane: ControlPlane) -> None:
    """Its container's own log is shown instead, and that it is raw; when the operator is back, its log has its place."""
    script = 'echo "password=$0"; while [ ! -e /nowhere ]; do sleep 1; done'
    settings = operator_settings(control_plane.operator_kubeconfig, module_tasks.namespace)
    with Node(module_tasks.cluster, module_tasks.namespace).running():
        with operator_thread(settings):
            module_tasks.create("raw", steps=[{"name": "work", "job": {"image": "node/any", "command": ["sh", "-c", script]}}])
            module_tasks.wait("raw", lambda task: task.get("status", {}).get("steps", [{}])[0].get("subtasks", [{}])[0].get("job"))
        [job] = module_tasks.api.get(f"/apis/batch/v1/namespaces/{module_tasks.namespace}/jobs")["items"]
        happens(lambda: "password=sh" in _written(module_tasks, job["metadata"]["name"]), "the line of the container", seconds=30)
        for name in module_tasks.api.get(f"/api/v1/namespaces/{module_tasks.namespace}/configmaps")["items"]:
            if name["metadata"]["name"].startswith("obt-log-"):
                module_tasks.kubectl("delete", "configmap", name["metadata"]["name"])

        raw = obtask.run("logs", "raw")
        with operator_thread(settings):
            happens(lambda: "nothing is masked" not in obtask.run("logs", "raw").err, "a log of the operator", seconds=30)
            module_tasks.command("raw", "cancel")
            module_tasks.wait_phase("raw", "Failed")
            kept = obtask.run("logs", "raw")

    assert (raw.code, "password=sh" in raw.out) == (0, True), raw
    assert "as the container wrote it: nothing is masked" in raw.err
    assert "Job " in kept.out
    assert "nothing is masked" not in kept.err


def _written(tasks: TaskClient, job: str) -> str:
    try:
        return tasks.kubectl("logs", f"job/{job}")
    except DevClusterError:  # the pod is not there yet
        return ""
