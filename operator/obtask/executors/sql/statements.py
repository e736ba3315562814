"""Owns the text of statements: values bound to placeholders, and the one that identifies the session. Pure."""

import re
from collections.abc import Callable, Mapping

from obtask.executors.identity import identity
from obtask.model.attempt import Attempt
from obtask.model.constraints import Scalar
from obtask.rules.sql_text import PLACEHOLDER


def bind(statement: str, args: Mapping[str, Scalar], escape: Callable[[Scalar], str]) -> str:
    """Return the statement with its values as literals; without args it stays as it is, every % included.

    Where a placeholder may stand is checked before anything runs: ``rules.sql_faults``.
    """
    if not args:
        return statement

    def literal(found: re.Match[str]) -> str:
        if found[1] is None:
            return "%"
        value = escape(args[found[1]])
        after_minus = value.startswith("-") and statement[found.start() - 1 : found.start()] == "-"
        return f" {value}" if after_minus else value  # two of them may begin a comment

    return PLACEHOLDER.sub(literal, statement)


def literal_text(text: str, *, backslash_escapes: bool) -> str:
    """Return a text as a literal that ends where it should in every sql_mode, and holds the text in the mode that is given."""
    doubled = text.replace("'", "''")
    return f"'{doubled.replace(chr(92), chr(92) * 2) if backslash_escapes else doubled}'"


def identify(attempt: Attempt, escape: Callable[[Scalar], str]) -> str:
    """Return the statement that makes a session carry its identity."""
    return "SET " + ", ".join(f"@OBTASK_{name}={escape(value)}" for name, value in identity(attempt).items())


def program(attempt: Attempt) -> str:
    """Return the name that the session has in the server's list of connection attributes."""
    return f"obtask {attempt.namespace}/{attempt.task}"
