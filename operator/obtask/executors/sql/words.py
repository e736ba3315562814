"""Owns what people are told about a result, and hints about SQL that looks right and is not. Pure."""

import re
from dataclasses import replace
from itertools import islice
from typing import Any

from obtask.executors.sql.answers import Result
from obtask.model.attempt import Failed
from obtask.model.limits import MESSAGE_CHARACTERS, one_line
from obtask.rules.sql_text import code, read

SHOWN_ROWS = 3
SHOWN_VALUE = 60
SHOWN_SENTENCE = 140  # in a column of its own: what a check has to say
SHOWN = 240
SHOWN_SENTENCES = 440
SYNTAX_ERROR = "1064"
_DELIMITER = re.compile(r"^[ \t]*+delimiter[ \t]++\S", re.IGNORECASE | re.MULTILINE)
_SOURCE = re.compile(r"^[ \t]*+source[ \t]++\S", re.IGNORECASE | re.MULTILINE)
_UPRIGHT = re.compile(r"\\g[\s;]*+\Z", re.IGNORECASE)
_ENDING = re.compile(r"(?://|\$\$)[\s;]*+\Z")
_PROMPT = re.compile(r"^[ \t]*+(?:mysql|obclient|mariadb)[ \t]*+(?:[(\[][^)\]\n]{0,200}[)\]]){0,2}+[ \t]*+>", re.IGNORECASE | re.MULTILINE)
_QUOTES = re.compile("[\u2018\u2019\u201c\u201d]")
_WIDE = re.compile("[\uff0c\uff1b\uff08\uff09\uff1d]")
_UNSEEN = re.compile("[\u00a0\u200b\u200c\u200d\u2060\u3000\ufeff]")
PASTED = (
    (_DELIMITER, "DELIMITER is a command of the mysql client: leave it out"),
    (_SOURCE, "SOURCE is a command of the mysql client: write the statements"),
    (_UPRIGHT, "\\G is a command of the mysql client: leave it out"),
    (_ENDING, "// and $$ end a statement only after DELIMITER, a command of the mysql client: leave them out"),
    (_PROMPT, "the prompt of the mysql client is not SQL: leave it out"),
    (_QUOTES, "typographic quotes are no quotes: write ' or `"),
    (_WIDE, "full-width punctuation is not SQL: write , ; ( ) ="),
    (_UNSEEN, "it holds a space that cannot be seen and is none for the server: type it again"),
)
_WITH_BOOLEAN = re.compile(r"[=!]=\s*+(?:true|false)\b|\b(?:true|false)\s*+[=!]=")
_UNTRUE = re.compile(
    r"must be true or false, not (?:int|str|bytearray)\b|No matching overloads found : (?:<jump_condition>|!_|_&&_|_\|\|_)"
)
DOUBLED = "several columns have one name, and rows has the last of them only: give them aliases"
BOOLEAN = "a boolean of SQL is a number: compare with 1 or 0"
BIT = "a BIT of SQL is octets: compare with b'\\x01', or select the column + 0"
WORD = "the column holds texts: compare with 'YES', 'NO' or the like"
WORDS = frozenset({"yes", "no", "y", "n", "true", "false", "on", "off"})


def shown(result: Result) -> str:
    """Return a short form of the result: ``1 row: STATUS=IDLE`` or ``2 rows affected``."""
    if not result.columns:
        return _count(result.affected) + " affected"
    if not result.total:
        return "no rows"
    rows = ["; ".join(_row(result.columns, row)) for row in islice(result.rows, SHOWN_ROWS)]
    more = " | …" if result.total > len(rows) else ""
    return _cut(f"{_count(result.total)}: {' | '.join(rows)}{more}", SHOWN if len(result.columns) > 1 else SHOWN_SENTENCES)


def counted(result: Result) -> str:
    """Return how many rows there are, without their values."""
    return _count(result.total) if result.columns else _count(result.affected) + " affected"


def _row(columns: tuple[str, ...], row: tuple[Any, ...]) -> list[str]:
    most = SHOWN_VALUE if len(columns) > 1 else SHOWN_SENTENCE
    return [f"{name}={_cut(_text(value), most)}" for name, value in zip(columns, row, strict=True)]


def _text(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bytes():
            return "0x" + value[:SHOWN_VALUE].hex()
        case _:
            return " ".join(str(value).split())


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def of_failure(statement: str, failed: Failed) -> Failed:
    """Return a failure of the statement, with what may be meant if what the server refused was pasted from somewhere."""
    if failed.code != SYNTAX_ERROR:
        return failed
    plain = code(read(statement).plain)
    return with_hint(failed, next((hint for pattern, hint in PASTED if pattern.search(plain)), None))


def of_expression(expression: str, result: Result) -> str | None:
    """Return why an expression may not hold for a result although it seems to."""
    if doubled := doubled_columns(result):
        return doubled
    return _no_boolean(result) if _WITH_BOOLEAN.search(expression) else None


def of_fault(fault: str, result: Result) -> str | None:
    """Return why an expression may have no answer for a result although it seems to: a value was taken for true or false."""
    return _no_boolean(result) if _UNTRUE.search(fault) else None


def _no_boolean(result: Result) -> str | None:
    """Return what a result has in the place of booleans: no server sends any."""
    for value in (value for row in result.rows for value in row):
        match value:
            case int() if value in (0, 1):
                return BOOLEAN
            case bytes() if len(value) == 1:
                return BIT
            case str() if value.lower() in WORDS:
                return WORD
    return None


def doubled_columns(result: Result) -> str | None:
    """Return that columns of a result cannot be told apart, if there are such."""
    return DOUBLED if len(set(result.columns)) < len(result.columns) else None


def comments_alone(statements: list[str]) -> str | None:
    """Return which statements of several do nothing because they are comments."""
    numbers = [str(number) for number, text in enumerate(statements, 1) if not code(read(text).plain).strip("; \t\r\n")]
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
