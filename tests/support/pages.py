"""Owns what every page has to keep to, whatever is on it: no complaint of the browser, WCAG, no sideways scrolling, one language."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

AXE = Axe()
STANDARD = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}, "resultTypes": ["violations"]}

# Latin words that Chinese readers of OceanBase write in Latin, too.
LATIN = frozenset(
    "OBTask OceanBase OBProxy OBServer YAML API server kubectl UTC CSV ZIP JSON SQL HTTP CPU Secret Unit operator Kubernetes CRD "
    "ID Job Pod English Enter Esc "
    " Tab Alt Ctrl token Lease RBAC ClusterRole ConfigMap Event GitHub URL IP".casefold().split()
)
BROKEN = ("console: Failed to load resource: net::ERR_", "console: htmx: htmx:sse:error", "console: htmx: htmx:error")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")
# What a reader sees or hears, without what a machine or another person has written: names, code, logs, the operator's own sentences.
_TEXTS = """() => {
  const left = ".foreign, .name, .original, code, pre, kbd, samp, time, textarea, option, [lang=en], [role=log], .brand"
    + ", script, style, noscript";
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (node.data.trim() && !element.closest(left)) found.push(node.data.trim());
  }
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [alt]")) {
    if (element.closest(left)) continue;
    for (const name of ["aria-label", "title", "placeholder", "alt"]) {
      const value = element.getAttribute(name);
      if (value && !element.matches("time")) found.push(value);
    }
  }
  found.push(document.title);
  return found;
}"""


class Complaints:
    """What the browser complains of: its console, scripts that fail, requests without an answer, answers that are errors."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.expected: set[int] = set()
        self._broken = False

    def watch(self, page: Page) -> None:
        """Listen to a page from now on."""
        page.on("console", lambda message: self._note(f"console: {message.text}"))
        page.on("pageerror", lambda error: self._note(f"script: {error}"))
        page.on("crash", lambda _: self._note("the page crashed"))

    def _note(self, text: str) -> None:
        is_break = self._broken and text.startswith(BROKEN)
        if not is_break and not any(f"status of {status}" in text for status in self.expected):
            self.found.append(text)

    @contextmanager
    def expecting(self, *statuses: int) -> Iterator[None]:
        """Take these answers for what is wanted while the block lasts: the browser writes each error to its console."""
        self.expected |= set(statuses)
        yield
        self.expected -= set(statuses)

    def expect_breaks(self) -> None:
        """Take it from now on for what is wanted that connections break, and that the script of the stream says so."""
        self._broken = True


def violations(page: Page) -> list[str]:
    """Return what WCAG 2.2 AA finds wrong with a page as it is now."""
    found = AXE.run(page, options=STANDARD).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for each in found
        for node in each["nodes"]
    ]


def overflow(page: Page) -> str | None:
    """Return what makes a page scroll sideways, None if nothing does."""
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    if wide <= seen:
        return None
    widest = page.evaluate(
        """() => [...document.querySelectorAll("main *, header *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
        .slice(0, 5).map(e => `${e.tagName}.${e.className}`)"""
    )
    return f"{wide} px wide in a window of {seen} px: {widest}"


def untranslated(page: Page, names: Iterable[str]) -> list[str]:
    """Return the texts of a Chinese page that have a Latin word which is neither usual in Chinese nor one of these names."""
    known = LATIN | {word.casefold() for name in names for word in _WORD.findall(name)}
    return [text for text in page.evaluate(_TEXTS) if any(word.casefold() not in known for word in _WORD.findall(text))]
