"""What an expression sees of a result: MySQL's values as CEL has them, from a real server."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from tests.component.executors.seekdb import sql_bench
from tests.support.attempts import Bench, attempt, sql, wall_clock
from tests.support.scripted_server import Answer, Script, scripted_server

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.answers import Result, SqlFault, Zone, variables, zone_of
from obtask.executors.sql.session import SqlSession
from obtask.executors.sql.words import counted, shown
from obtask.model.attempt import Succeeded


@pytest.fixture
def on(database: Connection) -> Bench:
    """Return an executor of sql actions."""
    return sql_bench(database)


@pytest.mark.parametrize(
    ("value", "expect"),
    [
        ("1", "x == 1"),
        ("-9223372036854775808", "x == int('-9223372036854775808')"),
        ("9223372036854775807", "x == 9223372036854775807"),
        ("cast(18446744073709551615 as unsigned)", "x == 18446744073709551615u && x > 1"),
        ("99999999999999999999999", "x > 9.9e22"),
        ("cast(1.50 as decimal(10, 2))", "x == 1.5"),
        ("cast(2.00 as decimal(10, 2))", "x == 2 && type(x) == int"),
        ("1.5e0", "x == 1.5"),
        ("1 = 1", "x == 1"),
        ("null", "x == null"),
        ("'密'", "x == '密'"),
        ("x'6600'", r"x == b'f\x00'"),
        ("b'101'", r"x == b'\x05'"),
        ("b'00000000'", r"x == b'\x00'"),
        (r"'a\0b'", r"x == 'a\x00b' && x != 'a'"),
        ("cast('2026-11-23' as date)", "x == '2026-11-23'"),
        ("cast('0000-00-00' as date)", "x == '0000-00-00'"),
        ("cast('-01:30:00' as time)", "x == duration('-1h30m')"),
        ("cast('838:59:59' as time)", "x == duration('838h59m59s')"),
        ("cast('{\"a\": 1}' as json)", """x == '{"a": 1}'"""),
    ],
)
async def test_values(on: Bench, value: str, expect: str) -> None:
    """Every MySQL type has its CEL type; numbers that no 64 bits hold do no harm."""
    expression = expect.replace("x ", "rows[0].x ").replace("(x)", "(rows[0].x)")

    assert await on.run(attempt(sql(f"select {value} as x", expect=expression))) == Succeeded("1 statement")


@pytest.mark.parametrize("zone", ["+00:00", "+08:00", "-05:30"])
async def test_times_are_points_in_time(on: Bench, zone: str) -> None:
    """A DATETIME is read in the session's time zone, which is rarely UTC."""
    action = sql(
        f"set time_zone = '{zone}'",
        "select cast('2026-11-23 12:00:00.250' as datetime(3)) as t"
        ", convert_tz('2026-11-23 12:00:00', '+00:00', @@time_zone) as noon, now(6) as n",
        expect=f"rows[0].t == timestamp('2026-11-23T12:00:00.25{zone}') && rows[0].noon == timestamp('2026-11-23T12:00:00Z')"
        f" && rows[0].n > timestamp('{wall_clock() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}')"
        f" && rows[0].n < timestamp('{wall_clock() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}')",
    )

    assert await on.run(attempt(action)) == Succeeded("2 statements")


def berlin(statement: str) -> Answer:
    """Answer like a server in Berlin, where clocks are changed twice a year."""
    if statement.startswith("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP()"):
        return ((7200, "Europe/Berlin"),), ("now", "zone")
    if "CONVERT_TZ" in statement:
        zone = ZoneInfo("Europe/Berlin")
        times = re.findall(r"CONVERT_TZ\('([^']+)', @@session\.time_zone, '\+00:00'\)", statement)
        offsets = [datetime.fromisoformat(time).replace(tzinfo=zone).utcoffset() or timedelta() for time in times]
        return (tuple(int(offset.total_seconds()) for offset in offsets),), tuple(f"c{number}" for number in range(len(times)))
    start = datetime(2026, 1, 15, 12, 7, 30)  # noqa: DTZ001 - as the server has it
    return tuple((start + timedelta(hours=12 * number),) for number in range(600)), ("t",)


