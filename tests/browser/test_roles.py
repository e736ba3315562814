"""Who sees what, and who may do what: by a role in one namespace, in another one only, or by none at all."""

from collections.abc import Iterator, Mapping
from typing import Final

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit, sign_in
from tests.browser.scene import LONG, Scene
from tests.support.kubectl import Kubectl
from tests.support.made_tasks import FAILED, ONLY_STEP, make
from tests.support.pages import Complaints
from tests.support.patience import happens
from tests.support.rights import may
from tests.support.tasks import TaskClient, sql_step, wait_step
from tests.support.web import ROLES, person

ELSEWHERE: Final = "elsewhere"
FOREIGN: Final = "foreign-task"
PATIENCE_SECONDS: Final = 20
# What can be done with a failed task, and whose role has it.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "Retry": ("retry", "edit"),
    "Roll back": ("rollback", "edit"),
    "Skip task": ("skip", "admin"),
    "Skip step": ("skip-step", "admin"),
}
MAY: Final[Mapping[str, tuple[str, ...]]] = {
    "view": (),
    "edit": ("Retry", "Roll back"),
    "admin": ("Retry", "Roll back", "Skip task", "Skip step"),
}


@pytest.fixture(scope="module")
def there(kubectl: Kubectl, tokens: dict[str, str]) -> Iterator[str]:  # noqa: ARG001 - the roles have to be there
    """Make another namespace with tasks of its own; return the token of somebody who may do everything there, and nothing elsewhere."""
    kubectl("create", "namespace", ELSEWHERE)
    make(
        kubectl,
        ELSEWHERE,
        FOREIGN,
        "Failed",
        spec={"cluster": "foreign-cluster"},
        failedSubtask=FAILED,
        **ONLY_STEP,
    )
    yield person(kubectl, ELSEWHERE, "li", "admin")
    kubectl("delete", "namespace", ELSEWHERE, "--wait=false")


@pytest.fixture(scope="module")
def nobody(kubectl: Kubectl, there: str) -> str:  # noqa: ARG001 - there are namespaces that it may not see
    """Return the token of somebody who has no role at all."""
    return person(kubectl, ELSEWHERE, "wang", None)


def as_somebody(visit: Visit, token: str) -> Page:
    """Return the list as somebody sees it who has just signed in."""
    page = visit("/login", role=None)
    sign_in(page, token)
    return page


@pytest.mark.parametrize("role", MAY)
def test_a_role_sees_its_namespace_and_may_do_what_it_may(visit: Visit, scene: Scene, there: str, role: str) -> None:
    """All tasks of the namespace, none of another; what the role lacks is disabled, and says which verb is missing, and who has it."""
    assert there
    page = visit("/tasks?status=all", role)
    expect(page.locator("a.name", has_text="tune").first).to_be_visible()
    expect(page.get_by_role("link", name="nightly-check", exact=True)).to_be_attached()
    assert FOREIGN not in page.content()
    assert "foreign-cluster" not in page.content()

    page.goto(f"/t/{scene.namespace}/tune")
    for label, (verb, audience) in COMMANDS.items():
        button = page.get_by_role("button", name=label, exact=True)
        if label in MAY[role]:
            expect(button).to_be_enabled()
        else:
            expect(button).to_be_disabled()
            lacking = f"This needs the verb {verb} on obtasks in {scene.namespace} (ClusterRole {audience})."
            expect(button).to_have_accessible_description(lacking)
    offered = [text.rpartition("=")[2] for text in page.locator("#task-head .type-this").all_text_contents()]
    assert offered == [COMMANDS[label][0] for label in MAY[role]]


def test_edit_does_what_it_may(visit: Visit, tasks: TaskClient) -> None:
    """Whoever may edit cancels a task that waits, and the task's page says that it is done."""
    for name in ("edit-holds", "edit-waits"):
        tasks.create(name, cluster="edit", maintenance="Global", steps=[wait_step("wait", LONG)])
    tasks.wait_phase("edit-waits", "Waiting")
    page = visit(f"/t/{tasks.namespace}/edit-waits", "edit")

    page.get_by_role("button", name="Cancel", exact=True).click()
    page.locator("[data-confirm]").get_by_role("button", name="Cancel", exact=True).click()

    expect(page.locator(".page-head .phase")).to_have_text("Cancelled")
    assert tasks.status("edit-waits")["lastAction"]["verb"] == "cancel"


