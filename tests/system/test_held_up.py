"""A task that the API server does not let get on says so, once, and goes on by itself when it may. API.md section 3."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from tests.support.apiserver import EVENTS, LEASES, OBTASKS, ServerError
from tests.support.audit import requests
from tests.support.chart.installed import eventually
from tests.support.operators import operator_thread
from tests.support.tasks import TaskClient, wait_step

from obtask.settings import Settings

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
SEVERAL_TURNS_SECONDS = 6.0
PROBE = {"metadata": {"name": "any"}, "spec": {}}
FINISHED = 40
# Pauses begin at a quarter of a second and double, so that six seconds hold five tries and the one that was under way.
MOST_TRIES, REQUESTS_OF_A_TRY = 6, 3


@pytest.fixture
def no_locks(tasks: TaskClient) -> Iterator[str]:
    """Have the API server refuse every new Lease of the namespace; return the path of what makes it do so."""
    yield from refusal(tasks, "CREATE")


@pytest.fixture
def no_way_back(tasks: TaskClient) -> Iterator[str]:
    """Have the API server refuse every change of a Lease in the namespace; return the path of what makes it do so."""
    tasks.api.send("POST", LEASES.format(tasks.namespace), PROBE)
    yield from refusal(tasks, "UPDATE")


def refusal(tasks: TaskClient, operation: str) -> Iterator[str]:
    """Have a policy refuse Leases in the namespace as long as this is not closed; yield the path of its binding."""
    name = {"metadata": {"name": f"no-locks-{tasks.namespace}"}}
    rule = {"apiGroups": ["coordination.k8s.io"], "apiVersions": ["v1"], "operations": [operation], "resources": ["leases"]}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": tasks.namespace}}, "resourceRules": [rule]}
    spec = {"matchConstraints": here, "validations": [{"expression": "false", "message": "no locks today"}]}
    tasks.api.send("POST", POLICIES, name | {"spec": spec})
    tasks.api.send("POST", BINDINGS, name | {"spec": {"policyName": name["metadata"]["name"], "validationActions": ["Deny"]}})
    eventually(lambda: refuses(tasks, operation), "the policy")
    yield f"{BINDINGS}/{name['metadata']['name']}"
    tasks.api.send("DELETE", f"{POLICIES}/{name['metadata']['name']}")


def refuses(tasks: TaskClient, operation: str) -> bool:
    """Return whether the API server would refuse to make a Lease, or to change one."""
    path = LEASES.format(tasks.namespace)
    try:
        if operation == "CREATE":
            tasks.api.send("POST", f"{path}?dryRun=All", PROBE)
        else:
            tasks.api.send("PATCH", f"{path}/any?dryRun=All", {"spec": {"holderIdentity": "any"}})
    except ServerError as error:
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
    assert {each["type"]: each["reason"] for each in told["status"]["conditions"]}["Reconciling"] == "HeldUp"
    assert later["metadata"]["resourceVersion"] == told["metadata"]["resourceVersion"]
    events = [event for event in tasks.api.get(EVENTS.format(tasks.namespace))["items"] if event["reason"] == "HeldUp"]
    assert [event["type"] for event in events] == ["Warning"]

    tasks.api.send("DELETE", no_locks)
    tasks.wait_phase("refused", "Succeeded")


STATUS = "obtasks/status"
OURS = {"apiGroups": ["task.oceanbase.com"], "apiVersions": ["v1alpha1"]}
NO_LOCKS = {"count/leases.coordination.k8s.io": "0"}


def refuse_changes(tasks: TaskClient, resource: str, message: str) -> None:
    """Have the API server refuse every change of this resource of tasks in the namespace."""
    name = {"metadata": {"name": f"no-{resource.replace('/', '-')}-{tasks.namespace}"}}
    rule = OURS | {"operations": ["UPDATE"], "resources": [resource]}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": tasks.namespace}}, "resourceRules": [rule]}
    spec = {"matchConstraints": here, "validations": [{"expression": "false", "message": message}]}
    tasks.api.send("POST", POLICIES, name | {"spec": spec})
    tasks.api.send("POST", BINDINGS, name | {"spec": {"policyName": name["metadata"]["name"], "validationActions": ["Deny"]}})


def have_no_locks_left(tasks: TaskClient) -> None:
    """Have a quota that is used up, as its controller says, which does not run here."""
    path = f"/api/v1/namespaces/{tasks.namespace}/resourcequotas"
    tasks.api.send("POST", path, {"metadata": {"name": "few"}, "spec": {"hard": NO_LOCKS}})
    tasks.api.send("PATCH", f"{path}/few/status", {"status": {"hard": NO_LOCKS, "used": NO_LOCKS}})


def ask_nobody(tasks: TaskClient) -> None:
    """Have a webhook asked about every change of a task, at an address where nobody listens."""
    rule = OURS | {"operations": ["UPDATE"], "resources": ["obtasks"]}
    hook = {
        "name": "nobody.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": tasks.namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    tasks.api.send("POST", path, {"metadata": {"name": f"nobody-{tasks.namespace}"}, "webhooks": [hook]})


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Something that keeps the operator from working on tasks: how it is set up, its words, and what it refuses."""

    set_up: Callable[[TaskClient], None]
    words: str
    method: str = "PATCH"
    path: str = OBTASKS + "/probe"

    @property
    def writable(self) -> bool:
        """Whether a status can still be written."""
        return not self.path.endswith("/status")

    def holds(self, tasks: TaskClient) -> bool:
        """Return whether the API server knows of it by now."""
        change = {"status": {"message": "x"}, "metadata": {"labels": {"x": "y"}, "generateName": "probe-"}}
        query = "" if self.method == "POST" else "?dryRun=All"  # a quota counts nothing that is not made
        try:
            tasks.api.send(self.method, self.path.format(tasks.namespace) + query, change)
        except ServerError as error:
            return self.words in str(error)
        return False


