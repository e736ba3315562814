"""Where a ``${{ }}`` may stand in SQL text, and which values may stand there."""

import time
from typing import Any

import pytest

from obtask.model.actions import SqlAction
from obtask.model.values import Identifier
from obtask.rules.sql_faults import missing_args, session_state, sql_faults
from obtask.rules.sql_values import IDENTIFIER_CHARACTERS, VALUES_CHARACTERS, identifier_fault, value_faults


def faults(statement: str, **fields: Any) -> list[str]:
    """Return what is wrong with a statement before anything is known of its values."""
    return [fault for _, fault in sql_faults(SqlAction(statements=[statement], **fields))]


@pytest.mark.parametrize(
    "statement",
    [
        "alter tenant ${{ ident(params.tenant) }} rename global_name to ${{ ident(params.to) }}",
        "alter system switchover to primary tenant = ${{ params.tenant }}",
        "alter system delete server ${{ server(item.ip, item.port) }}, ${{ params.servers }} zone ${{ params.zone }}",
        "create resource pool ${{ ident(params.pool) }} unit_num=${{ params.units }}, zone_list=(${{ params.zones }})",
        "alter system set ${{ ident(params.name) }} = ${{ params.value }} tenant=${{ params.tenant }}",
        "select 'it''s', ${{ params.x }}, \"a\"\"b\", `c``d`, (${{ params.y }}),-${{ params.z }}",
        "select /* don't */ ${{ params.x }} -- don't\n, # don't\r\n ${{ params.y }}",
        "select ${{ {'a': \"}}\"}.a }}, ${{ params.x == '/*' ? 1 : 2 }}, ${{ r'\\' + '`' }}",
        "select * from ${{ ident(params.db) }}.${{ ident(params.table) }} where a in (${{ params.list }})",
        "select ${{ ident(params.table) }}.*, t.${{ ident(item) }} from t",
        "select '$${{ params.x }}', \"$${{\", ${{ params.x }}",
        "create user ${{ params.u }}@'%' identified by ${{ params.hash }}",
        "select 10 % ${{ params.x }}, '100%', '%(n)s', 5 %(2)",
    ],
)
def test_a_value_may_stand_where_code_is(statement: str) -> None:
    """Texts, names, comments and percent signs around it do no harm, and what is in it is CEL, not SQL."""
    assert faults(statement) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("select 'note: ${{ params.x }}'", "inside quotes"),
        ('select "${{ params.x }}"', "inside quotes"),
        ("select 'it''s ${{ params.x }}'", "inside quotes"),
        ("select x'${{ params.x }}'", "inside quotes"),
        ("select '${{ params.x }}", "inside quotes"),
        ("select `${{ params.x }}`", "quoted name"),
        ("select /* ${{ params.x }} */ 1", "comment"),
        ("select /*!50000 ${{ params.x }} */ 1", "comment"),
        ("select 1 -- ${{ params.x }}", "comment"),
        ("select 1 # ${{ params.x }}", "comment"),
        ("select 1 --${{ params.x }}", "comment"),
        (r"select 'it\'s', ${{ params.x }}", "sql_mode"),
        ("select /*! ' */ ${{ params.x }} -- ' */", "sql_mode"),
        ("set sql_mode = 'NO_BACKSLASH_ESCAPES'; select ${{ params.x }}", "sql_mode"),
        ("select 'a'${{ params.x }}", "touches"),
        ("select ${{ params.x }}'a'", "touches"),
        ("select ${{ params.x }}${{ params.x }}", "touches"),
        ("select x${{ params.x }}", "touches"),
        ("select 1${{ params.x }}", "touches"),
        ("select t.${{ params.x }}", "touches"),
        ("select ${{ params.x }}.a", "touches"),
        ("select ${{ ident(params.x) }}_a", "touches"),
        ("select a_${{ ident(params.x) }}", "touches"),
        ("select ä${{ params.x }}", "touches"),
        ("select $$ ${{ params.x }} $$", "sql_mode"),
    ],
)
def test_a_value_may_not_stand_elsewhere(statement: str, words: str) -> None:
    """It would run as SQL, be no value, or be another one: the same places as for args, and the advice names the expression."""
    found = faults(statement)

    assert found
    assert words in found[0]
    if "sql_mode" not in words:
        assert found[0].startswith("${{ ")
        assert "%(" not in found[0]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"unless": {"query": "select '${{ params.x }}'", "expect": "true"}}, "unless.query", "inside quotes"),
        ({"until": {"query": "select `${{ params.x }}`", "expect": "true"}}, "until.query", "quoted name"),
        ({"until": {"query": "select @${{ params.x }}", "expect": "true"}}, "until.query", "@${{ }} is a variable of the session"),
        ({"unless": {"query": "select @x, ${{ '@y' }}", "expect": "true"}}, "unless.query", "@x is a variable of the session"),
        ({"until": {"query": "/* nothing */", "expect": "true"}}, "until.query", "is a comment"),
        ({"statements": ["set names gbk", "select ${{ params.x }}"]}, "statements[0]", "values are bound in the character set utf8mb4"),
        ({"statements": ["set names ${{ params.x }}"]}, "statements[0]", "values are bound in the character set utf8mb4"),
        ({"statements": ["select ${{ params.x"]}, "statements[0]", "has no }}"),
        ({"statements": ["select '%(n)s', ${{ params.x }}"], "args": {"n": 1}}, "statements[0]", "%(n)s stands inside quotes"),
    ],
)
def test_every_text_of_an_action_is_checked(fields: dict[str, Any], field: str, words: str) -> None:
    """Statements and both queries; args and values, each in their own words."""
    [(where, fault), *_] = sql_faults(SqlAction(**({"statements": ["select 1"]} | fields)))

    assert where == field
    assert words in fault


