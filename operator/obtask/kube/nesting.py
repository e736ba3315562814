"""Owns how deep a JSON text nests, found without a stack and without a step of Python for each bracket."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Final

DEEPEST_KNOWN: Final = 255  # what is deeper counts as this deep
_BRACKETS: Final = b"[]{}"
_OTHERS: Final = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEPS: Final = tuple((byte in b"[{") - (byte in b"]}") for byte in range(256))
_NO_BRACKETS: Final = bytes.maketrans(_BRACKETS, b"    ")
_MARKED: Final = bytes(byte in _BRACKETS for byte in range(256))


@dataclass(frozen=True, slots=True)
class Nesting:
    """How the brackets of a text nest that are not in a string, each known by its number: how deep the text is behind it.

    ``before``: how deep it is before the first one. ``end``: the same behind the last one, not cut off at DEEPEST_KNOWN.
    """

    blank: bytes
    before: int
    depths: bytes
    end: int

    def deepest(self, first: int = 0, last: int | None = None) -> int:
        """Return how deep it is at most from one bracket to another, DEEPEST_KNOWN or less."""
        return max(self.depths[first : None if last is None else last + 1], default=0)

    def changes(self, start: int, end: int, first: int = 0, last: int | None = None) -> Iterator[int]:
        """Yield the brackets that lead from one depth to another, the next one up or down."""
        found, pair = bytes([min(self.before, DEEPEST_KNOWN)]) + self.depths, bytes([start, end])
        stop = len(found) if last is None else last + 2
        while (first := found.find(pair, first, stop)) >= 0:
            yield first
            first += 1

    def spans(self, level: int, first: int = 0, last: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield the brackets between which it is this deep or deeper; what is not closed is left out."""
        return zip(self.changes(level - 1, level, first, last), self.changes(level, level - 1, first, last), strict=False)

    def ends(self, offset: int = 0) -> Sequence[int]:
        """Return where each bracket ends, if the text begins at the offset."""
        return array("I", compress(range(offset + 1, offset + len(self.blank) + 1), self.blank.translate(_MARKED)))


def nesting(text: bytes, before: int = 0) -> Nesting:
    """Return how a text nests that begins outside of a string, and ``before`` deep; it may break off anywhere."""
    blank = _without_strings(text)
    brackets = blank.translate(None, _OTHERS)
    try:
        depths = bytes(_behind(brackets, before))
    except ValueError:  # deeper than a byte can say, or more closed than opened
        cut_off = bytes(range(DEEPEST_KNOWN)) + bytes([DEEPEST_KNOWN]) * (before + len(brackets) + 1) + bytes(len(brackets))
        depths = bytes(map(cut_off.__getitem__, _behind(brackets, before)))
    opened = brackets.count(b"[") + brackets.count(b"{")
    return Nesting(blank, before, depths, before + 2 * opened - len(brackets))


def _behind(brackets: bytes, before: int) -> Iterator[int]:
    depths = accumulate(map(_STEPS.__getitem__, brackets), initial=before)
    next(depths)
    return depths


def _without_strings(text: bytes) -> bytes:
    """Return a text of the same length with blanks for the brackets in its strings."""
    if b"\\" in text:
        text = text.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
    parts = text.split(b'"')
    if len(parts) > 1:
        parts[1::2] = b'"'.join(parts[1::2]).translate(_NO_BRACKETS).split(b'"')
    return b'"'.join(parts)
