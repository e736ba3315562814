"""The catalogue comes with the chart; and its policies say who may use templates, and who writes steps. API.md section 8."""

import gzip
import json
import shutil
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support import manifests, templates
from tests.support.chart.installed import Release, eventually_says, release, small
from tests.support.chart.rendering import CHART, ROOT, Body, objects, texts
from tests.support.kubectl import Kubectl, KubectlError

from devcluster.controlplane import ControlPlane, control_plane

KIND = "ClusterOBTaskTemplate"
RELEASE_BYTES = 1024 * 1024  # of a Secret


def catalogue(values: Body) -> dict[str, Body]:
    """Return the templates that a release brings, by name."""
    return {body["metadata"]["name"]: body for body in objects(values) if body["kind"] == KIND}


def test_the_catalogue_is_part_of_a_release() -> None:
    """Each template of deploy/templates, with the release's labels; none if nobody wants them."""
    written = [manifests.read(file.read_text()) for file in (ROOT / "deploy/templates").glob("*.yaml")]
    found = catalogue({})

    assert {name: body["spec"] for name, body in found.items()} == {body["metadata"]["name"]: body["spec"] for body in written}
    assert all(body["metadata"]["labels"]["app.kubernetes.io/instance"] == "obtask-operator" for body in found.values())
    assert catalogue({"templates": {"install": False}}) == {}
    assert catalogue({"templates": None}) == found


def test_a_release_with_the_catalogue_can_be_stored() -> None:
    """Helm keeps the chart and what it renders in one Secret, packed: a tenth of that is left free."""
    files = [file for file in CHART.rglob("*") if file.is_file()]
    chart = [{"name": str(file.relative_to(CHART)), "data": b64encode(file.read_bytes()).decode()} for file in files]
    whole = {"chart": {"files": chart}, "manifest": "\n---\n".join(texts({}).values())}

    packed = b64encode(gzip.compress(json.dumps(whole).encode()))

    assert len(packed) < RELEASE_BYTES * 9 // 10


def test_everybody_may_see_the_catalogue_and_edit_may_use_it() -> None:
    """Namespaced templates are written by `admin`; those of the cluster by its administrators."""
    roles = {body["metadata"]["name"]: body["rules"] for body in objects({}) if body["kind"] == "ClusterRole"}
    both, own = ["clusterobtasktemplates", "obtasktemplates"], ["obtasktemplates"]

    found = {
        role: [(rule["resources"], rule["verbs"]) for rule in roles[f"obtask-operator-{role}"][1:]] for role in ("view", "edit", "admin")
    }

    assert found["view"] == [(both, ["get", "list", "watch"])]
    assert found["edit"] == [(both, ["use"])]
    assert found["admin"] == [(own, ["create", "update", "patch", "delete", "deletecollection"]), (["obtasks/steps"], ["create"])]


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[ControlPlane]:
    """Return an API server that knows no kind of ours."""
    with control_plane(tmp_path / "cluster") as cluster:
        kinds = ["obtasks", "obtasktemplates", "clusterobtasktemplates"]
        cluster.kubectl.run(["delete", "crd", *(f"{kind}.task.oceanbase.com" for kind in kinds)])
        cluster.kubectl.run(["create", "namespace", "obtask-system"])
        yield cluster


@pytest.mark.usefixtures("binaries")
def test_the_catalogue_is_installed_with_its_kind_and_is_the_releases_own(empty: ControlPlane) -> None:
    """At the first installation, which brings the kind itself, by a hook; then as objects of the release, which takes them along."""

    def there() -> int:
        return len(empty.kubectl.run(["get", "clusterobtasktemplates", "-o", "name"]).split())

    ours = Release(empty, "obtask-system")
    ours.install({"replicas": 0})
    installed = there()
    ours.upgrade({"replicas": 0})
    upgraded = there()
    ours.upgrade({"replicas": 0, "templates": {"install": False}})

    assert installed == upgraded == len(catalogue({}))
    assert there() == 0