def test_a_right_that_is_taken_away_is_refused_in_the_dialog(
    visit: Visit, tasks: TaskClient, connection: dict[str, str], kubectl: Kubectl, complaints: Complaints
) -> None:
    """The button was there when the page was opened; the API server decides, in its own words, and the task stays as it is."""
    tasks.create("taken", cluster="taken", connection=connection, steps=[sql_step("look", "select * from nothing")])
    tasks.wait_phase("taken", "Failed")
    page = as_somebody(visit, person(kubectl, tasks.namespace, "zhao", "admin"))
    page.goto(f"/t/{tasks.namespace}/taken")
    page.get_by_role("button", name="Skip task", exact=True).click()
    confirm = page.locator("[data-confirm]").get_by_role("button", name="Skip task", exact=True)
    expect(confirm).to_be_enabled()
    kubectl("delete", "rolebinding", "-n", tasks.namespace, f"zhao-{ROLES}-edit", f"zhao-{ROLES}-admin")
    happens(lambda: not may(kubectl, tasks.namespace, "zhao", "patch", "obtasks"), "the end of a right", PATIENCE_SECONDS)

    with complaints.expecting(403):
        confirm.click()
        expect(page.locator("#command-dialog [role=alert]")).to_contain_text('cannot patch resource "obtasks"')

    assert tasks.status("taken")["phase"] == "Failed"


def test_rights_in_one_namespace_show_that_namespace_only(visit: Visit, scene: Scene, there: str, complaints: Complaints) -> None:
    """Its tasks, its numbers, its locks; of the others nothing, whether they are looked for, asked for by name, or change meanwhile."""
    page = as_somebody(visit, there)
    expect(page.get_by_role("link", name=FOREIGN, exact=True)).to_be_visible()
    expect(page.get_by_role("banner")).to_contain_text("0 running")
    expect(page.get_by_role("banner")).to_contain_text("1 failed")
    texts = [page.content()]

    for path in (
        "/tasks?status=all&q=tune",
        f"/tasks?ns={scene.namespace}",
        "/locks",
        f"/locks?ns={scene.namespace}",
        "/templates",
        "/help",
    ):
        page.goto(path)
        texts.append(page.locator("main").inner_text())
        if "tasks?ns" in path:
            expect(page.locator("#problems")).to_contain_text(f"You may not list tasks in the namespace {scene.namespace}")
    with complaints.expecting(403):
        page.goto(f"/t/{scene.namespace}/tune")
        expect(page.get_by_role("heading", level=1)).to_have_text("You may not see this task")
        texts.append(page.content())
    page.goto(f"/t/{ELSEWHERE}/{FOREIGN}")
    expect(page.get_by_role("button", name="Skip task", exact=True)).to_be_enabled()

    titles = ("Tune the maintenance window", "resize-orders", "obtest", "upgrade-to-4-3-5")
    assert [title for title in titles for text in texts if title in text] == []


def test_who_has_no_role_is_told_so_on_every_page(visit: Visit, scene: Scene, nobody: str, complaints: Complaints) -> None:
    """Nothing looks empty that is refused: each page says what to ask for, and none shows a task, or a number of them."""
    page = as_somebody(visit, nobody)
    expect(page.locator("#problems")).to_contain_text("You may not list tasks: ask for the role view")
    expect(page.locator("#rows tr")).to_have_count(0)
    expect(page.get_by_role("link", name="nightly-check", exact=True)).to_have_count(0)

    page.goto("/locks")
    expect(page.locator("#problems")).to_contain_text("You may not list tasks: ask for the role view")
    expect(page.get_by_text("No lock is held")).to_have_count(0)
    page.goto("/templates")
    expect(page.get_by_role("alert").first).to_contain_text("Templates could not be read")
    page.goto("/help")
    expect(page.locator(".may .yes")).to_have_count(0)
    with complaints.expecting(403):
        for namespace, name in ((scene.namespace, "tune"), (ELSEWHERE, FOREIGN)):
            page.goto(f"/t/{namespace}/{name}")
            expect(page.get_by_role("heading", level=1)).to_have_text("You may not see this task")


def test_who_may_only_look_is_told_so_before_a_task_is_made(visit: Visit, scene: Scene, complaints: Complaints) -> None:
    """Both ways to a new task say which verb is missing, to everybody who reads the page; whoever tries is refused by the API server."""
    page = visit("/new", "view")
    for path in ("/new?template=health-check", "/new?yaml=1"):
        page.goto(path)
        lacking = f"This needs the verb create on obtasks in {scene.namespace} (ClusterRole edit)."
        for label in ("Check", "Create"):
            button = page.get_by_role("button", name=label, exact=True)
            expect(button).to_be_enabled()
            expect(button).to_have_accessible_description(lacking)
        expect(page.get_by_text(lacking)).to_be_visible()

    with complaints.expecting(422):
        page.get_by_role("button", name="Create", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text('cannot create resource "obtasks"')