async def test_times_have_the_offset_of_their_own_date() -> None:
    """A time in winter that is read in summer is not an hour off, in however many rows."""
    expect = (
        "rows[0].t == timestamp('2026-01-15T11:07:30Z') && rows[400].t == timestamp('2026-08-03T10:07:30Z')"
        " && rows[599].t == timestamp('2026-11-10T23:07:30Z')"
    )
    async with scripted_server(Script(berlin)) as port:
        on = sql_bench(Connection("127.0.0.1", port, "root@sys", "s3cret-word"))

        assert await on.run(attempt(sql("select t from history", expect=expect))) == Succeeded("1 statement")


async def test_the_server_is_asked_for_the_offset_of_each_date(admin: SqlSession) -> None:
    """A real server understands the question, for any time that it has, in a zone that it does not call by an offset."""
    times = [(datetime(2026, 1, 1) + timedelta(minutes=37 * number),) for number in range(1000)] + [(datetime.min,), (datetime.max,)]  # noqa: DTZ001, DTZ901
    asked: list[str] = []

    async def ask(query: str) -> Result | SqlFault:
        asked.append(query)
        answer = await admin.run(query)
        assert isinstance(answer, Result), answer
        return Result(answer.columns, ((answer.rows[0][0], "somewhere"),), 1, 1) if len(asked) == 1 else answer

    zone = await zone_of(result(*times), ask)

    assert len(asked) == 5
    assert {zone.of(time) for (time,) in times} == {zone.now}
    assert len(zone.others) >= 1000


async def test_columns_of_the_same_name(on: Bench) -> None:
    """The second one has its table's name before it."""
    action = sql(
        "create table p (a int)", "create table q (a int)", "insert into p values (1)", "insert into q values (2)",
        "select * from p, q", expect="rows[0].a == 1 && rows[0]['q.a'] == 2",
    )  # fmt: skip

    assert await on.run(attempt(action)) == Succeeded("5 statements")


async def test_a_statement_without_rows_has_an_empty_list(on: Bench) -> None:
    """A statement that changes has affected and no rows; a query counts its rows as affected."""
    first = sql("create table t (a int)", "insert into t values (1), (2)", expect="size(rows) == 0 && affected == 2")

    assert await on.run(attempt(first)) == Succeeded("2 statements")
    assert await on.run(attempt(sql("select * from t", expect="size(rows) == 2 && affected == 2"), number=2)) == Succeeded("1 statement")


def result(*rows: tuple[object, ...], columns: tuple[str, ...] = ("a",), total: int | None = None, affected: int = 0) -> Result:
    """Return a result."""
    return Result(columns, rows, len(rows) if total is None else total, affected)


def test_values_that_seekdb_does_not_give() -> None:
    """Sets are sorted lists; the first and last days are texts where their time zone leads out of the calendar."""
    values = ({"b", "a"}, Decimal("NaN"), Decimal("1e30"), datetime.min, datetime(2026, 1, 1, 1), 2**70)  # noqa: DTZ001, DTZ901 - as the driver gives them

    row = variables(result(values, columns=("s", "nan", "big", "min", "t", "i")), Zone(3600))["rows"][0]

    assert row["s"] == ["a", "b"]
    assert row["nan"] != row["nan"]
    assert (row["big"], row["i"]) == (1e30, float(2**70))
    assert row["min"] == "0001-01-01T00:00:00"
    assert row["t"] == datetime(2026, 1, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (result(), "no rows"),
        (result(("x\n y",), (None,), columns=("STATUS",)), "2 rows: STATUS=x y | STATUS=NULL"),
        (result((1, b"\xff"), columns=("a", "b")), "1 row: a=1; b=0xff"),
        (result((1,), (2,), (3,), (4,)), "4 rows: a=1 | a=2 | a=3 | …"),
        (result(("x" * 100, 1), columns=("a", "b")), "1 row: a=" + "x" * 59 + "…; b=1"),
        (result(("x" * 140,)), "1 row: a=" + "x" * 140),
        (result(("x" * 150,)), "1 row: a=" + "x" * 139 + "…"),
        (result((1,), total=5000), "5000 rows: a=1 | …"),
        (result(columns=(), affected=1), "1 row affected"),
    ],
)
def test_shown(seen: Result, text: str) -> None:
    """People see the first rows in short."""
    assert shown(seen) == text


def test_a_wide_result_is_short() -> None:
    """However many columns there are, it fits into a message."""
    assert len(shown(result(tuple("x" * 100 for _ in range(50)), columns=tuple(f"c{n}" for n in range(50))))) == 240


def test_the_log_counts_without_values() -> None:
    """The log has numbers of rows only."""
    assert counted(result(("secret",))) == "1 row"
    assert counted(result(columns=(), affected=3)) == "3 rows affected"
