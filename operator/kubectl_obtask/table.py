"""Owns tables as kubectl prints them: columns as wide as their widest cell, wide characters counted, nothing that could break a line."""

from collections.abc import Iterator, Sequence
from typing import Final

from kubectl_obtask.escapes import printable
from kubectl_obtask.terminal import Terminal
from kubectl_obtask.text import cut, padded, width

GAP: Final = "   "
Cell = str | tuple[str, ...]
"""A text, or a text and its styles."""


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], terminal: Terminal, *, longest: int = 0) -> Iterator[str]:
    """Yield the lines of a table. ``longest``: cut cells to so many columns; 0 keeps them whole, as kubectl does."""
    texts = [[cut(printable(cell if isinstance(cell, str) else cell[0]), longest) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(headings, *texts, strict=True)]
    yield GAP.join(map(padded, headings, widths)).rstrip()
    for row, shown in zip(rows, texts, strict=True):
        cells = map(padded, shown, widths)
        yield GAP.join(_styled(cell, text, terminal) for cell, text in zip(row, cells, strict=True)).rstrip()


def _styled(cell: Cell, text: str, terminal: Terminal) -> str:
    if isinstance(cell, str) or not terminal.colour:
        return text
    bare = text.rstrip()
    return terminal.styled(bare, *cell[1:]) + " " * (len(text) - len(bare))
