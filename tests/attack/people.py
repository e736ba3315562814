"""Owns the users of an attacked cluster, and what each of them may do."""

from typing import Any

Body = dict[str, Any]

TASKS = {"apiGroups": ["task.oceanbase.com"], "resources": ["obtasks"]}
# carol may do everything with tasks but skip, and nothing else; the others have one door each.
RULES: dict[str, list[Body]] = {
    "carol": [TASKS | {"verbs": ["create", "get", "list", "watch", "update", "patch", "delete", "retry"]}],
    "mallory": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get", "list"]}, TASKS | {"verbs": ["get"]}],
    "jeff": [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get"]}, TASKS | {"verbs": ["get"]}],
    "eve": [TASKS | {"verbs": ["create", "get", "list"]}],
}
ROLES = {"alice": "edit", "bob": "view", "dave": "admin"}
# Accounts of a tenant's own, for resource steps.
ACCOUNTS: dict[str, list[Body]] = {
    "deployer": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create", "update", "patch", "delete"]}],
    "runner": [{"apiGroups": [""], "resources": ["namespaces", "secrets", "configmaps"], "verbs": ["get", "patch", "update"]}],
}
RBAC = "rbac.authorization.k8s.io/v1"


def role(namespace: str, name: str, rules: list[Body], subject: Body) -> list[Body]:
    """Return a Role of this name with its binding."""
    meta = {"name": name, "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return [
        {"apiVersion": RBAC, "kind": "Role", "metadata": meta, "rules": rules},
        {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": meta, "roleRef": reference, "subjects": [subject]},
    ]


def user(name: str) -> Body:
    """Return a user as the subject of a binding."""
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}


def tenants(namespace: str) -> list[Body]:
    """Return everybody's rights in a namespace of an attacked tenant."""
    made: list[Body] = []
    for name, rules in RULES.items():
        made += role(namespace, name, rules, user(name)) if name != "eve" else []
    for name, cluster_role in ROLES.items():
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role}
        meta = {"name": name, "namespace": namespace}
        made.append({"apiVersion": RBAC, "kind": "RoleBinding", "metadata": meta, "roleRef": reference, "subjects": [user(name)]})
    for name, rules in ACCOUNTS.items():
        meta = {"name": name, "namespace": namespace}
        made.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        made += role(namespace, f"account-{name}", rules, {"kind": "ServiceAccount", **meta})
    return made