def test_what_is_in_an_expression_is_no_sql() -> None:
    """It names no placeholders, no variables of the session, no character set, and leaves no state there."""
    text = "select ${{ '%(n)s @x; use orders; set names gbk get_lock(' + task.name }}"
    query = {"query": text, "expect": "true"}
    action = SqlAction(statements=[text], unless=query, until=query, args={"m": 1})

    assert list(sql_faults(action)) == []
    assert list(missing_args(action)) == []
    assert session_state(action) is None


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("use ${{ ident(params.db) }}", "what USE of statements[0] did"),
        ("set ${{ ident(params.name) }} = 1", "what SET of statements[0] did"),
        ("set global ${{ ident(params.name) }} = ${{ params.value }}", None),
        ("select get_lock(${{ params.name }}, 1)", "what GET_LOCK of statements[0] did"),
    ],
)
def test_what_a_text_with_values_leaves_in_a_session(statement: str, state: str | None) -> None:
    """It is known whatever the values are."""
    assert session_state(SqlAction(statements=[statement])) == state


@pytest.mark.parametrize(
    "value",
    ["", "x", "'; drop table victim; -- ", "a\0b", 0, 2**63 - 1, -(2**63), 2**64 - 1, 0.30000000000000004, True, None, Identifier("a`b"),
     [1, "b", None, Identifier("c")], ("a",), "x" * 100_000],
)  # fmt: skip
def test_values_that_sql_has(value: Any) -> None:
    """Scalars of any content, names, and lists of these; numbers with all their digits, as no API server has rounded them."""
    assert list(value_faults(SqlAction(statements=["select ${{ params.x }}"]), {"params.x": value})) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "is an empty list"),
        ((), "is an empty list"),
        ([[1]], "is a list in which one is a list of lists"),
        ([{"a": 1}], "is a list in which one is a map"),
        ({"a": 1}, "is a map"),
        ({}, "is a map"),
        (float("inf"), "is no number that SQL has"),
        ([float("nan")], "is no number that SQL has"),
        (2**64, "does not fit into 64 bits"),
        (-(2**63) - 1, "does not fit into 64 bits"),
        ("\ud800", "Unicode"),
        (["a", "\udfff"], "Unicode"),
        (b"x", "of a type that SQL has no literal for (bytes)"),
        (Identifier(""), "is empty"),
        (Identifier("a\0b"), "NUL"),
        (Identifier("\ud800"), "Unicode"),
        (Identifier("a" * (IDENTIFIER_CHARACTERS + 1)), "has 129 characters"),
        ([Identifier("a\0")], "NUL"),
    ],
)
@pytest.mark.parametrize("field", ["statements[1]", "unless.query", "until.query"])
def test_values_that_sql_has_not(value: Any, words: str, field: str) -> None:
    """Each is refused with the text, the expression and what is wrong; its content is not shown."""
    texts = {"statements[1]": "select 1", "unless.query": "select 1", "until.query": "select 1"} | {field: "select ${{ params.x }}"}
    queries = {name: {"query": texts[f"{name}.query"], "expect": "true"} for name in ("unless", "until")}
    action = SqlAction(statements=["select 2", texts["statements[1]"]], **queries)

    [(where, fault)] = value_faults(action, {"params.x": value})

    assert where == field
    assert fault.startswith("the value of ${{ params.x }} ")
    assert words in fault


