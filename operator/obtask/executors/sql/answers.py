"""Owns what a server answers: a result, or a fault. Values of our own, so that the driver shows nowhere else; and as CEL has them.

How far ahead of UTC a DATETIME is: what the session's time zone says for its own date, not for today.
"""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

UINT64 = 2**64
INT64_MIN = -(2**63)
ZONE_QUERY = "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW()), @@session.time_zone"
TIMES_PER_QUERY = 256
_SAME_ALL_YEAR = re.compile(r"[+-]\d{1,2}:\d{2}|UTC|GMT")
QUARTER_MINUTES = 15  # clocks change on the quarter of an hour


class SqlFaultKind(Enum):
    """What went wrong: the host is not allowed, no connection, the statement's outcome is unknown, or the statement failed."""

    FORBIDDEN = "forbidden"
    CONNECT = "connect"
    LOST = "lost"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True)
class SqlFault:
    """Why there is no session or no result; ``code`` is the MySQL error number, if there is one."""

    kind: SqlFaultKind
    message: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: the first rows, how many there were in all, and how many rows it changed (or found, as MySQL counts)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: int
    affected: int


@dataclass(frozen=True, slots=True)
class Zone:
    """Offsets from UTC in seconds: today's, and those of other times, by the quarter of an hour."""

    now: int = 0
    others: dict[datetime, int] = field(default_factory=dict)

    def of(self, value: datetime) -> int:
        """Return the offset of a time without a zone."""
        return self.others.get(_quarter(value), self.now)


async def zone_of(result: Result, ask: Callable[[str], Awaitable[Result | SqlFault]]) -> Zone:
    """Return the offsets of the times in a result; the server is asked for them only if there are any."""
    times = sorted({_quarter(value) for row in result.rows for value in row if isinstance(value, datetime)})
    if not times:
        return Zone()
    [now, name] = await _row(ask, ZONE_QUERY, 2)
    zone = Zone(now if isinstance(now, int) else 0)
    if _SAME_ALL_YEAR.fullmatch(str(name)):
        return zone
    for start in range(0, len(times), TIMES_PER_QUERY):
        some = times[start : start + TIMES_PER_QUERY]
        offsets = await _row(ask, "SELECT " + ", ".join(_questions(some)), len(some))
        zone.others.update((time, offset) for time, offset in zip(some, offsets, strict=True) if isinstance(offset, int))
    return zone


def _questions(times: list[datetime]) -> Iterator[str]:
    for number, time in enumerate(times):
        literal = f"'{time.isoformat(' ')}'"
        yield f"TIMESTAMPDIFF(SECOND, CONVERT_TZ({literal}, @@session.time_zone, '+00:00'), {literal}) AS c{number}"


async def _row(ask: Callable[[str], Awaitable[Result | SqlFault]], query: str, columns: int) -> tuple[object, ...]:
    """Return the row of an answer; of a server that does not give it, one of that many None."""
    answer = await ask(query)
    if isinstance(answer, Result) and len(answer.rows) == 1 and len(answer.rows[0]) == columns:
        return answer.rows[0]
    return (None,) * columns


def _quarter(time: datetime) -> datetime:
    return time.replace(minute=time.minute // QUARTER_MINUTES * QUARTER_MINUTES, second=0, microsecond=0)


def variables(result: Result, zone: Zone) -> dict[str, Any]:
    """Return the variables of an expression over the result; times are read in the session's zone."""
    rows = [{name: _value(value, zone) for name, value in zip(result.columns, row, strict=True)} for row in result.rows]
    return {"rows": rows, "affected": result.affected}


def _value(value: Any, zone: Zone) -> Any:
    match value:
        case datetime():
            return _aware(value, zone)
        case date():
            return value.isoformat()
        case Decimal():
            return _number(value)
        case int() if not isinstance(value, bool) and not INT64_MIN <= value < UINT64:
            return float(value)
        case set() | frozenset():
            return sorted(value)
        case _:
            return value


def _number(value: Decimal) -> int | float:
    integral = value.is_finite() and value == value.to_integral_value()
    return int(value) if integral and INT64_MIN <= value < UINT64 else float(value)


def _aware(value: datetime, zone: Zone) -> datetime | str:
    try:
        return (value - timedelta(seconds=zone.of(value))).replace(tzinfo=UTC)
    except OverflowError:
        return value.isoformat()  # the first or last day that there is
