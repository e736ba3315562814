"""A task that names a template gets its steps from the operator, once, or is Rejected with what is wrong. API.md section 8."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import templates
from tests.support.apiserver import CLUSTER_TEMPLATES, OBTASKS, TEMPLATES, Body
from tests.support.audit import requests, tally, writes
from tests.support.chart.installed import eventually
from tests.support.operators import operator_thread
from tests.support.tasks import TaskClient, wait_step

from obtask.settings import Settings

NOTE, ADOPTED = "task.oceanbase.com/template", "task.oceanbase.com/adopted"
NAMED: Body = {"kind": "OBTaskTemplate", "name": "pause"}


@pytest.fixture
def pause(tasks: TaskClient) -> Body:
    """Create the template `pause` in the namespace."""
    return templates.create(tasks.api, tasks.namespace, templates.pause("pause"))


@pytest.fixture
def shared(tasks: TaskClient) -> Iterator[Body]:
    """Create a template of the cluster, with a name of this test's own."""
    body = templates.pause(f"pause-{tasks.namespace}", kind="ClusterOBTaskTemplate")
    yield templates.create(tasks.api, tasks.namespace, body)
    tasks.api.send("DELETE", f"{CLUSTER_TEMPLATES}/pause-{tasks.namespace}")


def create(tasks: TaskClient, name: str, ref: Body | None = None, maintenance: str = "Global", **parameters: Any) -> Body:
    """Create a task of the template `pause`."""
    return tasks.create(name, maintenance=maintenance, templateRef=ref or NAMED, parameters=parameters)


@pytest.mark.usefixtures("operator", "pause")
def test_a_task_of_a_template_is_carried_out(tasks: TaskClient, pause: Body) -> None:
    """The status says where its steps came from, and the value of each parameter that has one."""
    create(tasks, "x", zone="zone1", units=4)

    status = tasks.wait_let_go("x", "Succeeded")

    meta, body = pause["metadata"], tasks.get("x")
    assert status["template"] == {"kind": "OBTaskTemplate", "name": "pause", "uid": meta["uid"], "generation": 1}
    assert status["parameters"] == {"zone": "zone1", "memory": "8G", "units": 4}
    assert [step["name"] for step in status["steps"]] == ["pause"]
    assert body["spec"]["steps"] == pause["spec"]["steps"]
    assert body["spec"]["parameters"] == {"zone": "zone1", "units": 4}
    assert body["metadata"]["generation"] == 2
    assert json.loads(body["metadata"]["annotations"][NOTE])["defaults"] == {"memory": "8G"}


@pytest.mark.usefixtures("operator")
def test_a_template_of_the_cluster_is_what_a_name_alone_means(tasks: TaskClient, shared: Body) -> None:
    """Its namesake in the namespace is another one."""
    name = shared["metadata"]["name"]
    templates.create(tasks.api, tasks.namespace, templates.pause(name, wait_step("other")))
    create(tasks, "x", {"name": name}, zone="zone1")

    status = tasks.wait_let_go("x", "Succeeded")

    assert status["template"]["kind"] == "ClusterOBTaskTemplate"
    assert status["steps"][0]["name"] == "pause"


