"""Owns how times and durations are written: exact for machines, short for people, in the words of a language."""

from collections.abc import Callable
from datetime import UTC, datetime

from markupsafe import Markup

Gettext = Callable[[str], str]
MINUTE, HOUR, DAY = 60, 3600, 86400


def moment_of(value: object) -> datetime | None:
    """Return the time that a text gives as RFC 3339 says, which is never without an offset; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def iso(value: datetime | None) -> str:
    """Return a time as machines write it, in UTC; nothing for none."""
    return "" if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(value: datetime | None) -> Markup | str:
    """Return a time as an element that a script rewrites to the reader's zone; without scripts it is in UTC."""
    if value is None:
        return "–"  # noqa: RUF001 - an en dash: nothing to show
    utc = value.astimezone(UTC)
    return Markup(f'<time datetime="{iso(utc)}">{utc:%Y-%m-%d %H:%M:%S} UTC</time>')  # noqa: S704 - digits need no escaping


def duration(seconds: float | None, gettext: Gettext) -> str:
    """Return how long something took, in its two largest units: 45 s, 5 min 3 s, 2 h 10 min, 3 d 4 h."""
    if seconds is None:
        return "–"  # noqa: RUF001 - an en dash: nothing to show
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return gettext("%(seconds)d s") % {"seconds": whole}
    if whole < HOUR:
        return gettext("%(minutes)d min %(seconds)d s") % {"minutes": whole // MINUTE, "seconds": whole % MINUTE}
    if whole < DAY:
        return gettext("%(hours)d h %(minutes)d min") % {"hours": whole // HOUR, "minutes": whole % HOUR // MINUTE}
    return gettext("%(days)d d %(hours)d h") % {"days": whole // DAY, "hours": whole % DAY // HOUR}
