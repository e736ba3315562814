"""What a full quota refuses is not the end of it: others make room. API.md sections 2 and 3.2."""

import pytest
from tests.support.apiserver import Body
from tests.support.kubectl import Kubectl
from tests.support.operators import operator_thread
from tests.support.rights import grant
from tests.support.tasks import TaskClient
from tests.system.jobs import job_step, jobs

from obtask.settings import Settings

QUOTAS = "/api/v1/namespaces/{}/resourcequotas"


def quota(tasks: TaskClient, resource: str, used: int) -> None:
    """Let the namespace have one more, or no more, of a resource: nobody counts here but the API server."""
    hard = {f"count/{resource}": "1000"}
    path = f"{QUOTAS.format(tasks.namespace)}/few"
    if used:
        tasks.api.send("POST", QUOTAS.format(tasks.namespace), {"metadata": {"name": "few"}, "spec": {"hard": hard}})
    tasks.api.send("PATCH", f"{path}/status", {"status": {"hard": hard, "used": {f"count/{resource}": str(used)}}})


def only(task: Body) -> Body:
    """Return the status of the first subtask; nothing if there is none yet."""
    steps = task.get("status", {}).get("steps") or [{"subtasks": [{}]}]
    found: Body = steps[0]["subtasks"][0]
    return found


@pytest.mark.usefixtures("operator", "node")
def test_a_job_waits_for_a_place_in_the_quota(tasks: TaskClient) -> None:
    """The message says which quota is full and what to do; the same attempt goes on when there is room."""
    quota(tasks, "jobs.batch", 1000)
    tasks.create("load", steps=[job_step("s", "true")])
    waiting = only(tasks.wait("load", lambda task: "quota" in only(task).get("message", "")))
    assert 'free some of ResourceQuota "few", or raise it' in waiting["message"]
    assert (waiting["phase"], jobs(tasks)) == ("Running", [])

    quota(tasks, "jobs.batch", 0)

    ended = tasks.wait_let_go("load", "Succeeded")
    assert only({"status": ended})["attempts"] == 1


@pytest.mark.usefixtures("node")
def test_a_pod_waits_for_a_place_in_the_quota(tasks: TaskClient, settings: Settings) -> None:
    """That takes longer than a pod may take to start, and is no failure: the message says which quota is full."""
    quota(tasks, "pods", 1000)
    tasks.create("load", steps=[job_step("s", "true")])
    with operator_thread(settings.model_copy(update={"pod_start_seconds": 2})):
        waiting = only(tasks.wait("load", lambda task: "quota" in only(task).get("message", "")))
        assert waiting["message"].startswith("no pod can be made: ")
        assert 'free some of ResourceQuota "few", or raise it' in waiting["message"]

        quota(tasks, "pods", 0)

        tasks.wait_let_go("load", "Succeeded", seconds=120)


@pytest.mark.usefixtures("operator", "node")
def test_a_job_that_got_no_place_has_changed_nothing(tasks: TaskClient) -> None:
    """Its time is over: the failure names the quota, and a rollback has nothing to undo."""
    quota(tasks, "jobs.batch", 1000)
    tasks.create("load", steps=[job_step("s", "true", timeoutSeconds=3, rollback={"job": {"image": "node/any"}})])
    failed = tasks.wait_phase("load", "Failed")
    assert failed["failedSubtask"]["reason"] == "Timeout"
    assert 'ResourceQuota "few"' in failed["failedSubtask"]["message"]
    assert only({"status": failed})["changed"] is False

    tasks.command("load", "rollback")

    undone = only({"status": tasks.wait_let_go("load", "RolledBack")})
    assert (undone["message"], undone.get("rollbackAttempts", 0)) == ("nothing to undo: it changed nothing", 0)


@pytest.mark.usefixtures("operator")
def test_a_changed_object_is_tried_again(tasks: TaskClient, kubectl: Kubectl) -> None:
    """A full quota is Forbidden, too, but not for ever: automatic retries apply to it, and not to a missing right."""
    grant(kubectl, tasks.namespace, "runner")
    quota(tasks, "configmaps", 1000)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    retry = {"limit": 20, "backoffSeconds": 1, "maxBackoffSeconds": 1}
    step = {"name": "s", "resource": {"apply": manifest}, "autoRetry": retry}
    tasks.create("allowed", serviceAccountName="runner", steps=[step])
    tasks.create("not-allowed", serviceAccountName="default", steps=[step])
    tasks.wait("allowed", lambda task: 'ResourceQuota "few"' in only(task).get("message", ""))
    assert tasks.status("allowed")["phase"] == "Running"

    quota(tasks, "configmaps", 0)

    tasks.wait_let_go("allowed", "Succeeded")
    refused = tasks.wait_phase("not-allowed", "Failed")
    assert only({"status": refused})["attempts"] == 1
    assert "grant patch on configmaps" in refused["failedSubtask"]["message"]
