"""The documentation site: it builds without a warning, in both languages, and a reader needs nothing from another host."""

import json
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """What a page of the site points at and loads, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag in LOADED and given.get("rel") not in {"canonical", "alternate", "next", "prev"}:
            self.loaded.append(str(given.get(LOADED[tag]) or ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a freshly built site."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, env={"NO_MKDOCS_2_WARNING": "1"})  # noqa: S603 - ours
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Return every page of the site."""
    return {path: Page(path) for path in site.rglob("*.html")}


def local(site: Path, page: Path, target: str) -> tuple[Path, str] | None:
    """Return the file and the anchor that a link leads to, or None if it leaves the site."""
    split = urlsplit(target)
    if split.scheme or split.netloc:
        return None
    start = site if split.path.startswith("/") else page.parent
    there = (start / unquote(split.path).lstrip("/")).resolve() if split.path else page
    return (there / "index.html" if there.is_dir() else there), unquote(split.fragment)


def test_every_link_of_the_site_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    """Pages, files and anchors are there, also those that the theme and the plugins made."""
    broken = []
    for path, page in pages.items():
        for target in page.links:
            found = local(site, path, target)
            if found and not (found[0].exists() and (not found[1] or found[0] not in pages or found[1] in pages[found[0]].anchors)):
                broken.append(f"{path.relative_to(site)}: {target}")

    assert broken == []
    assert len(pages) > 80


def test_a_page_loads_nothing_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    """Scripts, styles, fonts and pictures are in the site itself."""
    for path, page in pages.items():
        for target in filter(None, page.loaded):
            found = local(site, path, target)
            assert found, (path, target)
            assert found[0].exists(), (path, target)
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text()
    assert not [path for path in pages if "fonts.googleapis" in path.read_text() or "unpkg.com" in path.read_text()]


def test_no_page_needs_a_script_that_the_site_does_not_have(site: Path, pages: dict[Path, Page]) -> None:
    """Diagrams are text: the theme would load what draws them from another host."""
    assert not [path.relative_to(site) for path in pages if 'class="mermaid"' in path.read_text()]


def test_the_search_knows_every_page(site: Path) -> None:
    """The index is a file of the site; it has the pages of both languages."""
    index = json.loads((site / "search/search_index.json").read_text())
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}

    assert {"quickstart/", "zh/quickstart/", "guides/sql/", "project/SECURITY/"} <= found


def navigated() -> Iterator[str]:
    """Return the pages that the navigation names."""
    rest = [yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]]
    while rest:
        match rest.pop():
            case str(page):
                yield page
            case dict() as section:
                rest.extend(section.values())
            case list() as entries:
                rest.extend(entries)
            case other:
                raise TypeError(f"{other!r} is no part of a navigation")


def test_every_document_is_in_the_navigation() -> None:
    """A page that nobody can find is as good as none."""
    named = set(navigated())
    folders = tuple(name for name in named if name.endswith("/"))
    kept = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md") if not path.name.endswith(".zh.md")}

    assert {name for name in kept if not name.startswith(folders)} == {
        name for name in named if not name.endswith("/") and not name.startswith("project/")
    }