@pytest.mark.usefixtures("binaries")
def test_templates_that_leave_the_catalogue_leave_the_cluster(empty: ControlPlane, tmp_path: Path) -> None:
    """At an upgrade, whether a hook has made them or they were the release's; those that somebody else has made stay as they are."""

    def there() -> dict[str, Body]:
        listed = json.loads(empty.kubectl.run(["get", "clusterobtasktemplates", "-o", "json"]))["items"]
        return {body["metadata"]["name"]: body for body in listed}

    empty.kubectl.run(["create", "namespace", "second"])
    chart = copied(tmp_path / "chart", leave_out=())
    ours = Release(empty, "obtask-system", chart)
    ours.install({"replicas": 0})
    own = templates.pause("own") | {"kind": KIND}
    empty.kubectl.apply([own])
    made = there()

    copied(chart, leave_out=("resize-tenant",))
    ours.upgrade({"replicas": 0})
    without_one = there()
    copied(chart, leave_out=("resize-tenant", "grant"))
    ours.upgrade({"replicas": 0})
    without_two = there()

    assert made.keys() - without_one.keys() == {"resize-tenant"}
    assert without_one.keys() - without_two.keys() == {"grant"}
    assert without_two.keys() == {"own"} | catalogue({}).keys() - {"resize-tenant", "grant"}
    assert without_two["own"]["metadata"]["uid"] == made["own"]["metadata"]["uid"]
    assert without_two["health-check"]["metadata"]["uid"] == made["health-check"]["metadata"]["uid"]
    assert without_two["health-check"]["spec"] == catalogue({})["health-check"]["spec"]


@pytest.mark.usefixtures("binaries")
def test_a_release_that_was_only_installed_takes_its_catalogue_along(empty: ControlPlane) -> None:
    """The kinds stay, and what somebody else has made of them."""
    ours = Release(empty, "obtask-system")
    ours.install({"replicas": 0})
    empty.kubectl.apply([templates.pause("own") | {"kind": KIND}])
    ours.uninstall()

    assert empty.kubectl.run(["get", "clusterobtasktemplates", "-o", "name"]).split() == ["clusterobtasktemplate.task.oceanbase.com/own"]


def copied(chart: Path, leave_out: Sequence[str]) -> Path:
    """Have a copy of the chart there, without some of its templates."""
    shutil.copytree(CHART, chart, dirs_exist_ok=True)
    file = chart / "files/templates.yaml"
    each = file.read_text().split("\n---\n")
    file.write_text("\n---\n".join(text for text in each if manifests.read(text)["metadata"]["name"] not in leave_out))
    return chart


def test_nobody_may_be_meant_to_see_the_catalogue() -> None:
    """An empty list of groups is nobody; a release that lacks the value has its default."""

    def groups(values: Body) -> list[str]:
        bindings = [
            body
            for body in objects(values)
            if body["kind"] == "ClusterRoleBinding" and body["metadata"]["name"].endswith("-templates-view")
        ]
        return [subject["name"] for body in bindings for subject in body["subjects"]]

    assert groups({"templates": {"visibleTo": []}}) == []
    assert groups({"templates": {"visibleTo": ["dbas"]}}) == ["dbas"]
    assert groups({}) == groups({"templates": None}) == ["system:authenticated"]


@pytest.fixture(scope="module")
def people(control_plane: ControlPlane, kubectl: Kubectl, module_namespace: str) -> Iterator[str]:
    """Install the chart with every policy, and users: `ed` with the role edit, `ad` with admin, `tim` who may only create tasks."""
    values = small(module_namespace, admission={"requireStepsRight": True})
    with release(control_plane, module_namespace, values):
        kubectl("create", "-n", module_namespace, "-f", "-", manifest=templates.pause("pause"))
        for name, role in (("ed", "edit"), ("ad", "admin")):
            kubectl("create", "rolebinding", name, f"--clusterrole={role}", f"--user={name}-{module_namespace}", "-n", module_namespace)
        kubectl("create", "role", "tim", "--verb=create,patch,get", "--resource=obtasks.task.oceanbase.com", "-n", module_namespace)
        kubectl("create", "rolebinding", "tim", "--role=tim", f"--user=tim-{module_namespace}", "-n", module_namespace)
        eventually_says("needs the verb use", lambda: said(kubectl, module_namespace, "tim", of_template()), "the policy about templates")
        eventually_says("may not create a template", lambda: said(kubectl, module_namespace, "tom", with_job()), "the policy of steps")
        yield module_namespace


