"""Owns reading what keeps a page of the Task Center up to date, as a browser without scripts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import httpx

PATIENCE_SECONDS = 30


def address_of(page: httpx.Response) -> str:
    """Return where the stream of a page is."""
    found = re.search(r'hx-sse:connect="([^"]+)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


@contextmanager
def events(browser: httpx.Client, address: str) -> Iterator[Iterator[str]]:
    """Give the messages of a stream that has begun, as they come."""
    with browser.stream("GET", address, headers={"Accept": "text/event-stream"}, timeout=PATIENCE_SECONDS) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == ": here"
        yield _messages(lines)


def _messages(lines: Iterator[str]) -> Iterator[str]:
    found: list[str] = []
    for line in lines:
        if line.startswith("data: "):
            found.append(line.removeprefix("data: "))
        elif not line and found:
            yield "\n".join(found)
            found = []
