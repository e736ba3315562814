"""Owns regular expressions that others wrote: those of RE2, in time linear in the text, and small enough to be compiled at once.

Pydantic's engine never steps back, but takes classes for those of Unicode, by which a class and a count make a program of ten
megabytes. So classes are written out as RE2 and the API server mean them, in ASCII, and counted repetitions are bounded before anything
is compiled.
"""

import re
from collections.abc import Callable
from math import prod
from typing import Final

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

PATTERN_CHARACTERS: Final = 256
REPETITIONS: Final = 1000  # of all counted repetitions of a pattern, multiplied: RE2's limit of a single one

_CLASSES: Final = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
# A class in brackets, an escape, or any other character; within a class: an escape, a class of POSIX, or any other character.
_PARTS = re.compile(r"\[\^?\]?(?:\[:\^?[a-z]+:\]|\\[\s\S]|[^\]\\])*+(?:\]|\Z)|\\[\s\S]|[\s\S]")
_MEMBERS = re.compile(r"\\[\s\S]|\[:\^?[a-z]+:\]|[\s\S]")
_OPERATORS: Final = ("[", "&", "~")  # within a class, in this engine only
_COUNT = re.compile(r"\{(\d{1,6})(?:,(\d{0,6}))?\}")


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a text has a part that matches; raises ValueError for what is no pattern of RE2, or too large."""
    if len(pattern) > PATTERN_CHARACTERS:
        raise ValueError(f"a pattern has at most {PATTERN_CHARACTERS} characters")
    if prod(max(int(most or least), 1) for least, most in _COUNT.findall(pattern)) > REPETITIONS:
        raise ValueError(f"the repetitions of a pattern multiply to at most {REPETITIONS}")
    try:
        compiled = SchemaValidator(core_schema.str_schema(pattern=_in_ascii(pattern), strict=True))
    except SchemaError as error:
        raise ValueError(f"{pattern!r} is no pattern of RE2: {_reason(error)}") from None
    return lambda text: _matches(compiled, text)


def _matches(compiled: SchemaValidator, text: str) -> bool:
    try:
        compiled.validate_python(text)
    except ValidationError:
        return False
    return True


def _reason(error: SchemaError) -> str:
    *_, last = str(error).strip().splitlines()
    return last.strip().removeprefix("error: ")


def _in_ascii(pattern: str) -> str:
    """Return the pattern with its classes written out."""
    return "".join(_part(part) for part in _PARTS.findall(pattern))


def _part(part: str) -> str:
    if len(part) == 1 or part[0] == "\\":
        return _escape(part, inside=False)
    begin = len(part) - len(part[1:].removeprefix("^").removeprefix("]"))  # where a bracket may stand for itself
    return part[:begin] + "".join(_escape(member, inside=True) for member in _MEMBERS.findall(part[begin:-1])) + "]"


def _escape(part: str, *, inside: bool) -> str:
    if inside and part in _OPERATORS:
        return f"\\{part}"
    if part[0] != "\\" or len(part) == 1:
        return part
    letter = part[1]
    if letter in "pP":
        raise ValueError(r"classes of Unicode (\p) are not for patterns")
    members = _CLASSES.get(letter.lower())
    if members is None:
        return rf"(?-u:{part})" if letter in "bB" and not inside else part
    if not letter.isupper():
        return members if inside else f"[{members}]"
    if inside:
        raise ValueError(f"{part} is not for use within brackets")
    return f"[^{members}]"
