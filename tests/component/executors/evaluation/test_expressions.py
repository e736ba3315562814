"""What a CEL expression may say, and what an answer it cannot judge becomes. API.md section 2.1."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from obtask.executors.evaluation.language import fault, holds, shown
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Gives, Vocabulary

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


BODY = {"n": 1, "s": "abc", "nil": None, "l": [1, 2], "o": {"nil": None}, "e": [], "zero": 0}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("body.n + 'a' == 'a'", ExpressionFaultKind.TYPE),
        ("body.n.x == 1", ExpressionFaultKind.TYPE),
        ("body.s.x == 1", ExpressionFaultKind.TYPE),
        ("has(body.s.x)", ExpressionFaultKind.TYPE),
        ("body.l['a'] == 1", ExpressionFaultKind.TYPE),
        ("body.n", ExpressionFaultKind.TYPE),
        ("!body.n", ExpressionFaultKind.TYPE),
        ("body.n && true", ExpressionFaultKind.TYPE),
        ("body.n || false", ExpressionFaultKind.TYPE),
        ("body.n ? true : false", ExpressionFaultKind.TYPE),
        ("1 in body.n", ExpressionFaultKind.TYPE),
        ("body.s.sum() == 1", ExpressionFaultKind.TYPE),
        ("['a'].sum() == 1", ExpressionFaultKind.TYPE),
        ("'a'.matches(body.s + '(')", ExpressionFaultKind.TYPE),
        ("body.l.exists(x, x.y == 1)", ExpressionFaultKind.TYPE),
        ("body.x == 1", ExpressionFaultKind.MISSING),
        ("body.o.x == 1", ExpressionFaultKind.MISSING),
        ("body.l.exists(x, body.x == x)", ExpressionFaultKind.MISSING),
        ("body.nil", ExpressionFaultKind.MISSING),
        ("body.nil.x == 1", ExpressionFaultKind.MISSING),
        ("has(body.nil.x)", ExpressionFaultKind.MISSING),
        ("body.o.nil.x == 1", ExpressionFaultKind.MISSING),
        ("body.nil[0] == 1", ExpressionFaultKind.MISSING),
        ("body.nil > 1", ExpressionFaultKind.MISSING),
        ("body.nil.size() == 0", ExpressionFaultKind.MISSING),
        ("!body.nil", ExpressionFaultKind.MISSING),
        ("body.nil && true", ExpressionFaultKind.MISSING),
        ("body.nil || false", ExpressionFaultKind.MISSING),
        ("body.nil ? true : false", ExpressionFaultKind.MISSING),
        ("1 in body.nil", ExpressionFaultKind.MISSING),
        ("[1, body.nil].sum() == 1", ExpressionFaultKind.MISSING),
        ("body.l[5] == 1", ExpressionFaultKind.MISSING),
        ("body.e[body.e.size() - 1] == 1", ExpressionFaultKind.MISSING),
        ("optional.none().value() == 1", ExpressionFaultKind.MISSING),
        ("headers['x'] == 'a'", ExpressionFaultKind.MISSING),
        ("1 / body.zero == 1", ExpressionFaultKind.VALUE),
        ("1 % body.zero == 1", ExpressionFaultKind.VALUE),
        ("int(body.s) == 1", ExpressionFaultKind.VALUE),
        ("double(body.s) == 1.0", ExpressionFaultKind.VALUE),
        ("timestamp(body.s) > timestamp('2026-01-01T00:00:00Z')", ExpressionFaultKind.VALUE),
        ("duration(body.s) > duration('1s')", ExpressionFaultKind.VALUE),
        ("9223372036854775807 + body.n > 0", ExpressionFaultKind.VALUE),
        ("uint(body.n - 2) == 1u", ExpressionFaultKind.VALUE),
        ("body.s.substring(9) == 'a'", ExpressionFaultKind.VALUE),
        ("body.s.charAt(9) == 'a'", ExpressionFaultKind.VALUE),
        ("body.e.max() > 1", ExpressionFaultKind.VALUE),
        ("quantity(body.s).asInteger() == 1", ExpressionFaultKind.VALUE),
        ("base64.decode('*') == b'a'", ExpressionFaultKind.VALUE),
        ("[9223372036854775807, 1].sum() == 1", ExpressionFaultKind.VALUE),
        ("body.n +", ExpressionFaultKind.INVALID),
        ("nobody == 1", ExpressionFaultKind.INVALID),
        ("optional.of(true)", ExpressionFaultKind.INVALID),
    ],
)
def test_kind_of_a_fault(text: str, kind: ExpressionFaultKind) -> None:
    """A fault of each kind is known as such: it decides whether it is waited for. null is what may come, not a wrong type."""
    found = holds(Vocabulary.HTTP, text, {"status": 200, "headers": {}, "body": BODY})

    assert isinstance(found, ExpressionFault)
    assert found.kind is kind, found


def test_a_column_that_the_query_does_not_have() -> None:
    """The same query has the same columns the next time; without rows nobody knows them."""
    found = judged("rows[0].stat == 1", [{"status": 1}])

    assert found == ExpressionFault('NOT_FOUND: Key not found in map : "stat"', ExpressionFaultKind.TYPE)
    missing = judged("rows[0].stat == 1", [])
    assert isinstance(missing, ExpressionFault)
    assert missing.kind is ExpressionFaultKind.MISSING


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("string(rows[0].n) + ' %'", "3 %"),
        ("rows[0].n", "3"),
        ("double(rows[0].n) * 1.5", "4.5"),
        ("rows.size() == 1", "true"),
        ("string(rows[0].at.getFullYear()) + '!'", "2026!"),
    ],
)
def test_text_for_people(text: str, words: str) -> None:
    """A message may be a text, a number or a boolean, also over times."""
    assert fault(Vocabulary.SQL, text, Gives.TEXT) is None
    assert shown(Vocabulary.SQL, text, {"rows": [{"n": 3, "at": WHEN}], "affected": 0}) == words


@pytest.mark.parametrize(
    ("text", "kind"), [("rows", None), ("rows[0].l", ExpressionFaultKind.TYPE), ("rows[0].nil", ExpressionFaultKind.MISSING)]
)
def test_what_is_no_text(text: str, kind: ExpressionFaultKind | None) -> None:
    """A list is none; null is not there yet. What is known before anything runs is refused then."""
    if kind is None:
        assert fault(Vocabulary.SQL, text, Gives.TEXT) is not None
    else:
        found = shown(Vocabulary.SQL, text, {"rows": [{"l": [1], "nil": None}], "affected": 0})
        assert isinstance(found, ExpressionFault)
        assert found.kind is kind


@pytest.mark.parametrize("text", ["params.zones", "params.zones.map(zone, {'zone': zone})", "[1, 2]", "[]"])
def test_the_items_of_a_loop_are_a_list(text: str) -> None:
    """A list of any type will do, also one that the expression makes itself."""
    assert fault(Vocabulary.VALUES, text, Gives.LIST, frozenset({"params"})) is None


def test_items_that_are_no_list() -> None:
    """What can only be something else is refused before the task takes a lock."""
    refused = fault(Vocabulary.VALUES, "{'a': 1}", Gives.LIST)
    assert refused is not None
    assert refused.message.startswith("must be a list, not MAP")
