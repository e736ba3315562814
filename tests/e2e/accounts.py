"""Owns service accounts that the tests' steps run as."""

from collections.abc import Sequence

from tests.support.tasks import Tasks

RUNNER = "obtask-runner"


def make_runner(tasks: Tasks, verbs: Sequence[str] = ("get", "create", "patch", "watch", "update", "delete")) -> str:
    """Make a service account that may do this with ConfigMaps; return its name."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": RUNNER},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": RUNNER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": RUNNER},
        "subjects": [{"kind": "ServiceAccount", "name": RUNNER}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": RUNNER}}
    tasks.kubectl("apply", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": [account, role, binding]})
    return RUNNER
