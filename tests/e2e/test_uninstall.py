"""What is left after `helm uninstall`: the CRDs and the tasks, and nothing else; and how tasks go without an operator."""

import json
from collections.abc import Callable

import pytest
from tests.e2e.release import PAIR, Release
from tests.e2e.steps import Steps
from tests.support.tasks import Tasks

MADE = (
    "deployments,replicasets,pods,services,serviceaccounts,configmaps,roles,rolebindings,poddisruptionbudgets,networkpolicies,leases,"
    "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
)
NO_FINALIZER = '{"metadata":{"finalizers":null}}'


def left(release: Release) -> set[str]:
    """Return what of the release is there, as kind/name, but for what every namespace has."""
    own = release.kubectl("get", MADE, "-l", f"app.kubernetes.io/instance={release.name}", "-o", "name").split()
    here = release.kubectl("get", "all,leases,serviceaccounts,roles,rolebindings,endpointslices,secrets", "-o", "name").split()
    return {*own, *here} - {"serviceaccount/default"}


@pytest.mark.timeout(240)
def test_crds_and_tasks_stay(release: Release, steps: Steps, new_namespace: Callable[..., Tasks]) -> None:
    """A failed task keeps its lock; deleted, it waits for the next operator, or for a person who takes its finalizer off."""
    release.shape(PAIR)
    tasks = new_namespace()
    for name in ("kept", "freed", "taken"):
        tasks.create(name, cluster=name, maintenance="Global", steps=[steps.job("s", "exit 3")])
    for name in ("kept", "freed", "taken"):
        tasks.wait_phase(name, "Failed")
    before = left(release)

    release.uninstall()
    after = left(release)
    kept = json.loads(release.kubectl("get", "crd", "obtasks.task.oceanbase.com", "-o", "json"))
    held = tasks.holders()
    tasks.delete("freed")
    tasks.delete("taken")
    waits = "deletionTimestamp" in tasks.get("freed")["metadata"]
    tasks.kubectl("patch", "obtask", "taken", "--type=merge", "-p", NO_FINALIZER)
    tasks.wait_gone("taken")
    release.shape(PAIR)
    tasks.wait_gone("freed")
    tasks.command("kept", "skip")

    assert len(before) > 10
    assert after == set()
    assert kept["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert held == {"kept", "freed", "taken"}
    assert waits
    assert tasks.wait_let_go("kept")["phase"] == "Skipped"
    tasks.create("after", cluster="taken", maintenance="Global", steps=[steps.job("s", "true")])
    assert tasks.wait_let_go("after")["phase"] == "Succeeded"
