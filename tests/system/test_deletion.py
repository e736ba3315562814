"""A deleted task that somebody else's finalizer keeps in the API server. API.md section 5: what is owed does not wait for others."""

import pytest
from tests.support.apiserver import OBTASKS
from tests.support.operators import operator_thread
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step
from tests.system.scene import Scene, happens

HOOK = "argocd.argoproj.io/hook-finalizer"
PATIENT = "select sleep(25)"


def held(tasks: TaskClient, name: str, *steps: dict[str, object], **spec: object) -> None:
    """Create a task with a finalizer of Argo CD."""
    manifest = tasks.manifest(name, **{"maintenance": "Global", **spec}, steps=list(steps))
    manifest["metadata"]["finalizers"] = [HOOK]
    tasks.api.send("POST", OBTASKS.format(tasks.namespace), manifest)


def release(tasks: TaskClient, name: str) -> None:
    """Take all finalizers off a task, as whoever has put them on does."""
    tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/{name}", {"metadata": {"finalizers": []}})


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("step", [sql_step("s", FAILING), sql_step("s", PATIENT)], ids=["Failed", "Running"])
def test_the_lock_is_free_although_the_object_stays(tasks: TaskClient, connection: str, step: dict[str, object]) -> None:
    """The end is stored, the waiter runs, a command is answered, and only the other's finalizer is left."""
    held(tasks, "hook", step, connection={"secretName": connection})
    tasks.wait("hook", lambda task: "lock" in task.get("status", {}))
    tasks.wait_phase("hook", "Failed", "Running")
    if "sleep" not in str(step):
        tasks.wait_phase("hook", "Failed")
    tasks.create("next", maintenance="Global", steps=[wait_step("s")])
    tasks.wait_phase("next", "Waiting")

    tasks.delete("hook")

    tasks.wait_phase("next", "Succeeded")
    status = tasks.wait_phase("hook", "Skipped")
    assert (status["reason"], status["allowedActions"]) == ("SkippedByUser", [])
    assert "deleted while" in status["message"]
    assert HOOK in status["message"]
    assert "lock" not in status
    body = tasks.wait("hook", lambda task: task["metadata"]["finalizers"] == [HOOK])
    assert not any(sub["phase"] == "Running" for part in body["status"]["steps"] for sub in part["subtasks"])
    answer = tasks.command("hook", "skip")
    assert (answer["result"], "being deleted" in answer["message"]) == ("Rejected", True)
    assert "action" not in tasks.get("hook")["metadata"].get("annotations", {})

    release(tasks, "hook")
    tasks.wait_gone("hook")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("policy", ["Foreground", "Orphan"])
def test_the_garbage_collectors_own_finalizers_hold_nobody_up(scene: Scene, policy: str) -> None:
    """With every way to delete, a failed task goes, and whoever waits for its lock runs."""
    scene.create("first", sql_step("s", FAILING))
    scene.tasks.wait_phase("first", "Failed")
    scene.create("next", wait_step("s"))
    scene.tasks.wait_phase("next", "Waiting")

    options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
    scene.tasks.api.send("DELETE", f"{OBTASKS.format(scene.tasks.namespace)}/first", options)

    scene.tasks.wait_phase("next", "Succeeded")


@pytest.mark.usefixtures("operator")
def test_a_waiting_task_that_others_hold_leaves_the_line(scene: Scene) -> None:
    """It ends Cancelled, and nobody waits behind it."""
    scene.create("first", sql_step("s", FAILING))
    scene.tasks.wait_phase("first", "Failed")
    held(scene.tasks, "second", wait_step("s"))
    scene.tasks.wait_phase("second", "Waiting")

    scene.tasks.delete("second")

    status = scene.tasks.wait_phase("second", "Cancelled")
    assert "deleted before its first step started" in status["message"]
    release(scene.tasks, "second")


def test_what_was_deleted_while_no_operator_ran_is_ended(scene: Scene) -> None:
    """The next operator does what is owed."""
    with operator_thread(scene.settings):
        held(scene.tasks, "hook", sql_step("s", FAILING), connection={"secretName": scene.connection})
        scene.tasks.wait_phase("hook", "Failed")
    scene.tasks.delete("hook")

    with operator_thread(scene.settings):
        scene.tasks.wait_phase("hook", "Skipped")
        scene.tasks.wait_free()
    release(scene.tasks, "hook")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("again", [False, True], ids=["alone", "with a namesake"])
def test_a_task_without_a_finalizer_is_stopped_by_its_deletion(scene: Scene, *, again: bool) -> None:
    """Without a lock it is gone at once; then its statement is stopped, and the next task of its name runs as a task of its own."""
    statement = f"select sleep(290), '{scene.tasks.namespace}'"

    def runs() -> bool:
        return (statement,) in scene.journal.run("select info from information_schema.processlist")

    scene.create("x", sql_step("s", statement), maintenance="None")
    happens(runs, "the statement")
    assert "finalizers" not in scene.tasks.get("x")["metadata"]

    scene.tasks.delete("x")
    if again:
        scene.create("x", sql_step("s", scene.journal.note), maintenance="None")
        scene.tasks.wait_phase("x", "Succeeded")
        assert [entry.attempt for entry in scene.journal.entries("x")] == [1]

    happens(lambda: not runs(), "the end of the statement")
