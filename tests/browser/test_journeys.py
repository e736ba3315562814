"""What people come for, done with a keyboard only, in both languages; and once more without scripts."""

import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Visit
from tests.browser.keyboard import press, see, tab_to, write
from tests.browser.scene import LONG
from tests.browser.words import WORDS
from tests.support.journal import Journal
from tests.support.pages import Complaints
from tests.support.tasks import TaskClient, sql_step, wait_step

from devcluster.sqlserver import SqlServer

LANGUAGES = ["en", "zh"]
Words = Mapping[str, str]

TASK = """\
apiVersion: task.oceanbase.com/v1alpha1
kind: OBTask
metadata:
  name: {name}
  namespace: {namespace}
spec:
  type: Cluster
  cluster: {cluster}
  maintenance: Global
  steps:
  - name: first
    wait:
      second: 0
"""


@pytest.fixture
def journal(seekdb: SqlServer) -> Journal:
    """Return the SQL server as the test uses it."""
    return Journal(seekdb)


def say_yes(page: Page, words: Words, verb: str, reason: str = "") -> None:
    """Answer the question that a command asks: the focus is on leaving everything as it is."""
    keep = page.get_by_role("button", name=words["keep"], exact=True)
    expect(keep).to_be_focused()
    if reason:
        tab_to(page, page.get_by_role("textbox", name=words["reason"]), "Shift+Tab")
        page.keyboard.insert_text(reason)
    press(page, page.locator("[data-confirm]").get_by_role("button", name=words[verb], exact=True))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_find_the_failed_task_read_its_log_retry_it_and_see_it_succeed(
    visit: Visit, tasks: TaskClient, connection: dict[str, str], journal: Journal, lang: str
) -> None:
    """From the red number in the header to the end, without a mouse; the reason is kept."""
    words, name, table = WORDS[lang], f"mend-{lang}", f"mended_{lang}"
    tasks.create(name, cluster=f"mend-{lang}", connection=connection, steps=[sql_step("look", f"select * from {table}")])
    tasks.wait_phase(name, "Failed")
    page = visit("/help", lang=lang)

    press(page, page.get_by_role("banner").get_by_role("link", name=re.compile(rf"^\d+ {words['failed']}$")))
    press(page, page.get_by_role("link", name=name, exact=True))
    log = page.get_by_role("log", name=words["log"])
    expect(log).to_contain_text("1146")
    journal.run(f"create table {table} (id int)")
    press(page, page.get_by_role("button", name=words["retry"], exact=True))
    say_yes(page, words, "retry", "the table is there")

    see(page, page.locator(".page-head .phase", has_text=words["Succeeded"]))
    assert tasks.status(name)["lastAction"]["reason"] == "the table is there"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_skip_a_task_after_reading_what_would_happen(visit: Visit, tasks: TaskClient, connection: dict[str, str], lang: str) -> None:
    """The question says who starts next; leaving it as it is changes nothing."""
    words, name, other = WORDS[lang], f"give-up-{lang}", f"next-{lang}"
    cluster = f"skip-{lang}"
    tasks.create(name, cluster=cluster, maintenance="Global", connection=connection, steps=[sql_step("look", "select * from nothing")])
    tasks.wait_phase(name, "Failed")
    tasks.create(other, cluster=cluster, maintenance="Global", steps=[wait_step("wait")])
    tasks.wait_phase(other, "Waiting")
    page = visit(f"/t/{tasks.namespace}/{name}", lang=lang)

    skip = page.get_by_role("button", name=words["skip"], exact=True)
    press(page, skip)
    expect(page.locator("#command-dialog")).to_contain_text(other)
    page.keyboard.press("Enter")
    expect(page.locator("#command-dialog")).to_be_hidden()
    assert tasks.status(name)["phase"] == "Failed"
    press(page, skip)
    say_yes(page, words, "skip")

    see(page, page.locator(".page-head .phase", has_text=words["Skipped"]))
    tasks.wait_phase(other, "Succeeded")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_create_a_task_from_yaml_with_a_mistake_and_mend_it(visit: Visit, tasks: TaskClient, complaints: Complaints, lang: str) -> None:
    """The mistake is shown at its line; then the page says behind whom it would wait, and creates it."""
    words, cluster = WORDS[lang], f"yaml-{lang}"
    tasks.create(f"holder-{lang}", cluster=cluster, maintenance="Global", steps=[wait_step("hold", LONG)])
    tasks.wait_phase(f"holder-{lang}", "Running")
    wrong = TASK.format(name=f"from-yaml-{lang}", namespace=tasks.namespace, cluster=cluster)
    page = visit("/tasks", lang=lang)

    press(page, page.get_by_role("navigation").get_by_role("link", name=words["new"], exact=True))
    press(page, page.get_by_role("link", name=words["yaml"], exact=True))
    write(page, page.locator("#yaml"), wrong)
    with complaints.expecting(422):
        press(page, page.get_by_role("button", name=words["check"], exact=True))
        expect(page.get_by_role("alert")).to_contain_text(words["line"])
    write(page, page.locator("#yaml"), wrong.replace("second:", "seconds:"))
    press(page, page.get_by_role("button", name=words["check"], exact=True))
    expect(page.get_by_role("status")).to_contain_text(words["first"])
    expect(page.get_by_role("status")).to_contain_text(f"holder-{lang}")
    press(page, page.get_by_role("button", name=words["create"], exact=True))

    page.wait_for_url(f"**/t/{tasks.namespace}/from-yaml-{lang}")
    see(page, page.locator(".page-head .phase", has_text=words["waiting"]))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_approve_what_waits_for_a_person(visit: Visit, tasks: TaskClient, lang: str) -> None:
    """Whoever may approve does so at the task's page."""
    words, name = WORDS[lang], f"approve-{lang}"
    tasks.create(name, cluster="approvals", steps=[{"name": "ask", "approve": {"message": "all right?"}}])
    tasks.wait(name, lambda body: "approve" in body.get("status", {}).get("allowedActions", []))
    page = visit(f"/t/{tasks.namespace}/{name}", lang=lang)

    press(page, page.get_by_role("button", name=words["approve"], exact=True))
    say_yes(page, words, "approve")

    see(page, page.locator(".page-head .phase", has_text=words["Succeeded"]))


