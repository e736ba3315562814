"""A task of a template gets its steps once; nothing else of its spec ever changes. API.md section 8."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.component.model.cases import cluster, task, templated, wait
from tests.support.kubectl import Kubectl, KubectlError

GIVEN = templated(
    parameters={"memory": "16G", "zones": ["zone1"], "tags": {"a": "b"}},
    displayName="Before",
    connection={"secretName": "demo-sys"},
)
Patch = Callable[[str, Mapping[str, Any]], str]


@pytest.fixture
def patch(kubectl: Kubectl, namespace: str) -> Patch:
    """Return what makes a task, and what then changes its spec."""
    for name, spec in {"templated": GIVEN, "written": cluster()}.items():
        kubectl("create", "-n", namespace, "-f", "-", manifest=task(name, spec))

    def change(name: str, spec: Mapping[str, Any]) -> str:
        return kubectl("patch", "obtask", name, "-n", namespace, "--type=merge", "-p", json.dumps({"spec": spec}))

    return change


def test_steps_can_be_written_once(patch: Patch) -> None:
    """From absent to present; then they stay."""
    patch("templated", {"steps": [wait()]})

    for steps in ([wait("other")], None, [wait(), wait("b")]):
        with pytest.raises(KubectlError, match="spec is immutable"):
            patch("templated", {"steps": steps})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"displayName": "After"}, id="changed"),
        pytest.param({"displayName": None}, id="removed"),
        pytest.param({"ttlSecondsAfterFinished": 1}, id="added"),
        pytest.param({"cluster": "other"}, id="target"),
        pytest.param({"connection": {"database": "mysql"}}, id="connection"),
        pytest.param({"templateRef": {"name": "other"}}, id="template"),
        pytest.param({"templateRef": {"kind": "OBTaskTemplate"}}, id="kind"),
        pytest.param({"templateRef": None}, id="template-removed"),
        pytest.param({"parameters": {"memory": "32G"}}, id="parameter"),
        pytest.param({"parameters": {"cpu": 4}}, id="parameter-added"),
        pytest.param({"parameters": {"zones": ["zone2"]}}, id="entry"),
        pytest.param({"parameters": {"tags": {"a": "c"}}}, id="tag"),
        pytest.param({"parameters": None}, id="parameters-removed"),
    ],
)
@pytest.mark.parametrize("steps", [True, False])
def test_nothing_else_changes(change: Mapping[str, Any], patch: Patch, *, steps: bool) -> None:
    """Neither by itself nor together with the steps."""
    with pytest.raises(KubectlError, match="spec is immutable"):
        patch("templated", {**change, **({"steps": [wait()]} if steps else {})})


def test_a_task_with_steps_gets_no_template(patch: Patch) -> None:
    """It has what it has."""
    with pytest.raises(KubectlError, match="spec is immutable"):
        patch("written", {"templateRef": {"name": "a"}})


def test_nobody_creates_a_task_with_both(kubectl: Kubectl) -> None:
    """The steps of such a task could be anybody's."""
    with pytest.raises(KubectlError, match="exactly one of steps, templateRef is required"):
        kubectl("create", "--dry-run=server", "-f", "-", manifest=task("both", templated(steps=[wait()])))


def test_the_manifest_of_an_expanded_task_can_be_applied_again(kubectl: Kubectl, namespace: str) -> None:
    """By either kind of apply, as GitOps tools do: the steps are not theirs."""
    for name, way in {"client": [], "server": ["--server-side"]}.items():
        manifest = task(name, GIVEN)
        kubectl("apply", *way, "-n", namespace, "-f", "-", manifest=manifest)
        kubectl("patch", "obtask", name, "-n", namespace, "--type=merge", "-p", json.dumps({"spec": {"steps": [wait()]}}))
        kubectl("apply", *way, "-n", namespace, "-f", "-", manifest=manifest)

        assert kubectl("get", "obtask", name, "-n", namespace, "-o", "jsonpath={.spec.steps[*].name}") == "pause"
