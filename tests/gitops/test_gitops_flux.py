"""Applying a task again and again, as Flux does: nothing differs, no command is lost or given twice, the spec stays."""

import pytest
import yaml
from tests.gitops.judging import JudgeError, Judges
from tests.gitops.marks import SAMPLES, Body, in_git, live, marked
from tests.gitops.test_gitops_files import KUSTOMIZATION
from tests.support.kubectl import Kubectl
from tests.support.operators import operator_thread
from tests.support.tasks import FAILING, TaskClient, sql_step
from tests.support.templates import create, pause

from obtask import names
from obtask.settings import Settings

BY = names.REQUESTED_BY_ANNOTATION


def of_flux(task: Body, namespace: str) -> Body:
    """Return a manifest from git as our Kustomization makes it."""
    full = marked(task, namespace)
    common = yaml.safe_load(KUSTOMIZATION.read_text())["spec"]["commonMetadata"]["annotations"]
    return full | {"metadata": full["metadata"] | {"annotations": full["metadata"]["annotations"] | common}}


def applied(judges: Judges, tasks: TaskClient, task: Body) -> str:
    """Apply a manifest as Flux does; return what became of the object."""
    action: str = judges.ask("flux-apply", desired=task, kubeconfig=str(tasks.cluster.kubeconfig))
    return action


def failed_with_a_command(judges: Judges, tasks: TaskClient, settings: Settings, task: Body) -> None:
    """Let a task fail, end the operator, and give a command that nobody sees yet."""
    with operator_thread(settings):
        assert applied(judges, tasks, task) == "created"
        tasks.wait_phase("x", "Failed")
    tasks.annotate("x", "action=retry", f"{BY}=alice")


def broken(tasks: TaskClient) -> Body:
    """Return a task that fails."""
    return tasks.manifest("x", connection={"secretName": "missing"}, steps=[sql_step("a", FAILING)])


def test_samples_do_not_drift(judges: Judges, tasks: TaskClient) -> None:
    """What Flux has applied is as it wants it."""
    samples = [of_flux(in_git(path), tasks.namespace) for path in SAMPLES]

    assert {applied(judges, tasks, task) for task in samples} == {"created"}
    assert {applied(judges, tasks, task) for task in samples} == {"unchanged"}


def test_an_expanded_task_does_not_drift(judges: Judges, tasks: TaskClient, settings: Settings) -> None:
    """The steps that the operator has written into the task are not in git: Flux leaves them alone."""
    create(tasks.api, tasks.namespace, pause("pause"))
    reference = {"templateRef": {"kind": "OBTaskTemplate", "name": "pause"}, "parameters": {"zone": "z1"}}
    task = of_flux(tasks.manifest("x", maintenance="Global", **reference), tasks.namespace)

    with operator_thread(settings):
        assert applied(judges, tasks, task) == "created"
        tasks.wait_let_go("x", "Succeeded")

    assert applied(judges, tasks, task) == "unchanged"
    assert [step["name"] for step in tasks.get("x")["spec"]["steps"]] == ["pause"]


def test_a_command_survives_flux_and_is_carried_out_once(judges: Judges, kubectl: Kubectl, tasks: TaskClient, settings: Settings) -> None:
    """With our Kustomization: applied while a command waits, and after it, the command stays, is not repeated, and nothing drifts."""
    task = of_flux(broken(tasks), tasks.namespace)
    failed_with_a_command(judges, tasks, settings, task)

    assert applied(judges, tasks, task) == "unchanged"
    annotations = live(kubectl, task)["metadata"]["annotations"]
    assert (annotations["action"], annotations[BY]) == ("retry", "alice")
    with operator_thread(settings):
        tasks.wait("x", lambda body: body["status"].get("failedSubtask", {}).get("attempt") == 2, "the second attempt")
        assert tasks.answer("x")["requestedBy"] == "alice"
        assert applied(judges, tasks, task) == "unchanged"
        tasks.command("x", "skip")
        assert tasks.wait_let_go("x", "Skipped")["failedSubtask"]["attempt"] == 2


def test_without_our_annotation_flux_takes_a_waiting_command_back(
    judges: Judges, kubectl: Kubectl, tasks: TaskClient, settings: Settings
) -> None:
    """Why the Kustomization has it: Flux undoes what people do with kubectl. Nothing is carried out by halves."""
    task = marked(broken(tasks), tasks.namespace)
    failed_with_a_command(judges, tasks, settings, task)

    assert applied(judges, tasks, task) == "configured"
    assert not {"action", BY} & set(live(kubectl, task)["metadata"]["annotations"])
    assert live(kubectl, task)["status"]["phase"] == "Failed"


def test_a_changed_spec_is_an_error_of_the_kustomization(judges: Judges, tasks: TaskClient) -> None:
    """A file that was edited cannot be applied: a task is history, a new one needs a new name."""
    task = of_flux(broken(tasks), tasks.namespace)
    applied(judges, tasks, task)

    with pytest.raises(JudgeError, match="immutable"):
        applied(judges, tasks, task | {"spec": task["spec"] | {"steps": [sql_step("b", FAILING)]}})
