"""Owns putting values into a JSON body at the places that JSON pointers name (RFC 6901). Pure."""

import copy
from collections.abc import Iterable
from typing import Any

APPEND = "-"


class NoPlace(Exception):  # noqa: N818 - it is about a spec
    """The body has no such place; the text names the pointer."""


def with_values(body: Any, values: Iterable[tuple[str, Any]]) -> Any:
    """Return a copy of a body with these values at their pointers; objects that are missing on the way are made. Raises NoPlace."""
    result = {} if body is None else copy.deepcopy(body)
    for pointer, value in values:
        *way, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
        parent = result
        for part in way:
            parent = _inside(parent, part, pointer)
        _put(parent, last, value, pointer)
    return result


def _inside(parent: Any, part: str, pointer: str) -> Any:
    match parent:
        case dict():
            return parent.setdefault(part, {})
        case list() if _is_index(part, len(parent)):
            return parent[int(part)]
        case _:
            raise NoPlace(f"{pointer}: there is no {part!r} in the body")


def _put(parent: Any, last: str, value: Any, pointer: str) -> None:
    match parent:
        case dict():
            parent[last] = value
        case list() if last == APPEND:
            parent.append(value)
        case list() if _is_index(last, len(parent)):
            parent[int(last)] = value
        case _:
            raise NoPlace(f"{pointer}: there is no place for {last!r} in the body")


def _is_index(part: str, length: int) -> bool:
    return part.isascii() and part.isdecimal() and len(part) < 6 and int(part) < length and (part == "0" or part[0] != "0")  # noqa: PLR2004
