"""Owns what tests grant to service accounts, and waiting until the API server knows of it."""

import time
from typing import Any

from tests.support.kubectl import Kubectl, KubectlError

GRANT_SECONDS = 20
EVERYTHING = ["get", "list", "watch", "create", "update", "patch", "delete"]
KINDS = [("", "configmaps"), ("", "secrets"), ("apps", "deployments")]


def grant(kubectl: Kubectl, namespace: str, account: str, verbs: list[str] | None = None) -> None:
    """Make a service account that may use these verbs on ConfigMaps, Secrets and Deployments of the namespace; wait until it may."""
    wanted = EVERYTHING if verbs is None else verbs
    rules = [{"apiGroups": [group], "resources": [resource], "verbs": wanted} for group, resource in KINDS]
    meta = {"name": account, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
    rbac = "rbac.authorization.k8s.io/v1"
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": rbac, "kind": "Role", "metadata": meta, "rules": rules if wanted else []},
        {"apiVersion": rbac, "kind": "RoleBinding", "metadata": meta, "roleRef": role, "subjects": [{"kind": "ServiceAccount", **meta}]},
    ]
    kubectl("apply", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": objects})
    deadline = time.monotonic() + GRANT_SECONDS
    while wanted and not may(kubectl, namespace, account, wanted[0]):
        assert time.monotonic() < deadline, "the API server did not learn of a role"


def may(kubectl: Kubectl, namespace: str, account: str, verb: str, resource: str = "configmaps") -> bool:
    """Return whether a service account of the namespace may do this there."""
    try:
        kubectl("auth", "can-i", verb, resource, "-n", namespace, f"--as=system:serviceaccount:{namespace}:{account}")
    except KubectlError:
        return False
    return True
