"""Owns what people are told about SQL that looks right and is not: a client's commands, comments alone, booleans, doubled columns. Pure."""

import re
from dataclasses import replace

from obtask.executors.sql.answers import Result
from obtask.model.attempt import Failed
from obtask.model.limits import MESSAGE_CHARACTERS, one_line
from obtask.rules.sql_text import code

SYNTAX_ERROR = "1064"
_DELIMITER = re.compile(r"^[ \t]*+delimiter[ \t]++\S", re.IGNORECASE | re.MULTILINE)
_SOURCE = re.compile(r"^[ \t]*+source[ \t]++\S", re.IGNORECASE | re.MULTILINE)
_UPRIGHT = re.compile(r"\\g[\s;]*+\Z", re.IGNORECASE)
CLIENT_COMMANDS = (
    (_DELIMITER, "DELIMITER is a command of the mysql client: leave it out"),
    (_SOURCE, "SOURCE is a command of the mysql client: write the statements"),
    (_UPRIGHT, "\\G is a command of the mysql client: leave it out"),
)
_WITH_BOOLEAN = re.compile(r"[=!]=\s*+(?:true|false)\b|\b(?:true|false)\s*+[=!]=")
DOUBLED = "several columns have one name, and rows has the last of them only: give them aliases"
BOOLEAN = "a boolean of SQL is a number: compare with 1 or 0"


def of_failure(statement: str, failed: Failed) -> Failed:
    """Return a failure of the statement, with what may be meant if the server took a command of the client for SQL."""
    if failed.code != SYNTAX_ERROR:
        return failed
    plain = code(statement)
    return with_hint(failed, next((hint for pattern, hint in CLIENT_COMMANDS if pattern.search(plain)), None))


def of_expression(expression: str, result: Result) -> str | None:
    """Return why an expression may not hold for a result although it seems to."""
    if doubled := doubled_columns(result):
        return doubled
    values = (value for row in result.rows for value in row)
    return BOOLEAN if _WITH_BOOLEAN.search(expression) and any(type(value) is int and value in (0, 1) for value in values) else None


def doubled_columns(result: Result) -> str | None:
    """Return that columns of a result cannot be told apart, if there are such."""
    return DOUBLED if len(set(result.columns)) < len(result.columns) else None


def comments_alone(statements: list[str]) -> str | None:
    """Return which statements of several do nothing because they are comments."""
    numbers = [str(number) for number, text in enumerate(statements, 1) if not code(text).strip("; \t\r\n")]
    if not numbers:
        return None
    return (
        f"statement {numbers[0]} is a comment and did nothing"
        if len(numbers) == 1
        else f"{len(numbers)} of them are comments and did nothing"
    )


def with_hint(failed: Failed, hint: str | None) -> Failed:
    """Return a failure whose message ends with a hint, whole even where the rest has to be cut."""
    if hint is None:
        return failed
    return replace(failed, message=f"{one_line(failed.message, MESSAGE_CHARACTERS - len(hint) - 2)}; {hint}")
