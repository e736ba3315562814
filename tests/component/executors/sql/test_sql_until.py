"""The until of a sql action, against a real seekdb."""

import asyncio
import re

import pytest
from tests.component.executors.seekdb import sql_bench
from tests.support.attempts import attempt, sql, until

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.answers import Result
from obtask.executors.sql.session import SqlSession
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason


async def test_until_asks_again_until_it_holds(database: Connection, admin: SqlSession) -> None:
    """Progress tells what was last seen; the attempt ends when the expression holds."""
    pauses: list[float] = []
    next_look = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await next_look.wait()
        next_look.clear()

    on = sql_bench(database, sleep=sleep)
    one = attempt(
        sql(
            "create table t (status varchar(20))", "insert into t values ('COMPACTING')",
            until={"query": "select status from t", "expect": "rows[0].status == 'IDLE'", "intervalSeconds": 3},
        )
    )  # fmt: skip

    await on.executor.start(one, on.log)
    await until(lambda: pauses)
    assert await on.progress(one) == "waiting until rows[0].status == 'IDLE': last saw 1 row: status=COMPACTING"
    await admin.run("update t set status = 'IDLE'")
    next_look.set()
    await on.bells.wait()

    assert await on.end_of(one) == Succeeded("2 statements; 1 row: status=IDLE")
    assert pauses == [3]


async def test_until_waits_for_a_row_that_is_not_there_yet(database: Connection, admin: SqlSession) -> None:
    """rows[0] of no rows is not a mistake while waiting."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await admin.run("insert into t values (1)")

    action = sql("create table t (a int)", until={"query": "select a from t", "expect": "rows[0].a == 1"})

    assert await sql_bench(database, sleep=sleep).run(attempt(action)) == Succeeded("1 statement; 1 row: a=1")
    assert pauses == [5]


async def test_until_fails_on_an_sql_error(database: Connection) -> None:
    """A query that the server refuses will not become right by waiting."""
    end = await sql_bench(database).run(attempt(sql("select 1", until={"query": "select a from nothing", "expect": "true"})))

    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (FailureReason.SQL_ERROR, "1146")
    assert end.message.startswith("the query of until: error 1146: Table ")


async def test_until_goes_on_after_its_connection_was_killed(database: Connection, admin: SqlSession) -> None:
    """A lost connection is opened again, and the session tells again whose it is."""
    seen: list[int] = []

    async def sleep(_: float) -> None:
        session = re.findall(r", session (\d+)", on.log.text)[-1]
        seen.append(int(session))
        if len(seen) == 1:
            assert isinstance(await admin.run(f"kill {session}"), Result)
        await admin.run("update t set a = a + 1")

    on = sql_bench(database, sleep=sleep)
    action = sql(
        "create table t (a int)", "insert into t values (0)",
        until={"query": "select a, @OBTASK_NAME as name from t", "expect": "rows[0].a == 2 && rows[0].name == 'resize-orders'"},
    )  # fmt: skip

    assert await on.run(attempt(action)) == Succeeded("2 statements; 1 row: a=2; name=resize-orders")
    assert len(set(seen)) == 2


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["use {db}", "insert into t values (0)"], "USE of statements[0]"),
        (["insert into t values (0)", "set session sql_mode = ''"], "SET of statements[1]"),
        (["select get_lock('obtask-{db}', 1)"], "GET_LOCK of statements[0]"),
    ],
)
async def test_until_ends_when_state_of_the_session_is_lost(
    database: Connection, admin: SqlSession, statements: list[str], words: str
) -> None:
    """What the statements left in the session is no more: neither a wrong success nor a wait without end."""
    assert isinstance(await admin.run("create table t (a int)"), Result)

    async def sleep(_: float) -> None:
        session = re.findall(r", session (\d+)", on.log.text)[-1]
        assert isinstance(await admin.run(f"kill {session}"), Result)

    on = sql_bench(database, sleep=sleep)
    action = sql(
        *(text.replace("{db}", database.database or "") for text in statements),
        until={"query": "select count(*) as n from t", "expect": "rows[0].n == 2"},
    )

    end = await on.run(attempt(action))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CONNECTION_FAILED
    assert end.message.startswith("connection lost while waiting, after ")
    assert words in end.message
    assert on.log.text.count(", session ") == 1


async def test_until_ends_when_it_asks_for_what_the_lost_session_knew(database: Connection, admin: SqlSession) -> None:
    """The last id of a new connection is another one."""
    assert isinstance(await admin.run("create table t (a int)"), Result)

    async def sleep(_: float) -> None:
        session = re.findall(r", session (\d+)", on.log.text)[-1]
        assert isinstance(await admin.run(f"kill {session}"), Result)

    on = sql_bench(database, sleep=sleep)
    action = sql("insert into t values (0)", until={"query": "select connection_id() as n", "expect": "rows[0].n == 0"})

    end = await on.run(attempt(action))

    assert isinstance(end, Failed)
    assert "would lack what CONNECTION_ID of until.query asks for" in end.message
