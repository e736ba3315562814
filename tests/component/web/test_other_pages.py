"""New task, Templates and Help, as browsers without scripts see them."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest
import yaml
from tests.support import manifests
from tests.support.kubectl import Kubectl
from tests.support.made_tasks import make
from tests.support.web import Web, person

from obtask import names

CATALOGUE = Path(__file__).parents[3] / "deploy/templates"


@pytest.fixture(scope="module")
def template(kubectl: Kubectl, module_namespace: str) -> str:
    """Make a template of the namespace from one of the catalogue, and return its name."""
    body = manifests.read((CATALOGUE / "drop-tenant.yaml").read_text())
    kubectl("apply", "-n", module_namespace, "-f", "-", manifest=body | {"kind": "OBTaskTemplate", "metadata": {"name": "drop-ours"}})
    return "drop-ours"


@pytest.fixture(scope="module")
def li(task_center: Web, kubectl: Kubectl, module_namespace: str, roles: None) -> Iterator[httpx.Client]:  # noqa: ARG001 - made before
    """Return the browser of somebody who may make tasks in the namespace."""
    with task_center.signed_in(person(kubectl, module_namespace, "li", "edit")) as browser:
        yield browser


@pytest.fixture(scope="module")
def wang(task_center: Web, kubectl: Kubectl, module_namespace: str, roles: None) -> Iterator[httpx.Client]:  # noqa: ARG001 - made before
    """Return the browser of somebody who may do nothing."""
    with task_center.signed_in(person(kubectl, module_namespace, "wang", None)) as browser:
        yield browser


def task(namespace: str, name: str, **spec: object) -> str:
    """Return a task as somebody writes it."""
    usual = {"type": "Cluster", "cluster": "new", "maintenance": "Global", "steps": [{"name": "go", "wait": {"seconds": 0}}]}
    metadata = {"name": name, "namespace": namespace}
    return yaml.safe_dump({"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": usual | spec})


def said(answer: httpx.Response) -> str:
    """Return what a page says, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


# --- Templates ---


def test_the_catalogue_says_what_each_template_asks_of_its_user(li: httpx.Client, template: str, module_namespace: str) -> None:
    """Title, description, what it locks, and whether it destroys something; in the reader's language."""
    english = said(li.get(f"/templates?ns={module_namespace}"))
    chinese = said(li.get(f"/templates?ns={module_namespace}", headers={"Accept-Language": "zh"}))

    assert f"{module_namespace}/{template}" in english
    assert "Destroys data: a name is typed again" in english
    assert "销毁" in chinese or "删除" in chinese
    assert "Destroys data" not in chinese


def test_a_template_is_searched_and_shown(li: httpx.Client, template: str, module_namespace: str) -> None:
    """By its title; its page has its parameters, its steps and its YAML, and leads to its form."""
    found = li.get(f"/templates?ns={module_namespace}&q=drop")
    nothing = li.get(f"/templates?ns={module_namespace}&q=nothing-of-the-kind")
    page = li.get(f"/templates?ns={module_namespace}&name={template}")

    assert f"name={template}" in found.text
    assert "No template matches. nothing-of-the-kind was looked for" in said(nothing)
    assert all(word in said(page) for word in ("confirm", "tenant", "kind: OBTaskTemplate"))
    assert f"/new?template={template}&amp;ns={module_namespace}" in page.text


@pytest.mark.parametrize(
    ("address", "status"),
    [("/templates?name=none-of-this-name", 404), ("/templates?name=a%2Fb", 404), ("/templates?ns=a%2Fb", 404), ("/new?template=none", 404)],
)
def test_a_template_that_is_not_there(li: httpx.Client, address: str, status: int) -> None:
    """Is told as that, and is no fault of the Task Center's."""
    assert li.get(address).status_code == status


def test_who_may_see_no_templates_is_told_so(wang: httpx.Client) -> None:
    """On both pages that show them, in the API server's own words."""
    for page in ("/templates", "/new"):
        assert "Templates could not be read: clusterobtasktemplates.task.oceanbase.com is forbidden" in said(wang.get(page))


# --- New task ---


def test_a_mistake_in_yaml_is_shown_at_its_line_and_nothing_is_made(li: httpx.Client, kubectl: Kubectl, module_namespace: str) -> None:
    """What the API server refuses, and what is no YAML at all; the text is there again."""
    wrong = task(module_namespace, "wrong", maintenance="Everything")
    line = next(number for number, text in enumerate(wrong.splitlines(), 1) if "Everything" in text)
    refused = li.post("/new", data={"yaml": wrong, "do": "create"})
    unreadable = li.post("/new", data={"yaml": "kind: [", "do": "create"})

    assert refused.status_code == unreadable.status_code == 422
    assert f"Line {line}" in said(refused)
    assert "maintenance: Everything" in unescape(refused.text)
    assert "The YAML cannot be read." in said(unreadable)
    assert "wrong" not in kubectl("get", "obtasks", "-n", module_namespace, "-o", "name")


