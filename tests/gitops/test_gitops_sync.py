"""Applying a task again and again, as Argo CD does: nothing differs, no command is lost or given twice, the spec stays."""

import pytest
from tests.gitops.judging import Judges
from tests.gitops.marks import SAMPLES, WAYS, Body, applied, dry_run, in_git, live, marked
from tests.gitops.test_gitops_actions import chosen
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.operators import operator_thread
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step
from tests.support.templates import create, pause

from obtask import names
from obtask.model.contract import Verb
from obtask.settings import Settings

BY = names.REQUESTED_BY_ANNOTATION

pytestmark = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def differs(judges: Judges, kubectl: Kubectl, task: Body) -> tuple[bool, bool]:
    """Return whether Argo CD shows a task as OutOfSync: by its own comparison, and by the API server's (ServerSideDiff=true)."""
    found = live(kubectl, task)
    here = judges.ask("argo-diff", desired=task, live=found)
    there = judges.ask("argo-diff", desired=task, live=found, predicted=dry_run(kubectl, task))
    return here["modified"], there["modified"]


def test_samples_are_in_sync(judges: Judges, kubectl: Kubectl, namespace: str, way: tuple[str, ...]) -> None:
    """The defaults that the API server fills in are no difference; an action of Argo CD leaves the rest of such an object alone."""
    verdicts = {}
    for path in SAMPLES:
        task = marked(in_git(path), namespace)
        found = applied(kubectl, way, task)
        verdicts[path.stem] = differs(judges, kubectl, task)
        wanted = found["metadata"]["annotations"] | {"action": "cancel"}
        assert chosen(judges, found, Verb.CANCEL) == found | {"metadata": found["metadata"] | {"annotations": wanted}}

    assert set(verdicts.values()) == {(False, False)}, verdicts


def test_a_command_survives_a_sync_and_is_carried_out_once(
    judges: Judges, kubectl: Kubectl, tasks: TaskClient, settings: Settings, way: tuple[str, ...]
) -> None:
    """Applied again while a command waits, and after it: the command stays, is not repeated, and nobody sees a difference."""
    task = marked(tasks.manifest("x", connection={"secretName": "missing"}, steps=[sql_step("a", FAILING)]), tasks.namespace)
    with operator_thread(settings):
        applied(kubectl, way, task)
        tasks.wait_phase("x", "Failed")
    tasks.annotate("x", "action=retry", f"{BY}=alice")

    waiting = differs(judges, kubectl, task)
    again = applied(kubectl, way, task)["metadata"]["annotations"]

    assert waiting == (False, False)
    assert (again["action"], again[BY]) == ("retry", "alice")
    with operator_thread(settings):
        tasks.wait("x", lambda body: body["status"].get("failedSubtask", {}).get("attempt") == 2, "the second attempt")
        answer = tasks.answer("x")
        after = applied(kubectl, way, task)["metadata"]["annotations"]
        tasks.command("x", "skip")
        status = tasks.wait_let_go("x", "Skipped")
    assert (answer["verb"], answer["requestedBy"]) == ("retry", "alice")
    assert not {"action", BY} & set(after)
    assert status["failedSubtask"]["attempt"] == 2
    assert differs(judges, kubectl, task) == (False, False)


def test_an_expanded_task_is_in_sync(judges: Judges, kubectl: Kubectl, tasks: TaskClient, settings: Settings, way: tuple[str, ...]) -> None:
    """The steps that the operator has written into the task are not in git, and no difference; applied again, they stay."""
    create(tasks.api, tasks.namespace, pause("pause"))
    reference = {"templateRef": {"kind": "OBTaskTemplate", "name": "pause"}, "parameters": {"zone": "z1"}}
    task = marked(tasks.manifest("x", maintenance="Global", **reference), tasks.namespace)
    with operator_thread(settings):
        applied(kubectl, way, task)
        tasks.wait_let_go("x", "Succeeded")

    steps = live(kubectl, task)["spec"]["steps"]

    assert [step["name"] for step in steps] == ["pause"]
    assert differs(judges, kubectl, task) == (False, False)
    assert applied(kubectl, way, task)["spec"]["steps"] == steps


def test_a_changed_spec_is_refused_and_shown(
    judges: Judges, kubectl: Kubectl, tasks: TaskClient, settings: Settings, way: tuple[str, ...]
) -> None:
    """A file that was edited is OutOfSync, and cannot be synced: a finished task is history, a new one needs a new name."""
    task = marked(tasks.manifest("x", steps=[wait_step("a")]), tasks.namespace)
    with operator_thread(settings):
        applied(kubectl, way, task)
        tasks.wait_let_go("x", "Succeeded")
    edited = task | {"spec": task["spec"] | {"steps": [wait_step("b")]}}

    shown = judges.ask("argo-diff", desired=edited, live=live(kubectl, task))["modified"]

    assert shown
    with pytest.raises(KubectlError, match="immutable"):
        applied(kubectl, way, edited)
    assert live(kubectl, task)["status"]["phase"] == "Succeeded"