@pytest.mark.usefixtures("operator", "pause")
@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param({}, "spec.parameters.zone: a value is required: a name of the database", id="missing"),
        pytest.param({"zone": "a;b"}, "spec.parameters.zone: allowed is a name of the database", id="format"),
        pytest.param({"zone": "z", "memory": "32G"}, 'one of 8G or 16G; given: "32G"', id="enum"),
        pytest.param({"zone": "z", "units": 65}, "spec.parameters.units: allowed is a whole number, at least 1, at most 64", id="range"),
        pytest.param({"zone": "z", "units": "4"}, 'at least 1, at most 64; given: "4"', id="type"),
        pytest.param({"zone": "z", "unit": 4}, "unit: no parameter of this template, which has zone, memory, units or again", id="unknown"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(tasks: TaskClient, spec: Body, says: str) -> None:
    """The task is Rejected before it takes a lock, and gets no steps."""
    create(tasks, "x", **spec)

    status = tasks.wait_let_go("x", "Rejected")

    assert (status["reason"], status["allowedActions"]) == ("InvalidSpec", [])
    assert says in status["message"]
    assert "steps" not in tasks.get("x")["spec"]
    assert tasks.leases() == {}


@pytest.mark.usefixtures("operator", "pause")
def test_a_task_says_itself_what_it_excludes(tasks: TaskClient) -> None:
    """Otherwise its lock would depend on the template."""
    create(tasks, "x", maintenance="None", zone="zone1")

    status = tasks.wait_let_go("x", "Rejected")

    assert status["message"] == "spec.maintenance: Global is allowed with OBTaskTemplate pause; given: None"


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("ref", [NAMED, {"name": "no-such-template"}])
def test_without_its_template_a_task_is_rejected(tasks: TaskClient, ref: Body) -> None:
    """It says which one is missing."""
    create(tasks, "x", ref, zone="zone1")

    assert f"spec.templateRef: there is no {ref.get('kind', 'ClusterOBTaskTemplate')} {ref['name']}" in tasks.wait_let_go("x")["message"]


@pytest.mark.usefixtures("pause")
def test_a_task_that_is_there_depends_on_no_template(tasks: TaskClient, settings: Settings) -> None:
    """One in line runs what the template said when it was adopted, with the default of that time."""
    ttl = {"name": "hold", "wait": {"seconds": 3600}}
    with operator_thread(settings):
        tasks.create("first", maintenance="Global", steps=[ttl])
        tasks.wait_phase("first", "Running")
        create(tasks, "second", zone="zone1")
        tasks.wait_phase("second", "Waiting")
    with operator_thread(settings):
        tasks.api.send("DELETE", f"{TEMPLATES.format(tasks.namespace)}/pause")
        templates.create(tasks.api, tasks.namespace, templates.pause("pause", wait_step("other")))
        tasks.delete("first")

        status = tasks.wait_let_go("second", "Succeeded")

    assert status["steps"][0]["name"] == "pause"
    assert status["parameters"]["memory"] == "8G"


@pytest.mark.usefixtures("pause")
def test_a_template_costs_no_write_of_its_own(tasks: TaskClient, settings: Settings) -> None:
    """Its steps come with the mark and the finalizer: N + 6, and one read. The operator looks at the template itself before."""
    path = f"{TEMPLATES.format(tasks.namespace)}/pause"
    with operator_thread(settings):
        eventually(lambda: "status" in tasks.api.get(path), "the verdict")
        before = len(requests(tasks.cluster, tasks.namespace))
        create(tasks, "cheap", zone="zone1")
        tasks.wait_let_go("cheap", "Succeeded")

    found = [request for request in writes(tasks.cluster, tasks.namespace) if request.name != "pause"]
    about_templates = [request for request in requests(tasks.cluster, tasks.namespace)[before:] if request.name == "pause"]
    assert len(found) <= 1 + 6, tally(found)
    assert [str(request) for request in about_templates if request.verb == "get"] == ["get obtasktemplates"]


@pytest.mark.usefixtures("operator_process")
def test_steps_that_somebody_else_has_written_are_not_run(tasks: TaskClient, settings: Settings) -> None:
    """Whoever may change a task, but not create one with steps, gets none in by that way."""
    create(tasks, "x", zone="zone1")
    tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/x", {"spec": {"steps": [wait_step("mine")]}})

    with operator_thread(settings):
        status = tasks.wait_let_go("x", "Rejected")

    assert "gets its steps from the operator" in status["message"]


@pytest.mark.usefixtures("operator")
def test_an_invalid_template_rejects_its_tasks(tasks: TaskClient) -> None:
    """With the fault of the template."""
    broken = [{"name": "zone", "type": "string", "default": "a;b", "format": "identifier"}]
    templates.create(tasks.api, tasks.namespace, templates.pause("pause", parameters=broken))
    create(tasks, "x")

    assert "allowed is a name of the database" in tasks.wait_let_go("x", "Rejected")["message"]


@pytest.mark.usefixtures("pause")
def test_a_template_that_cannot_be_read_holds_its_tasks_up(tasks: TaskClient, settings: Settings) -> None:
    """They are tried again, and go on once it can."""
    role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/obtask-operator"
    rules = tasks.api.get(role)["rules"]
    kept = [rule for rule in rules if rule["resources"] != ["obtasktemplates"]]
    with operator_thread(settings):
        tasks.api.send("PATCH", role, {"rules": kept})
        try:
            create(tasks, "x", zone="zone1")
            held = tasks.wait("x", lambda body: "cannot read OBTaskTemplate pause" in body.get("status", {}).get("message", ""), "held up")
        finally:
            tasks.api.send("PATCH", role, {"rules": rules})
        tasks.wait_let_go("x", "Succeeded")

    assert held["status"]["phase"] == "Pending"
    assert ADOPTED not in held["metadata"].get("annotations", {})


def condition(body: Body, kind: str = "Valid") -> Body:
    """Return a condition of a template, or nothing."""
    return next((one for one in body.get("status", {}).get("conditions", []) if one["type"] == kind), {})


@pytest.mark.usefixtures("operator", "pause")
def test_a_template_says_whether_it_is_valid(tasks: TaskClient) -> None:
    """With the first error; and again after it was changed."""
    path = TEMPLATES.format(tasks.namespace)
    eventually(lambda: condition(tasks.api.get(f"{path}/pause")).get("status") == "True", "the verdict")
    judged = tasks.api.get(f"{path}/pause")
    steps = [{"name": "query", "sql": {"statements": ["select 1"], "expect": "params.zoon == 1"}}]
    tasks.api.send("PATCH", f"{path}/pause", {"spec": {"steps": steps}})
    eventually(lambda: condition(tasks.api.get(f"{path}/pause")).get("status") == "False", "another verdict")
    broken = tasks.api.get(f"{path}/pause")

    assert judged["status"]["observedGeneration"] == 1
    assert judged["status"]["parameters"] == "zone, [memory], [units], [again]"
    assert condition(judged, "Stalled") == {}
    assert broken["status"]["observedGeneration"] == 2
    assert condition(broken, "Stalled")["status"] == "True"
    assert 'spec.steps[0].sql.expect: the template has no parameter "zoon"' in condition(broken)["message"]


@pytest.mark.usefixtures("operator")
def test_a_template_of_the_cluster_is_judged_too(tasks: TaskClient, shared: Body) -> None:
    """By any operator that may."""
    path = f"{CLUSTER_TEMPLATES}/{shared['metadata']['name']}"
    eventually(lambda: condition(tasks.api.get(path)).get("status") == "True", "the verdict")
