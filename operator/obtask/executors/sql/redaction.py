"""Owns which parts of SQL text are secrets, and the same text without them. Pure."""

import re
from collections.abc import Mapping

from obtask.executors.masking import MASK
from obtask.model.constraints import Scalar

_LITERAL = r"""'(?:[^'\\]|\\.|'')*(?:'|\Z)|"(?:[^"\\]|\\.|"")*(?:"|\Z)|%\([^()]*\)s"""
_BEFORE = r"""
    \bIDENTIFIED\s+(?:WITH\s+\S+\s+)?(?:BY|AS)\s+(?:PASSWORD\s+)?
  | \bPASSWORD\s*\(\s*
  | \bSET\s+PASSWORD\b[^;]*?=\s*
  | \w*(?:PASSWORD|PASSWD|SECRET|ACCESS_?KEY)\w*\s*=\s*
"""
_SECRET_LITERAL = re.compile(rf"({_BEFORE})({_LITERAL})", re.IGNORECASE | re.DOTALL | re.VERBOSE)
_IN_URI = re.compile(r"""(\b\w*(?:password|passwd|secret|access_?key|token)\w*=)([^&'"\s;,()%]+)""", re.IGNORECASE)
_ECHO = re.compile(r"near '.*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)|''|\"\"", re.DOTALL)


def secrets_in(statement: str, args: Mapping[str, Scalar]) -> list[str]:
    """Return the passwords and keys that a statement holds or binds."""
    found = []
    for literal in (match[2] for match in _SECRET_LITERAL.finditer(statement)):
        if literal.startswith("%("):
            found.append(str(args.get(literal[2:-2], "")))
        else:
            inner = literal[1:-1] if len(literal) > 1 and literal[-1] == literal[0] else literal[1:]
            found += [inner, _ESCAPED.sub(lambda escape: escape[1] or escape[0][0], inner)]
    found += [match[2] for match in _IN_URI.finditer(statement)]
    return list(dict.fromkeys(secret for secret in found if secret))


def masked_statement(text: str) -> str:
    """Return SQL text without the passwords and keys in it."""
    text = _SECRET_LITERAL.sub(lambda match: match[1] + (match[2] if match[2].startswith("%(") else MASK), text)
    return _IN_URI.sub(rf"\1{MASK}", text)


def without_echo(message: str) -> str:
    """Return a server's message without the piece of the statement that it quotes, which may hold half a secret."""
    return _ECHO.sub(f"near {MASK}", message)
