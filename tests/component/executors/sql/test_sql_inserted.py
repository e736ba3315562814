"""Values of ``${{ }}`` in SQL text: how they are written, and what is kept of them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.component.executors.seekdb import ask, sql_bench
from tests.support.attempts import attempt, sql

from obtask.executors.connections.connection import Connection
from obtask.executors.sql.session import SqlSession
from obtask.executors.sql.statements import bind, in_general, literal, literal_text
from obtask.masking.sql import masked_statement, secrets_in
from obtask.masking.words import MASK
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason
from obtask.model.values import Identifier

VALUES: dict[str, Any] = {
    "t": "x'y\\",
    "n": 1,
    "minus": -1,
    "nothing": None,
    "yes": True,
    "f": 1.5,
    "name": Identifier("a`b"),
    "list": [1, "b", None, Identifier("c")],
    "below": [-1, -2],
}


def escape(value: Any) -> str:
    """Return a literal as a session writes it."""
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "1", False: "0"}[value]
    return in_general(value)


@pytest.mark.parametrize(
    ("statement", "args", "bound"),
    [
        ("select ${{ t }}", {}, r"select 'x''y\\'"),
        ("select ${{ n }}, ${{ nothing }}, ${{yes}}, ${{ f }}", {}, "select 1, NULL, 1, 1.5"),
        ("use ${{ name }}", {}, "use `a``b`"),
        ("a in (${{ list }})", {}, "a in (1, 'b', NULL, `c`)"),
        ("select -${{ minus }}, - ${{ minus }}, -${{ below }}", {}, "select - -1, - -1, - -1, -2"),
        ("like '100%%' and ${{ t }} = %(a)s", {}, r"like '100%%' and 'x''y\\' = %(a)s"),
        ("like '100%%' and ${{ t }} = %(a)s", {"a": "%(b)s"}, r"like '100%' and 'x''y\\' = '%(b)s'"),
        ("select '$${{ t }}', ${{ n }}", {}, "select '${{ t }}', 1"),
        ("%${{ n }}%", {"a": 1}, "%1%"),
        ("%(${{ n }})s", {"a": 1}, "%(1)s"),
    ],
)
def test_bind(statement: str, args: dict[str, Any], bound: str) -> None:
    """Values become literals, names and lists; percent signs are read in the statement only, as ever."""
    assert bind(statement, args, escape, VALUES) == bound


def test_a_value_that_looks_like_a_place_stays_a_value() -> None:
    """What was put in is not looked at again."""
    values = {"a": "${{ b }} %(c)s %% $${{", "b": 1}
    assert bind("select ${{ a }}, %(c)s", {"c": "${{ b }}"}, escape, values) == "select '${{ b }} %(c)s %% $${{', '${{ b }}'"


def reread(sql: str, *, backslash_escapes: bool) -> list[Any]:
    """Return the values of a list of literals: MySQL Reference Manual 11.1 and 11.2, read without the code that is tested."""
    found: list[Any] = []
    at = 0
    while at < len(sql):
        if sql[at] in ", ":
            at += 1
        elif sql[at] in "'`":
            quote, text, at = sql[at], "", at + 1
            while sql[at] != quote or sql[at : at + 2] == quote * 2:
                escaped = sql[at] == quote or (sql[at] == "\\" and quote == "'" and backslash_escapes)
                text += sql[at + escaped]
                at += 1 + escaped
            at += 1
            found.append(text if quote == "'" else Identifier(text))
        else:
            end = sql.find(",", at)
            word = sql[at : end if end >= 0 else len(sql)]
            found.append(None if word == "NULL" else float(word) if set(word) & set(".e") else int(word))
            at += len(word)
    return found


scalars = (
    st.text()
    | st.text("'\"`\\%_;-# \0\n\x1a縗ä")
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.none()
)
names = st.text(min_size=1, max_size=128).filter(lambda text: "\0" not in text).map(Identifier)


@given(st.lists(scalars | names | st.lists(scalars | names, min_size=1, max_size=4), min_size=1, max_size=6), st.booleans())
def test_what_is_written_reads_as_it_was(values: list[Any], backslash_escapes: bool) -> None:
    """Whatever the values are, a reader of SQL finds these values and nothing else, with and without backslash escapes."""

    def written(value: Any) -> str:
        if isinstance(value, str):
            return literal_text(value, backslash_escapes=backslash_escapes)
        return "NULL" if value is None else repr(value)

    statement = ", ".join(f"${{{{ v{number} }}}}" for number in range(len(values)))
    sql = bind(statement, {}, written, {f"v{number}": value for number, value in enumerate(values)})

    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    assert reread(sql, backslash_escapes=backslash_escapes) == flat


@given(st.text())
def test_a_literal_ends_where_it_should_in_every_mode(text: str) -> None:
    """A literal for a session with backslash escapes holds no more in one without them, if it does not hold what it should."""
    for number in (True, False):
        sql = literal(text, in_general)
        assert len(reread(sql, backslash_escapes=number)) == 1


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("create user u identified by ${{ params.x }}", None),
        ("create user u identified by ${{ 'pw-1234' }} account lock", f"create user u identified by {MASK} account lock"),
        ('set password = password(${{ {"a": "pw-1234"}.a }})', f"set password = password({MASK})"),
        ("set access_key = ${{ 'pw-1234' + params.x }}, a = ${{ 'b' }}", f"set access_key = {MASK}, a = ${{{{ 'b' }}}}"),
        ("set access_key = ${{ 'pw-1234", f"set access_key = {MASK}"),
        ("select ${{ 'a' }}, ${{ params.x }}", None),
        ("identified by ${{ params.x }}, b identified by 'pw-1234'", f"identified by ${{{{ params.x }}}}, b identified by {MASK}"),
    ],
)
def test_statements_are_shown_as_they_are_written(statement: str, shown: str | None) -> None:
    """Without their values; a text in an expression that stands for a secret is one."""
    assert masked_statement(statement) == (shown or statement)


@pytest.mark.parametrize(
    ("statement", "secret"),
    [
        ("create user u identified by ${{ x }}", True),
        ("alter system set ${{ key }} = ${{ x }}", True),
        ("alter system set ${{ name }} = ${{ x }}", False),
        ("set password for ${{ u }} = ${{ x }}", True),
        ("select ${{ x }}", False),
    ],
)
def test_values_that_are_secrets_are_known(statement: str, secret: bool) -> None:
    """By the words before them, also where these are a value themselves."""
    values = {"x": "pw'1234", "key": Identifier("access_key"), "name": Identifier("cpu_count"), "u": "u"}

    assert ("pw'1234" in secrets_in(bind(statement, {}, in_general, values), {})) == secret


async def test_an_attempt_inserts_its_values_in_every_text(database: Connection, admin: SqlSession) -> None:
    """In statements, unless and until: literals, names and lists; its log shows the statements as they are written."""
    on = sql_bench(database)
    action = sql(
        "create table ${{ ident(params.table) }} (v varchar(64))",
        "insert into ${{ ident(params.db) }}.${{ ident(params.table) }} values (${{ params.texts[0] }}), (${{ params.texts[1] }})",
        unless={"query": "select ${{ params.no }} as done", "expect": "rows[0].done == 1"},
        until={"query": "select * from ${{ ident(params.table) }} where v in (${{ params.texts }})", "expect": "rows.size() == 2"},
    )
    hostile = ["'; drop table victim; -- ", "it's\\"]
    values = {
        "ident(params.table)": Identifier("a`b"),
        "ident(params.db)": Identifier(str(database.database)),
        "params.texts": hostile,
        "params.texts[0]": hostile[0],
        "params.texts[1]": hostile[1],
        "params.no": 0,
    }

    end = await on.run(replace(attempt(action), values=values))

    assert isinstance(end, Succeeded), end
    assert {row[0] for row in await ask(admin, "select v from `a``b`")} == set(hostile)
    assert f"statement 1 of 2: {action.statements[0]}" in on.log.text
    assert "a`b" not in on.log.text


async def test_a_value_that_is_a_password_shows_nowhere(database: Connection) -> None:
    """Not in what the server says, and not in what it has stored: a value in the place of a password is one."""
    on = sql_bench(database)
    action = sql("select ${{ params.pw }} as a from t identified by ${{ params.pw }}", "select 1")

    end = await on.run(replace(attempt(action), values={"params.pw": "hunter2'hunter3"}))

    assert isinstance(end, Failed)
    assert "hunter" not in end.message + on.log.text
    assert "hunter2'hunter3" in on.log.secrets


@pytest.mark.parametrize("value", [[], {"a": 1}, Identifier("a\0"), float("nan")])
async def test_a_value_without_a_literal_runs_nothing(database: Connection, value: Any) -> None:
    """The attempt ends before it connects, and says which value of which text it is."""
    on = sql_bench(database)

    end = await on.run(replace(attempt(sql("select 1", "select ${{ params.x }}")), values={"params.x": value}))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INVALID_EXPRESSION
    assert end.message.startswith("statement 2 of 2: the value of ${{ params.x }} ")
    assert end.message.endswith("; nothing was run")
    assert "connected" not in on.log.text


@pytest.mark.parametrize("before", ["", "a", "aa"])
async def test_names_of_columns_may_be_cut_in_the_middle_of_a_character(database: Connection, before: str) -> None:
    """A server names a column by its whole expression, of which it sends the beginning."""
    end = await sql_bench(database).run(attempt(sql(f"select '{before + '密' * 1000}'", expect="rows.size() == 1")))

    assert end == Succeeded("1 statement")
