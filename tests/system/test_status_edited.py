"""A status that a person has edited, or a mark of a copy on a task that runs: the lock is not free before the work has stopped."""

import pytest
from tests.support.apiserver import OBTASKS, Body
from tests.support.tasks import sql_step, wait_step
from tests.system.scene import Scene, happens

HOOK = "argocd.argoproj.io/hook-finalizer"
NONSENSE: Body = {"currentStep": "nowhere"}


def runs(scene: Scene, statement: str) -> bool:
    """Return whether the SQL server runs this statement now."""
    return (statement,) in scene.journal.run("select info from information_schema.processlist")


def begin(scene: Scene, statement: str) -> None:
    """Have a task run this statement, and another one wait for its lock."""
    scene.create("first", sql_step("s", statement))
    happens(lambda: runs(scene, statement), statement)
    scene.create("next", wait_step("s"))
    scene.tasks.wait_phase("next", "Waiting")


def write(scene: Scene, part: str, change: Body) -> None:
    """Write to the first task."""
    scene.tasks.api.send("PATCH", f"{OBTASKS.format(scene.tasks.namespace)}/first{part}", change)


@pytest.mark.usefixtures("operator")
def test_skip_of_a_status_that_cannot_be_read_stops_what_runs(scene: Scene) -> None:
    """The next task starts when the statement has ended, and the message tells no more than is known."""
    begin(scene, "select sleep(311)")
    write(scene, "/status", {"status": NONSENSE})
    scene.tasks.wait("first", lambda task: "cannot read the status" in task["status"].get("message", ""))

    scene.tasks.annotate("first", "action=skip")

    scene.tasks.wait_phase("next", "Succeeded")
    assert not runs(scene, "select sleep(311)")
    assert "may go on: kubectl get jobs" in scene.tasks.wait_phase("first", "Skipped")["message"]


@pytest.mark.usefixtures("operator")
def test_deletion_with_a_status_that_cannot_be_read_stops_what_runs(scene: Scene) -> None:
    """Somebody else's finalizer holds the object: the lock does not wait for that, but for the statement."""
    begin(scene, "select sleep(312)")
    write(scene, "", {"metadata": {"finalizers": [*scene.tasks.get("first")["metadata"]["finalizers"], HOOK]}})
    write(scene, "/status", {"status": NONSENSE})
    scene.tasks.wait("first", lambda task: "cannot read the status" in task["status"].get("message", ""))

    scene.tasks.delete("first")

    scene.tasks.wait_phase("next", "Succeeded")
    assert not runs(scene, "select sleep(312)")
    assert "nothing of it runs in this operator any more" in scene.tasks.wait_phase("first", "Skipped")["message"]
    write(scene, "", {"metadata": {"finalizers": []}})


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("phase", ["Skipped", "Rejected"])
def test_a_task_that_is_ended_by_hand_is_stopped(scene: Scene, phase: str) -> None:
    """Whoever writes the end of a task that runs has its work stopped before its lock is free."""
    begin(scene, "select sleep(313)")

    write(scene, "/status", {"status": {"phase": phase}})

    scene.tasks.wait_phase("next", "Succeeded")
    assert not runs(scene, "select sleep(313)")


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("maintenance", ["Global", "None"])
def test_a_mark_of_another_object_does_not_end_what_runs(scene: Scene, maintenance: str) -> None:
    """The annotation is anybody's to change; the status tells whose the work is."""
    scene.create("first", wait_step("a", 2), wait_step("b"), maintenance=maintenance)
    scene.tasks.wait_phase("first", "Running")

    scene.tasks.annotate("first", "task.oceanbase.com/adopted=another", "--overwrite")

    assert scene.tasks.wait_phase("first", "Succeeded", "Rejected", "Failed")["phase"] == "Succeeded"
