"""What people are told about SQL that looks right and is not, against a real seekdb."""

import pytest
from tests.component.executors.seekdb import sql_bench
from tests.support.attempts import Bench, attempt, sql

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.words import BIT, BOOLEAN, PASTED, WORD, comments_alone, of_failure
from obtask.model.attempt import Failed, Succeeded
from obtask.model.limits import MESSAGE_CHARACTERS
from obtask.model.reasons import FailureReason


@pytest.fixture
def on(database: Connection) -> Bench:
    """Return an executor of sql actions."""
    return sql_bench(database)


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("DELIMITER //", "DELIMITER is a command of the mysql client: leave it out"),
        ("create table t (a int) //\ndelimiter ;", "DELIMITER is a command of the mysql client: leave it out"),
        ("source /tmp/x.sql", "SOURCE is a command of the mysql client: write the statements"),
        ("select 1 as a\\G", "\\G is a command of the mysql client: leave it out"),
        ("create table t (a int) //", "// and $$ end a statement only after DELIMITER, a command of the mysql client: leave them out"),
        ("create table t (a int)$$\n", "// and $$ end a statement only after DELIMITER, a command of the mysql client: leave them out"),
        ("mysql> select 1", "the prompt of the mysql client is not SQL: leave it out"),
        ("obclient [oceanbase]> select 1", "the prompt of the mysql client is not SQL: leave it out"),
        ("obclient(root@sys)[oceanbase]> select 1", "the prompt of the mysql client is not SQL: leave it out"),
        ("select \u2018a\u2019 from", "typographic quotes are no quotes: write ' or `"),
        ("select 1\uff0c 2 from\uff1b", "full-width punctuation is not SQL: write , ; ( ) ="),
        ("alter\u200b system major freeze", "it holds a space that cannot be seen and is none for the server: type it again"),
    ],
)
async def test_commands_of_the_client(on: Bench, statement: str, hint: str) -> None:
    """The server's syntax error stays, and says what was pasted."""
    end = await on.run(attempt(sql(statement)))

    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (FailureReason.SQL_ERROR, "1064")
    assert end.message.startswith("statement 1 of 1: error 1064: ")
    assert end.message.endswith(f"; {hint}")


@pytest.mark.parametrize(
    "statement", ["selec 1", "selec 'x\\ndelimiter //'", "selec delimiter", "selec '//'", "selec '\u2019\uff0c\u00a0'", "selec a > b"]
)
async def test_other_syntax_errors_have_no_hint(on: Bench, statement: str) -> None:
    """A column of that name, or a text, is no command."""
    end = await on.run(attempt(sql(statement)))

    assert isinstance(end, Failed)
    assert end.code == "1064"
    assert not [hint for _, hint in PASTED if hint in end.message]


def test_a_hint_is_whole_where_the_message_is_cut() -> None:
    """What the server said gives way."""
    end = of_failure("delimiter //", Failed(FailureReason.SQL_ERROR, "x" * MESSAGE_CHARACTERS, "1064"))

    assert len(end.message) == MESSAGE_CHARACTERS
    assert end.message.endswith("…; DELIMITER is a command of the mysql client: leave it out")


async def test_a_comment_alone_says_that_it_did_nothing(on: Bench) -> None:
    """The server takes it, so it is no failure; but nobody should take it for work."""
    end = await on.run(attempt(sql("select 1", "-- alter system major freeze")))

    assert end == Succeeded("2 statements; statement 2 is a comment and did nothing")


@pytest.mark.parametrize("statement", ["select 1 -- x", "/*! select 1 */", "'x'", "/* x */ select 1"])
def test_what_is_more_than_a_comment(statement: str) -> None:
    """Comments beside code, and those that servers carry out, are no comments alone."""
    assert comments_alone([statement]) is None


@pytest.mark.parametrize("expect", ["rows[0].t == true", "rows.all(r, true == r.t)", "rows[0].t != true && rows[0].t != 1"])
async def test_a_boolean_is_a_number(on: Bench, expect: str) -> None:
    """TINYINT(1) never equals true, and the message says so."""
    end = await on.run(attempt(sql("create table t (t boolean)", "insert into t values (true)", "select t from t", expect=expect)))

    assert isinstance(end, Failed)
    assert BOOLEAN in end.message


async def test_a_boolean_is_a_number_in_until_and_unless_too(database: Connection) -> None:
    """What is waited for in vain shows in the progress, what is done in vain in the log."""
    pauses: list[str | None] = []

    async def sleep(_: float) -> None:
        pauses.append(await on.progress(one))
        await on.executor.cancel(one)

    on = sql_bench(database, sleep=sleep)
    one = attempt(
        sql(
            "select 1",
            unless={"query": "select 1 = 1 as t", "expect": "rows[0].t == true"},
            until={"query": "select 1 = 1 as t", "expect": "rows[0].t == true"},
        )
    )
    await on.executor.start(one, on.log)
    await on.bells.wait()

    assert pauses == [f"waiting until rows[0].t == true: last saw 1 row: t=1 ({BOOLEAN})"]
    assert f"unless.expect does not hold: {BOOLEAN}" in on.log.text


async def test_columns_of_one_name(on: Bench) -> None:
    """Without a table to tell them apart, the log and the failure say that one hides the other."""
    end = await on.run(attempt(sql("select 1 as a, 2 as a", expect="rows[0].a == 1")))

    assert isinstance(end, Failed)
    assert end.message.endswith("several columns have one name, and rows has the last of them only: give them aliases")
    assert "several columns have one name" in on.log.text


@pytest.mark.parametrize(
    ("select", "expect", "hint"),
    [
        ("select true as t", "rows[0].t", BOOLEAN),
        ("select true as t", "!rows[0].t", BOOLEAN),
        ("select true as t", "rows[0].t && true", BOOLEAN),
        ("select true as t", "rows[0].t ? true : false", BOOLEAN),
        ("select b'1' as t", "rows[0].t == true", BIT),
        ("select b'1' as t", "rows[0].t", BIT),
        ("select 'NO' as t", "rows[0].t != false && false", WORD),
        ("select 'YES' as t", "rows[0].t", WORD),
    ],
)
async def test_what_stands_for_a_boolean(database: Connection, select: str, expect: str, hint: str) -> None:
    """No server sends true or false: whoever compares with them, or takes a value for one, is told what to write, in every field."""
    for fields in (
        {"expect": expect},
        {"until": {"query": select, "expect": "false", "failWhen": "true" if "==" in expect or "!=" in expect else expect}},
    ):
        end = await sql_bench(database).run(attempt(sql(select, **fields)))

        assert isinstance(end, Failed)
        if "until" not in fields or end.reason is FailureReason.INVALID_EXPRESSION:
            assert end.message.endswith(f"; {hint}")


@pytest.mark.parametrize("query", ["-- select 1", "/* select 1 */", "# nothing\n;", " ; "])
@pytest.mark.parametrize("field", ["unless", "until"])
async def test_a_comment_asks_nothing(on: Bench, query: str, field: str) -> None:
    """A query that is a comment would never have a row to wait for: it is refused before anything runs."""
    end = await on.run(attempt(sql("select 1", **{field: {"query": query, "expect": "rows.size() == 1"}})))

    assert isinstance(end, Failed)
    assert (end.untouched, end.message) == (True, f"the query of {field}: is a comment, and asks nothing; nothing was run")
