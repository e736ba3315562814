"""The sql action against a real seekdb: what API.md section 2.1 promises, statement by statement."""

import re
from dataclasses import replace
from typing import Any

import pytest
from tests.component.executors.seekdb import ask, sql_bench
from tests.support.attempts import Secrets, alone, attempt, bench, evaluated, sql, wall_clock
from tests.support.local import LOCAL

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.answers import Result
from obtask.executors.sql.session import SqlSession
from obtask.executors.sql.work import SqlWork
from obtask.model.actions import SqlAction
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason


async def test_statements_run_in_order_over_one_connection(database: Connection) -> None:
    """Each statement sees what the ones before it did, session variables included."""
    action = sql(
        "create table t (a int primary key)", "set @step = 5", "insert into t values (@step), (@step + 1)", "update t set a = a + 10",
        expect="affected == 2",
    )  # fmt: skip

    assert await sql_bench(database).run(attempt(action)) == Succeeded("4 statements")


async def test_the_log_tells_statements_counts_and_times(database: Connection) -> None:
    """One line says what runs, one how many rows and how long; no values of rows."""
    on = sql_bench(database)

    await on.run(attempt(sql("create table t (a int)", "insert into t values (4711), (4712)", "select a from t")))

    lines = [re.sub(r"\d+ ms", "N ms", line) for line in on.log.lines]
    assert lines[1:] == [
        "statement 1 of 3: create table t (a int)",
        "statement 1 of 3: 0 rows affected, N ms",
        "statement 2 of 3: insert into t values (4711), (4712)",
        "statement 2 of 3: 2 rows affected, N ms",
        "statement 3 of 3: select a from t",
        "statement 3 of 3: 2 rows, N ms",
        "succeeded: 3 statements",
    ]
    assert lines[0].startswith(f"connected to 127.0.0.1:{database.port} as root@sys, session ")


async def test_the_first_error_ends_the_attempt(database: Connection, admin: SqlSession) -> None:
    """A refused statement gives its error number, says which one it was, and nothing after it runs."""
    action = sql("create table t (a int primary key)", "insert into t values (1), (1)", "insert into t values (2)")

    end = await sql_bench(database).run(attempt(action))

    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (FailureReason.SQL_ERROR, "1062")
    assert end.message.startswith("statement 2 of 3: error 1062: Duplicate entry '1'")
    assert await ask(admin, "select count(*) from t") == ((0,),)


async def test_without_a_connection_the_message_says_where_to_set_one(database: Connection) -> None:
    """A task and an action without connection fail with what to set."""
    end = await sql_bench(database).run(attempt(sql(), connection=None))

    assert end == Failed(FailureReason.NOT_FOUND, "no connection: set spec.connection or sql.connection", untouched=True)


async def test_the_actions_connection_comes_before_the_tasks(database: Connection) -> None:
    """sql.connection names the Secret that is read, in the task's namespace."""
    secrets = Secrets({"own": database})
    on = bench(SqlWork(secrets, clock=wall_clock, confirmed=alone, expressions=evaluated, hosts=LOCAL))

    end = await on.run(attempt(sql("select 1", connection={"secretName": "own"})))

    assert end == Succeeded("1 statement")
    assert secrets.asked == [("prod", "own")]


async def test_why_a_secret_cannot_be_used_is_passed_on(database: Connection) -> None:
    """The reason of the one who reads Secrets is the reason of the attempt."""
    end = await sql_bench(database).run(attempt(sql(), connection="nope"))

    assert end == Failed(FailureReason.NOT_FOUND, "Secret nope not found", untouched=True)


async def test_the_actions_database_comes_before_the_secrets(database: Connection) -> None:
    """sql.database is the current database of the session."""
    action = sql("select database() as db", database="oceanbase", expect="rows[0].db == 'oceanbase'")

    assert await sql_bench(database).run(attempt(action)) == Succeeded("1 statement")


