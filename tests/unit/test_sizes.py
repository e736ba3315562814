"""Sizes that keep the code liveable: no module has more than 300 lines, and no function more than 40."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "operator"
PACKAGES = ("obtask", "kubectl_obtask", "devcluster", "generate", "documents")
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 40


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_too_long(package: str) -> None:
    """What grows beyond is split by topic."""
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in (ROOT / package).rglob("*.py")}

    assert lines
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_too_long(package: str) -> None:
    """What does not fit on a page is said in parts."""
    trees = {file.relative_to(ROOT): ast.parse(file.read_text()) for file in (ROOT / package).rglob("*.py")}
    functions = [
        (f"{name}: {node.name}", (node.end_lineno or 0) - node.lineno + 1)
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert functions
    assert not [one for one, lines in functions if lines > MOST_LINES_OF_A_FUNCTION]
