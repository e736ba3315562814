# A copy of operator/obtask/templates/typed.py, made by `make generate`.
"""Owns what a text stands for that somebody has typed as the value of a parameter. Pure; the plugin for kubectl has a copy."""

import json
from collections.abc import Callable
from math import isfinite
from typing import Any

TRUTHS = {"true": True, "false": False}


def typed(kind: str, text: str) -> Any:
    """Return the value of a parameter of this type; what cannot be read stays a text, whose check then says what is allowed."""
    match kind:
        case "integer":
            return _or_text(int, text)
        case "number":
            return _or_text(_number, text)
        case "boolean":
            return TRUTHS.get(text.lower(), text)
        case "list" if not text.startswith("["):
            return [entry.strip() for entry in text.split(",") if entry.strip()]
        case "list" | "map":
            return _or_text(json.loads, text)
        case _:
            return text


def _number(text: str) -> int | float:
    found = int(text) if text.lstrip("+-").isdecimal() else float(text)
    if not isfinite(found):
        raise ValueError(text)  # JSON has no word for it
    return found


def _or_text(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except (ValueError, RecursionError):
        return text
