"""Links between the documents of the repository, also those that are not part of the site. docs/contributing/testing.md."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def documents() -> list[str]:
    """Return the paths of all Markdown files that are kept."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    return sorted(subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split())  # noqa: S603 - all words are ours


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents())
def test_links_lead_somewhere(document: str) -> None:
    """Every file and heading that a document links to is there."""
    here = ROOT / document
    for target in LINK.findall(FENCE.sub("", here.read_text())):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = (here.parent / path).resolve() if path else here
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text()), target


@pytest.mark.parametrize("document", documents())
def test_paths_lead_somewhere(document: str) -> None:
    """Every file and folder that a document writes as code is there, and so is what its commands for `make test` name."""
    text = (ROOT / document).read_text()
    written = re.findall(r"`((?:operator|tests|docs|deploy|charts|crds)/[\w./-]*)`", text) + re.findall(r"TESTS=(\S+?)[`\s]", text)

    assert [path for path in written if not (ROOT / path).exists()] == []


def reachable(start: str) -> set[str]:
    """Return the documents to which links lead from this one, also by way of others."""
    found, left = {start}, [start]
    while left:
        here = ROOT / left.pop()
        targets = {target.partition("#")[0] for target in LINK.findall(FENCE.sub("", here.read_text()))}
        paths = {(here.parent / target).resolve() for target in targets if target.endswith(".md") and ":" not in target}
        fresh = {str(path.relative_to(ROOT)) for path in paths} - found
        found |= fresh
        left += fresh
    return found


@pytest.mark.parametrize("start", ["README.md", "docs/index.md"])
def test_every_page_can_be_found(start: str) -> None:
    """Whoever follows links from the first page comes to every other one; a translation is a link of the site."""
    pages = {document for document in documents() if document.startswith("docs/") and ".zh." not in document}

    assert pages - reachable(start) <= {"docs/index.md"}


def test_the_readme_is_short() -> None:
    """What takes longer to say is in docs/."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
