"""What an operator without some of its rights says when it starts."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.chart.installed import eventually
from tests.support.kubectl import Kubectl

from devcluster.controlplane import ControlPlane
from obtask.kube.access import Right
from obtask.runtime.rights import all_rights

RBAC_FILE = Path(__file__).parents[3] / "deploy/devcluster/rbac.yaml"
RULES: list[dict[str, Any]] = next(body for body in yaml.safe_load_all(RBAC_FILE.read_text()) if body["kind"] == "ClusterRole")["rules"]
RBAC = "rbac.authorization.k8s.io"

# Asks with the rights that are left; returns exit code, output and errors.
Asking = Callable[..., subprocess.CompletedProcess[str]]


def without(resource: str, *verbs: str) -> list[dict[str, Any]]:
    """Return the operator's rules without these verbs of a resource."""
    kept = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb not in verbs]} if rule["resources"] == [resource] else rule
        for rule in RULES
    ]
    return [rule for rule in kept if rule["verbs"]]


NO_TEMPLATES = (
    "this user may not get clusterobtasktemplates.task.oceanbase.com in all namespaces: "
    "tasks that name a template of kind ClusterOBTaskTemplate are held up\n"
)


@pytest.fixture
def asking(control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Asking:
    """Return `obtask check` as a user who has these rules in the test's namespace, and nothing elsewhere."""

    def ask(rules: list[dict[str, Any]], *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        meta = {"name": "limited", "namespace": namespace}
        role = {"apiGroup": RBAC, "kind": "Role", "name": "limited"}
        objects: list[dict[str, Any]] = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
            {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": role,
                "subjects": [{"kind": "ServiceAccount", **meta}],
            },
        ]
        kubectl("apply", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": objects})
        user = f"--as=system:serviceaccount:{namespace}:limited"
        eventually(lambda: not rules or "obtasks" in kubectl("auth", "can-i", "--list", "-n", namespace, user), "the role")
        config = yaml.safe_load(control_plane.kubeconfig.read_text())
        token = kubectl("create", "token", "limited", "-n", namespace).strip()
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        command = [sys.executable, "-m", "obtask", "check", "--kubeconfig", str(tmp_path / "kubeconfig"), *words]
        return subprocess.run(  # noqa: S603
            command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
        )

    return ask


def test_the_rights_that_are_asked_for_are_those_that_are_granted() -> None:
    """The list in the code and the role that every test runs with say the same; the chart's role is compared with that one."""
    granted = {
        Right(verb, resource.partition("/")[0], group, resource.partition("/")[2])
        for rule in RULES
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert all_rights() == granted


def test_all_rights_in_one_namespace_are_enough(asking: Asking, namespace: str) -> None:
    """An operator for some namespaces needs nothing elsewhere, not even to read its own CRD; what it cannot do then, it says."""
    result = asking(RULES, "--namespace", namespace)

    assert (result.returncode, result.stderr) == (0, NO_TEMPLATES)
    assert result.stdout == f"unfinished tasks: 0, locks: 0, in {namespace}\n"


def test_a_missing_right_is_named(asking: Asking, namespace: str) -> None:
    """Verb, resource and namespace in one line, and what grants it."""
    result = asking(without("leases", "create", "update"), "--namespace", namespace)

    assert result.returncode == 1
    assert f"this user may not create, update leases.coordination.k8s.io in namespace {namespace}; grant it: " in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_user_without_rights_is_told_of_all_of_them(asking: Asking, namespace: str) -> None:
    """The list is whole, so that nobody has to start the operator once for each right."""
    result = asking([], "--namespace", namespace)

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    for what in (
        "get, list, watch, patch obtasks.task.oceanbase.com",
        "update obtasks.task.oceanbase.com/status",
        "list, watch jobs.batch",
    ):
        assert what in result.stderr


def test_rights_in_one_namespace_are_not_rights_everywhere(asking: Asking) -> None:
    """An operator for all namespaces with Roles of one is told where they are missing."""
    result = asking(RULES)

    assert result.returncode == 1
    assert re.search(r"this user may not get, list, watch, patch obtasks\S+, .* in all namespaces; ", result.stderr)


def test_the_lease_of_the_leader_has_rights_of_its_own(asking: Asking, namespace: str) -> None:
    """They are asked for in the namespace of that Lease."""
    result = asking(RULES, "--namespace", namespace, OBTASK_LEADER_NAMESPACE="kube-system")

    assert result.returncode == 1
    assert "this user may not create, get, update leases.coordination.k8s.io in namespace kube-system; " in result.stderr


def test_a_right_that_some_tasks_need_is_missed_with_a_warning(asking: Asking, namespace: str) -> None:
    """Whoever does not want resource steps takes the right away; the log says what follows."""
    result = asking(without("serviceaccounts", "impersonate"), "--namespace", namespace)

    assert result.returncode == 0
    needed = f"this user may not impersonate serviceaccounts in namespace {namespace}: resource steps fail\n"
    assert sorted(result.stderr.splitlines(keepends=True)) == sorted([needed, NO_TEMPLATES])
