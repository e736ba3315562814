"""The pictures of the pages that the documents show. `make pictures` puts them there; otherwise they are made and thrown away."""

import os
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, ViewportSize
from tests.browser.conftest import Visit
from tests.browser.scene import Scene
from tests.support.pages import Complaints

ROOT = Path(__file__).parents[2]
LARGEST = 150_000
PICTURES = {
    "tasks": "/tasks",
    "task": "/t/{ns}/tune",
    "locks": "/locks",
    "new": "/new?template=resize-tenant",
    "templates": "/templates",
    "help": "/help",
}
SHOWN: Final[ViewportSize] = {"width": 1200, "height": 700}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the pictures go."""
    named = os.environ.get("PICTURES")
    return ROOT / named if named else tmp_path


def take(page: Page, file: Path) -> None:
    """Take a picture of what is seen without scrolling; it must be small enough for a document."""
    page.screenshot(path=file, animations="disabled", caret="hide")
    assert file.stat().st_size < LARGEST, file.name


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_page_has_a_picture(visit: Visit, scene: Scene, folder: Path, lang: str) -> None:
    """One for each page and language; of the task also one at night, and one on a phone."""
    page = visit("/tasks", lang=lang)
    for name, path in PICTURES.items():
        page.set_viewport_size(SHOWN)
        page.goto(path.format(ns=scene.namespace))
        page.locator("main h1").first.wait_for()
        take(page, folder / f"web-{name}-{lang}.png")
        if name == "task":
            page.emulate_media(color_scheme="dark")
            take(page, folder / f"web-{name}-dark-{lang}.png")
            page.emulate_media(color_scheme="light")
            page.set_viewport_size(PHONE)
            take(page, folder / f"web-{name}-phone-{lang}.png")


def test_the_login_has_a_picture(visit: Visit, folder: Path, complaints: Complaints) -> None:
    """In both languages."""
    for lang in ("en", "zh"):
        page = visit("/login", role=None, lang=lang)
        page.set_viewport_size({"width": 1280, "height": 560})
        take(page, folder / f"web-login-{lang}.png")
    assert complaints.found == []
