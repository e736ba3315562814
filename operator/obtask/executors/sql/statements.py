"""Owns the text of statements: values bound to placeholders, and the one that identifies the session. Pure."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from obtask.executors.identity import identity
from obtask.model.attempt import Attempt
from obtask.model.constraints import Scalar
from obtask.model.values import Identifier, Inserted, parts
from obtask.rules.sql_text import PLACEHOLDER

NOTHING: Mapping[str, Any] = MappingProxyType({})


def bind(statement: str, args: Mapping[str, Scalar], escape: Callable[[Scalar], str], values: Mapping[str, Any] = NOTHING) -> str:
    """Return the statement with its values as literals: of ``%(name)s`` by name, of ``${{ expression }}`` by its text.

    Without args every % stays. Where a value may stand (``rules.sql_faults``), and which (``rules.sql_values``), is checked before.
    """

    def place(literal: str, before: str) -> str:
        return f" {literal}" if literal.startswith("-") and before.endswith("-") else literal  # two of them may begin a comment

    def named(found: re.Match[str]) -> str:
        return "%" if found[1] is None else place(escape(args[found[1]]), found.string[found.start() - 1 : found.start()])

    pieces: list[str] = []
    for part in parts(statement):
        if isinstance(part, Inserted):
            pieces.append(place(literal(values[part.expression], escape), pieces[-1] if pieces else ""))
        else:
            pieces.append(PLACEHOLDER.sub(named, part) if args else part)
    return "".join(pieces)


def literal(value: Any, escape: Callable[[Scalar], str]) -> str:
    """Return a value as SQL: a literal, a quoted identifier, or a list of these."""
    match value:
        case Identifier(name):
            return "`" + name.replace("`", "``") + "`"
        case list() | tuple():
            return ", ".join(literal(item, escape) for item in value)
        case _:
            return escape(value)


def literal_text(text: str, *, backslash_escapes: bool) -> str:
    """Return a text as a literal that ends where it should in every sql_mode, and holds the text in the mode that is given."""
    doubled = text.replace("'", "''")
    return f"'{doubled.replace(chr(92), chr(92) * 2) if backslash_escapes else doubled}'"


def in_general(value: Scalar) -> str:
    """Return a value as it may look in a literal, for those who only look for it."""
    return literal_text(value, backslash_escapes=True) if isinstance(value, str) else str(value)


def identify(attempt: Attempt, escape: Callable[[Scalar], str]) -> str:
    """Return the statement that makes a session carry its identity."""
    return "SET " + ", ".join(f"@OBTASK_{name}={escape(value)}" for name, value in identity(attempt).items())


def program(attempt: Attempt) -> str:
    """Return the name that the session has in the server's list of connection attributes."""
    return f"obtask {attempt.namespace}/{attempt.task}"
