"""What a CEL expression may say, and what an answer it cannot judge becomes. API.md section 2.1."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from obtask.executors.evaluation.language import fault, holds
from obtask.rules.expressions import ExpressionFault, Vocabulary

WHEN = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def judged(text: str, rows: list[dict[str, Any]], affected: int = 0) -> bool | ExpressionFault:
    """Return whether the expression holds for a result."""
    return holds(Vocabulary.SQL, text, {"rows": rows, "affected": affected})


@pytest.mark.parametrize(
    ("text", "rows", "expected"),
    [
        ("true", [], True),
        ("rows.size() == 0", [], True),
        ("rows[0].n == 3", [{"n": 3}], True),
        ("rows[0].n == 3", [{"n": 4}], False),
        ("rows[0].n == null", [{"n": None}], True),
        ("rows.all(row, row.status == 'ACTIVE')", [{"status": "ACTIVE"}, {"status": "LOCKED"}], False),
        ("rows.exists(row, row['zone name'] == '租户')", [{"zone name": "租户"}], True),
        ("rows[0].at > timestamp('2026-01-01T00:00:00Z')", [{"at": WHEN}], True),
        ("rows[0].lag < duration('5s')", [{"lag": timedelta(seconds=3)}], True),
        ("rows[1].at == null", [{"at": WHEN}, {"at": None}], True),
        ("rows[0].raw == b'a\\x00b'", [{"raw": b"a\0b"}], True),
        ("rows[0].text.size() == 3", [{"text": "a\0b"}], True),
        ("rows[0].x == 'a' && rows[0].at.getFullYear() == 2026", [{"x": "a", "at": WHEN}], True),
    ],
)
def test_expression_over_rows(text: str, rows: list[dict[str, Any]], expected: bool) -> None:
    """An expression sees the rows as maps, with numbers, texts, octets, times and nulls as they are."""
    assert judged(text, rows) is expected


def test_expression_over_affected_rows() -> None:
    """The number of affected rows is there, too."""
    assert judged("affected == 2", [], affected=2) is True


@pytest.mark.parametrize(
    "text",
    ["rows[", "nobody == 1", "1 + 1", "'yes'", "rows", "affected == 'a'", "rows.size(", "true) || (true", "// nothing"],
)
def test_expression_that_does_not_compile(text: str) -> None:
    """What is no expression over rows and affected, or cannot be true or false, is refused when it is compiled, in one line."""
    found = fault(Vocabulary.SQL, text)

    assert found is not None
    assert found.message
    assert "\n" not in found.message
    assert judged(text, []) == found


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        pytest.param("rows[0].n == 1", [], id="no-such-row"),
        pytest.param("rows[0].m == 1", [{"n": 1}], id="no-such-column"),
        pytest.param("rows[0].n", [{"n": 1}], id="not-true-or-false"),
        pytest.param("rows[0].n + 'a' == 'a'", [{"n": 1}], id="types"),
        pytest.param("rows[0].at + 1 == 2", [{"at": WHEN}], id="types-of-times"),
        pytest.param("rows[0].n == 1", [{"n": Decimal(1)}], id="value-that-cel-does-not-know"),
    ],
)
def test_expression_that_cannot_be_judged(text: str, rows: list[dict[str, Any]]) -> None:
    """What compiles but has no answer is a fault, never an exception."""
    assert fault(Vocabulary.SQL, text) is None
    assert isinstance(judged(text, rows), ExpressionFault)