def test_everything_works_without_scripts(visit: Visit, tasks: TaskClient, connection: dict[str, str], complaints: Complaints) -> None:
    """Find, read, roll back with a reason, make from a form with a mistake: plain pages and forms."""
    words, name = WORDS["en"], "no-scripts"
    undo = {"sql": {"statements": ["select 'undone'"]}}
    steps = [sql_step("set", "select 1", rollback=undo), sql_step("look", "select * from nothing")]
    tasks.create(name, cluster="no-scripts", connection=connection, steps=steps)
    tasks.wait_phase(name, "Failed")
    page = visit("/tasks?status=failed", scripts=False)

    link = page.get_by_role("link", name=name, exact=True)
    see(page, link)
    link.click()
    expect(page.get_by_role("log")).to_contain_text("1146")
    page.get_by_role("button", name=words["rollback"], exact=True).click()
    page.get_by_role("textbox", name=words["reason"]).fill("not today")
    page.locator("[data-confirm]").get_by_role("button", name=words["rollback"], exact=True).click()
    # To load a page again that is just being left would take back the step to the next one.
    page.wait_for_url(re.compile(rf"/t/{tasks.namespace}/{name}\?"))
    see(page, page.locator(".page-head .phase", has_text="RolledBack"))
    assert tasks.status(name)["lastAction"]["reason"] == "not today"

    page.goto("/new?template=drop-tenant")
    fields = {"name": "drop", "ns": tasks.namespace, "cluster": "no-scripts", "tenant": "old", "p.tenant": "old", "p.confirm": "odl"}
    for field, value in fields.items():
        page.locator(f"[id='{field}']").fill(value)
    with complaints.expecting(422):
        page.get_by_role("button", name=words["check"], exact=True).click()
        expect(page.locator("[id='error-p.confirm']")).to_contain_text("typed again")
    page.locator("[id='p.confirm']").fill("old")
    page.get_by_role("button", name=words["check"], exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("It would start now.")
