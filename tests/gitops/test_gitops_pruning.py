"""What belongs to a task and what does not: GitOps tools prune only what they have applied themselves."""

import json
from collections.abc import Iterator

import pytest
from tests.gitops.marks import ANNOTATIONS, CLIENT_SIDE, LABELS, Body, applied, marked
from tests.support.kubectl import Kubectl
from tests.support.node import Node
from tests.support.operators import operator_thread
from tests.support.rights import grant
from tests.support.tasks import TaskClient, wait_step

from obtask import names
from obtask.settings import Settings

MARKS = {*LABELS, *ANNOTATIONS}
ACCOUNT = "runner"


@pytest.fixture
def _node(tasks: TaskClient) -> Iterator[None]:
    """Run the pods of the test's namespace."""
    with Node(tasks.cluster, tasks.namespace).running():
        yield


@pytest.fixture
def _operator(settings: Settings) -> Iterator[None]:
    """Run an operator for the test's namespace."""
    with operator_thread(settings):
        yield


def everything(kubectl: Kubectl, namespace: str) -> list[Body]:
    """Return every object of a namespace, of whatever kind the API server has."""
    kinds = kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    found: list[Body] = json.loads(kubectl("get", ",".join(kinds), "-n", namespace, "-o", "json"))["items"]
    return found


def keys(body: Body) -> set[str]:
    """Return the names of the labels and annotations of an object."""
    meta = body["metadata"]
    return {*meta.get("labels", {}), *meta.get("annotations", {})}


@pytest.mark.usefixtures("_node", "_operator")
def test_what_the_operator_makes_bears_no_marks(kubectl: Kubectl, tasks: TaskClient) -> None:
    """Nothing but the task looks as if it came from git, whatever the kind; the task owns its Jobs and ConfigMaps, and no Lease."""
    grant(kubectl, tasks.namespace, ACCOUNT)
    talkative = {"job": {"image": "node/any", "command": ["sh", "-c", "seq 1 2000"]}}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
    change = {"resource": {"apply": settings}, "rollback": {"resource": {"restore": True}}}
    steps = [{"name": "talk", **talkative}, {"name": "change", **change}]
    task = marked(tasks.manifest("x", maintenance="Global", serviceAccountName=ACCOUNT, steps=steps), tasks.namespace)
    uid = applied(kubectl, CLIENT_SIDE, task)["metadata"]["uid"]
    tasks.wait_let_go("x", "Succeeded")
    tasks.wait_events("x", "Completed")

    found = everything(kubectl, tasks.namespace)

    marks = {(body["kind"], body["metadata"]["name"]) for body in found if keys(body) & MARKS}
    assert marks == {("OBTask", "x")}
    own = [body for body in found if body["metadata"].get("labels", {}).get(names.TASK_UID_LABEL) == uid]
    assert sorted(body["kind"] for body in own) == ["ConfigMap", "ConfigMap", "Job", "Pod"]
    for body in (body for body in own if body["kind"] != "Pod"):
        (owner,) = body["metadata"]["ownerReferences"]
        assert (owner["apiVersion"], owner["kind"], owner["name"], owner["uid"]) == (names.API_VERSION, names.KIND, "x", uid)
        assert not owner.get("controller")
        assert not owner.get("blockOwnerDeletion")
    (lease,) = (body for body in found if body["kind"] == "Lease")
    assert "ownerReferences" not in lease["metadata"]


@pytest.mark.usefixtures("_operator")
@pytest.mark.parametrize("propagation", ["foreground", "background"])
def test_a_pruned_task_stops_and_frees_its_lock(kubectl: Kubectl, tasks: TaskClient, propagation: str) -> None:
    """Deleted as Argo CD and Flux delete, in the middle of a step: it goes, nothing is undone, and the next in line runs."""
    task = marked(tasks.manifest("x", maintenance="Global", steps=[wait_step("long", 3600)]), tasks.namespace)
    applied(kubectl, CLIENT_SIDE, task)
    tasks.wait_phase("x", "Running")
    tasks.create("next", maintenance="Global", steps=[wait_step("a")])
    tasks.wait_phase("next", "Waiting")

    kubectl("delete", "obtask", "x", "-n", tasks.namespace, f"--cascade={propagation}", "--wait=false")

    tasks.wait_gone("x")
    tasks.wait_let_go("next", "Succeeded")
    assert tasks.holders() == set()
