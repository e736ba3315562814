"""Owns reading the code as text: where members of closed lists are put together by hand."""

import ast
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from obtask.model import contract, reasons, template_contract

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "operator/obtask"

ENUMS: dict[str, type[Enum]] = {
    name: found
    for module in (contract, reasons, template_contract)
    for name, found in vars(module).items()
    if isinstance(found, type) and issubclass(found, Enum) and list(found)
}
ACTIONS = frozenset(f"{kind.value.capitalize()}Action" for kind in contract.ActionKind)


def member(node: ast.expr | None) -> tuple[str, str] | None:
    """Return the list and the member that an expression such as ``Phase.FAILED`` names, or None."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ENUMS:
        return (node.value.id, node.attr) if node.attr in ENUMS[node.value.id].__members__ else None
    return None


def faults(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and fault of every place that a new member could be forgotten in without anybody noticing."""
    tree = ast.parse(source)
    results = {id(answer) for node in ast.walk(tree) for answer in _results(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Set | ast.List | ast.Tuple) and id(node) not in results and _is_choice(node.elts):
            yield node.lineno, "a choice of members: say it in the contract, or decide by a match with assert_never"
        if isinstance(node, ast.Dict) and (missing := _missing(node.keys)):
            yield node.lineno, f"a table without {', '.join(missing)}"
        if isinstance(node, ast.Match) and _is_open(node):
            yield node.lineno, "a match that takes any new member for one of the others: name them all"


def _results(node: ast.AST) -> list[ast.expr]:
    """Return the lists that are an answer, or a fact of a member: these are no choices."""
    if isinstance(node, ast.Return):
        return [node.value] if node.value else []
    return node.elts if isinstance(node, ast.Tuple) else []


def _is_choice(elements: list[ast.expr]) -> bool:
    found = [member(each) for each in elements]
    return len(found) > 1 and all(found) and len({each[0] for each in found if each}) == 1


def _missing(keys: list[ast.expr | None]) -> list[str]:
    found = [each for key in keys if (each := member(key))]
    if not found:
        return []
    told = {name for _, name in found}
    return [f"{found[0][0]}.{name}" for name in ENUMS[found[0][0]].__members__ if name not in told]


def _is_open(node: ast.Match) -> bool:
    about = any(
        (isinstance(part, ast.MatchValue) and member(part.value)) or (isinstance(part, ast.MatchClass) and _named(part.cls) in ACTIONS)
        for case in node.cases
        for part in ast.walk(case.pattern)
    )
    last = node.cases[-1].pattern
    return about and isinstance(last, ast.MatchAs) and last.pattern is None and last.name is None


def _named(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
