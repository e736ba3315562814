"""Suites stand alone: what two of them need is in tests/support, and no name of a test module is taken twice."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.support.programs import SLOW

TESTS = Path(__file__).parents[1]
SHARED = "support"


def imported(path: Path) -> Iterator[str]:
    """Yield the names of the modules in tests/ that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "tests")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tests":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def borrowed(suite: str, modules: Iterator[str]) -> list[str]:
    """Return what a suite takes from others: neither its own nor shared."""
    return [name for name in modules if name.split(".")[1] not in {suite, SHARED}]


def test_no_suite_imports_another() -> None:
    """A suite can be moved, left out or rewritten without a look at the others."""
    modules = [path for path in TESTS.rglob("*.py") if path.parent != TESTS]
    found = {str(path.relative_to(TESTS)): borrowed(path.relative_to(TESTS).parts[0], imported(path)) for path in modules}

    assert len(modules) > 100
    assert {path: names for path, names in found.items() if names} == {}


def test_a_loan_is_noticed(tmp_path: Path) -> None:
    """Both forms of import count, at any depth of a module."""
    module = tmp_path / "module.py"
    module.write_text("import tests.system.scene\ndef f():\n    from tests.chaos import rounds\n    from tests.support import tasks\n")

    assert borrowed("unit", imported(module)) == ["tests.system.scene", "tests.chaos.rounds"]


def test_what_is_slow_is_still_there() -> None:
    """The list of what `make test-fast` leaves out names no file that was moved."""
    assert [path for path in SLOW if not (TESTS / path).exists()] == []


def test_no_two_test_modules_have_the_same_name() -> None:
    """Pytest imports them by this name alone; the end-to-end suite runs by itself."""
    names = Counter(path.name for path in TESTS.rglob("test_*.py") if path.relative_to(TESTS).parts[0] != "e2e")

    assert [name for name, count in names.items() if count > 1] == []
