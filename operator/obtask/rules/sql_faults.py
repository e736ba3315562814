"""Owns what is wrong with a sql action, as far as it can be told before anything runs. Pure. API.md section 2.1."""

from collections.abc import Iterator

from obtask.model.actions import SqlAction
from obtask.rules.sql_text import changes_charset, misplaced, unknown_names


def sql_faults(action: SqlAction) -> Iterator[tuple[str, str]]:
    """Yield what is wrong as (field path below the action, what and what to write instead)."""
    if action.args:
        for field, text in sql_texts(action):
            yield from ((field, fault) for fault in _binding_faults(text, action))


def sql_texts(action: SqlAction) -> list[tuple[str, str]]:
    """Return the SQL texts of an action as (field path below the action, text)."""
    texts = [(f"statements[{index}]", text) for index, text in enumerate(action.statements)]
    return texts + [(f"{name}.query", part.query) for name, part in (("unless", action.unless), ("until", action.until)) if part]


def _binding_faults(text: str, action: SqlAction) -> Iterator[str]:
    for found in misplaced(text):
        yield f"%({found.name})s {found.advice}"
    unknown = ", ".join(f"%({name})s" for name in unknown_names(text, action.args))
    if unknown:
        yield f"{unknown} not in args"
    if changes_charset(text):
        yield "args are bound in the character set utf8mb4; without args another one can be set"
