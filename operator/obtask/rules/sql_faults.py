"""Owns what is wrong with a sql action, as far as it can be told before anything runs. Pure. API.md section 2.1."""

import math
from collections.abc import Iterator
from decimal import Decimal

from obtask.model.actions import SqlAction
from obtask.model.constraints import Scalar
from obtask.names import ATTEMPT_VARIABLES
from obtask.rules.sql_text import changes_charset, code, misplaced, state_asked, state_left, unknown_names, user_variables

INT64 = range(-(2**63), 2**63)
OWN_VARIABLES = frozenset(f"@OBTASK_{name}" for name in ATTEMPT_VARIABLES)  # every connection has them
CERTAIN_DIGITS = 15  # IEEE 754: a decimal of so many digits is the same after it was a binary double


def sql_faults(action: SqlAction) -> Iterator[tuple[str, str]]:
    """Yield what is wrong as (field path below the action, what and what to write instead)."""
    yield from ((f"args.{name}", fault) for name, value in action.args.items() if (fault := _value_fault(value)) is not None)
    yield from ((f"argsFrom.{name}", "is in args, too: a name has one value") for name in action.args_from if name in action.args)
    for field, text in sql_texts(action):
        if not field.startswith("statements"):
            if not code(text).strip("; \t\r\n"):
                yield field, "is a comment, and asks nothing"
            yield from ((field, fault) for fault in _variable_faults(text))
    if action.args or action.args_from:
        for field, text in sql_texts(action):
            yield from ((field, fault) for fault in _binding_faults(text))


def missing_args(action: SqlAction) -> Iterator[tuple[str, str]]:
    """Yield the placeholders that args have no value for as (field path below the action, which)."""
    for field, text in sql_texts(action):
        unknown = ", ".join(f"%({name})s" for name in unknown_names(text, action.args.keys() | action.args_from.keys()))
        if unknown:
            yield field, f"{unknown} not in args{' or argsFrom' if action.args_from else ''}"


def session_state(action: SqlAction) -> str | None:
    """Return what a new connection in ``until`` would lack: what the statements leave in the session, or the query asks of it."""
    texts = [(field, text) for field, text in sql_texts(action) if not field.startswith("until")]
    left = next((f"what {words} of {field} did" for field, text in texts if (words := state_left(text)) is not None), None)
    if left is None and action.until is not None and (asked := state_asked(action.until.query)) is not None:
        return f"what {asked} of until.query asks for"
    return left


def sql_texts(action: SqlAction) -> list[tuple[str, str]]:
    """Return the SQL texts of an action as (field path below the action, text)."""
    texts = [(f"statements[{index}]", text) for index, text in enumerate(action.statements)]
    return texts + [(f"{name}.query", part.query) for name, part in (("unless", action.unless), ("until", action.until)) if part]


def _variable_faults(text: str) -> Iterator[str]:
    for name in user_variables(text):
        if name.upper() not in OWN_VARIABLES:
            yield f"{name} is a variable of the session, and the connection may be a new one: use args, or ask for what the server keeps"


def _binding_faults(text: str) -> Iterator[str]:
    for found in misplaced(text):
        yield f"%({found.name})s {found.advice}"
    if changes_charset(text):
        yield "args are bound in the character set utf8mb4; without args another one can be set"


def _value_fault(value: Scalar) -> str | None:
    """Return why a value may be another one than the one that was written: the API server keeps numbers as int64 or double."""
    match value:
        case int() if value not in INT64:
            return f"{value} does not fit into 64 bits with a sign: such numbers are rounded on their way here; put it in quotes"
        case float() if not math.isfinite(value):
            return f"{value} is no number that SQL has"
        case float() if len(Decimal(repr(value)).as_tuple().digits) > CERTAIN_DIGITS:
            return f"{value!r} has more than {CERTAIN_DIGITS} digits: such numbers are rounded on their way here; put it in quotes"
        case str() if not _encodable(value):
            return "is not Unicode text: it has half of a surrogate pair"
        case _:
            return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
