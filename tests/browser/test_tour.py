"""The tour of docs/quickstart.md in the Task Center, with a mouse: nothing is typed, and no address but that of the one-time link."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Locator, Page, expect
from tests.browser.conftest import PATIENCE
from tests.browser.words import WORDS
from tests.support.journal import Journal
from tests.support.pages import Complaints
from tests.support.tasks import TaskClient
from tests.support.web import Web, web, web_settings

from devcluster.controlplane import ControlPlane
from devcluster.sqlserver import SqlServer

DEMO = Path(__file__).parents[2] / "deploy/demo"
CLUSTER = "tour"
LACKING = "maintenance_window"
SOON = 40_000  # milliseconds for what the operator does
EN = WORDS["en"]


@pytest.fixture
def files(tasks: TaskClient, connection: dict[str, str], seekdb: SqlServer, tmp_path: Path) -> Iterator[dict[str, Path]]:  # noqa: ARG001 - to be there
    """Return the tour's tasks as files, for a cluster of their own: others look at the same namespace."""
    found = {}
    for source in sorted(DEMO.glob("[123]-*.yaml")):
        for body in yaml.safe_load_all(source.read_text()):
            name = f"tour-{body['metadata']['name']}"
            body["metadata"] = {"name": name, "namespace": tasks.namespace}
            body["spec"]["cluster"] = CLUSTER
            found[name] = tmp_path / f"{name}.yaml"
            found[name].write_text(yaml.safe_dump(body))
    journal = Journal(seekdb)
    journal.run(f"drop table if exists {LACKING}")
    yield found
    journal.run(f"drop table if exists {LACKING}")
    for name in found:
        tasks.kubectl("delete", "obtask", name, "--ignore-not-found", "--wait=false")


@pytest.fixture
def page(browser: Browser, control_plane: ControlPlane, center: Web, complaints: Complaints) -> Iterator[Page]:  # noqa: ARG001 - translates
    """Return the page that the one-time link opens, as `make up` prints it."""
    with web(web_settings(control_plane.kubeconfig, identity="kubeconfig")) as ours, browser.new_context(locale="en-US") as context:
        context.set_default_timeout(PATIENCE)
        opened = context.new_page()
        complaints.watch(opened)
        opened.goto(ours.link)
        yield opened


def go(page: Page, name: str) -> None:
    """Click an entry of the navigation."""
    page.get_by_role("navigation", name="Navigation").get_by_role("link", name=name, exact=True).click()


def create(page: Page, file: Path, becomes: str) -> None:
    """Choose the file of a task, read what would become of it, create it, and see it in this phase."""
    go(page, EN["new"])
    page.get_by_role("link", name=EN["yaml"], exact=True).click()
    for button, seen in ((EN["check"], page.get_by_role("status")), (EN["create"], phase(page, becomes))):
        with page.expect_file_chooser() as chooser:
            page.get_by_label("Or a file").click()
        chooser.value.set_files(file)
        page.get_by_role("button", name=button, exact=True).click()
        expect(seen).to_be_visible(timeout=SOON)


def phase(page: Page, word: str) -> Locator:
    """Return where the page of a task says its phase."""
    return page.locator(".page-head .phase", has_text=word)


@pytest.mark.timeout(180)
def test_the_tour_by_clicking_only(page: Page, files: dict[str, Path], tasks: TaskClient) -> None:
    """A task fails and keeps its lock, two wait for it; what it lacks is made, it is retried, and they follow by themselves."""
    create(page, files["tour-tune"], EN["Failed"])
    expect(page.get_by_role("log", name=EN["log"])).to_contain_text(LACKING)
    for tenant in ("tour-resize-orders", "tour-resize-billing"):
        create(page, files[tenant], EN["waiting"])
        expect(page.locator("main")).to_contain_text("tour-tune")

    go(page, "Locks")
    card = page.locator("section.card", has=page.get_by_role("heading", name=CLUSTER))
    expect(card).to_contain_text("When tour-tune ends: tour-resize-orders, tour-resize-billing start at once.")
    create(page, files["tour-open-window"], EN["Succeeded"])

    page.get_by_role("banner").get_by_role("link", name=EN["failed"]).click()
    page.get_by_role("link", name="tour-tune", exact=True).click()
    page.get_by_role("button", name=EN["retry"], exact=True).click()
    page.locator("[data-confirm]").get_by_role("button", name=EN["retry"], exact=True).click()
    expect(phase(page, EN["Succeeded"])).to_be_visible(timeout=SOON)

    go(page, "Task Center")
    page.get_by_text("Finished", exact=False).first.click()
    for name in files:
        if name != "tour-report":
            expect(page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))).to_contain_text(
                EN["Succeeded"], timeout=SOON
            )
    go(page, "Locks")
    expect(page.get_by_role("heading", name="Locks")).to_be_visible()
    expect(card).to_have_count(0)
    assert tasks.status("tour-tune")["history"][-1]["verb"] == "retry"