HINDRANCES = {
    "the finalizer": Hindrance(lambda tasks: refuse_changes(tasks, "obtasks", "no finalizers"), "no finalizers"),
    "the status": Hindrance(lambda tasks: refuse_changes(tasks, STATUS, "no status"), "no status", path=OBTASKS + "/probe/status"),
    "a quota": Hindrance(have_no_locks_left, "exceeded quota", "POST", LEASES),
    "a webhook": Hindrance(ask_nobody, 'failed calling webhook "nobody.example.com"'),
}


@pytest.mark.parametrize("what", HINDRANCES)
def test_whatever_is_in_the_way_a_person_reads_of_it(tasks: TaskClient, settings: Settings, what: str) -> None:
    """An Event always; where the status can be written, the message and the condition Reconciling, too. `kubectl describe` shows both."""
    hindrance = HINDRANCES[what]
    tasks.create("probe", steps=[wait_step("s")])
    hindrance.set_up(tasks)
    eventually(lambda: hindrance.holds(tasks), what)

    with operator_thread(settings):
        tasks.create("hindered", maintenance="Global", steps=[wait_step("s")])
        event = tasks.wait_events("hindered", "HeldUp")["HeldUp"]

        assert event["type"] == "Warning"
        assert hindrance.words in event["message"]
        assert "HeldUp" in tasks.kubectl("describe", "obtask", "hindered")
        if hindrance.writable:
            body = tasks.wait("hindered", lambda task: "held up: " in task.get("status", {}).get("message", ""))
            condition = next(each for each in body["status"]["conditions"] if each["type"] == "Reconciling")
            assert (body["status"]["phase"], condition["reason"]) == ("Pending", "HeldUp")
            assert hindrance.words in condition["message"]


@pytest.mark.usefixtures("operator")
def test_locks_that_cannot_be_freed_keep_nobody_else(tasks: TaskClient, no_way_back: str) -> None:
    """Forty finished tasks may not empty their Leases: others go on, few requests are made, Events tell; later all are freed."""
    names = [f"stuck-{number}" for number in range(FINISHED)]
    for name in names:
        tasks.create(name, maintenance="Global", cluster=name, steps=[wait_step("s")])
    for name in names:
        tasks.wait_phase(name, "Succeeded", seconds=120)

    tasks.create("neighbour", maintenance="None", steps=[wait_step("s")])
    tasks.wait_phase("neighbour", "Succeeded")
    events = tasks.wait_events(names[0], "HeldUp")
    assert "cannot free lease" in events["HeldUp"]["message"]
    before = len(requests(tasks.cluster, tasks.namespace))
    time.sleep(SEVERAL_TURNS_SECONDS)
    asked = len(requests(tasks.cluster, tasks.namespace)) - before

    assert asked <= FINISHED * MOST_TRIES * REQUESTS_OF_A_TRY
    tasks.api.send("DELETE", no_way_back)
    tasks.wait_free()
