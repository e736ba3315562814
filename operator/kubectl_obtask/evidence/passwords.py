# A copy of operator/obtask/rules/evidence/passwords.py, made by `make generate`.
"""Owns finding places of a task where its author may have written a password. Pure; linear in the size of the task."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubectl_obtask.escapes import printable

# What stands for a value that comes from elsewhere: `%(name)s`, `${{ params.x }}`, `$(VARIABLE)`, `$VARIABLE`.
ELSEWHERE: Final = r"(?!['\"]?(?:%\(|\$))"
WORDS: Final = "passw(?:or)?d|pwd|secret"
WRITTEN: Final = re.compile(rf"(?:identified\s++by\s++|(?:{WORDS})['\"]?\s*+[=:]\s*+){ELSEWHERE}\S", re.IGNORECASE)
NAMED: Final = re.compile(rf"(?:{WORDS}|token)\Z", re.IGNORECASE)
LITERAL: Final = re.compile(rf"{ELSEWHERE}.", re.DOTALL)
MOST: Final = 20
MOST_SHOWN: Final = 200


def password_places(task: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of texts that may have a password in them, at most 20; never the texts."""
    places: list[str] = []
    for where in (("metadata", "annotations"), ("spec",)):
        found: Any = task
        for name in where:
            found = found.get(name) if isinstance(found, Mapping) else None
        for place in _places(found, ".".join(where)):
            if len(places) == MOST:
                return tuple(places)
            places.append(printable(place)[:MOST_SHOWN])
    return tuple(places)


def _places(value: Any, path: str) -> Iterator[str]:
    match value:
        case str():
            if WRITTEN.search(value):
                yield path
        case list():
            for index, each in enumerate(value):
                yield from _places(each, f"{path}[{index}]")
        case Mapping():
            named = value.get("name")
            for key, each in value.items():
                # An environment variable has its name beside its value.
                name = named if key == "value" and isinstance(named, str) else key
                if isinstance(each, str) and NAMED.search(name) and LITERAL.match(each):
                    yield f"{path}.{key}"
                else:
                    yield from _places(each, f"{path}.{key}")
        case _:
            return