async def test_args_are_bound_not_pasted(database: Connection) -> None:
    """Values arrive as they are, quotes, backslashes and percents included, in statements, unless and until."""
    nasty = 'it\'s 100%; \\ "x" -- %(n)s 密\n\0'
    action = sql(
        "create table t (a text, b int, c double, d text)",
        "insert into t values (%(a)s, %(b)s, %(c)s, %(d)s)",
        "select * from t where a = %(a)s and 7 %% 4 = 3 and a like '%%100%%'",
        args={"a": nasty, "b": 2**31 - 1, "c": 0.1, "d": None},
        unless={"query": "select %(b)s as b", "expect": "rows[0].b != 2147483647"},
        expect="size(rows) == 1 && rows[0].b == 2147483647 && rows[0].c == 0.1 && rows[0].d == null",
        until={"query": "select count(*) as n from t where a = %(a)s", "expect": "rows[0].n == 1"},
    )

    assert await sql_bench(database).run(attempt(action)) == Succeeded("3 statements; 1 row: n=1")


async def test_args_are_bound_under_the_sessions_own_escaping_rules(database: Connection) -> None:
    """With NO_BACKSLASH_ESCAPES a backslash is no escape, and a value still cannot leave its quotes."""
    action = sql(
        "set sql_mode = 'NO_BACKSLASH_ESCAPES'",
        "select %(a)s as a",
        args={"a": "\\' or 1=1 -- "},
        expect=r"""rows[0].a == "\\' or 1=1 -- " """,
    )

    assert await sql_bench(database).run(attempt(action)) == Succeeded("2 statements")


INSERT = "insert into t values (1)"


@pytest.mark.parametrize(
    "statements",
    [
        ["begin", INSERT],
        ["start transaction", INSERT, "select * from t"],
        ["set autocommit=0", INSERT],
        ["set @@session.autocommit = off", INSERT, "select * from t"],
        ["commit", "begin; insert into t values (1)"],
        ["begin; insert into t values (1); select 1"],
    ],
)
async def test_a_transaction_that_is_left_open_is_no_success(database: Connection, admin: SqlSession, statements: list[str]) -> None:
    """What nobody commits is gone when the connection is closed: the attempt fails and says what to add."""
    assert isinstance(await admin.run("create table t (a int)"), Result)
    on = sql_bench(database)

    end = await on.run(attempt(sql(*statements, until={"query": "select count(*) as n from t", "expect": "rows[0].n == 1"})))

    assert isinstance(end, Failed)
    assert (end.reason, end.permanent) == (FailureReason.SQL_ERROR, True)
    assert end.message.startswith("transaction left open: the server rolls back")
    assert "COMMIT" in end.message
    assert await ask(admin, "select count(*) from t") == ((0,),)


@pytest.mark.parametrize(
    "statements",
    [
        ["begin", INSERT, "commit"],
        ["begin; insert into t values (1); commit"],
        ["set autocommit=0", INSERT, "commit", "select * from t"],
        ["set autocommit=0", INSERT, "set autocommit=1"],
        ["begin", INSERT, "create table other (a int)"],
        [INSERT],
    ],
)
async def test_a_transaction_that_is_committed_counts(database: Connection, admin: SqlSession, statements: list[str]) -> None:
    """By COMMIT or by a statement that implies it; a query that opens another one has nothing to lose."""
    assert isinstance(await admin.run("create table t (a int)"), Result)

    assert await sql_bench(database).run(attempt(sql(*statements))) == Succeeded(
        f"{len(statements)} statement{'s' * (len(statements) > 1)}"
    )
    assert await ask(admin, "select count(*) from t") == ((1,),)


async def test_without_args_a_statement_is_sent_as_it_is(database: Connection) -> None:
    """No placeholder, no doubling of percents."""
    action = sql("select '%(a)s 100%% %s' as a", expect="rows[0].a == '%(a)s 100%% %s'")

    assert await sql_bench(database).run(attempt(action)) == Succeeded("1 statement")


