"""Owns how the variables of values join those of an action, also where the latter are made in the evaluation process."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


def together(around: Mapping[str, Any], seen: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> Any:
    """Return the variables of an expression: those of values, and what the action has seen."""
    if not around:
        return seen
    return partial(_joined, around, seen) if callable(seen) else {**around, **seen}


def _joined(around: Mapping[str, Any], seen: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    return {**around, **seen()}
