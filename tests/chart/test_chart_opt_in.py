"""A release for the whole cluster that takes tasks only where an administrator says so, on an API server of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.chart.installed import Release, eventually, eventually_says
from tests.support.chart.rendering import Body

from devcluster.controlplane import ControlPlane, control_plane
from devcluster.errors import DevClusterError

pytestmark = pytest.mark.usefixtures("binaries")
SYSTEM, NAME = "opted", "opted"
VALUES: Body = {
    "fullnameOverride": NAME,
    "replicas": 0,
    "crds": {"install": False},
    "watch": {"optIn": True, "optInNamespaces": ["open"]},
    "settings": {"actions": ["wait", "job"]},
    "quotas": {"open": 1},
}
WAIT: Body = {"name": "a", "wait": {"seconds": 0}}
SQL: Body = {"name": "a", "sql": {"statements": ["select 1"]}}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ControlPlane]:
    """Return an API server with the release, a namespace that is open to tasks, and one that is not."""
    with control_plane(tmp_path / "cluster") as found:
        for namespace in (SYSTEM, "open", "closed"):
            found.kubectl.run(["create", "namespace", namespace])
        found.kubectl.run(["label", "namespace", "open", SYSTEM, "task.oceanbase.com/enabled=true"])
        Release(found, SYSTEM).install(VALUES)
        yield found


def tries(cluster: ControlPlane, namespace: str, step: Body, *, keep: bool = False) -> str:
    """Try to create a task, by default without leaving it; return what kubectl says."""
    spec = {"type": "Cluster", "cluster": "obdemo", "maintenance": "None", "steps": [step]}
    body = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": "t", "namespace": namespace}, "spec": spec}
    try:
        return cluster.kubectl.run(["create", *([] if keep else ["--dry-run=server"]), "-f", "-"], json.dumps(body))
    except DevClusterError as refusal:
        return str(refusal)


def may(cluster: ControlPlane, verb: str, what: str, namespace: str) -> bool:
    """Return whether the operator may do that in a namespace."""
    words = ["-n", namespace, "auth", "can-i", verb, what, f"--as=system:serviceaccount:{SYSTEM}:{NAME}"]
    try:
        return cluster.kubectl.run(words).strip() == "yes"
    except DevClusterError:
        return False


def test_tasks_and_rights_are_where_the_namespace_is_opened(cluster: ControlPlane) -> None:
    """Elsewhere tasks are refused, and the operator reads no Secret, makes no Job and acts as nobody; kinds that are off are refused."""
    eventually_says("has no tasks until", lambda: tries(cluster, "closed", WAIT), "the policy")
    eventually_says("switched off", lambda: tries(cluster, "open", SQL), "the policy of creation")
    eventually_says("operator's own", lambda: tries(cluster, SYSTEM, WAIT), "the policy of the own namespace")
    eventually(lambda: may(cluster, "create", "jobs", "open"), "the role")

    assert "has no tasks until an administrator labels it task.oceanbase.com/enabled=true" in tries(cluster, "closed", WAIT)
    assert "steps of these kinds are switched off (settings.actions of the chart): sql" in tries(cluster, "open", SQL)
    assert "operator's own namespace" in tries(cluster, SYSTEM, WAIT)
    eventually_says("created", lambda: tries(cluster, "open", WAIT), "leave")
    assert "created" in tries(cluster, "open", WAIT, keep=True)
    assert '"count/obtasks.task.oceanbase.com":"1"' in cluster.kubectl.run(
        ["-n", "open", "get", "quota", NAME, "-o", "jsonpath={.spec.hard}"]
    )
    given = {("create", "jobs"), ("get", "secrets"), ("update", "configmaps")}
    assert {(verb, what) for verb, what in given if may(cluster, verb, what, "open")} == given
    assert {(verb, what) for verb, what in given if may(cluster, verb, what, "closed")} == set()
    assert not any(may(cluster, "impersonate", "serviceaccounts", namespace) for namespace in ("open", "closed", SYSTEM))
    assert all(may(cluster, "list", "obtasks", namespace) for namespace in ("open", "closed"))
