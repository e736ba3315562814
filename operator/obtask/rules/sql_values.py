"""Owns which values may stand in SQL text in the place of ``${{ }}``: known when an attempt starts. Pure. API.md section 2.2."""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

from obtask.model.actions import SqlAction
from obtask.model.limits import one_line
from obtask.model.values import Identifier
from obtask.rules.sql_text import code, encodable, sql_texts

IDENTIFIER_CHARACTERS: Final = 128  # OceanBase's longest name; MySQL's are half as long, and the server says so
VALUES_CHARACTERS: Final = 1024 * 1024  # of all values in one text
SHOWN: Final = 64
_INTEGERS = range(-(2**63), 2**64)  # what CEL has, and what every server takes
_GOES_ON = re.compile(r";\s*+[^;\s]")


def value_faults(action: SqlAction, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the values of an action's texts as (field path below the action, what)."""
    for field, text in sql_texts(action):
        size = 0
        goes_on = bool(text.values) and _GOES_ON.search(code(text.plain)) is not None
        for position, expression in text.values:
            value = values.get(expression)
            fault = _fault(value) or _out_of_place(value, text.plain, position, goes_on=goes_on)
            if fault is not None:
                yield field, f"the value of ${{{{ {one_line(expression, SHOWN)} }}}} {fault}"
            size += _characters(value)
        if size > VALUES_CHARACTERS:
            yield field, f"its values have {size:,} characters together; at most {VALUES_CHARACTERS:,} are allowed"


def identifier_fault(name: str) -> str | None:
    """Return why a text can be no quoted identifier, or None."""
    if not name:
        return "is empty, and no name"
    if len(name) > IDENTIFIER_CHARACTERS:
        return f"has {len(name)} characters; a name has at most {IDENTIFIER_CHARACTERS}"
    if "\0" in name:
        return "has a NUL in it, which no name can have"
    return None if encodable(name) else "is not Unicode text: it has half of a surrogate pair"


def _fault(value: Any) -> str | None:
    match value:
        case Identifier(name):
            return identifier_fault(name)
        case list() | tuple():
            if not value:
                return "is an empty list, which SQL has no words for; a step can be left out by when"
            return next((f"is a list in which one {fault}" for item in value if (fault := scalar_fault(item)) is not None), None)
        case _:
            return scalar_fault(value)


def scalar_fault(value: Any) -> str | None:
    """Return why SQL has no literal for a value, or None."""
    match value:
        case None | bool():
            return None
        case Identifier(name):
            return identifier_fault(name)
        case int():
            return None if value in _INTEGERS else "does not fit into 64 bits"
        case float():
            return None if math.isfinite(value) else "is no number that SQL has"
        case str():
            return None if encodable(value) else "is not Unicode text: it has half of a surrogate pair"
        case list() | tuple():
            return "is a list of lists"
        case Mapping():
            return "is a map: name the entry that is meant"
        case _:
            return f"is of a type that SQL has no literal for ({type(value).__name__})"


def _out_of_place(value: Any, text: str, position: int, *, goes_on: bool) -> str | None:
    """Return why a value that SQL has words for cannot stand where it does. ``goes_on``: the text has several statements."""
    if "." in (text[position - 1 : position], text[position + 1 : position + 2]) and not isinstance(value, Identifier):
        return "stands beside a dot, where only a name can stand: use ident()"
    names = {_folded(item.name) for item in (value if isinstance(value, list | tuple) else [value]) if isinstance(item, Identifier)}
    if "character_set_client" in names:
        return "is character_set_client: values are bound in the character set utf8mb4"
    if "sql_mode" in names and goes_on:
        return "is sql_mode, on which the literals of a text depend; give that change a statement of its own"
    return None


def _folded(name: str) -> str:
    """Return a name as a server compares names of variables, which sees no difference in case and accents."""
    letters = (letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    return "".join(letters).casefold().strip()


def _characters(value: Any) -> int:
    match value:
        case str():
            return len(value)
        case Identifier(name):
            return len(name)
        case list() | tuple():
            return sum(_characters(item) + 2 for item in value)
        case _:
            return 24
