"""Owns which parts of SQL text are secrets, and the same text without them. Pure, and linear in the text's length."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from obtask.masking.words import MASK, is_secret_name
from obtask.model.values import OPENING, expression_end

# Repetitions are possessive or bounded: hostile texts must find nothing to go back to.
_GAP = r"(?:\s++|/\*[^*]{0,200}+\*/)"
_GAPS, _MAYBE = f"{_GAP}{{1,8}}+", f"{_GAP}{{0,8}}+"
_BEFORE = re.compile(
    rf"""
    \bIDENTIFIED{_GAPS}(?:WITH{_GAPS}[\w$"'`.-]{{1,128}}+{_GAPS})?+(?:BY|AS){_GAPS}(?:PASSWORD{_GAPS})?+
  | \bPASSWORD{_MAYBE}\({_MAYBE}
  | \bSET{_GAPS}PASSWORD\b[^;=]{{0,256}}+={_MAYBE}
  | (?<![\w-])(?P<name>[\w-]++)[`"']?+(?P<sign>{_MAYBE}:?={_MAYBE})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LITERAL = re.compile(
    r"""
    (?:_\w{1,16}+\s*+|[xnb])?+(?P<quoted>'(?:[^'\\]++|\\(?:.|\Z)|'')*+(?:'|\Z)|"(?:[^"\\]++|\\(?:.|\Z)|"")*+(?:"|\Z))
  | %\((?P<arg>[^()]*+)\)s
  | 0x[0-9a-f]++
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
# As in the URI of an archive destination, which is itself a literal: access_key=abc&...
_BARE = re.compile(r"""(?!\w{1,64}+\()(?:[^&'"\s;,()%]|%(?!\())++""")
_ESCAPED = re.compile(r"\\(.)|''|\"\"", re.DOTALL)
_ECHO = "near '"
_QUOTES = "'\"`"


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands where a secret is expected: the name of an arg, or words, of which ``quoted`` is the literal in them."""

    start: int
    end: int
    words: str = ""
    quoted: str | None = None
    arg: str | None = None


def secrets_in(statement: str, args: Mapping[str, Any]) -> list[str]:
    """Return the passwords and keys that a statement holds or binds, as they are written and as they are meant."""
    found = []
    for value in _values(statement):
        if value.arg is not None:
            found.append(str(args.get(value.arg, "")))
        elif value.quoted is not None:
            quoted = value.quoted
            inner = quoted[1:-1] if len(quoted) > 1 and quoted[-1] == quoted[0] else quoted[1:]
            found += [inner, _ESCAPED.sub(lambda escape: escape[1] or escape[0][0], inner)]
        else:
            found += [value.words, unquote(value.words)]
    return list(dict.fromkeys(secret for secret in found if secret))


def masked_statement(text: str) -> str:
    """Return SQL text without the passwords and keys in it; placeholders stay, and ``${{ }}`` without texts in them."""
    parts, at = [], 0
    for value in _values(text):
        if value.arg is None:
            parts += [text[at : value.start], MASK]
            at = value.end
    return "".join([*parts, text[at:]])


def without_echo(message: str) -> str:
    """Return a server's message without the piece of the statement that it quotes, which may hold half a secret."""
    before, echo, _ = message.partition(_ECHO)
    return f"{before}near {MASK}" if echo else message


def without_quoted(message: str) -> str:
    """Return a server's message up to the first value or name that it quotes: what was made of a secret is not recognised as one."""
    quote = min((at for mark in _QUOTES if (at := message.find(mark)) >= 0), default=None)
    return message if quote is None else f"{message[:quote]}{MASK}"


def _values(text: str) -> Iterator[_Found]:
    """Yield what stands where a secret is expected, from left to right."""
    at = 0
    while (before := _BEFORE.search(text, at)) is not None:
        at = before.end()
        name = before["name"]
        if name is not None and not is_secret_name(name):
            continue
        found = _inserted(text, at) if text.startswith(OPENING, at) else _written(text, at, bare=name is not None and before["sign"] == "=")
        if found is not None:
            at = found.end
            if found.arg is not None or found.words:
                yield found


def _written(text: str, at: int, *, bare: bool) -> _Found | None:
    value = _LITERAL.match(text, at)
    if value is not None:
        return _Found(at, value.end(), value[0], value["quoted"], value["arg"])
    value = _BARE.match(text, at) if bare else None
    return None if value is None else _Found(at, value.end(), value[0])


def _inserted(text: str, at: int) -> _Found:
    """Return an expression that stands for a secret; its words are one only if there is a text among them."""
    try:
        end = expression_end(text, at + len(OPENING)) + 2
    except ValueError:
        end = len(text)
    words = text[at:end]
    return _Found(at, end, words if any(quote in words for quote in _QUOTES) else "")