@pytest.mark.parametrize(
    ("statement", "value", "words"),
    [
        ("select ${{ ident(params.x)[0] }}.a from t", "t", "beside a dot"),
        ("select t.${{ ident(params.x)[0] }} from t", [Identifier("a")], "beside a dot"),
        ("set ${{ ident(params.x) }} = 'gbk'", Identifier("character_set_client"), "character_set_client"),
        ("set ${{ ident(params.x) }} = 'gbk'", Identifier("Character_Set_CLIENT"), "character_set_client"),
        ("set ${{ ident(params.x) }} = 'gbk'", [Identifier("\u010dharacter_\u017fet_client ")], "character_set_client"),
        ("set ${{ ident(params.x) }} = ''; select 1", Identifier("SQL_MODE"), "give that change a statement of its own"),
        ("set global ${{ ident(params.x) }} = ''; ", Identifier("sql_mode"), None),
        ("select t.${{ ident(params.x) }} from t", Identifier("a"), None),
    ],
)
def test_values_that_would_change_the_place(statement: str, value: Any, words: str | None) -> None:
    """What a value becomes depends on its neighbours, and names may be those of variables that change how literals are read."""
    action = SqlAction(statements=[statement])
    expression = statement.partition("${{ ")[2].partition(" }}")[0]

    assert list(sql_faults(action)) == []
    found = [fault for _, fault in value_faults(action, {expression: value})]

    assert (words is None) == (found == [])
    assert words is None or words in found[0]


def test_values_of_one_text_are_bounded_together() -> None:
    """What a small text repeats does not fill the memory."""
    action = SqlAction(statements=["select " + ", ".join(["${{ params.x }}"] * 100)])

    assert list(value_faults(action, {"params.x": "x" * (VALUES_CHARACTERS // 100)})) == []
    [(_, fault)] = value_faults(action, {"params.x": ["x" * (VALUES_CHARACTERS // 100)]})
    assert "at most 1,048,576 are allowed" in fault


def test_the_name_of_an_identifier_is_checked_in_one_place() -> None:
    """A name of the greatest length passes, whatever characters it has."""
    assert identifier_fault("`'\"\\" * (IDENTIFIER_CHARACTERS // 4)) is None


@pytest.mark.parametrize("piece", ["${{a}}", "${{a}} ", "$${{", "${{", "${{'", "${{{", "'${{a}}", "${{a}}.", ";${{a}}", "@${{a}}"])
def test_reading_takes_linear_time(piece: str) -> None:
    """The largest text that a spec can hold is read in a moment, whatever it repeats."""

    def seconds(octets: int) -> float:
        action = SqlAction.model_construct(statements=["${{a}} " + piece * (octets // len(piece))], args={"n": 1})
        began = time.process_time()
        next(sql_faults(action), None)
        next(value_faults(action, {"a": 1}), None)
        session_state(action)
        return time.process_time() - began

    assert min(seconds(256 * 1024) for _ in range(3)) < 3