def test_a_check_says_what_would_become_of_a_task_and_makes_none(li: httpx.Client, kubectl: Kubectl, module_namespace: str) -> None:
    """Whether it would start now, or behind whom it would wait."""
    make(kubectl, module_namespace, "holder", "Failed", spec={"cluster": "new"})
    free = li.post("/new", data={"yaml": task(module_namespace, "free", cluster="other")})
    behind = li.post("/new", data={"yaml": task(module_namespace, "behind")})

    assert "It would start now." in said(free)
    assert "holder" in said(behind)
    assert "It would wait" in said(behind)
    assert kubectl("get", "obtasks", "-n", module_namespace, "-o", "name").split() == ["obtask.task.oceanbase.com/holder"]


def test_a_task_is_made_from_yaml_and_from_a_file(li: httpx.Client, kubectl: Kubectl, module_namespace: str) -> None:
    """Whoever made it is led to its page."""
    typed = li.post("/new", data={"yaml": task(module_namespace, "typed"), "do": "create"})
    sent = li.post("/new", data={"do": "create"}, files={"file": ("task.yaml", task(module_namespace, "sent").encode())})

    assert [typed.status_code, sent.status_code] == [303, 303]
    assert [typed.headers["location"], sent.headers["location"]] == [f"/t/{module_namespace}/{name}" for name in ("typed", "sent")]
    assert {"typed", "sent"} <= {each.partition("/")[2] for each in kubectl("get", "obtasks", "-n", module_namespace, "-o", "name").split()}


def test_only_tasks_are_made(li: httpx.Client, module_namespace: str) -> None:
    """The page is not a way to make anything else with somebody's rights."""
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: {module_namespace}}}\n"
    answer = li.post("/new", data={"yaml": secret, "do": "create"})

    assert answer.status_code == 422
    assert "Only tasks are created here." in said(answer)


def test_a_form_asks_for_what_the_template_asks_for(li: httpx.Client, template: str, module_namespace: str) -> None:
    """What is missing, and a name that was not typed again as it is, is said at its field; what fits is shown as YAML."""
    address = f"/new?template={template}&ns={module_namespace}"
    form = li.get(address)
    fields = {"name": "drop", "ns": module_namespace, "cluster": "forms", "tenant": "old", "p.tenant": "old", "p.confirm": "odl"}
    wrong = li.post(address, data=fields)
    right = li.post(address, data=fields | {"p.confirm": "old"})

    assert 'name="p.confirm"' in form.text
    assert wrong.status_code == 422
    assert re.search(r'id="error-p\.confirm".{0,300}typed again', wrong.text, re.DOTALL)
    assert right.status_code == 200
    assert "It would start now." in said(right)
    assert "templateRef:" in said(right)


def test_who_may_not_make_tasks_is_told_so_in_the_servers_words(wang: httpx.Client, module_namespace: str) -> None:
    """The check is made with the visitor's own rights."""
    answer = wang.post("/new", data={"yaml": task(module_namespace, "mine"), "do": "create"})

    assert answer.status_code == 422
    assert "cannot create resource" in said(answer)


# --- Help ---


def test_help_has_no_line_to_type_for_what_is_no_namespace(li: httpx.Client) -> None:
    """The address may be somebody else's, and the line is to be pasted into a shell."""
    page = li.get("/help", params={"ns": "x\u2018;calc;\u2018"})

    assert page.status_code == 200
    assert "kubectl" not in page.text


def test_who_may_make_no_task_is_told_so_and_not_kept_from_trying(wang: httpx.Client) -> None:
    """There may be a namespace, without a task yet, where it is allowed: the API server decides."""
    page = wang.get("/new?yaml=1&ns=team-a")

    assert "This needs the verb create on obtasks in team-a (ClusterRole edit)." in said(page)
    assert page.text.count('aria-describedby="barred"') == 2
    assert not re.search(r"<button[^>]*disabled", page.text)


def test_help_tells_each_visitor_what_that_visitor_may_do(li: httpx.Client, wang: httpx.Client, module_namespace: str) -> None:
    """In the namespace that is asked about; and which versions are at work."""
    ours, theirs = said(li.get(f"/help?ns={module_namespace}")), said(wang.get(f"/help?ns={module_namespace}"))

    assert "See tasks allowed" in ours
    assert "Create tasks allowed" in ours
    assert "See tasks not allowed" in theirs
    assert "Create tasks not allowed" in theirs
    assert re.search(r"API server v1\.\d+", ours)
    assert names.API_VERSION in ours
    assert f"kubectl get obtasks -n {module_namespace}" in ours
