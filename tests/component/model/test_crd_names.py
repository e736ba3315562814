"""What the API server takes for a name the operator takes for one, too, and refuses nothing more: wherever people give names."""

import http
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.component.model.cases import cluster, job, resource, sql, task, wait
from tests.component.model.template_cases import parameters, steps_of, template, text
from tests.support.apiserver import ApiServer, ServerError, api_server

from devcluster.controlplane import ControlPlane
from obtask.model.task import InvalidSpec, read_task
from obtask.model.template import read_template
from obtask.model.template_contract import TemplateKind
from obtask.rules.validation import spec_fault

Json = dict[str, Any]

NAMES = (
    "a", "A", "_a", "a1", "1a", "a-b", "-a", "a-", "a.b", "a_b", "a b", "a/b", "a\n", "\na", "a$", "${{ a }}", "ä", "\uff41", "a٣",
    "租户", "", "true", "a" * 52, "a" * 53, "a" * 63, "a" * 64, "a" * 253, "a" * 256, "a" * 257,
)  # fmt: skip
OBJECT: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}

OF_TASKS: Mapping[str, Callable[[str], Json]] = {
    "step": lambda name: cluster(wait(name)),
    "subtask": lambda name: cluster({"name": "a", "parallel": [wait(name)]}),
    "forEach": lambda name: cluster({"name": name, "forEach": {"items": "[1]", "subtask": {"wait": {"seconds": 1}}}}),
    "sql.outputs": lambda name: cluster(sql(outputs={name: "1"})),
    "http.outputs": lambda name: cluster({"name": "a", "http": {"url": "http://a/", "outputs": {name: "1"}}}),
    "job.outputs": lambda name: cluster(job(outputs={name: "1"})),
    "resource.outputs": lambda name: cluster(resource(apply=OBJECT, outputs={name: "1"})),
    "obshell.outputs": lambda name: cluster({"name": "a", "obshell": {"path": "/api/v1/x", "outputs": {name: "1"}}}),
    "undo.outputs": lambda name: cluster(wait(rollback={"sql": {"statements": ["select 1"], "outputs": {name: "1"}}})),
    "http.headers": lambda name: cluster({"name": "a", "http": {"url": "http://a/", "headers": {name: "1"}}}),
    "http.headersFrom": lambda name: cluster(
        {"name": "a", "http": {"url": "http://a/", "headersFrom": [{"name": name, "secretKeyRef": {"name": "n", "key": "k"}}]}}
    ),
    "sql.args": lambda name: cluster(sql(args={name: 1})),
    "sql.argsFrom": lambda name: cluster(sql(argsFrom={name: {"secretKeyRef": {"name": "n", "key": "k"}}})),
    "tenant": lambda name: cluster(wait()) | {"maintenance": "Tenant", "tenant": name},
    "cluster": lambda name: cluster(wait()) | {"cluster": name},
    "serviceAccountName": lambda name: cluster(wait()) | {"serviceAccountName": name},
    "templateRef": lambda name: {key: value for key, value in cluster(wait()).items() if key != "steps"} | {"templateRef": {"name": name}},
}
OF_TEMPLATES: Mapping[str, Callable[[str], Json]] = {
    "parameter": lambda name: parameters(text(name)),
    "confirm": lambda name: parameters(text(name), text("again1", format="confirm", confirm=name)),
    "step": lambda name: steps_of(wait(name)),
    "outputs": lambda name: steps_of(sql(outputs={name: "1"})),
}


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> ApiServer:
    """Return the API server."""
    return api_server(control_plane)


def taken(api: ApiServer, plural: str, body: Json) -> bool:
    """Return whether the API server would store an object."""
    try:
        api.send("POST", f"/apis/task.oceanbase.com/v1alpha1/namespaces/default/{plural}?dryRun=All", body)
    except ServerError as refusal:
        if refusal.status != http.HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return False
    return True


def in_order(body: Json) -> bool:
    """Return whether the operator finds nothing wrong with a task before it takes a lock."""
    meta = {"uid": "u", "namespace": "default", "creationTimestamp": datetime(2026, 1, 1, tzinfo=UTC).isoformat(), "resourceVersion": "1"}
    found = read_task(body | {"metadata": body["metadata"] | meta})
    return not isinstance(found.spec, InvalidSpec) and spec_fault(found, {}) is None


@pytest.mark.parametrize("place", OF_TASKS)
def test_a_name_in_a_task(place: str, api: ApiServer) -> None:
    """Both take the same names, and refuse the same ones."""
    bodies = {name: task("named", OF_TASKS[place](name)) for name in NAMES}
    ours = {name: in_order(body) for name, body in bodies.items()}

    assert {name: taken(api, "obtasks", body) for name, body in bodies.items()} == ours
    assert ours["a"]


@pytest.mark.parametrize("place", OF_TEMPLATES)
def test_a_name_in_a_template(place: str, api: ApiServer) -> None:
    """Both take the same names, and refuse the same ones."""
    bodies = {name: template("named", OF_TEMPLATES[place](name)) for name in NAMES}
    ours = {name: not isinstance(read_template(TemplateKind.NAMESPACED, body).spec, InvalidSpec) for name, body in bodies.items()}

    assert {name: taken(api, "obtasktemplates", body) for name, body in bodies.items()} == ours
    assert ours["a"]
