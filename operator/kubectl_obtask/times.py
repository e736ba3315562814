"""Owns how long ago and how long: spans of time in a few characters, as kubectl shows ages. Pure."""

from datetime import datetime, timedelta
from typing import Final

from kubectl_obtask.wording.language import Language

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
UNITS: Final = {"d": DAY, "h": HOUR, "m": MINUTE, "s": 1}
UNITS_ZH: Final = {"d": "天", "h": "小时", "m": "分", "s": "秒"}
# From so many of a unit on, the next smaller one is not told.
ENOUGH: Final = 10


def span(length: timedelta, language: Language = Language.EN) -> str:
    """Return a span of time in at most two units: 45s, 3m20s, 25m, 2h5m, 12h, 3d4h."""
    seconds = max(0, int(length.total_seconds()))
    sizes = [*UNITS.items()]
    first = next((index for index, (_, size) in enumerate(sizes) if seconds >= size), len(sizes) - 1)
    unit, size = sizes[first]
    count, rest = divmod(seconds, size)
    said = f"{count}{_word(unit, language)}"
    if count >= ENOUGH or first + 1 == len(sizes):
        return said
    smaller, size = sizes[first + 1]
    return f"{said}{rest // size}{_word(smaller, language)}" if rest // size else said


def since(moment: datetime | None, now: datetime, language: Language = Language.EN) -> str:
    """Return how long ago a moment was; a dash if nobody knows."""
    return "-" if moment is None else span(now - moment, language)


def clock(moment: datetime | None, now: datetime) -> str:
    """Return a moment in the reader's own time: the time of today, or with its date."""
    if moment is None:
        return "-"
    here, today = moment.astimezone(), now.astimezone()
    return f"{here:%H:%M}" if here.date() == today.date() else f"{here:%Y-%m-%d %H:%M}"


def duration(text: str) -> float | None:
    """Return the seconds of a duration as kubectl takes them, such as 30m, 1h30m, 90s; a bare number is seconds. None: it is none."""
    if text.isascii() and text.isdigit():
        return float(text)
    total, digits = 0.0, ""
    for character in text:
        if character in "0123456789.":
            digits += character
        elif character in UNITS and digits.replace(".", "", 1).isdigit():
            total, digits = total + float(digits) * UNITS[character], ""
        else:
            return None
    return total if text and not digits else None


def _word(unit: str, language: Language) -> str:
    return UNITS_ZH[unit] if language is Language.ZH else unit
