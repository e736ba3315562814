"""Owns what is wrong with a sql action, as far as it can be told before anything runs. Pure. API.md section 2.1."""

import math
from collections.abc import Iterator
from decimal import Decimal

from obtask.model.actions import SqlAction
from obtask.model.constraints import Scalar
from obtask.names import ATTEMPT_VARIABLES
from obtask.rules.sql_text import (
    SqlText,
    changes_charset,
    code,
    misplaced,
    read,
    sql_texts,
    state_asked,
    state_left,
    unknown_names,
    user_variables,
)
from obtask.rules.sql_values import scalar_fault

INT64 = range(-(2**63), 2**63)
OWN_VARIABLES = frozenset(f"@OBTASK_{name}" for name in ATTEMPT_VARIABLES)  # every connection has them
CERTAIN_DIGITS = 15  # IEEE 754: a decimal of so many digits is the same after it was a binary double


def sql_faults(action: SqlAction, *, computed: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what is wrong as (field path below the action, what and what to write instead).

    ``computed``: args may be values of expressions, which have all their digits.
    """
    fault_of = scalar_fault if computed else _value_fault
    yield from ((f"args.{name}", fault) for name, value in action.args.items() if (fault := fault_of(value)) is not None)
    yield from ((f"argsFrom.{name}", "is in args, too: a name has one value") for name in action.args_from if name in action.args)
    texts = sql_texts(action)
    for field, text in texts:
        if text.fault is not None:
            yield field, text.fault
        if not field.startswith("statements"):
            if not code(text.plain).strip("; \t\r\n"):
                yield field, "is a comment, and asks nothing"
            yield from ((field, fault) for fault in _variable_faults(text.plain))
    args = bool(action.args or action.args_from)
    if args or any(text.values for _, text in texts):
        for field, text in texts:
            yield from ((field, fault) for fault in _binding_faults(text, args=args))


def missing_args(action: SqlAction) -> Iterator[tuple[str, str]]:
    """Yield the placeholders that args have no value for as (field path below the action, which)."""
    for field, text in sql_texts(action):
        unknown = ", ".join(f"%({name})s" for name in unknown_names(text.plain, action.args.keys() | action.args_from.keys()))
        if unknown:
            yield field, f"{unknown} not in args{' or argsFrom' if action.args_from else ''}"


def session_state(action: SqlAction) -> str | None:
    """Return what a new connection in ``until`` would lack: what the statements leave in the session, or the query asks of it."""
    texts = [(field, text.plain) for field, text in sql_texts(action) if not field.startswith("until")]
    left = next((f"what {words} of {field} did" for field, text in texts if (words := state_left(text)) is not None), None)
    if left is None and action.until is not None and (asked := state_asked(read(action.until.query).plain)) is not None:
        return f"what {asked} of until.query asks for"
    return left


def _variable_faults(text: str) -> Iterator[str]:
    for name in user_variables(text):
        if name.upper() not in OWN_VARIABLES:
            yield f"{name} is a variable of the session, and the connection may be a new one: use args, or ask for what the server keeps"


def _binding_faults(text: SqlText, *, args: bool) -> Iterator[str]:
    for found in misplaced(text, args=args):
        yield f"{found.place} {found.advice}"
    if changes_charset(text.plain):
        what = "args" if args else "values"
        yield f"{what} are bound in the character set utf8mb4; without {what} another one can be set"


def _value_fault(value: Scalar) -> str | None:
    """Return why a value may be another one than the one that was written: the API server keeps numbers as int64 or double."""
    match value:
        case int() if value not in INT64:
            return f"{value} does not fit into 64 bits with a sign: such numbers are rounded on their way here; put it in quotes"
        case float() if math.isfinite(value) and len(Decimal(repr(value)).as_tuple().digits) > CERTAIN_DIGITS:
            return f"{value!r} has more than {CERTAIN_DIGITS} digits: such numbers are rounded on their way here; put it in quotes"
        case _:
            return scalar_fault(value)
