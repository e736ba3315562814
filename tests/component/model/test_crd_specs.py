"""The API server and the model accept the same specs, and refuse the same ones."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError
from tests.component.model.cases import BAD, GOOD, Bad, task, wait
from tests.support.kubectl import Kubectl, KubectlError

from obtask.model.spec import TaskSpec
from obtask.model.task import first_fault


@pytest.mark.parametrize("name", GOOD)
def test_server_accepts_good_spec(name: str, kubectl: Kubectl, module_namespace: str) -> None:
    """A spec within the contract is stored as it was written, with the defaults filled in, and reads as the same TaskSpec."""
    kubectl("create", "-n", module_namespace, "-f", "-", manifest=task(name, GOOD[name]))

    stored = kubectl("get", "obtask", name, "-n", module_namespace, "-o", "jsonpath={.spec}")

    assert TaskSpec.model_validate_json(stored) == TaskSpec.model_validate(GOOD[name])


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_server_refuses_bad_spec(case: Bad, kubectl: Kubectl) -> None:
    """A spec against the contract is refused, with a message that names the field and says what is allowed."""
    with pytest.raises(KubectlError) as refusal:
        kubectl("create", "--dry-run=server", "-f", "-", manifest=task("bad", case.spec))

    assert case.field in str(refusal.value)
    assert case.says in str(refusal.value)
    assert case.rule in str(refusal.value)


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_model_refuses_bad_spec(case: Bad) -> None:
    """The model refuses what the API server refuses, names the same place, and has the same words for the rules."""
    with pytest.raises(ValidationError) as refusal:
        TaskSpec.model_validate(case.spec)

    fault = first_fault(refusal.value)
    place = fault.partition(":")[0]
    assert case.field.startswith(place) or place.startswith(case.field)
    assert case.rule in fault


WRITTEN = {
    "type": "Cluster",
    "cluster": "demo",
    "maintenance": "None",
    "displayName": "Before",
    "steps": [{"name": "a", "sql": {"statements": ["select 1"], "args": {"x": 1}}}],
}


@pytest.fixture(scope="module")
def written(kubectl: Kubectl, module_namespace: str) -> tuple[str, ...]:
    """Create a task, and return the words that name it to kubectl."""
    kubectl("create", "-n", module_namespace, "-f", "-", manifest=task("written", WRITTEN))
    return ("obtask", "written", "-n", module_namespace)


def _sql(statement: str, args: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"name": "a", "sql": {"statements": [statement], "args": args}}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"displayName": "After"}, id="changed"),
        pytest.param({"displayName": None}, id="removed"),
        pytest.param({"ttlSecondsAfterFinished": 1}, id="added"),
        pytest.param({"onConflict": "Reject"}, id="default"),
        pytest.param({"cluster": "other"}, id="target"),
        pytest.param({"steps": [_sql("select 2", {"x": 1})]}, id="statement"),
        pytest.param({"steps": [_sql("select 1", {"x": 2})]}, id="arg"),
        pytest.param({"steps": [_sql("select 1", None)]}, id="args-removed"),
        pytest.param({"steps": [_sql("select 1", {"x": 1}), wait("b")]}, id="step-added"),
    ],
)
def test_spec_is_immutable(change: Mapping[str, Any], kubectl: Kubectl, written: tuple[str, ...]) -> None:
    """No part of a spec can be changed, added or taken away after creation, and the refusal says what to do instead."""
    with pytest.raises(KubectlError, match="spec is immutable: create a new OBTask instead"):
        kubectl("patch", *written, "--type=merge", "-p", json.dumps({"spec": change}))


@pytest.mark.parametrize("way", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_same_manifest_can_be_applied_again(way: tuple[str, ...], kubectl: Kubectl, namespace: str) -> None:
    """What GitOps tools do all day, applying an unchanged manifest, is accepted and leaves the spec as it is."""
    for _ in range(2):
        kubectl("apply", *way, "-n", namespace, "-f", "-", manifest=task("again", WRITTEN))

    assert kubectl("get", "obtask", "again", "-n", namespace, "-o", "jsonpath={.metadata.generation}") == "1"
