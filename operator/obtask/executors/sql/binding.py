"""Owns the placeholders of a statement: %(name)s, and %% where values are bound. Pure."""

import re
from collections.abc import Callable, Mapping

from obtask.model.constraints import Scalar

_PLACEHOLDER = re.compile(r"%%|%\(([^()]*)\)s")


def unknown_names(statement: str, args: Mapping[str, Scalar]) -> list[str]:
    """Return the names that the statement wants and args do not have; without args nothing is a placeholder."""
    if not args:
        return []
    return sorted({name for name in _PLACEHOLDER.findall(statement) if name and name not in args})


def bind(statement: str, args: Mapping[str, Scalar], escape: Callable[[Scalar], str]) -> str:
    """Return the statement with its values as literals; without args it stays as it is, every % included."""
    if not args:
        return statement
    return _PLACEHOLDER.sub(lambda found: "%" if found[1] is None else escape(args[found[1]]), statement)
