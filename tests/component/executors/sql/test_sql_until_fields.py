"""failWhen, message and maxIntervalSeconds of until, ignoreErrors and argsFrom, against a real seekdb. API.md section 2.1."""

from typing import Any

import pytest
from tests.component.executors.seekdb import ask, sql_bench
from tests.support.attempts import attempt, sql

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.session import SqlSession
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason

TABLE = ("create table t (state varchar(20), done int)", "insert into t values ('RUNNING', 10)")
LOOK = "select state, done from t"
TEXT = r"""Wa'ter\me"lon-7741"""
WORD = "swordfish7741"


def until(**fields: object) -> dict[str, object]:
    """Return an until over the table, which ends well when its state is DONE."""
    return {"query": LOOK, "expect": "rows[0].state == 'DONE'", "intervalSeconds": 1, **fields}


async def test_fail_when_ends_the_attempt_at_once(database: Connection, admin: SqlSession) -> None:
    """What has failed for good is not waited for; the failure says what was seen, in the task's own words first."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await admin.run("update t set state = 'FAILED', done = 40")

    fields = until(failWhen="rows[0].state == 'FAILED'", message="string(rows[0].done) + ' %'")
    end = await sql_bench(database, sleep=sleep).run(attempt(sql(*TABLE, until=fields)))

    said = "40 %; until.failWhen holds: rows[0].state == 'FAILED'; saw 1 row: state=FAILED; done=40"
    assert end == Failed(FailureReason.EXPECTATION_NOT_MET, said)
    assert len(pauses) == 1


async def test_fail_when_is_asked_before_expect(database: Connection) -> None:
    """An expectation that also holds for a failure does not make a success of it."""
    end = await sql_bench(database).run(attempt(sql(*TABLE, until=until(expect="true", failWhen="rows[0].done == 10"))))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.EXPECTATION_NOT_MET


async def test_message_is_the_progress(database: Connection, admin: SqlSession) -> None:
    """The task's own words stand for what was seen, as long as they can be told; the log has both what was seen and why they cannot."""
    told: list[str] = []

    async def sleep(_: float) -> None:
        told.append(str(await on.progress(one)))
        await admin.run(["update t set done = 75", "update t set done = null", "update t set state = 'DONE'"][len(told) - 1])

    on = sql_bench(database, sleep=sleep)
    one = attempt(sql(*TABLE, until=until(message="'compacting: ' + string(rows[0].done) + '\\n\\t%'")))
    end = await on.run(one)

    assert isinstance(end, Succeeded)
    assert told[:2] == ["compacting: 10 %", "compacting: 75 %"]
    assert told[2].startswith("waiting until rows[0].state == 'DONE': last saw 1 row: state=RUNNING; done=NULL (until.message: ")
    assert "not yet: 1 row: state=RUNNING; done=75" in on.log.lines


async def test_a_message_may_be_a_number(database: Connection) -> None:
    """A percentage needs no conversion."""

    async def sleep(_: float) -> None:
        assert await on.progress(one) == "10"
        await on.executor.cancel(one)

    on = sql_bench(database, sleep=sleep)
    one = attempt(sql(*TABLE, until=until(message="rows[0].done")))
    await on.run(one)


