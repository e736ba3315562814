"""Owns how far a container's log has been read, so that reading resumes without losing or repeating a line. Pure."""

from collections import Counter, deque
from datetime import datetime, timedelta

# A kubelet is asked for what was written since a second, not since a line; stdout and stderr may overtake each other by a little.
OVERLAP = timedelta(seconds=3)
MOST_RECENT = 256
COMPARED_BYTES = 4096
_SECOND = len("2026-11-22T22:42:04")

Seam = tuple[str, int]


class Cursor:
    """Times are what kubelets write, in UTC and to the nanosecond: as texts they sort.

    A log only grows at its end. Read again from a moment on, it gives lines that were read before, then others: after the first one
    that is new, all are.
    """

    def __init__(self, seam: Seam | None = None) -> None:
        """Begin after the last of the lines of this time, of which so many were read; without a seam, at the beginning."""
        self._before, self._same = seam or ("", 0)  # what is older was read
        self._newest = self._before
        self._recent: deque[tuple[str, int]] = deque()
        self._known: Counter[tuple[str, int]] = Counter()
        self._same_left = 0
        self._repeats = False

    @property
    def since(self) -> str | None:
        """From when on the log has to be read again (RFC 3339, to the second); None: from its beginning."""
        if not self._newest:
            return None
        overlapped = (datetime.fromisoformat(self._newest[:_SECOND]) - OVERLAP).isoformat()
        return max(overlapped, self._before[:_SECOND]) + "Z"

    def reopen(self) -> None:
        """Note that the log is read again, from ``since`` or a later moment."""
        self._repeats = bool(self._newest)
        self._known = Counter(self._recent)
        self._same_left = self._same

    def is_new(self, at: str, line: bytes) -> bool:
        """Return whether the line that comes next was not read before."""
        self._repeats = self._repeats and self._was_read(at, line)
        return not self._repeats

    def passed(self, at: str, line: bytes) -> None:
        """Note that a new line was read completely; an incomplete one will be read again."""
        self._newest = max(self._newest, at)
        self._recent.append(_mark(at, line))
        oldest = self._recent[0][0]
        while len(self._recent) > MOST_RECENT or (oldest and oldest < self._limit(oldest)):
            self._before = max(self._before, self._recent.popleft()[0] + "~")  # sorts right after the time
            oldest = self._recent[0][0]

    def _limit(self, oldest: str) -> str:
        # Most lines are of the newest seconds: no date is computed for them.
        if oldest[:_SECOND] == self._newest[:_SECOND]:
            return ""
        return (datetime.fromisoformat(self._newest[:_SECOND]) - OVERLAP).isoformat()

    def _was_read(self, at: str, line: bytes) -> bool:
        if at < self._before:
            return True
        if at == self._before and self._same_left:
            self._same_left -= 1
            return True
        mark = _mark(at, line)
        if not self._known[mark]:
            return False
        self._known[mark] -= 1
        return True


def _mark(at: str, line: bytes) -> tuple[str, int]:
    return at, hash(line[:COMPARED_BYTES])
