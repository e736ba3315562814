"""Owns the log of one attempt while it is written: times, masking, and the bounded texts that are given out. API.md section 6."""

import gzip
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from obtask.logs.bounded import CONTEXT_BYTES, BoundedLines, Limits, Line
from obtask.logs.memory import LINE_BYTES, LogMemory, LogRoom
from obtask.masking.forms import PIECE
from obtask.masking.secrets import UNMASKED, Secrets
from obtask.model.base import rfc3339
from obtask.model.limits import CUT, TAIL_BYTES, TAIL_LINES
from obtask.model.printable import printable

PACK_LEVEL = 6  # 9 takes ten times as long for a log of few different characters, and gains nothing

LONGEST_MESSAGE = 4096
NANOSECONDS = len("2026-11-22T22:42:04.123456789Z")

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class AttemptLog:
    """What an attempt wrote. Secrets are masked when text is given out, so that one learnt late is masked in early lines too.

    Implements ``executors.base.Log``.
    """

    def __init__(self, *, clock: Callable[[], datetime], limits: Limits | None = None, room: LogRoom | None = None) -> None:
        self._clock = clock
        self._limits = limits or Limits()
        self._room = room or LogMemory().of("")
        self._lines = BoundedLines()
        self._secrets = Secrets()
        self._written = 0
        self._begun_at: datetime | None = None

    @property
    def written(self) -> int:
        """How many lines were written so far; it only grows."""
        return self._written

    @property
    def begun_at(self) -> datetime | None:
        """When the first line came here, which may be after it was written; None before that."""
        return self._begun_at

    def write(self, text: str, at: str | None = None) -> None:
        """Add text; each line gets the time it was written at, or ``at`` if it brings one. The end of the text ends a line."""
        now = self._clock()
        self._begun_at = self._begun_at or now
        at = at if at and _TIME.fullmatch(at) else rfc3339(now)
        limits = self._room.within(self._limits)
        for line in _split(text):
            self._add(at, printable(line), limits)
            self._written += 1
        octets, lines = self._lines.kept
        self._room.hold(octets + lines * LINE_BYTES)

    def close(self) -> None:
        """Take note that nobody needs the log any more."""
        self._room.close()

    def hide(self, secret: str) -> None:
        """Mask this value wherever it appears, in what was and what will be written."""
        self._secrets.add(secret)

    def seam(self, prefix: str) -> tuple[str, int] | None:
        """Return the latest time to the nanosecond of lines that begin so, and how many have it; None if none has such a time."""
        times = Counter(line.at for line in (*self._lines.head, *self._lines.newest) if _is_read_elsewhere(line, prefix))
        return max(times.items(), default=None)

    @property
    def heavy(self) -> bool:
        """True when reading it takes long, however short it is: it has many or long secrets."""
        return self._secrets.heavy

    def mask(self, text: str) -> str:
        """Return a message on one line, without the secrets; of a longer message than 4 KiB its beginning."""
        if self._secrets.too_many:
            return UNMASKED
        lines = self._secrets.mask([printable(line) for line in _split(text[:LONGEST_MESSAGE])])
        shown = " ".join(line for line in lines if line)
        # At the end there may be the first half of a secret, which is not recognised.
        return shown if len(text) <= LONGEST_MESSAGE else shown[:-PIECE] + CUT

    def reveals(self, texts: Sequence[str]) -> bool:
        """Return whether texts hold a secret, each or one after the other, as far as that can be told."""
        lines = [printable(line) for text in texts for line in _split(text)]
        return self._secrets.too_many or self._secrets.mask(lines) != lines

    def tail(self, max_lines: int = TAIL_LINES, max_bytes: int = TAIL_BYTES) -> str:
        """Return the last lines, whole ones, masked; of a last line that is too long, its end."""
        if self._secrets.too_many:
            return self._not_shown()
        lines = self._lines.newest if self._lines.cut_lines else [*self._lines.head, *self._lines.newest]
        count = min(max_lines, len(lines))
        earlier = [*(self._lines.before_newest if self._lines.cut_lines else []), *lines[: len(lines) - count]]
        before = _last_bytes(earlier, CONTEXT_BYTES)
        shown = self._shown([*before, *lines[len(lines) - count :]])[len(before) :]
        return _fitting(shown, max_bytes)

    def is_longer_than_tail(self, max_lines: int = TAIL_LINES, max_bytes: int = TAIL_BYTES) -> bool:
        """Tell whether the tail is not the whole log."""
        if self._secrets.too_many:
            return False
        if self._lines.cut_lines or self._lines.count > max_lines:
            return True
        return len("\n".join(self._shown([*self._lines.head, *self._lines.newest])).encode()) > max_bytes

    def packed(self, most: int | None = None) -> bytes:
        """Return the log as gzip: the first lines, how much was cut, the newest lines; the same log gives the same bytes.

        ``most`` is how many bytes it may have, if that is less than the limit.
        Takes some 100 ms of CPU for the longest log.
        """
        if self._secrets.too_many:
            return gzip.compress(f"{self._not_shown()}\n".encode(), PACK_LEVEL, mtime=0)
        limit = min(most or self._limits.packed_bytes, self._limits.packed_bytes)
        head, newest = self._masked_parts()
        cut = 0
        while True:
            packed = gzip.compress(self._whole(head, newest[cut:], cut).encode(), PACK_LEVEL, mtime=0)
            if len(packed) <= limit or not head:
                return packed
            if cut == len(newest):
                head = head[: len(head) // 2]
            else:
                kept = (len(newest) - cut) * limit * 9 // (len(packed) * 10)
                cut = max(cut + 1, len(newest) - kept)

    def _not_shown(self) -> str:
        return f"{rfc3339(self._clock())} {UNMASKED}"

    def _add(self, at: str, text: str, limits: Limits) -> None:
        width = self._limits.line_characters
        for start in range(0, max(len(text), 1), width):
            self._lines.add(Line(at, text[start : start + width], continues=start > 0, goes_on=start + width < len(text)), limits)

    def _shown(self, lines: Sequence[Line]) -> list[str]:
        masked = self._secrets.mask([line.text for line in lines])
        return [line.shown(text) for line, text in zip(lines, masked, strict=True)]

    def _masked_parts(self) -> tuple[list[str], list[str]]:
        head, newest, before = self._lines.head, self._lines.newest, self._lines.before_newest
        shown = self._shown([*head, *self._lines.after_head])[: len(head)]
        return shown, self._shown([*before, *newest])[len(before) :]

    def _whole(self, head: Sequence[str], newest: Sequence[str], dropped: int) -> str:
        """Join the parts; ``dropped`` newest lines were cut on top of what was cut while writing."""
        lines = self._lines.cut_lines + dropped + len(self._lines.head) - len(head)
        if not lines:
            return "".join(f"{line}\n" for line in [*head, *newest])
        cut = [*self._lines.head[len(head) :], *self._lines.newest[:dropped]]
        size = self._lines.cut_bytes + sum(line.size for line in cut)
        return "".join(f"{line}\n" for line in [*head, f"… {lines} lines ({size} bytes) were cut here …", *newest])


def _is_read_elsewhere(line: Line, prefix: str) -> bool:
    # The rest of a line that was too long, as it is shown and recalled, is no line of its own.
    whole = not line.continues and not line.text.removeprefix(prefix).startswith("…")
    return len(line.at) == NANOSECONDS and whole and line.text.startswith(prefix)


def _fitting(lines: list[str], max_bytes: int) -> str:
    while len(lines) > 1 and len("\n".join(lines).encode()) > max_bytes:
        lines = lines[1:]
    return _end_of("\n".join(lines), max_bytes)


def _split(text: str) -> list[str]:
    lines = _LINE_BREAK.split(text)
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines


def _last_bytes(lines: Sequence[Line], limit: int) -> list[Line]:
    taken, size = 0, 0
    while taken < len(lines) and size < limit:
        taken += 1
        size += lines[-taken].size
    return list(lines[len(lines) - taken :])


def _end_of(text: str, limit: int) -> str:
    """Return the text, or its time and its end, in at most ``limit`` bytes."""
    octets = text.encode()
    if len(octets) <= limit:
        return text
    start = text.split(" ", 1)[0] + " …"
    room = limit - len(start.encode())
    return start + octets[len(octets) - room :].decode(errors="ignore") if room > 0 else octets[:limit].decode(errors="ignore")
