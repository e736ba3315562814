"""A task that the API server does not let get on says so, once, and goes on by itself when it may. API.md section 3."""

import time
from collections.abc import Iterator

import pytest
from tests.chart.installed import eventually
from tests.scenario.apiserver import EVENTS, LEASES, ApiError
from tests.scenario.tasks import TaskClient, wait_step

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
SEVERAL_TURNS_SECONDS = 6.0


@pytest.fixture
def no_locks(tasks: TaskClient) -> Iterator[str]:
    """Have the API server refuse every Lease of the namespace; return the path of what makes it do so."""
    name = {"metadata": {"name": f"no-locks-{tasks.namespace}"}}
    rule = {"apiGroups": ["coordination.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["leases"]}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": tasks.namespace}}, "resourceRules": [rule]}
    spec = {"matchConstraints": here, "validations": [{"expression": "false", "message": "no locks today"}]}
    tasks.api.send("POST", POLICIES, name | {"spec": spec})
    tasks.api.send("POST", BINDINGS, name | {"spec": {"policyName": name["metadata"]["name"], "validationActions": ["Deny"]}})
    eventually(lambda: refuses(tasks), "the policy")
    yield f"{BINDINGS}/{name['metadata']['name']}"
    tasks.api.send("DELETE", f"{POLICIES}/{name['metadata']['name']}")


def refuses(tasks: TaskClient) -> bool:
    """Return whether the API server would refuse a Lease."""
    try:
        tasks.api.send("POST", LEASES.format(tasks.namespace) + "?dryRun=All", {"metadata": {"name": "any"}, "spec": {}})
    except ApiError as error:
        return "no locks today" in str(error)
    return False


@pytest.mark.usefixtures("operator")
def test_a_task_whose_lock_is_refused_says_why(tasks: TaskClient, no_locks: str) -> None:
    """A policy forbids its Lease: message and Event tell; no further write is made while nothing changes."""
    tasks.create("refused", maintenance="Global", steps=[wait_step("s")])

    told = tasks.wait("refused", lambda task: "held up" in task["status"].get("message", ""), "a word about it")
    time.sleep(SEVERAL_TURNS_SECONDS)
    later = tasks.get("refused")

    assert "cannot claim lease" in told["status"]["message"]
    assert "no locks today" in told["status"]["message"]
    assert told["status"]["phase"] == "Pending"
    assert later["metadata"]["resourceVersion"] == told["metadata"]["resourceVersion"]
    events = [event for event in tasks.api.get(EVENTS.format(tasks.namespace))["items"] if event["reason"] == "HeldUp"]
    assert [event["type"] for event in events] == ["Warning"]

    tasks.api.send("DELETE", no_locks)
    tasks.wait_phase("refused", "Succeeded")
