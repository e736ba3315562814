"""Owns how SQL text is read: what in it is text, a quoted name or a comment, and what is code. MySQL Reference Manual 11.1 and 11.7. Pure.

Every function is linear in the text's length. Where a server's sql_mode or version decides what a part is, nothing is bound behind it.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from obtask.model.actions import SqlAction
from obtask.model.limits import one_line
from obtask.model.values import UNCLOSED, Inserted, parts

STAND_IN: Final = "\N{OBJECT REPLACEMENT CHARACTER}"  # for a ${{ }} while the text around it is read: code, and grown together with no word
SHOWN_EXPRESSION: Final = 64
PLACEHOLDER = re.compile(r"%%|%\(([^()]*)\)s")

# Repetitions are possessive: hostile texts must find nothing to go back to.
_COMMENT = r"/\*(?!M?!|\+)(?:[^*]++|\*(?!/))*+(?:\*/|\Z)"
_NAME = r"`(?:[^`]++|``)*+(?:`|\Z)"

# As MySQL reads it by default: what is in /*! */ is code.
_USUAL = re.compile(
    rf"""
    (?P<text>'(?:[^'\\]++|''|\\.)*+(?:'|\\?\Z) | "(?:[^"\\]++|""|\\.)*+(?:"|\\?\Z))
  | (?P<name>{_NAME})
  | (?P<comment>{_COMMENT} | /\*\+(?:[^*]++|\*(?!/))*+(?:\*/|\Z) | /\*M?!\d*+ | (?:\#|--(?=[\x00-\x20\x7f]|\Z))[^\r\n]*+)
    """,
    re.DOTALL | re.VERBOSE,
)

# What is the same with and without NO_BACKSLASH_ESCAPES and ANSI_QUOTES, for servers that end a comment of one line at \r and such that
# do not, that carry out /*! */ and such that do not, that take -- for a comment always or before a space only.
_CERTAIN = re.compile(
    rf"""
    (?P<text>'(?:[^'\\]++|''|\\[^'])*+(?:'|\Z) | "(?:[^"\\]++|""|\\[^"])*+(?:"|\Z))
  | (?P<name>{_NAME})
  | (?P<comment>
        {_COMMENT}
      | /\*(?:M?!|\+)(?:[^*'"`\#/-]++|\*(?!/)|/(?!\*)|-(?!-))*+\*/
      | (?:\#|--(?=[\x00-\x20\x7f]|\Z))[^\r\n]*+(?=\r?\n|\r?\Z)
      | --[^\r\n'"`\#/]*+(?=\r?\n|\r?\Z)
    )
  | (?P<unclear>(?:['"\#]|--|/\*|(?<![\w$.])\$\w*+\$).*+)
    """,
    re.DOTALL | re.VERBOSE,
)

_BESIDE = re.compile(r"""[\w$.'"`\\]|[^\x00-\x7f]""")
_KEYWORD = "select|distinct|all|and|or|xor|not|where|when|then|else|case|between|like|regexp|in|is|by|on|having|limit|set|into|div|mod|from"
_VARIABLE = re.compile(rf"""(?:(?<![\w$'"`@])|(?<![\w$])(?:{_KEYWORD}))@(?P<name>[\w$.]+|['"`{STAND_IN}]|%\()""", re.IGNORECASE)
_SQL_MODE = re.compile(r"\bsql_mode\b", re.IGNORECASE)
_CHARSET = re.compile(r"\bset\s+(?:names|charset|character\s+set)\b|\bcharacter_set_client\b", re.IGNORECASE)
_UNICODE = re.compile(r"""\s*+(?::?=\s*+)?['"]?utf8""", re.IGNORECASE)
_ROUTINE = re.compile(
    r"\s*+create\s+(?:or\s+replace\s+)?(?:definer\s*=\s*\S+\s+)?(?:procedure|function|trigger|event|package)\b", re.IGNORECASE
)
# A transaction that is left open fails the step anyway. SET of one global or user variable, or of a password, leaves nothing behind.
_STATE = re.compile(
    r"""
    (?:\A|;)\s*+(?P<first>
        use | prepare | handler | lock\s+tables? | alter\s+session
      | set(?!\s+(?:password|default)\b)
           (?!\s+(?:(?:global|persist|persist_only)\b|@@(?:global|persist|persist_only)\.|@(?!@))[^,;]*+(?:;|\Z))
    )\b
  | \b(?P<inside>create\s+temporary | get_lock(?=\s*+\() | sql_calc_found_rows | last_insert_id(?=\s*+\(\s*+[^\s)]))\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ASKS_SESSION = re.compile(r"\b(last_insert_id|row_count|found_rows|connection_id)\s*+\(", re.IGNORECASE)

ADVICE = {
    "text": "stands inside quotes, where a value cannot be bound; take it out of the quotes, as in concat('a ', {place}, ' b')",
    "name": "stands inside a quoted name, where a value cannot be bound; write the name itself",
    "comment": "stands inside a comment, where a value cannot be bound; leave it out",
    "unclear": "stands where the server's sql_mode or version decides whether it is inside a text or a comment; "
    "write '' for a quote inside a text, and move or leave out the comment before it",
    "beside": "touches what stands next to it, which would change the value; leave a space, or join texts by concat('a ', {place})",
    "mode": "stands in a text that changes sql_mode, on which its literal depends; give that change a statement of its own",
}


@dataclass(frozen=True, slots=True)
class SqlText:
    """SQL text with a stand-in of one character for each ``${{ }}``; ``values`` are those as (position, expression).

    ``fault`` says why what was written cannot be read.
    """

    plain: str
    values: tuple[tuple[int, str], ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A place (``%(name)s`` or ``${{ expression }}``) where no value can be bound, and what to write instead."""

    place: str
    advice: str


def read(text: str) -> SqlText:
    """Return a SQL text as it is written, with its values told from the code around them."""
    try:
        found = parts(text)
    except ValueError:
        return SqlText(text, fault=UNCLOSED)
    plain: list[str] = []
    values: list[tuple[int, str]] = []
    position = 0
    for part in found:
        if isinstance(part, Inserted):
            values.append((position, part.expression))
        plain.append(STAND_IN if isinstance(part, Inserted) else part)
        position += len(plain[-1])
    return SqlText("".join(plain), tuple(values))


def sql_texts(action: SqlAction) -> list[tuple[str, SqlText]]:
    """Return the SQL texts of an action as (field path below the action, text)."""
    texts = [(f"statements[{index}]", read(text)) for index, text in enumerate(action.statements)]
    return texts + [(f"{name}.query", read(part.query)) for name, part in (("unless", action.unless), ("until", action.until)) if part]


def code(text: str) -> str:
    """Return a text of the same length with spaces for what is inside quotes and for comments, as MySQL reads it by default."""
    return _USUAL.sub(_blank, text)


def misplaced(text: SqlText, *, args: bool = True) -> Iterator[Misplaced]:
    """Yield the values of a text that stand where none can be bound. Without ``args`` there are no placeholders."""
    places = [(match.start(), match.end(), match[0]) for match in PLACEHOLDER.finditer(text.plain) if match[1] is not None] if args else []
    places += [(at, at + 1, f"${{{{ {expression} }}}}") for at, expression in text.values]
    if not places:
        return
    statement, plain = text.plain, _CERTAIN.sub(_blank, text.plain)
    changes_mode = _SQL_MODE.search(plain) is not None
    for start, end, place in sorted(places):
        kind = None
        if plain[start:end] != statement[start:end]:
            kind = _kind_at(statement, start)
        elif any(_touches(neighbour, place) for neighbour in (statement[start - 1 : start], statement[end : end + 1])):
            kind = "beside"
        elif changes_mode:
            kind = "mode"
        if kind is not None:
            shown = one_line(place, SHOWN_EXPRESSION)
            yield Misplaced(shown, ADVICE[kind].replace("{place}", shown))


def _touches(neighbour: str, place: str) -> bool:
    """Return whether a neighbour changes the value. A dot belongs to a name of several parts; other values are refused beside it later."""
    return _BESIDE.match(neighbour) is not None and not (neighbour == "." and place.startswith("${{ ident("))


def placeholders(statement: str) -> set[str]:
    """Return the names of a statement's placeholders."""
    return {name for name in PLACEHOLDER.findall(statement) if name}


def unknown_names(statement: str, args: Collection[str]) -> list[str]:
    """Return the names that the statement wants and args do not have; without args nothing is a placeholder."""
    if not args:
        return []
    return sorted(placeholders(statement).difference(args))


def changes_charset(text: str) -> bool:
    """Return whether a text has the server read what follows in another character set than UTF-8, which values are bound in."""
    return any(_UNICODE.match(text, found.end()) is None for found in _CHARSET.finditer(code(text)))


def user_variables(text: str) -> list[str]:
    """Return the user variables (``@x``, but not ``@@x``) of a text, as they are written, without those in quotes and comments."""
    return [f"@{found['name']}".replace(STAND_IN, "${{ }}") for found in _VARIABLE.finditer(code(text))]


def state_left(text: str) -> str | None:
    """Return the words of a text that leave something in the session which a new connection would not have, such as ``USE``."""
    plain = code(text)
    found = None if _ROUTINE.match(plain) else _STATE.search(plain)
    return " ".join((found["first"] or found["inside"]).upper().split()) if found else None


def state_asked(text: str) -> str | None:
    """Return the function of a text, such as ``LAST_INSERT_ID``, whose value belongs to the session."""
    found = _ASKS_SESSION.search(code(text))
    return found[1].upper() if found else None


def encodable(text: str) -> bool:
    """Return whether a text can be sent: whether it has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind_at(statement: str, position: int) -> str:
    for region in _CERTAIN.finditer(statement):
        if region.end() > position:
            return region.lastgroup or "unclear" if region.start() <= position else "unclear"
    return "unclear"


def _blank(region: re.Match[str]) -> str:
    """Return spaces in the length of a region; quotes stay where they are, so that what touches them can be seen."""
    text = region[0]
    if region.lastgroup in ("text", "name") and len(text) > 1:
        return text[0] + " " * (len(text) - 2) + (text[-1] if text[-1] == text[0] else " ")
    return " " * len(text)
