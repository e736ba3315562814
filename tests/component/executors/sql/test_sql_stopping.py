"""Timeouts, cancelling and lost connections: what becomes of the statement on a real seekdb."""

import re

from tests.component.executors.seekdb import ask, busy_with, running_statements, sql_bench
from tests.support.attempts import attempt, sql

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.session import SqlSession
from obtask.model.attempt import Failed, Running, Succeeded
from obtask.model.reasons import FailureReason


async def test_a_timeout_tells_what_was_last_seen(database: Connection) -> None:
    """The deadline ends an until that never holds; the message is good for people."""
    action = sql("select 1", until={"query": "select 'COMPACTING' as status", "expect": "rows[0].status == 'IDLE'", "intervalSeconds": 1})

    end = await sql_bench(database).run(attempt(action, seconds=0.6))

    message = "did not end within 0.6 s: waiting until rows[0].status == 'IDLE': last saw 1 row: status=COMPACTING"
    assert end == Failed(FailureReason.TIMEOUT, message)


async def test_a_timeout_stops_the_statement_on_the_server(database: Connection, admin: SqlSession) -> None:
    """After the deadline the server is not busy with the statement any more."""
    on = sql_bench(database)

    end = await on.run(attempt(sql("select sleep(100), 'timeout-marker'"), seconds=0.7))

    assert end == Failed(
        FailureReason.TIMEOUT, "did not end within 0.7 s: statement 1 of 1 is running: select sleep(100), 'timeout-marker'"
    )
    assert await running_statements(admin, "timeout-marker") == []
    assert [line for line in on.log.lines if "KILL" in line or "stopped" in line] == [
        f"sent KILL QUERY {on.log.lines[0].rsplit(' ', 1)[1]}",
        "the server stopped it: Query execution was interrupted",
    ]


async def test_cancel_stops_the_statement_on_the_server(database: Connection, admin: SqlSession) -> None:
    """Cancelling is real: the server stops, and what came before stays done."""
    on = sql_bench(database)
    one = attempt(sql("create table t (a int)", "select sleep(100), 'cancel-marker'", "insert into t values (1)"))
    await on.executor.start(one, on.log)
    await busy_with(admin, "cancel-marker")

    await on.executor.cancel(one)
    await on.executor.cancel(one)
    await on.bells.wait()

    end = await on.end_of(one)
    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED
    assert end.message == "cancelled: statement 2 of 3 is running: select sleep(100), 'cancel-marker'"
    assert await running_statements(admin, "cancel-marker") == []
    assert await ask(admin, "select count(*) from t") == ((0,),)


async def test_a_text_of_several_statements_is_stopped_too(database: Connection, admin: SqlSession) -> None:
    """The server may show the part that runs; nothing after it runs."""
    on = sql_bench(database)
    one = attempt(sql("create table t (a int)", "select 1; select sleep(100), 'several-marker'; insert into t values (1)"))
    await on.executor.start(one, on.log)
    await busy_with(admin, "several-marker")

    await on.executor.cancel(one)
    await on.bells.wait()

    assert await running_statements(admin, "several-marker") == []
    assert await ask(admin, "select count(*) from t") == ((0,),)


async def test_a_statement_may_run_as_long_as_the_attempt(database: Connection) -> None:
    """OceanBase ends statements after 10 s by default, transactions at a limit of their own; the session asks for the attempt's time."""
    expect = "rows[0].us > 100000000 && rows[0].us < 140000000 && rows[0].trx == rows[0].us"
    action = sql("select @@ob_query_timeout as us, @@ob_trx_timeout as trx", expect=expect)

    assert await sql_bench(database).run(attempt(action, seconds=120)) == Succeeded("1 statement")


async def test_a_connection_lost_in_the_middle_leaves_the_outcome_unknown(database: Connection, admin: SqlSession) -> None:
    """A killed session fails the attempt as ConnectionFailed and says that nobody knows what became of the statement."""
    on = sql_bench(database)
    one = attempt(sql("select 1", "select sleep(100), 'lost-marker'"))
    await on.executor.start(one, on.log)
    await busy_with(admin, "lost-marker")

    session = re.findall(r", session (\d+)", on.log.text)[0]
    await admin.run(f"kill {session}")
    await on.bells.wait()

    end = await on.end_of(one)
    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CONNECTION_FAILED
    assert end.message.startswith("connection lost during statement 2 of 2: its outcome is unknown")


async def test_a_running_attempt_says_so(database: Connection, admin: SqlSession) -> None:
    """What is seen of an attempt in the middle of a statement is Running, with the statement."""
    on = sql_bench(database)
    one = attempt(sql("select sleep(100), 'busy-marker'"))
    await on.executor.start(one, on.log)
    await busy_with(admin, "busy-marker")

    assert await on.executor.observe(one, on.log) == Running("statement 1 of 1 is running: select sleep(100), 'busy-marker'")
    await on.executor.stop(0)
