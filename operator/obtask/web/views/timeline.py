"""Owns the timeline: when a task waited, worked, and stood failed, within a window of time, in percent of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from obtask.model.contract import Phase
from obtask.web.views.rows import Row

USUAL_HOURS, MOST_HOURS = 24, 24 * 31
STEPS = 240  # in which the window moves on, so that a page stays the same for a while
NARROWEST = 0.4  # percent: what is shorter can still be seen
TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a task's life: waiting, working, failed, or ended with its phase; where it begins, and how wide it is."""

    kind: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """A window of time."""

    since: datetime
    until: datetime

    def bars(self, row: Row) -> Sequence[Bar]:
        """Return what of a task falls into the window, in order."""
        end = row.finished or self.until
        began = row.started or end
        failed = row.since if row.phase is Phase.FAILED and row.holds else end
        kind = "ended" if row.phase.finished else "working"
        stretches = (("waiting", row.created, min(began, end)), (kind, began, min(failed, end)), ("failed", max(failed, began), end))
        found = (self._bar(name, start, stop) for name, start, stop in stretches if start < stop or name == kind == "ended")
        return [bar for bar in found if bar is not None]

    def ticks(self) -> Sequence[tuple[float, datetime]]:
        """Return moments to write above it, and where each of them is."""
        step = (self.until - self.since) / TICKS
        return [(number * 100 / TICKS, self.since + number * step) for number in range(TICKS)]

    def _bar(self, kind: str, start: datetime, stop: datetime) -> Bar | None:
        left, right = self._place(start), self._place(stop)
        if right <= 0 or left >= 100:  # noqa: PLR2004 - percent
            return None
        left, right = max(0.0, left), min(100.0, right)
        return Bar(kind, round(min(left, 100 - NARROWEST), 2), round(max(NARROWEST, right - left), 2))

    def _place(self, moment: datetime) -> float:
        return (moment - self.since) / (self.until - self.since) * 100


def timeline_of(now: datetime, hours: int) -> Timeline:
    """Return the window that ends about now."""
    window = timedelta(hours=hours)
    step = window.total_seconds() / STEPS
    until = datetime.fromtimestamp(ceil(now.timestamp() / step) * step, UTC)
    return Timeline(until - window, until)


def read_hours(text: str) -> int:
    """Return how long a window an address asks for; the usual one for what means nothing."""
    hours = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0  # noqa: PLR2004 - digits of the most
    return hours if 1 <= hours <= MOST_HOURS else USUAL_HOURS
