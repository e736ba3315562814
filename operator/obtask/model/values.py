"""Owns texts with values in them: `${{ CEL }}`, and which of them an action has. API.md section 2.2."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from obtask.model.base import Value

OPENING: Final = "${{"
VARIABLES: Final = ("task", "attempt", "steps", "params", "item", "index")
UNCLOSED = "a ${{ has no }}; write $${{ for a literal ${{"

# One token of CEL, as far as it matters where an expression ends: strings, comments, braces. Repetitions are possessive, and a string
# without an end goes to the end of the text, so that reading takes linear time.
_TOKEN = re.compile(
    r"""
    [rR][bB]?+(?:\"{3}(?:[^"]|"(?!""))*+(?:"{3}|\Z) | '{3}(?:[^']|'(?!''))*+(?:'{3}|\Z) | "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z))
  | \"{3}(?:\\.|[^"\\]|"(?!""))*+(?:"{3}|\\?\Z) | '{3}(?:\\.|[^'\\]|'(?!''))*+(?:'{3}|\\?\Z)
  | "(?:\\.|[^"\\])*+(?:"|\\?\Z) | '(?:\\.|[^'\\])*+(?:'|\\?\Z)
  | //[^\n]*+
  | (?P<brace>[{}])
  | [^'"{}/rR]++ | .
    """,
    re.DOTALL | re.VERBOSE,
)
# A field is no variable; a variable may have a dot of its own in front.
_MENTIONED = re.compile(rf"""(?:(?<![\w.])|(?<=(?<![\w.)\]}}"'\s])\.))(?:{"|".join(VARIABLES)})\b""")


@dataclass(frozen=True, slots=True)
class Inserted:
    """An expression whose value is to be inserted into a text."""

    expression: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """A value that is to become a quoted identifier in SQL."""

    name: str


def parts(text: str) -> tuple[str | Inserted, ...]:
    """Return a text as its literal parts and the expressions between them; a literal ``${{`` is read. Raises ValueError."""
    found: list[str | Inserted] = []
    literal: list[str] = []
    position = 0
    while (opening := text.find(OPENING, position)) >= 0:
        if opening > position and text[opening - 1] == "$":
            literal += [text[position : opening - 1], OPENING]
            position = opening + len(OPENING)
            continue
        literal.append(text[position:opening])
        end = expression_end(text, opening + len(OPENING))
        found += [whole] if (whole := "".join(literal)) else []
        found.append(Inserted(text[opening + len(OPENING) : end].strip()))
        literal, position = [], end + 2
    literal.append(text[position:])
    whole = "".join(literal)
    return (*found, whole) if whole or not found else tuple(found)


def expression_end(text: str, position: int) -> int:
    """Return where the ``}}`` of the expression that begins at a position is. Raises ValueError."""
    depth = 0
    for token in _TOKEN.finditer(text, position):
        match token["brace"]:
            case "{":
                depth += 1
            case "}" if depth:
                depth -= 1
            case "}" if text.startswith("}}", token.start()):
                return token.start()
            case _:
                continue
    raise ValueError(UNCLOSED)


def mentioned(expression: str) -> frozenset[str]:
    """Return which of the variables of values a CEL expression may use: at least those that it uses."""
    return frozenset(_MENTIONED.findall(expression))


def without_texts(expression: str) -> str:
    """Return a CEL expression with its strings and comments blanked out; what is left stands where it stood."""
    return _TOKEN.sub(lambda token: " " * len(token[0]) if token[0].lstrip("rRbB").startswith(('"', "'", "//")) else token[0], expression)


def texts(data: Any) -> Iterator[tuple[str, str]]:
    """Yield every text in JSON-like data as (path, text), in order; keys are none."""
    pending: list[tuple[str, Any]] = [("", data)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, (list, tuple)):
            pending += [(f"{path}[{index}]", value[index]) for index in range(len(value) - 1, -1, -1)]
        elif isinstance(value, Mapping):
            pending += [(f"{path}.{name}" if path else str(name), value[name]) for name in reversed(list(value))]


def leaves(data: Any) -> Iterator[str]:
    """Yield every key, text and number of JSON-like data as a text."""
    match data:
        case Mapping():
            for name, value in data.items():
                yield str(name)
                yield from leaves(value)
        case list() | tuple():
            for value in data:
                yield from leaves(value)
        case _:
            yield str(data)


class WithValues(Value):
    """What may hold values in its texts: an action, or a connection."""

    @cached_property
    def written(self) -> tuple[tuple[str, str], ...]:
        """Every text of it that has a value in it as (path, text)."""
        data = self.dump()
        if OPENING not in json.dumps(data):  # twenty times as fast as going through a large body
            return ()
        return tuple((path, text) for path, text in texts(data) if OPENING in text)

    @cached_property
    def mentions(self) -> frozenset[str]:
        """Which variables of values it may use: at least those that it does."""
        return frozenset[str]().union(*(mentioned(text) for _, text in texts(self.dump())))