async def test_an_unknown_arg_is_found_before_anything_runs(database: Connection, admin: SqlSession) -> None:
    """A placeholder without a value stops the attempt before the first statement, and the message names it."""
    action = sql("create table t (a int)", "insert into t values (%(b)s)", args={"a": 1})

    end = await sql_bench(database).run(attempt(action))

    assert end == Failed(FailureReason.INVALID_EXPRESSION, "statement 2 of 2: %(b)s not in args; nothing was run", untouched=True)
    assert await ask(admin, "show tables") == ()


async def test_unless_makes_a_second_run_harmless(database: Connection) -> None:
    """If unless holds beforehand, nothing is run and the attempt says so."""
    on = sql_bench(database)
    action = sql(
        "create table t (a int)",
        unless={"query": "select table_name from information_schema.tables where table_schema = database()", "expect": "size(rows) > 0"},
    )

    assert await on.run(attempt(action)) == Succeeded("1 statement")
    assert await on.run(attempt(action, number=2)) == Succeeded("already done", untouched=True)
    assert on.log.lines[-1] == "succeeded: already done"


@pytest.mark.parametrize(
    ("fields", "untouched"),
    [
        ({"unless": {"query": "select * from no_such_table", "expect": "true"}}, True),
        ({"unless": {"query": "select 1 as a", "expect": "rows[0].b == 1"}}, True),
        ({"statements": ["select * from no_such_table"]}, False),
        ({"statements": ["selekt 1"]}, False),
        ({"statements": ["select 1"], "expect": "affected == 7"}, False),
        ({"until": {"query": "select * from no_such_table", "expect": "true"}}, False),
    ],
)
async def test_only_statements_change_something(database: Connection, fields: dict[str, Any], untouched: bool) -> None:
    """What unless asks changes nothing; once a statement was sent, it may have, whatever the server says of it."""
    action = SqlAction.model_validate({"statements": ["select 1"], **fields})

    end = await sql_bench(database).run(attempt(action))

    assert isinstance(end, Failed)
    assert end.untouched is untouched


@pytest.mark.parametrize(
    ("field", "action"),
    [
        ("expect", {"expect": "rows[0].nothing == 1"}),
        ("unless.expect", {"unless": {"query": "select 1 as a", "expect": "rows[0].nothing == 1"}}),
        ("until.expect", {"until": {"query": "select 1 as a", "expect": "rows[0].nothing == 1"}}),
    ],
)
async def test_an_expression_that_cannot_be_evaluated_is_not_a_false_one(database: Connection, field: str, action: dict[str, Any]) -> None:
    """A column that is not there is an error of the expression, named with its field and with what was there."""
    end = await sql_bench(database).run(attempt(sql("select 1 as a", **action)))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INVALID_EXPRESSION
    assert end.message.startswith(f'{field}: NOT_FOUND: Key not found in map : "nothing": rows[0].nothing == 1; saw 1 row: a=1')


async def test_an_expression_that_does_not_compile_is_found_before_anything_runs(database: Connection, admin: SqlSession) -> None:
    """A syntax error in until is told before the first statement."""
    action = sql("create table t (a int)", until={"query": "select 1", "expect": "rows["})

    end = await sql_bench(database).run(attempt(action))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INVALID_EXPRESSION
    assert end.message.startswith("until.expect: at 1:6: Syntax error")
    assert await ask(admin, "show tables") == ()


async def test_expect_that_does_not_hold_shows_what_was_seen(database: Connection) -> None:
    """The message has the expression and the rows."""
    end = await sql_bench(database).run(attempt(sql("select 'IDLE' as status, 2 as n", expect="rows[0].status == 'BUSY'")))

    message = "expect does not hold: rows[0].status == 'BUSY'; saw 1 row: status=IDLE; n=2"
    assert end == Failed(FailureReason.EXPECTATION_NOT_MET, message)


