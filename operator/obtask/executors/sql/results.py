"""Owns what CEL and people see of a result: values as CEL has them, and a short form for messages. Pure."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from obtask.executors.sql.answers import Result
from obtask.executors.sql.zones import Zone

UINT64 = 2**64
INT64_MIN = -(2**63)
SHOWN_ROWS = 3
SHOWN_VALUE = 60
SHOWN = 240


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


def shown(result: Result) -> str:
    """Return a short form of the result: ``1 row: STATUS=IDLE`` or ``2 rows affected``."""
    if not result.columns:
        return _count(result.affected) + " affected"
    if not result.total:
        return "no rows"
    rows = ["; ".join(_row(result.columns, row)) for row in islice(result.rows, SHOWN_ROWS)]
    more = " | …" if result.total > len(rows) else ""
    return _cut(f"{_count(result.total)}: {' | '.join(rows)}{more}", SHOWN)


def counted(result: Result) -> str:
    """Return how many rows there are, without their values."""
    return _count(result.total) if result.columns else _count(result.affected) + " affected"


def _row(columns: tuple[str, ...], row: tuple[Any, ...]) -> list[str]:
    return [f"{name}={_cut(_text(value), SHOWN_VALUE)}" for name, value in zip(columns, row, strict=True)]


def _text(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bytes():
            return "0x" + value[:SHOWN_VALUE].hex()
        case _:
            return " ".join(str(value).split())


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
