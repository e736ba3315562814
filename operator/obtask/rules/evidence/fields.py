"""Owns reading JSON that may be anything: what is missing or of another type reads as empty, and texts are printable. Pure."""

from collections.abc import Mapping
from typing import Any

from obtask.model.printable import printable, printable_lines


def at(raw: Any, *path: str) -> Any:
    """Return what is inside objects, or None."""
    for name in path:
        raw = raw.get(name) if isinstance(raw, Mapping) else None
    return raw


def text(raw: Any, *path: str) -> str:
    """Return a text or a number in one line; empty if there is neither."""
    found = at(raw, *path)
    return printable(str(found)) if isinstance(found, str | int) else ""


def lines(raw: Any, *path: str) -> str:
    """Return a text of several lines; empty if there is none."""
    found = at(raw, *path)
    return printable_lines(found) if isinstance(found, str) else ""


def objects(raw: Any, *path: str) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of a list."""
    found = at(raw, *path)
    return tuple(each for each in found if isinstance(each, Mapping)) if isinstance(found, list) else ()


def number(raw: Any, *path: str) -> int:
    """Return a whole number; 0 if there is none."""
    found = at(raw, *path)
    return found if isinstance(found, int) else 0