async def test_the_session_tells_what_it_belongs_to(database: Connection) -> None:
    """User variables name the task, the step, the attempt and the lock token."""
    names = ["NAMESPACE", "NAME", "UID", "STEP", "SUBTASK", "ATTEMPT", "DIRECTION", "LOCK_TOKEN"]
    query = "select concat_ws(',', " + ", ".join(f"@OBTASK_{name}" for name in names) + ") as me"

    action = sql(query, expect="rows[0].me == 'prod,resize-orders,4f0c,resize,zone1,3,Forward,7'")

    assert await sql_bench(database).run(attempt(action, number=3)) == Succeeded("1 statement")


async def test_a_task_without_a_lock_has_no_token(database: Connection) -> None:
    """Without a lock the variable is NULL."""
    action = sql("select @OBTASK_LOCK_TOKEN as token", expect="rows[0].token == null")

    assert await sql_bench(database).run(attempt(action, token=None)) == Succeeded("1 statement")


async def test_many_rows_cost_no_memory_and_the_log_says_so(database: Connection) -> None:
    """Expressions see the first 1000 rows; the count is of all of them."""
    on = sql_bench(database)
    numbers = "select a.n * 60 + b.n as n from (select row_number() over () as n from information_schema.columns limit 60) a"
    numbers += ", (select row_number() over () as n from information_schema.columns limit 60) b"

    end = await on.run(attempt(sql(numbers, expect="size(rows) == 1000 && affected == 3600")))

    assert end == Succeeded("1 statement")
    assert "3600 rows, " in on.log.text
    assert "; expressions see the first 1000 rows only" in on.log.text


async def test_several_statements_in_one_text_all_count(database: Connection) -> None:
    """An error in the second part of a text is not overlooked, and rows are those of the last part that has some."""
    on = sql_bench(database)

    assert await on.run(attempt(sql("select 1 as a; select 2 as a", expect="rows[0].a == 2"))) == Succeeded("1 statement")
    end = await on.run(attempt(sql("select 1; select * from nothing; select 2"), number=2))

    assert isinstance(end, Failed)
    assert end.code == "1146"


async def test_passwords_in_statements_show_nowhere(database: Connection, admin: SqlSession) -> None:
    """What is after IDENTIFIED BY is masked in the log, in progress and in messages, given as text or as an arg."""
    on = sql_bench(database)
    user = f"u{database.database}"
    action = sql(
        f"create user {user} identified by 'hunter2-first'",
        f"alter user {user} identified by %(pw)s",
        f"set password for {user} = 'hunter4-fourth' oops",
        args={"pw": "hunter3-second"},
    )

    end = await on.run(attempt(action))
    await admin.run(f"drop user {user}")

    assert isinstance(end, Failed)
    assert end.code == "1064"
    everything = on.log.text + end.message
    assert "hunter" not in everything
    assert f"create user {user} identified by ******" in everything
    assert {"hunter2-first", "hunter3-second", "hunter4-fourth"} <= set(on.log.secrets)
    assert database.password in on.log.secrets


async def test_the_password_is_masked_in_what_is_shown_of_rows(database: Connection) -> None:
    """A row that holds the connection's password shows without it."""
    action = sql("select %(p)s as p", args={"p": f"<{database.password}>"}, expect="false")

    end = await sql_bench(database).run(attempt(action))

    assert isinstance(end, Failed)
    assert end.message == "expect does not hold: false; saw 1 row: p=<******>"


async def test_a_password_outside_of_ascii_is_sent_as_utf8(database: Connection, admin: SqlSession) -> None:
    """A password of any characters lets the user in."""
    user = f"u{database.database}"
    await admin.run(f"create user {user} identified by 'pässwörd密码'")
    target = replace(database, user=user, password="pässwörd密码", database=None)  # noqa: S106 - a user of this test

    end = await sql_bench(target).run(attempt(sql("select 1")))
    await admin.run(f"drop user {user}")

    assert end == Succeeded("1 statement")
