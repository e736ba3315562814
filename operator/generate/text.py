"""Owns the ways a generated text gets into a file: as the whole of it, or in place of what stands between two words."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


class NoPlaceError(ValueError):
    """A file does not have the words between which something belongs."""


def between(text: str, before: str, after: str, new: str) -> str:
    """Return the text with ``new`` in place of what stands between ``before`` and the next ``after``; raises NoPlaceError."""
    head, found, rest = text.partition(before)
    _, end, tail = rest.partition(after)
    if not found or not end:
        raise NoPlaceError(f"nothing stands between {before!r} and {after!r}")
    return f"{head}{before}{new}{after}{tail}"


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Return a Markdown page with each part between its two comments; raises NoPlaceError if one is missing, or too many are there."""
    for name, part in parts.items():
        text = between(text, f"<!-- generated: {name} -->\n", "<!-- end -->", f"\n{part.strip()}\n\n")
    if text.count("<!-- generated: ") != len(parts):
        raise NoPlaceError(f"there are other generated parts than {', '.join(parts)}")
    return text


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def code(words: Iterable[str]) -> str:
    """Return words as code in Markdown, one after the other."""
    return ", ".join(f"`{word}`" for word in words)
