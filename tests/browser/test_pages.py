"""What every page keeps to: in both languages, light and dark, on a wide screen and on a phone."""

from datetime import datetime, timedelta

import pytest
from tests.browser.conftest import Visit
from tests.browser.scene import Scene
from tests.support.pages import overflow, untranslated, violations

from obtask.web.pages.task_columns import COLUMNS

PAGES = {
    "tasks": "/tasks",
    "tasks-all": "/tasks?status=all&q=e",
    "tasks-none": "/tasks?q=nothing-has-this-name",
    "timeline": "/tasks?view=timeline&status=all",
    "task-failed": "/t/{ns}/tune",
    "task-waiting": "/t/{ns}/resize-orders",
    "task-approval": "/t/{ns}/drop-archive",
    "task-finished": "/t/{ns}/change-variables",
    "task-events": "/t/{ns}/change-variables?tab=events",
    "task-history": "/t/{ns}/change-variables?tab=history",
    "task-yaml": "/t/{ns}/change-variables?tab=yaml",
    "task-parameters": "/t/{ns}/resize-orders?tab=parameters",
    "locks": "/locks",
    "new": "/new",
    "new-form": "/new?template=resize-tenant",
    "new-yaml": "/new?yaml=1",
    "templates": "/templates?q=tenant",
    "template": "/templates?name=resize-tenant",
    "help": "/help",
}
# Pages that differ from others in one part only: they are looked at in fewer ways.
PARTS = frozenset({"timeline", "task-events", "task-history", "task-yaml", "task-parameters"})
LISTS = {
    "usual": "/tasks?status=all",
    "of several namespaces": "/tasks?status=all&cols=" + ",".join([column.name for column in COLUMNS if column.shown] + ["namespace"]),
    "timeline": PAGES["timeline"],
}
WIDTHS = (1280, 390)
THEMES = ("light", "dark")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_everybody(visit: Visit, scene: Scene, name: str, lang: str) -> None:
    """WCAG 2.2 AA finds nothing, nothing scrolls sideways, the browser has nothing to say, and a Chinese page is Chinese."""
    page = visit(PAGES[name].format(ns=scene.namespace), lang=lang)
    page.locator("main h1").first.wait_for()
    found = untranslated(page, scene.names) if lang == "zh" else []

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in [THEMES[WIDTHS.index(width)]] if name in PARTS else THEMES:
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            found += [f"{theme}, {width} px: {each}" for each in violations(page)]
        if (wide := overflow(page)) is not None:
            found.append(wide)

    assert not found, "\n".join(found)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.usefixtures("scene")
def test_every_column_of_the_list_is_seen_without_scrolling(visit: Visit, lang: str) -> None:
    """On usual screens, and as cards on a phone; also with the namespace, which is there where tasks are in several, and as a timeline."""
    page = visit("/help", lang=lang)
    hidden = []
    for name, address in LISTS.items():
        page.goto(address)
        page.locator("tr[data-task=tune]").wait_for()
        for width in (1280, 1200, 1024, 390):
            page.set_viewport_size({"width": width, "height": 900})
            table, seen = page.locator(".scroll").evaluate("element => [element.scrollWidth, element.clientWidth]")
            hidden += [f"{name}: {table} px wide, {seen} px seen at {width} px"] if table > seen else []

    assert hidden == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_signing_in_can_be_read_by_everybody(visit: Visit, lang: str) -> None:
    """Nobody has signed in yet; why somebody has to is said in the language of the browser."""
    page = visit("/login?reason=idle", role=None, lang=lang)
    found = untranslated(page, ("NAME", "NAMESPACE")) if lang == "zh" else []

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            found += [f"{theme}, {width} px: {each}" for each in violations(page)]

    assert [*found, overflow(page)] == [None]


def test_times_are_those_of_the_readers_zone(visit: Visit, scene: Scene) -> None:
    """The page has the exact instant; what is read is the time of day in Shanghai, eight hours ahead."""
    page = visit(f"/t/{scene.namespace}/tune")
    shown = page.locator("main time[title]").first
    shown.wait_for()

    there = datetime.fromisoformat(str(shown.get_attribute("datetime"))) + timedelta(hours=8)
    assert f"{there:%H:%M}" in shown.inner_text()
