"""What the Job of an attempt looks like: one pod, one try, secure unless told otherwise, recognisable."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.attempts import START, attempt

from obtask.executors.job.manifest import is_of, job_manifest
from obtask.model.attempt import Attempt
from obtask.model.contract import Direction
from obtask.model.kubernetes_actions import JobAction
from obtask.rules.owned import job_name

Json = dict[str, Any]


def one(**fields: Any) -> Attempt:
    """Return an attempt of a job action."""
    return attempt(JobAction.model_validate({"image": "busybox", **fields}), started_at=START)


def pod_of(**fields: Any) -> Json:
    """Return the pod template of an attempt's Job."""
    found: Json = job_manifest(one(**fields), START)["spec"]["template"]
    return found


def variables(container: Json) -> dict[str, str]:
    """Return the plain variables of a container."""
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


def test_the_job_tells_who_created_its_task() -> None:
    """As the API server stamped it; where nothing stamps, it says nothing. The name does not make another attempt of it."""
    told = job_manifest(replace(one(), created_by="alice"), START)

    assert told["metadata"]["annotations"]["task.oceanbase.com/created-by"] == "alice"
    assert "task.oceanbase.com/created-by" not in job_manifest(one(), START)["metadata"]["annotations"]
    assert is_of(told, one())


def test_one_pod_one_try_and_the_time_that_is_left() -> None:
    """No second pod ever; the deadline is what is left of the attempt's time; the Job goes with the task."""
    of = one()
    made = job_manifest(of, START + timedelta(seconds=10.5))

    spec = made["spec"]
    assert (spec["backoffLimit"], spec["podReplacementPolicy"], spec["activeDeadlineSeconds"]) == (0, "Failed", 50)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert "ttlSecondsAfterFinished" not in spec
    [owner] = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("OBTask", of.id.uid)
    assert is_of(made, of)
    assert not is_of(made, replace(of, id=replace(of.id, number=2)))


def test_restricted_unless_told_otherwise() -> None:
    """Without a word the pod satisfies the level restricted; the template may say otherwise, field by field."""
    plain = pod_of()["spec"]
    assert plain["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert plain["containers"][0]["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

    stated = {"securityContext": {"fsGroup": 5}, "containers": [{"securityContext": {"privileged": True, "runAsUser": 0}}]}
    loose = pod_of(podTemplate={"spec": stated})["spec"]
    assert loose["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 5}
    assert loose["containers"][0]["securityContext"] == {
        "capabilities": {"drop": ["ALL"]},
        "privileged": True,
        "runAsUser": 0,
        "runAsNonRoot": False,
    }


def test_the_template_is_merged_under_the_fields() -> None:
    """Fields of the action win; of the template everything else stays; every container knows what it belongs to."""
    template = {
        "metadata": {"labels": {"team": "db", "task.oceanbase.com/task": "forged"}},
        "spec": {
            "nodeSelector": {"disk": "ssd"},
            "restartPolicy": "Always",
            "initContainers": [{"name": "before", "image": "init"}],
            "containers": [
                {"name": "tool", "image": "old", "env": [{"name": "A", "value": "old"}, {"name": "B", "value": "b"}]},
                {"name": "side", "image": "side"},
            ],
        },
    }
    env = [{"name": "A", "value": "new"}, {"name": "OBTASK_NAME", "value": "forged"}]
    pod = pod_of(podTemplate=template, env=env, args=["x"])

    assert pod["metadata"]["labels"] == {"team": "db", "task.oceanbase.com/task": "resize-orders", "task.oceanbase.com/task-uid": "4f0c"}
    spec = pod["spec"]
    assert (spec["nodeSelector"], spec["restartPolicy"]) == ({"disk": "ssd"}, "Never")
    tool, side = spec["containers"]
    assert (tool["name"], tool["image"], tool["args"]) == ("tool", "busybox", ["x"])
    assert variables(tool).items() >= {"A": "new", "B": "b", "OBTASK_NAME": "resize-orders", "OBTASK_LOCK_TOKEN": "7"}.items()
    assert variables(side)["OBTASK_STEP"] == variables(spec["initContainers"][0])["OBTASK_STEP"] == "resize"
    assert template["spec"]["restartPolicy"] == "Always"  # type: ignore[index] # what was given stays as it was


def test_service_account_and_queue() -> None:
    """The task's service account; without one, the template's or the namespace's; the queue is a label of the Job."""
    named = job_manifest(replace(one(queueName="night"), service_account="runner"), START)

    assert named["spec"]["template"]["spec"]["serviceAccountName"] == "runner"
    assert named["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "night"
    assert "serviceAccountName" not in pod_of()["spec"]


@pytest.mark.parametrize("task", ["t", "a.b.c", "n." * 100 + "n" * 53])
def test_names_are_short_readable_and_never_shared(task: str) -> None:
    """A Job's name fits into a label, and tells every attempt from every other."""
    of = replace(one().id, subtask="z" * 63)
    others = [replace(of, number=2), replace(of, direction=Direction.ROLLBACK), replace(of, uid="other"), replace(of, step="other")]

    found = {job_name(task, each) for each in [of, *others]}

    assert len(found) == 5
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in found)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"spec": {"containers": [{"name": "x"}]}}, "has one"),
        ({"spec": []}, "must be an object"),
        ({"spec": {"containers": {"image": "x"}}}, "must be a list of objects"),
        ({"image": "x"}, "only metadata and spec"),
    ],
)
def test_a_template_that_cannot_be_merged_is_refused(template: Json, said: str) -> None:
    """A template of another shape is a mistake in the spec, not something to be guessed at."""
    with pytest.raises(ValidationError, match=said):
        JobAction.model_validate({"podTemplate": template})


@pytest.mark.parametrize("field", ["command", "args"])
def test_what_the_action_says_comes_before_the_template_even_if_it_is_nothing(field: str) -> None:
    """An empty list in the action takes the template's away; without one the template's stays."""
    template = {"spec": {"containers": [{"name": "main", field: ["of-the-template"]}]}}

    assert pod_of(podTemplate=template)["spec"]["containers"][0][field] == ["of-the-template"]
    assert pod_of(podTemplate=template, **{field: []})["spec"]["containers"][0][field] == []
    assert pod_of(podTemplate=template, **{field: ["own"]})["spec"]["containers"][0][field] == ["own"]
