"""A translated page keeps in step with the English one. docs/contributing/development.md."""

import re
from pathlib import Path

import pytest

from documents.blocks import blocks

ROOT = Path(__file__).parents[2]
TRANSLATED = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.zh.md"))
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def english(page: Path) -> Path:
    """Return the page that another one is a translation of."""
    return page.with_name(page.name.replace(".zh.md", ".md"))


def outline(page: Path) -> list[str]:
    """Return what a translation must have, too: levels of headings, paragraphs, rows of tables and items of lists, in their order."""
    text = FENCE.sub("```", (ROOT / page).read_text())
    found = []
    for line in text.splitlines():
        if heading := re.match(r"#+ ", line):
            found.append(heading[0])
        elif line.startswith(("| ", "* ", "```", "<!--")):
            found.append(line[:2] if line[0] in "|*" else line)
    return found


def test_what_is_translated() -> None:
    """What the README says: quickstart, concepts, handbook, the table of obshell's tasks and four guides."""
    folders = [path for name in ("concepts", "handbook") for path in (ROOT / "docs" / name).glob("*.md") if ".zh." not in path.name]
    guides = {f"docs/guides/{name}.md" for name in ("task-center", "kubectl-plugin", "runbooks", "templates")}
    others = {"docs/quickstart.md", "docs/reference/obshell-tasks.md"}

    assert {str(english(page)) for page in TRANSLATED} == {*(str(path.relative_to(ROOT)) for path in folders), *guides, *others}


@pytest.mark.parametrize("page", TRANSLATED, ids=str)
def test_a_translation_has_the_same_parts(page: Path) -> None:
    """Headings, tables, lists and blocks are the same in number and order."""
    assert outline(page) == outline(english(page))


@pytest.mark.parametrize("page", TRANSLATED, ids=str)
def test_a_translation_has_the_same_blocks(page: Path) -> None:
    """Commands and manifests are the same to the letter: they are run for the English page only."""
    ours = [(block.language, block.text, block.not_run) for block in blocks(page, ROOT)]

    assert ours == [(block.language, block.text, block.not_run) for block in blocks(english(page), ROOT)]


@pytest.mark.parametrize("page", TRANSLATED, ids=str)
def test_a_translation_names_the_same_things(page: Path) -> None:
    """Every field, phase and command that the English page writes as code is in the translation."""

    def code(text: str) -> set[str]:
        return set(re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))

    assert code((ROOT / english(page)).read_text()) <= code((ROOT / page).read_text())
