"""Owns how wide text is on a terminal: wide characters are counted, what is too long is cut. Pure."""

import unicodedata
from typing import Final

CUT: Final = "…"
WIDE: Final = frozenset("WF")
NO_WIDTH: Final = frozenset({"Mn", "Me", "Cf"})


def width(text: str) -> int:
    """Return how many columns a printable text takes; Chinese characters take two."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def cut(text: str, columns: int) -> str:
    """Return the beginning of a printable text, in at most so many columns; an ellipsis says that something is missing."""
    if columns <= 0 or width(text) <= columns:
        return text
    used, end = width(CUT), 0
    for character in text:
        used += _columns(character)
        if used > columns:
            break
        end += 1
    return text[:end] + CUT


def padded(text: str, columns: int) -> str:
    """Return a printable text filled up with spaces to so many columns."""
    return text + " " * (columns - width(text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in WIDE else 1
