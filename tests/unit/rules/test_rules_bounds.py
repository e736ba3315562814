"""What an operator does not carry out, whoever asks: own namespace and account, actions that are off, namespaces not opened."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import a_task
from tests.support.world import World

from obtask.model.contract import ActionResult, Phase
from obtask.model.reasons import Reason
from obtask.rules.bounds import Bounds
from obtask.rules.decision import Rest

OWN = Bounds(namespace="obtask-system", account="obtask-operator")
JOB: dict[str, Any] = {"job": {"image": "x"}}
WAIT: dict[str, Any] = {"wait": {"seconds": 60}}
APPLY: dict[str, Any] = {"resource": {"apply": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}}}


def world(bounds: Bounds, *steps: dict[str, Any], **spec: Any) -> World:
    """Return a task with these steps before an operator with these bounds."""
    found = World(a_task().with_spec(**spec))
    found.api.body["spec"]["steps"] = list(steps) or [{"name": "a", **WAIT}]
    found.api.annotate()
    found.bounds = bounds
    return found


def refusal(of: World) -> str:
    """Let the task have its reconciles; return why it was refused."""
    of.run()
    assert (of.status.phase, of.status.reason) == (Phase.REJECTED, Reason.INVALID_SPEC)
    assert (of.status.lock, of.executors.started) == (None, [])
    return of.status.message or ""


def template(**pod: Any) -> dict[str, Any]:
    """Return a job with these fields in its pod."""
    return {"job": {"image": "x", "podTemplate": {"spec": pod}}}


def test_the_operators_own_namespace_has_no_tasks() -> None:
    """Whatever they do."""
    assert "the operator's own namespace prod" in refusal(world(Bounds(namespace="prod")))


@pytest.mark.parametrize(
    ("step", "where"),
    [
        pytest.param({"name": "a", **template(serviceAccountName="obtask-operator")}, "spec.steps[0].job", id="pod"),
        pytest.param({"name": "a", **template(serviceAccount="obtask-operator")}, "spec.steps[0].job", id="old-name"),
        pytest.param(
            {"name": "a", **WAIT, "rollback": template(serviceAccount="obtask-operator")}, "spec.steps[0].rollback.job", id="rollback"
        ),
        pytest.param(
            {"name": "a", "parallel": [{"name": "b", **WAIT}, {"name": "c", **template(serviceAccount="obtask-operator")}]},
            "spec.steps[0].parallel[1].job",
            id="parallel",
        ),
    ],
)
def test_no_pod_has_the_operators_account(step: dict[str, Any], where: str) -> None:
    """By either name of the field, wherever in the task; the message names the place."""
    assert refusal(world(OWN, step)).startswith(f"{where}: a task must not act as the operator's own service account")


@pytest.mark.parametrize("step", [JOB, APPLY])
def test_no_task_has_the_operators_account(step: dict[str, Any]) -> None:
    """Unless nothing of it would act as that account."""
    refused = world(OWN, {"name": "a", **step}, serviceAccountName="obtask-operator")
    harmless = world(OWN, {"name": "a", **WAIT}, serviceAccountName="obtask-operator")
    harmless.run()

    assert "obtask-operator" in refusal(refused)
    assert harmless.status.phase is Phase.RUNNING


def test_an_operator_under_the_default_account_does_not_refuse_all_others() -> None:
    """In another namespace the account of that name is another one, and most tasks use it."""
    task = world(Bounds(namespace="obtask-system", account="default"), {"name": "a", **JOB}, serviceAccountName="default")
    task.run()

    assert task.status.phase is Phase.RUNNING


@pytest.mark.parametrize(
    "step",
    [
        pytest.param({"name": "a", **JOB}, id="step"),
        pytest.param({"name": "a", **WAIT, "rollback": JOB}, id="rollback"),
        pytest.param({"name": "a", "parallel": [{"name": "b", **WAIT}, {"name": "c", **JOB}]}, id="parallel"),
    ],
)
def test_a_kind_of_action_that_is_off_is_refused(step: dict[str, Any]) -> None:
    """The message names the field and the setting."""
    said = refusal(world(Bounds(actions=("wait", "sql")), step))

    assert said.startswith("spec.steps[0]")
    assert "job: steps of this kind are switched off by OBTASK_ACTIONS=wait,sql" in said


def test_what_was_switched_off_while_a_task_waits_for_a_person_is_not_carried_out() -> None:
    """Retry is refused and says why; the task can still be skipped."""
    task = world(Bounds(), {"name": "a", **JOB})
    task.run()
    task.fail("a")
    task.bounds = Bounds(actions=("sql",))

    task.command("retry")
    action = task.status.last_action
    assert action is not None
    assert action.result is ActionResult.REJECTED
    assert "OBTASK_ACTIONS=sql" in action.message
    task.command("skip")
    assert task.status.phase is Phase.SKIPPED


def test_a_task_waits_until_its_namespace_is_opened() -> None:
    """It stays Pending and says what to type, with one write; once the namespace is opened it goes on."""
    task = world(Bounds())
    task.opted_in = False
    rest = task.run()

    assert task.status.phase.value == "Pending"
    assert "kubectl label namespace prod task.oceanbase.com/enabled=true" in (task.status.message or "")
    assert rest == Rest(task.now + timedelta(seconds=30))
    task.opted_in = True
    task.run()
    assert task.status.phase.value == "Running"
