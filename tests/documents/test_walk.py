"""docs/contributing/a-change.md leads a stranger to the right place: whatever it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/contributing/a-change.md").read_text()
NAMED = re.findall(r"`([^`\n]+)`", TEXT)


def test_every_path_is_there() -> None:
    """Files and folders that the walk names were not moved."""
    paths = [name for name in NAMED if re.match(r"(operator|tests|docs|deploy|charts)/", name)]

    assert len(paths) > 25
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_module_of_the_rules_is_there() -> None:
    """Modules that are named without their folder are in it."""
    there = {path.name for path in (ROOT / "operator").rglob("*.py")}

    assert {name for name in NAMED if re.fullmatch(r"[a-z_]+\.py", name)} <= there


def test_every_list_and_table_is_where_the_walk_says() -> None:
    """A class or a table that is named before its module is defined there."""
    pairs = re.findall(r"`([A-Z]\w+)`[^`]*(?:`[A-Z]\w+`[^`]*)?, in `(operator/[\w/]+\.py)`", TEXT)

    assert {name for name, _ in pairs} >= {"Verb", "Phase", "Maintenance", "ActionKind", "REGISTRY", "Vocabulary"}
    assert [(name, path) for name, path in pairs if not re.search(rf"^(class )?{name}\b", (ROOT / path).read_text(), re.MULTILINE)] == []


def test_every_folder_of_the_product_is_explained() -> None:
    """Whoever looks for a folder of the code finds what it is for."""
    folders = [path for path in (ROOT / "operator/obtask").iterdir() if path.is_dir() and not path.name.startswith("_")]

    missing = [path.name for path in folders if f"`operator/obtask/{path.name}/`" not in TEXT]
    assert missing == []
