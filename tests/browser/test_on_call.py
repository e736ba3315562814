"""A failed task on the phone of somebody who was called at night: what happened, what can be done, and the end of the log."""

import re

import pytest
from playwright.sync_api import Locator, expect
from tests.browser.conftest import Visit
from tests.browser.scene import Scene
from tests.browser.words import WORDS
from tests.support.web import Web

FIRST_VIEW_BYTES = 25_000
MOST_LINES = 20


def top(shown: Locator) -> float:
    """Return where something begins on the page."""
    box = shown.bounding_box()
    assert box is not None
    return box["y"]


@pytest.mark.parametrize(("lang", "scripts"), [("en", False), ("zh", True)])
def test_a_phone_shows_what_is_needed_at_night_first(visit: Visit, scene: Scene, lang: str, scripts: bool) -> None:
    """The sentence, two large buttons side by side, and the last lines of the log, in this order; on a wide screen the log is enough."""
    words = WORDS[lang]
    page = visit(f"/t/{scene.namespace}/tune", lang=lang, width=390, scripts=scripts)
    retry, rollback = (page.get_by_role("button", name=words[verb], exact=True) for verb in ("retry", "rollback"))
    lines = page.locator(".last-lines pre")

    expect(lines).to_contain_text("1146")
    places = [top(shown) for shown in (page.locator(".happened"), retry, lines, page.locator(".task-facts"))]
    assert places == sorted(places)
    assert top(retry) == top(rollback)
    assert all((button.bounding_box() or {"height": 0})["height"] >= 56 for button in (retry, rollback))
    shown = lines.inner_text().strip().split("\n")
    assert 0 < len(shown) <= MOST_LINES
    assert not re.search(r"\d{4}-\d{2}-\d{2}T", lines.inner_text())

    page.set_viewport_size({"width": 1280, "height": 900})
    expect(lines).to_be_hidden()
    expect(page.get_by_role("log")).to_contain_text("1146")


def test_it_comes_over_a_bad_line(center: Web, tokens: dict[str, str], scene: Scene) -> None:
    """What a browser needs to show the page is small; the scripts come later, and are not needed to read it or to give a command."""
    with center.signed_in(tokens["admin"]) as browser:
        answers = [browser.get(path) for path in (f"/t/{scene.namespace}/tune", "/static/style.css")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert sum(answer.num_bytes_downloaded for answer in answers) < FIRST_VIEW_BYTES
