"""Owns what GitOps tools write on the objects they apply, and how Argo CD applies and compares them."""

import json
from pathlib import Path
from typing import Any, Final

import yaml
from tests.support.kubectl import Kubectl

Body = dict[str, Any]

LABELS: Final = {
    "app.kubernetes.io/instance": "tasks",
    "argocd.argoproj.io/instance": "tasks",
    "kustomize.toolkit.fluxcd.io/name": "tasks",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}
ANNOTATIONS: Final = {
    "argocd.argoproj.io/tracking-id": "tasks:task.oceanbase.com/OBTask:prod/x",
    "argocd.argoproj.io/sync-options": "Prune=confirm",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
SAMPLES: Final = sorted(Path("deploy/samples").iterdir())
ARGO_MANAGER: Final = "argocd-controller"

# Argo CD without and with ServerSideApply=true.
CLIENT_SIDE: Final = ("apply",)
SERVER_SIDE: Final = ("apply", "--server-side", f"--field-manager={ARGO_MANAGER}")
WAYS: Final = {"client-side": CLIENT_SIDE, "server-side": SERVER_SIDE}


def in_git(path: Path) -> Body:
    """Return the task in a file."""
    (task,) = (body for body in yaml.safe_load_all(path.read_text()) if body["kind"] == "OBTask")
    return dict(task)


def marked(task: Body, namespace: str) -> Body:
    """Return a manifest from git with the marks of all tools, as they apply it."""
    metadata = {**task["metadata"], "namespace": namespace, "labels": LABELS, "annotations": ANNOTATIONS}
    return {**task, "metadata": metadata}


def applied(kubectl: Kubectl, way: tuple[str, ...], task: Body) -> Body:
    """Apply a manifest; return the object as the API server has it."""
    kubectl(*way, "-f", "-", manifest=task)
    return live(kubectl, task)


def dry_run(kubectl: Kubectl, task: Body) -> Body:
    """Return what the API server would make of the manifest, as Argo CD asks for its server-side diff."""
    words = (*SERVER_SIDE, "--force-conflicts", "--dry-run=server", "-o", "json", "--show-managed-fields", "-f", "-")
    return dict(json.loads(kubectl(*words, manifest=task)))


def live(kubectl: Kubectl, task: Body) -> Body:
    """Return the object of a manifest as the API server has it."""
    meta = task["metadata"]
    return dict(json.loads(kubectl("get", "obtask", meta["name"], "-n", meta["namespace"], "-o", "json", "--show-managed-fields")))
