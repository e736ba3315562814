"""Owns a person who has nothing but a keyboard, and looks again until what is awaited is there."""

import time

from playwright.sync_api import Error, Locator, Page
from playwright.sync_api import TimeoutError as NotSeen

MOST_TABS = 150
LOOK_AGAIN_SECONDS = 2
PATIENCE_SECONDS = 40


def tab_to(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press Tab until this has the focus; it must be there, and be reached."""
    target.wait_for()
    for _ in range(MOST_TABS):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"the keyboard does not reach {target}")


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    """Go to something and press it."""
    tab_to(page, target)
    page.keyboard.press(key)


def write(page: Page, target: Locator, text: str) -> None:
    """Go to a field and write into it, instead of what stood there."""
    tab_to(page, target)
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def see(page: Page, target: Locator, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until this is seen; load the page again now and then, as people do whose browser has no scripts."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            target.first.wait_for(timeout=LOOK_AGAIN_SECONDS * 1000)
        except NotSeen:
            assert time.monotonic() < deadline, f"{target} is not seen; there is: {page.locator('main').inner_text()[:2000]}"
            _load_again(page)
        else:
            return


def _load_again(page: Page) -> None:
    """Load the page again; where a script has just begun to lead to another one, that one is loaded instead."""
    try:
        page.reload()
    except Error as error:
        if "net::ERR_ABORTED" not in error.message:
            raise
