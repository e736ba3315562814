"""Owns which lines of a log are kept when it grows: the first ones and the newest ones. It does not know secrets."""

from collections import deque
from dataclasses import dataclass, field

# Lines on both sides of the cut that are kept but not shown: a secret that runs over the cut can only be recognised whole.
CONTEXT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept. ``newest`` is what may be in memory; ``packed`` decides how much of it is given out."""

    head_bytes: int = 64 * 1024
    newest_bytes: int = 1024 * 1024
    packed_bytes: int = 512 * 1024
    line_characters: int = 4096


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or a piece of a line that was too long."""

    at: str
    text: str
    continues: bool = False
    goes_on: bool = False
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", len(self.shown(self.text).encode()) + 1)

    def shown(self, text: str) -> str:
        """Return the line as people read it, with this text (the line's own one, or the masked one)."""
        return f"{self.at} {'…' if self.continues else ''}{text}{'…' if self.goes_on else ''}"


class _Pile:
    """Lines and their size in bytes."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque()
        self.size = 0

    def put(self, line: Line) -> None:
        self.lines.append(line)
        self.size += line.size

    def take(self) -> Line:
        line = self.lines.popleft()
        self.size -= line.size
        return line


class BoundedLines:
    """The first lines up to a size, and the newest ones up to a size."""

    def __init__(self) -> None:
        self._head, self._after_head, self._before_newest, self._newest = _Pile(), _Pile(), _Pile(), _Pile()
        self._head_full = False
        self.cut_lines = 0
        self.cut_bytes = 0

    @property
    def head(self) -> list[Line]:
        """The first lines."""
        return list(self._head.lines)

    @property
    def newest(self) -> list[Line]:
        """The newest lines; without a cut they follow the first ones."""
        return list(self._newest.lines)

    @property
    def after_head(self) -> list[Line]:
        """What follows the first lines, to look at, not to show."""
        return [*self._after_head.lines, *(self._newest.lines if self._all_known else ())]

    @property
    def before_newest(self) -> list[Line]:
        """What comes before the newest lines, to look at, not to show."""
        return [*self._head.lines, *self._after_head.lines] if self._all_known else list(self._before_newest.lines)

    @property
    def count(self) -> int:
        """How many lines there are to show."""
        return len(self._head.lines) + len(self._newest.lines)

    @property
    def kept(self) -> tuple[int, int]:
        """How many bytes and how many lines are kept, to show or to look at."""
        piles = (self._head, self._after_head, self._before_newest, self._newest)
        return sum(pile.size for pile in piles), sum(len(pile.lines) for pile in piles)

    def add(self, line: Line, limits: Limits) -> None:
        """Keep the line; the oldest ones after the first ones make room."""
        if not self._head_full and self._head.size + line.size <= limits.head_bytes:
            self._head.put(line)
            return
        self._head_full = True
        self._newest.put(line)
        while self._newest.size > limits.newest_bytes and len(self._newest.lines) > 1:
            self._cut(self._newest.take())

    @property
    def _all_known(self) -> bool:
        """True while so little was cut that all of it is still there to look at."""
        return self.cut_lines == len(self._after_head.lines)

    def _cut(self, line: Line) -> None:
        self.cut_lines += 1
        self.cut_bytes += line.size
        if self._after_head.size < CONTEXT_BYTES:
            self._after_head.put(line)
        self._before_newest.put(line)
        while self._before_newest.size - self._before_newest.lines[0].size >= CONTEXT_BYTES:
            self._before_newest.take()
