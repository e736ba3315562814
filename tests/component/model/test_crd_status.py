"""What the API server does with the status of a task."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.component.model.cases import cluster, task
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.largest import largest_spec, largest_status, looping_spec, with_values

from obtask.model.limits import OBJECT_BYTES, values_room
from obtask.model.status import TaskStatus
from obtask.rules.opening import stored_values

SetStatus = Callable[[Mapping[str, Any]], None]


@pytest.fixture
def name(kubectl: Kubectl, namespace: str) -> tuple[str, ...]:
    """Create a task, and return the words that name it to kubectl."""
    kubectl("create", "-n", namespace, "-f", "-", manifest=task("x", cluster()))
    return ("obtask", "x", "-n", namespace)


@pytest.fixture
def set_status(kubectl: Kubectl, name: tuple[str, ...]) -> SetStatus:
    """Return a function that writes to the task's status subresource."""

    def patch(status: Mapping[str, Any]) -> None:
        kubectl("patch", *name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    return patch


def _field(kubectl: Kubectl, name: tuple[str, ...], path: str) -> str:
    return kubectl("get", *name, "-o", f"jsonpath={{{path}}}")


def test_new_task_is_pending(kubectl: Kubectl, name: tuple[str, ...]) -> None:
    """A task shows phase Pending, may be cancelled, and is not yet observed, before any operator has seen it."""
    assert json.loads(_field(kubectl, name, ".status")) == {"phase": "Pending", "allowedActions": ["cancel"], "observedGeneration": 0}


def test_status_cannot_be_set_on_creation(kubectl: Kubectl, namespace: str) -> None:
    """Whoever may create a task cannot pretend that it is done."""
    kubectl("create", "-n", namespace, "-f", "-", manifest=task("x", cluster()) | {"status": {"phase": "Succeeded"}})

    assert _field(kubectl, ("obtask", "x", "-n", namespace), ".status.phase") == "Pending"


def test_status_is_written_through_the_subresource_only(kubectl: Kubectl, name: tuple[str, ...]) -> None:
    """A write to the task itself leaves the status alone; a write to the subresource leaves the spec alone."""
    kubectl("patch", *name, "--type=merge", "-p", '{"status": {"phase": "Running"}}')
    assert _field(kubectl, name, ".status.phase") == "Pending"

    kubectl("patch", *name, "--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Running"}, "spec": {"cluster": "other"}}')
    assert _field(kubectl, name, ".status.phase") == "Running"
    assert _field(kubectl, name, ".spec.cluster") == "demo"


@pytest.mark.parametrize(
    ("status", "field"),
    [
        pytest.param({"phase": "Done"}, "status.phase", id="phase"),
        pytest.param({"direction": "Backward"}, "status.direction", id="direction"),
        pytest.param({"reason": "Because"}, "status.reason", id="reason"),
        pytest.param({"allowedActions": ["retry", "retry"]}, "status.allowedActions", id="action-twice"),
        pytest.param({"allowedActions": ["restart"]}, "status.allowedActions", id="action"),
        pytest.param({"steps": [{"name": "a", "phase": "Waiting"}]}, "status.steps[0].phase", id="step-phase"),
        pytest.param(
            {"steps": [{"name": "a", "subtasks": [{"name": "a", "message": "m" * 513}]}]}, "subtasks[0].message", id="message-of-513"
        ),
        pytest.param(
            {"blockedBy": [{"name": f"t{n}", "uid": "u", "phase": "Running", "scope": "Global"} for n in range(11)]},
            "status.blockedBy",
            id="11-blockers",
        ),
        pytest.param({"startedAt": "yesterday"}, "status.startedAt", id="time"),
        pytest.param(
            {"conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded", "lastTransitionTime": "2026-01-01T00:00:00Z"}] * 2},
            "status.conditions",
            id="condition-twice",
        ),
    ],
)
def test_status_outside_the_contract_is_refused(status: Mapping[str, Any], field: str, set_status: SetStatus) -> None:
    """A status that nobody could rely on is refused, whoever writes it."""
    with pytest.raises(KubectlError) as refusal:
        set_status(status)

    assert field in str(refusal.value)


def test_status_of_the_model_is_stored_whole(kubectl: Kubectl, name: tuple[str, ...], set_status: SetStatus) -> None:
    """Every field that the model writes is in the schema: none is pruned, and the model reads back what it wrote."""
    status = largest_status(steps=2, subtasks=3)

    set_status(status.dump())

    assert TaskStatus.model_validate_json(_field(kubectl, name, ".status")) == status


@pytest.mark.parametrize(("steps", "subtasks"), [(8, 64), (64, 8)])
def test_largest_task_stays_below_512_kib(steps: int, subtasks: int, kubectl: Kubectl, namespace: str) -> None:
    """512 subtasks, all of them failed with the longest of everything: the object as it is stored, managedFields too, is small enough."""
    kubectl("create", "-n", namespace, "-f", "-", manifest=task("x", largest_spec(steps, subtasks)))
    path = f"/apis/task.oceanbase.com/v1alpha1/namespaces/{namespace}/obtasks/x"
    stored = json.loads(kubectl("get", "--raw", path))

    kubectl("replace", "--subresource=status", "-f", "-", manifest=stored | {"status": largest_status(steps, subtasks).dump()})

    assert len(kubectl("get", "--raw", path).encode()) < OBJECT_BYTES


@pytest.mark.parametrize("items", [True, False])
def test_largest_task_with_values_stays_below_512_kib(*, items: bool, kubectl: Kubectl, namespace: str) -> None:
    """64 loops over 8 items with all values there is room for, all failed with the longest of everything; managedFields know no value."""
    kubectl("create", "-n", namespace, "-f", "-", manifest=task("x", looping_spec(64)))
    path = f"/apis/task.oceanbase.com/v1alpha1/namespaces/{namespace}/obtasks/x"
    stored = json.loads(kubectl("get", "--raw", path))
    status = with_values(largest_status(64, 8), items=items)
    assert values_room(512) * 0.8 < stored_values(status) <= values_room(512)

    kubectl("replace", "--subresource=status", "-f", "-", manifest=stored | {"status": status.dump()})

    written = json.loads(kubectl("get", "--raw", path))
    assert TaskStatus.model_validate(written["status"]).steps == status.steps
    assert len(kubectl("get", "--raw", path).encode()) < OBJECT_BYTES
    assert len(json.dumps(written["metadata"]["managedFields"])) < 8192