async def test_pauses_grow(database: Connection, admin: SqlSession) -> None:
    """Each pause is twice the one before, up to the longest."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 6:
            await admin.run("update t set state = 'DONE'")

    end = await sql_bench(database, sleep=sleep).run(attempt(sql(*TABLE, until=until(intervalSeconds=2, maxIntervalSeconds=15))))

    assert isinstance(end, Succeeded)
    assert pauses == [2, 4, 8, 15, 15, 15]


async def never(seconds: float) -> None:
    """Be the sleep of somebody who must not wait."""
    raise AssertionError(f"slept {seconds} s")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"expect": "rows[0].done + 'a' == 'x'"}, "until.expect: UNKNOWN: No matching overloads found"),
        ({"expect": "rows[0].done"}, "until.expect: must be true or false, not int"),
        ({"expect": "rows[0].stat == 'DONE'"}, 'until.expect: NOT_FOUND: Key not found in map : "stat"'),
        ({"failWhen": "rows[0].state > 3"}, "until.failWhen: UNKNOWN: No matching overloads found"),
        ({"expect": "rows.map(r, r.done.size()) == []"}, "until.expect: UNKNOWN: No matching overloads found"),
    ],
)
async def test_what_cannot_become_true_is_not_waited_for(database: Connection, fields: dict[str, str], words: str) -> None:
    """A type error, or a column that the query does not have, ends the attempt; a retry by itself is in vain."""
    end = await sql_bench(database, sleep=never).run(attempt(sql(*TABLE, until=until(**fields))))

    assert isinstance(end, Failed)
    assert (end.reason, end.permanent) == (FailureReason.INVALID_EXPRESSION, True)
    assert end.message.startswith(words)


@pytest.mark.parametrize(
    ("before", "expect"),
    [
        ("delete from t", "rows[0].done == 100"),
        ("update t set done = null", "rows[0].done >= 100"),
        ("update t set done = null", "100 / rows[0].done == 1"),
        ("update t set done = 0", "100 / rows[0].done == 1"),
        ("update t set state = ''", "int(rows[0].state) == 100"),
    ],
)
async def test_what_may_become_true_is_waited_for(database: Connection, admin: SqlSession, before: str, expect: str) -> None:
    """A row that is not there, NULL, a zero and an empty text may be something else the next time."""

    async def sleep(_: float) -> None:
        await admin.run("delete from t")
        await admin.run("insert into t values ('100', 100)")

    end = await sql_bench(database, sleep=sleep).run(attempt(sql(*TABLE, before, until=until(expect=expect))))

    assert isinstance(end, Succeeded), end


async def test_ignored_errors_count_as_success(database: Connection, admin: SqlSession) -> None:
    """The statement's error is told in the log and in the message, its result is empty, and what follows is run."""
    on = sql_bench(database)
    statements = ("create table t (a int)", "drop table missing", "insert into t values (1)", "kill 999999999")

    end = await on.run(attempt(sql(*statements, ignoreErrors=[1051, 1094], expect="rows.size() == 0 && affected == 0")))

    assert isinstance(end, Succeeded), end
    assert end.message is not None
    assert end.message.startswith("4 statements; error 1051 of statement 2 of 4 counts as success; error 1094 of statement 4 of 4 counts")
    assert "error 1051 of statement 2 of 4 counts as success: it is in ignoreErrors" in on.log.lines
    assert await ask(admin, "select a from t") == ((1,),)


async def test_other_errors_are_not_ignored(database: Connection) -> None:
    """Only the numbers in the list count, and only for statements."""
    for fields in ({"ignoreErrors": [1094]}, {"unless": {"query": "select * from missing", "expect": "true"}, "ignoreErrors": [1146]}):
        end = await sql_bench(database).run(attempt(sql("select * from missing", **fields)))

        assert isinstance(end, Failed)
        assert end.code == "1146"


async def test_args_from_a_secret_are_bound_and_shown_nowhere(database: Connection, admin: SqlSession) -> None:
    """The value arrives as it is in the Secret; the log, progress, message and what the server says of it have none of it."""
    on = sql_bench(database, values={("new-root", "password"): TEXT})
    ref = {"pw": {"secretKeyRef": {"name": "new-root", "key": "password"}}}
    begun = sql(
        "create table t (id int, p varchar(100), unique key (p))",
        "insert into t values (%(id)s, %(pw)s)",
        "select p from t",
        args={"id": 1},
        argsFrom=ref,
        expect="rows[0].p == 'x'",
    )

    end = await on.run(attempt(begun))

    assert await ask(admin, "select p from t") == ((TEXT,),)
    assert isinstance(end, Failed)
    assert end.message == "expect does not hold: rows[0].p == 'x'; saw 1 row"
    said = [end.message, on.log.text]
    for statement in (
        "insert into t values (2, %(pw)s)",
        "select %(pw)s from %(pw)s",
        "select cast(%(pw)s as signed) / nothing",
        "insert into t values (concat(%(pw)s, %(pw)s), 'y')",
        "select * from t where p = json_extract(%(pw)s, '$.a')",
    ):
        on = sql_bench(database, values={("new-root", "password"): TEXT})
        end = await on.run(attempt(sql(statement, argsFrom=ref)))
        assert isinstance(end, Failed), statement
        said += [end.message, on.log.text]
    for text in said:
        assert not [part for part in ("7741", "lon-", "ter\\", "Wa'") if part in text], text


async def test_what_is_cut_of_a_secret_shows_no_part_of_it(database: Connection) -> None:
    """The beginning of a long secret is a secret, too: the task's own words are not shown."""
    key = "".join(f"{number:03d}-key-" for number in range(100))
    told: list[str] = []

    async def sleep(_: float) -> None:
        told.append(str(await on.progress(one)))
        await on.executor.cancel(one)

    on = sql_bench(database, sleep=sleep, values={("keys", "long"): key})
    looks = {"query": "select %(k)s as k", "expect": "false", "message": "'the key is ' + rows[0].k.substring(3, 90)"}
    one = attempt(sql("select %(k)s as k", argsFrom={"k": {"secretKeyRef": {"name": "keys", "key": "long"}}}, until=looks))
    end = await on.run(one)

    assert isinstance(end, Failed)
    assert told == ["waiting until false: last saw 1 row"]
    assert "-key" not in on.log.text + end.message


