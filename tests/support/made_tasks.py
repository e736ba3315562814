"""Makes tasks in states that an operator would bring them into, where none runs: made and given a status by the admin."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tests.support.builders import work
from tests.support.kubectl import Kubectl
from tests.support.rows import status

from obtask import names

# What a task that failed in its only step has in its status besides, so that the pages can read it.
ONLY_STEP: Final[Mapping[str, Any]] = {
    "currentStep": "only",
    "progress": "0/1",
    "allowedActions": ["retry", "rollback", "skip", "skip-step"],
    "steps": [{"name": "only", "phase": "Failed", "subtasks": [{"name": "only", "phase": "Failed", "attempts": 1}]}],
}
FAILED: Final[Mapping[str, Any]] = {
    "step": "only",
    "subtask": "only",
    "attempt": 1,
    "direction": "Forward",
    "reason": "NonZeroExit",
    "code": "3",
    "message": "it went wrong",
    "failedAt": "2026-11-29T10:00:00Z",
}


def make(kubectl: Kubectl, namespace: str, name: str, phase: str, *, spec: dict[str, Any] | None = None, **fields: Any) -> None:
    """Make a task, Global on cluster `demo` unless told otherwise, and write its status."""
    usual = {"type": "Cluster", "cluster": "demo", "maintenance": "Global", "steps": [work("only")]}
    metadata = {"name": name, "namespace": namespace}
    kubectl(
        "create",
        "-f",
        "-",
        manifest={"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": usual | (spec or {})},
    )
    put(kubectl, namespace, name, phase, **fields)


def put(kubectl: Kubectl, namespace: str, name: str, phase: str, **fields: Any) -> None:
    """Write the status of a task."""
    patch = json.dumps({"status": status(phase, **fields)})
    kubectl("patch", "obtask", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