def said(kubectl: Kubectl, namespace: str, name: str, manifest: Body) -> str:
    """Return what the API server says when a user tries to create something."""
    if name == "tom":  # a writer of templates who may not make Jobs
        with_right = ["create", "role", "tom", "--verb=create", "--resource=obtasktemplates.task.oceanbase.com", "-n", namespace]
        for words in (with_right, ["create", "rolebinding", "tom", "--role=tom", f"--user=tom-{namespace}", "-n", namespace]):
            try:
                kubectl(*words)
            except KubectlError as error:
                assert "exists" in str(error)  # noqa: PT017 - the second time
    try:
        return kubectl("create", "--dry-run=server", "-n", namespace, f"--as={name}-{namespace}", "-f", "-", manifest=manifest)
    except KubectlError as refusal:
        return str(refusal)


def of_template(**more: Any) -> Body:
    """Return a task of the template `pause`."""
    ref = {"kind": "OBTaskTemplate", "name": "pause"}
    spec = {"type": "Cluster", "cluster": "obdemo", "maintenance": "Global", "templateRef": ref, "parameters": {"zone": "z"}}
    return {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": "x"}, "spec": spec | more}


def with_steps() -> Body:
    """Return a task with steps of its own."""
    body = of_template(steps=[{"name": "a", "wait": {"seconds": 0}}])
    return body | {"spec": {key: value for key, value in body["spec"].items() if key not in ("templateRef", "parameters")}}


def with_job() -> Body:
    """Return a template with a Job."""
    return templates.pause("jobs", {"name": "j", "job": {"image": "x"}})


def test_whoever_has_the_right_use_creates_tasks_of_a_template(kubectl: Kubectl, people: str) -> None:
    """`edit` has it; who may only create tasks has not."""
    assert said(kubectl, people, "ed", of_template()) == "obtask.task.oceanbase.com/x created (server dry run)\n"
    refusal = said(kubectl, people, "tim", of_template())
    assert f"tim-{people} may not create a task of OBTaskTemplate pause: it needs the verb use" in refusal
    assert "acts as service account other" in said(kubectl, people, "tim", of_template(serviceAccountName="other")) or "use" in refusal


def test_steps_of_ones_own_can_be_a_right(kubectl: Kubectl, people: str) -> None:
    """`admin` has it; `edit` creates tasks of templates only."""
    assert "created" in said(kubectl, people, "ad", with_steps())
    assert "need the verb create on obtasks/steps" in said(kubectl, people, "ed", with_steps())


def test_whoever_writes_a_template_may_do_what_its_steps_do(kubectl: Kubectl, people: str) -> None:
    """Otherwise a task of it would do for him what he may not."""
    assert "created" in said(kubectl, people, "ad", with_job())
    assert "may not create a template with job steps" in said(kubectl, people, "tom", with_job())


@pytest.mark.parametrize(
    "change",
    [{"spec": {"steps": [{"name": "a", "wait": {"seconds": 0}}]}}, {"metadata": {"annotations": {"task.oceanbase.com/template": "{}"}}}],
)
def test_nobody_but_the_operator_writes_what_comes_from_a_template(kubectl: Kubectl, people: str, change: Body) -> None:
    """Neither the steps nor the note of where they are from."""
    name = f"t{abs(hash(str(change)))}"
    body = of_template()
    kubectl("create", "-n", people, "-f", "-", manifest=body | {"metadata": {"name": name}})

    with pytest.raises(KubectlError) as refusal:
        kubectl("patch", "obtask", name, "-n", people, f"--as=ed-{people}", "--type=merge", "-p", json.dumps(change))

    assert "from the operator, and from nobody else" in str(refusal.value) or "only the operator may change" in str(refusal.value)
