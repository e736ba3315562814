"""Owns how a spec is carried before it is read: as it is, packed into a text, or as the fault for which it cannot be read.

The keys begin with a dollar: no field of a task does, and the API server keeps no field that the CRD does not name.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

TEXT: Final = "$text"
FAULT: Final = "$fault"


def packed(text: str) -> dict[str, str]:
    """Return what stands for a value that is not parsed yet."""
    return {TEXT: text}


def fault(message: str) -> dict[str, str]:
    """Return what stands for a value that must not be parsed."""
    return {FAULT: message}


def fault_of(value: Any) -> str | None:
    """Return why a value must not be parsed, if so."""
    found = value.get(FAULT) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None


def text_of(value: Any) -> str | None:
    """Return the text of a value that is not parsed yet."""
    found = value.get(TEXT) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None


def unpacked(value: Any) -> Any:
    """Return the value itself, parsed if it was packed."""
    text = text_of(value)
    return value if text is None else json.loads(text)


def member(spec: Any, name: str) -> Any:
    """Return a member of a spec that may be packed or anything else; None if there is none. Cheap where the name does not occur."""
    text = text_of(spec)
    if text is not None and f'"{name}":' not in text:
        return None
    value = unpacked(spec)
    return value.get(name) if isinstance(value, Mapping) else None


def depth(value: Any, most: int) -> int:
    """Return how deep a value nests, counted without recursion; more than ``most`` is not counted any further."""
    level, found = [value], 0
    while found <= most and (level := [each for each in level if isinstance(each, (Mapping, list))]):
        level = [child for each in level for child in (each if isinstance(each, list) else each.values())]
        found += 1
    return found
