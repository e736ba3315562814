"""Values of args arrive as they are written, against a real seekdb: whatever stands around them, and in every sql_mode."""

import random
from collections.abc import Iterator

import pytest
from tests.component.executors.seekdb import ask, sql_bench
from tests.support.attempts import attempt, sql

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.answers import Result, SqlFault, SqlFaultKind
from obtask.executors.sql.session import SqlSession
from obtask.executors.sql.statements import bind
from obtask.model.attempt import Failed, Succeeded
from obtask.model.constraints import Scalar
from obtask.model.reasons import FailureReason
from obtask.rules.sql_text import misplaced, read

ATTACKS = ["; drop table victim; -- ", "'; drop table victim; -- ", '"; drop table victim; -- ', "\\'; drop table victim; -- ", "` ", "*/ "]
ATTACKS += ["\\", "'", "''", "\\\\'", "%(a)s %%", "\0", "\x1a\r\n", "密码", "縗'", "😀\\", "a", ""]
AROUND = [
    "'a'",
    "'it''s'",
    r"'C:\\'",
    '"b"',
    "/* don't */ 1",
    "1 -- don't\n",
    '2 # "\r\n',
    "x'00'",
    "b'1'",
    "N'a'",
    "/*+ a */ 1",
    "-1",
    "'-- '",
    "'%%'",
]
SPLINTERS = [
    "'",
    '"',
    "`",
    "\\",
    "/*",
    "*/",
    "/*!",
    "/*+",
    "--",
    "-- ",
    "#",
    "\n",
    "\r",
    "$$",
    "%(a)s",
    " %(a)s ",
    ",",
    "1",
    ";",
    "N",
    "x",
    " ",
]


def values(dice: random.Random) -> Iterator[str]:
    """Yield values, most of them made to break out."""
    while True:
        yield "".join(dice.choices(ATTACKS, k=dice.randint(1, 4)))


@pytest.fixture
async def victim(database: Connection, admin: SqlSession) -> str:
    """Return the name of a table that values try to drop."""
    assert isinstance(await admin.run("create table victim (a int)"), Result)
    return f"{database.database}.victim"


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES"])
async def test_values_are_read_back(admin: SqlSession, victim: str, mode: str) -> None:
    """1,000 statements in each mode: every value comes back as it went in, wherever it stands among texts and comments."""
    dice, changed = random.Random(4), f"set sql_mode = '{mode}'"  # noqa: S311 - no secret
    some = values(dice)
    assert isinstance(await admin.run(changed), Result)
    for _ in range(1000):
        args = {"a": next(some), "b": next(some)}
        parts = dice.choices([*AROUND, "%(a)s", "%(b)s"], k=6)
        statement = "select " + "\n, ".join(f"{part} as c{number}" for number, part in enumerate(parts))
        assert list(misplaced(read(statement))) == []
        answer = await admin.run(bind(statement, args, admin.escape))
        assert isinstance(answer, Result), (answer, statement)
        for part, value in zip(parts, answer.rows[0], strict=True):
            assert not part.startswith("%(") or value == args[part[2]], statement
    assert await ask(admin, f"select count(*) from {victim}") == ((0,),)


@pytest.mark.parametrize(
    ("value", "is_"),
    [
        (2**63 - 1, "9223372036854775807"),
        (-(2**63), "-9223372036854775808"),
        (0.1, "0.1"),
        (123456789.012345, "123456789.012345"),
        (-1.5, "-1.5"),
        (1e300, "1e300"),
        (2.5e-7, "2.5e-07"),
        (True, "1"),
        (False, "0"),
        (None, "null"),
        ("", "''"),
        ("a\0b", "concat('a', char(0), 'b')"),
        ("2026-11-23", "'2026-11-23'"),
        ("18446744073709551616", "'18446744073709551616'"),
        ("007", "'007'"),
    ],
)
async def test_values_arrive_as_they_are_written(database: Connection, value: Scalar, is_: str) -> None:
    """Numbers with all their digits and as exact as they are, null, booleans, and texts of any kind."""
    action = sql(f"select %(v)s <=> {is_} as same, cast(%(v)s as char) <=> cast({is_} as char) as alike", args={"v": value},
        expect="rows[0].same == 1 && rows[0].alike == 1")  # fmt: skip

    assert await sql_bench(database).run(attempt(action)) == Succeeded("1 statement")


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES,ANSI_QUOTES"])
async def test_no_splinters_let_a_value_out(admin: SqlSession, victim: str, mode: str) -> None:
    """Random texts of quotes and comments: what is let through is refused by the server or bound, and never runs a value."""
    dice = random.Random(5)  # noqa: S311 - no secret
    some, sent = values(dice), 0
    assert isinstance(await admin.run(f"set sql_mode = '{mode}'"), Result)
    while sent < 250:
        statement = "select " + "".join(dice.choices(SPLINTERS, k=dice.randint(2, 9)))
        if "%(a)s" not in statement or list(misplaced(read(statement))):
            continue
        sent += 1
        answer = await admin.run(bind(statement, {"a": next(some)}, admin.escape))
        assert not isinstance(answer, SqlFault) or answer.kind is SqlFaultKind.STATEMENT, answer
    assert await ask(admin, f"select count(*) from {victim}") == ((0,),)


@pytest.mark.parametrize(
    "fields",
    [
        {"statements": ["select 'note: %(n)s' as a"]},
        {"statements": ["select 1 /* %(n)s */"]},
        {"unless": {"query": "select `%(n)s`", "expect": "false"}},
        {"until": {"query": "select 'it\\'s', %(n)s", "expect": "true"}},
    ],
)
async def test_a_misplaced_value_runs_nothing(database: Connection, victim: str, admin: SqlSession, fields: dict[str, object]) -> None:
    """An attempt that began under an older operator is refused before it connects, and says what to write instead."""
    on = sql_bench(database)

    end = await on.run(attempt(sql(**({"args": {"n": f"'; drop table {victim}; -- "}} | fields))))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INVALID_EXPRESSION
    assert "%(n)s stands" in end.message
    assert end.message.endswith("; nothing was run")
    assert "connected" not in on.log.text
    assert await ask(admin, f"select count(*) from {victim}") == ((0,),)