@pytest.mark.parametrize(("made", "value"), [("reverse(%(pw)s)", WORD[::-1]), ("hex(%(pw)s)", WORD.encode().hex().upper())])
@pytest.mark.parametrize(
    "fields",
    [
        {"expect": "rows[0].v == 'x'"},
        {"expect": "rows[0].v + 1 == 2"},
        {"expect": "timestamp(rows[0].v) == timestamp(0)"},
        {"until": {"expect": "rows.size() == 1"}},
        {"until": {"expect": "false", "message": "rows[0].v"}},
        {"until": {"expect": "rows[0].v + 1 == 2"}},
        {"until": {"expect": "false", "failWhen": "true", "message": "rows[0].v"}},
        {"unless": {"expect": "rows[0].v + 1 == 2"}},
        {"outputs": {"x": "rows[0].v"}},
        {"outputs": {"x": "[1, rows[0].v]"}},
        {"outputs": {"x": "{rows[0].v: 1}"}},
        {"outputs": {"x": "timestamp(rows[0].v)"}},
        {"unless": {"expect": "true"}, "outputs": {"x": "rows[0].v"}},
    ],
)
async def test_what_sql_makes_of_a_secret_is_shown_nowhere(database: Connection, made: str, value: str, fields: dict[str, Any]) -> None:
    """No mask recognises it: people see how many rows there are."""
    told: list[str] = []

    async def sleep(_: float) -> None:
        told.append(str(await on.progress(one)))
        await on.executor.cancel(one)

    on = sql_bench(database, sleep=sleep, values={("keys", "k"): WORD})
    ref = {"pw": {"secretKeyRef": {"name": "keys", "key": "k"}}}
    select = f"select {made} as v"
    asked = {name: field | {"query": select} if name in {"until", "unless"} else field for name, field in fields.items()}
    one = attempt(sql(select, argsFrom=ref, **asked))
    end = await on.run(one)

    assert isinstance(end, Failed | Succeeded)
    said = "\n".join([str(end.message), on.log.text, *told])
    assert not isinstance(end, Succeeded) or not end.outputs
    assert "1 row" in said
    assert not [part for part in (value[:6], value[-6:]) if part in said], said


async def test_numbers_beside_a_secret_are_given_away(database: Connection) -> None:
    """How many rows there are, and whether something holds, may be told."""
    on = sql_bench(database, values={("keys", "k"): WORD})
    ref = {"pw": {"secretKeyRef": {"name": "keys", "key": "k"}}}
    outputs = {"rows": "size(rows)", "same": "rows[0].v == 'x'", "none": "null", "list": "[1, 2.5]"}

    end = await on.run(attempt(sql("select reverse(%(pw)s) as v", argsFrom=ref, outputs=outputs)))

    assert isinstance(end, Succeeded), end
    assert end.outputs == {"rows": 1, "same": False, "none": None, "list": [1, 2.5]}


@pytest.mark.parametrize(
    "statements",
    [
        ("insert into u values (hex(%(pw)s))", "insert into u values (hex(%(pw)s))"),
        ("set @v = hex(%(pw)s)", "insert into u values (@v)", "insert into u select * from u"),
    ],
)
async def test_what_a_server_says_of_what_sql_made_of_a_secret(database: Connection, statements: tuple[str, ...]) -> None:
    """Its errors quote values: of those only what comes before is shown, whichever statement has the secret."""
    on = sql_bench(database, values={("keys", "k"): WORD})
    ref = {"pw": {"secretKeyRef": {"name": "keys", "key": "k"}}}

    end = await on.run(attempt(sql("create table u (v varchar(100), unique key (v))", *statements, argsFrom=ref)))

    assert isinstance(end, Failed)
    assert end.code == "1062"
    assert "error 1062: Duplicate entry ******" in end.message
    assert WORD.encode().hex().upper()[:6] not in on.log.text + end.message


async def test_a_secret_that_cannot_be_read_runs_nothing(database: Connection, admin: SqlSession) -> None:
    """Without the value nothing is connected to."""
    on = sql_bench(database)
    one = attempt(sql("create table t (a int)", argsFrom={"pw": {"secretKeyRef": {"name": "nothing", "key": "k"}}}))

    end = await on.run(one)

    assert isinstance(end, Failed)
    assert (end.reason, end.untouched) == (FailureReason.NOT_FOUND, True)
    assert await ask(admin, "show tables") == ()
    assert "connected" not in on.log.text


async def test_a_placeholder_without_a_value(database: Connection) -> None:
    """The names of both lists are known; with argsFrom alone, %% is one percent sign, too."""
    on = sql_bench(database, values={("keys", "k"): "v"})
    ref = {"k": {"secretKeyRef": {"name": "keys", "key": "k"}}}

    end = await on.run(attempt(sql("select %(other)s", argsFrom=ref)))
    assert isinstance(end, Failed)
    assert "%(other)s not in args or argsFrom" in end.message

    assert isinstance(
        await on.run(attempt(sql("select 5 %% 3 as r, %(k)s as k", argsFrom=ref, expect="rows[0].r == 2"), number=2)), Succeeded
    )
