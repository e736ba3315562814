"""A task that is created again from a backup or a dump does not run, unless somebody says so on purpose. docs/guides/backups.md."""

from collections.abc import Callable

import pytest
from tests.support.apiserver import OBTASKS, Body
from tests.support.tasks import FAILING, sql_step, wait_step
from tests.system.scene import Scene

ADOPTED, RUN_RESTORED = "task.oceanbase.com/adopted", "task.oceanbase.com/run-restored"


def dumped(body: Body) -> Body:
    """Return what people put back: kubectl's YAML without what the API server refuses."""
    metadata = {key: value for key, value in body["metadata"].items() if key not in ("uid", "resourceVersion")}
    return body | {"metadata": metadata}


def by_velero(body: Body) -> Body:
    """Return what Velero puts back: no status, labels of its own."""
    kept = ("name", "namespace", "labels", "annotations", "finalizers")
    metadata = {key: value for key, value in body["metadata"].items() if key in kept}
    marks = {"velero.io/backup-name": "nightly", "velero.io/restore-name": "nightly-1"}
    metadata["labels"] = metadata.get("labels", {}) | marks
    return {key: body[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata}


def put_back(scene: Scene, body: Body) -> None:
    """Delete a task and create it again."""
    name = body["metadata"]["name"]
    scene.tasks.delete(name)
    scene.tasks.wait_gone(name)
    scene.tasks.api.send("POST", OBTASKS.format(scene.tasks.namespace), body)


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("copied", [dumped, by_velero])
@pytest.mark.parametrize("broken", [False, True], ids=["Succeeded", "Failed"])
def test_a_copy_is_rejected_and_nothing_runs_twice(scene: Scene, copied: Callable[[Body], Body], broken: bool) -> None:
    """Whether the task had succeeded or failed, its statement reached the server once."""
    scene.create("once", sql_step("write", scene.journal.note), *([sql_step("break", FAILING)] if broken else []))
    scene.tasks.wait_phase("once", "Failed" if broken else "Succeeded")
    before = scene.tasks.get("once")
    put_back(scene, copied(before))

    status = scene.tasks.wait_let_go("once", "Rejected")

    assert (status["reason"], status["allowedActions"]) == ("InvalidSpec", [])
    assert "created again from a copy" in status["message"]
    assert len(scene.journal.entries()) == 1
    assert scene.tasks.holders() == set()


@pytest.mark.usefixtures("operator")
def test_a_copy_runs_when_its_own_word_is_said(scene: Scene) -> None:
    """The word is the uid of the task that was dumped; it goes with one copy only."""
    scene.create("again", sql_step("write", scene.journal.note))
    scene.tasks.wait_phase("again", "Succeeded")
    first = scene.tasks.get("again")
    assert first["metadata"]["annotations"][ADOPTED] == first["metadata"]["uid"]
    wanted = dumped(first)
    wanted["metadata"]["annotations"][RUN_RESTORED] = first["metadata"]["uid"]

    put_back(scene, wanted)
    scene.tasks.wait_phase("again", "Succeeded")
    assert len(scene.journal.entries()) == 2

    put_back(scene, dumped(scene.tasks.get("again")))
    scene.tasks.wait_phase("again", "Rejected")
    assert len(scene.journal.entries()) == 2


@pytest.mark.usefixtures("operator")
def test_what_was_applied_with_a_status_is_a_copy(scene: Scene) -> None:
    """Kubectl apply notes what it was given; the operator looks at nothing else of it."""
    manifest = scene.tasks.manifest("applied", steps=[{"name": "s", "wait": {"seconds": 0}}])

    scene.tasks.kubectl("apply", "-f", "-", manifest=manifest | {"status": {"phase": "Succeeded"}})
    assert "its manifest had a status" in scene.tasks.wait_phase("applied", "Rejected")["message"]

    manifest["metadata"]["name"] = "plain"
    scene.tasks.kubectl("apply", "-f", "-", manifest=manifest)
    scene.tasks.wait_phase("plain", "Succeeded")


@pytest.mark.usefixtures("operator")
def test_a_copy_of_a_task_that_was_replaced_is_rejected_too(scene: Scene) -> None:
    """`kubectl replace` with the first manifest takes the mark off a running task; it is put on again."""
    steps = [sql_step("write", scene.journal.note), wait_step("hold", 604800)]
    manifest = scene.tasks.manifest("replaced", steps=steps, connection={"secretName": scene.connection})
    scene.tasks.kubectl("create", "-f", "-", manifest=manifest)
    scene.tasks.wait("replaced", lambda body: body.get("status", {}).get("currentStep") == "hold")

    scene.tasks.kubectl("replace", "-f", "-", manifest=manifest)

    marked = scene.tasks.wait("replaced", lambda body: body["metadata"].get("annotations", {}).get(ADOPTED) == body["metadata"]["uid"])
    put_back(scene, dumped(marked))
    scene.tasks.wait_phase("replaced", "Rejected")
    assert len(scene.journal.entries()) == 1
