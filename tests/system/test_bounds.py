"""What an operator refuses on its own, where no policy did: its own namespace, actions that are off, closed namespaces."""

from tests.support.operators import operator_thread
from tests.support.tasks import TaskClient, sql_step, wait_step

from devcluster.controlplane import ControlPlane
from obtask.settings import Settings


def settings(control_plane: ControlPlane, namespace: str) -> Settings:
    """Return settings of an operator with all rights, for one namespace."""
    return Settings(kubeconfig=str(control_plane.kubeconfig), namespaces=(namespace,), runner="h.p.1.2", grace_seconds=1)


def test_tasks_out_of_bounds_are_rejected(control_plane: ControlPlane, tasks: TaskClient) -> None:
    """In the operator's own namespace all of them; elsewhere those with a kind of action that is off. Others are carried out."""
    own = settings(control_plane, tasks.namespace)
    with operator_thread(own.model_copy(update={"actions": ("wait",)})):
        tasks.create("off", steps=[wait_step("a"), sql_step("b", "select 1")])
        tasks.create("on", steps=[wait_step("a")])
        off = tasks.wait_phase("off", "Rejected")
        tasks.wait_let_go("on", "Succeeded")
    with operator_thread(own.model_copy(update={"service_account": (tasks.namespace, "obtask-operator")})):
        tasks.create("own", steps=[wait_step("a")])
        in_own = tasks.wait_phase("own", "Rejected")

    assert (off["reason"], in_own["reason"]) == ("InvalidSpec", "InvalidSpec")
    assert "spec.steps[1].sql: steps of this kind are switched off by OBTASK_ACTIONS=wait" in off["message"]
    assert "operator's own namespace" in in_own["message"]


def test_a_task_waits_for_its_namespace_to_be_opened(control_plane: ControlPlane, tasks: TaskClient) -> None:
    """It says what to type, and goes on by itself once that is done."""
    with operator_thread(settings(control_plane, tasks.namespace).model_copy(update={"opt_in": True})):
        tasks.create("waits", maintenance="Global", steps=[wait_step("a")])
        told = tasks.wait("waits", lambda task: "open to tasks" in task.get("status", {}).get("message", ""))
        tasks.kubectl("label", "namespace", tasks.namespace, "task.oceanbase.com/enabled=true")
        # An operator looks again every 30 s; a change of the task is a reason to look at once, when what it remembers has aged.
        tasks.wait_let_go("waits", "Succeeded", seconds=60)

    assert told["status"]["phase"] == "Pending"
    assert f"kubectl label namespace {tasks.namespace} task.oceanbase.com/enabled=true" in told["status"]["message"]
