"""Actions that run inside the operator, with the rights that the chart gives it: resource, wait, http."""

from tests.e2e.accounts import make_runner
from tests.e2e.release import Release
from tests.support.tasks import Tasks, wait_step

MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"by": "a step"}}


def test_a_resource_step_runs_as_the_tasks_account(tasks: Tasks) -> None:
    """The operator impersonates the account: what that may do is done and undone, what it may not is Forbidden."""
    account = make_runner(tasks)
    apply = {"name": "apply", "resource": {"apply": MAP}, "rollback": {"resource": {"restore": True}}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made"}}
    tasks.create("able", serviceAccountName=account, steps=[apply, wait_step("pause", 1), {"name": "s", "resource": {"apply": secret}}])

    told = tasks.wait_phase("able", "Failed")["failedSubtask"]
    made = tasks.kubectl("get", "configmap", "made", "-o", "jsonpath={.data.by}")
    tasks.command("able", "rollback")
    tasks.wait_let_go("able", "RolledBack")

    assert (told["step"], told["reason"]) == ("s", "Forbidden")
    assert f"system:serviceaccount:{tasks.namespace}:{account}" in told["message"]
    assert made == "a step"
    assert tasks.kubectl("get", "configmap", "made", "--ignore-not-found") == ""


def test_an_http_step_reaches_a_service(tasks: Tasks, release: Release) -> None:
    """Names of the cluster resolve in the operator's Pod: it reads its own metrics through their Service."""
    services = release.kubectl("get", "service", "-l", f"app.kubernetes.io/instance={release.name}", "-o", "name").split()
    name = services[0].removeprefix("service/")
    url = f"http://{name}.{release.name}.svc:9090/metrics"
    tasks.create("metrics", steps=[{"name": "s", "http": {"url": url, "expect": 'status == 200 && body.contains("obtask_leader")'}}])

    assert tasks.wait_let_go("metrics")["phase"] == "Succeeded"
