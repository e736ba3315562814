"""Where a value may be bound in SQL text, and what is code in it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obtask.model.actions import SqlAction
from obtask.model.constraints import Scalar
from obtask.rules.sql_faults import sql_faults
from obtask.rules.sql_text import code, misplaced, read, state_asked, state_left, user_variables


@pytest.mark.parametrize(
    "statement",
    [
        "select %(n)s",
        "select (%(n)s), %(n)s+1,-%(n)s",
        "select 'it''s', %(n)s, \"a\"\"b\", `c``d`",
        r"select 'C:\\', %(n)s",
        r"select 'a\nb', %(n)s",
        "select /* don't */ %(n)s -- don't\n, # don't\r\n %(n)s",
        "select /*/ ' */ %(n)s",
        "select 5 - -3, %(n)s",
        "select /*+ parallel(8) */ /*!40101 sql_no_cache */ %(n)s",
        "create user %(n)s@'%%' identified by %(n)s",
        "grant all on *.* to 'a'@%(n)s",
        "select v$x.a$b, %(n)s from gv$ob_servers v$x",
        "select '%%(n)s', '100%%', %(n)s",
        "select N'a', x'00', b'1', _utf8mb4'x', _binary %(n)s",
        "select * from t where a like %(n)s;select %(n)s",
        "'an open text",
    ],
)
def test_a_value_may_stand_where_code_is(statement: str) -> None:
    """Texts, names and comments around it do no harm."""
    assert list(misplaced(read(statement))) == []


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("select 'note: %(n)s'", "inside quotes"),
        ('select "%(n)s"', "inside quotes"),
        ("select 'it''s %(n)s'", "inside quotes"),
        ("select '/*', '*/ %(n)s'", "inside quotes"),
        ("select N'%(n)s'", "inside quotes"),
        ("select _utf8mb4 '%(n)s'", "inside quotes"),
        ("select x'%(n)s', b'%(n)s'", "inside quotes"),
        ("select '%(n)s", "inside quotes"),
        ("select `%(n)s`", "quoted name"),
        ("select `a``%(n)s`", "quoted name"),
        ("select /* %(n)s */ 1", "comment"),
        ("select /*!50000 %(n)s */ 1", "comment"),
        ("select /*+ query_timeout(%(n)s) */ 1", "comment"),
        ("select /* %(n)s", "comment"),
        ("select 1 -- %(n)s", "comment"),
        ("select 1 # %(n)s", "comment"),
        ("select 1 --%(n)s", "comment"),
        # Read apart by sql_mode, version and server
        (r"select 'it\'s', %(n)s", "sql_mode"),
        (r"select 'a\', %(n)s, '", "sql_mode"),
        (r'select "a\", %(n)s, "', "sql_mode"),
        ("select /*! ' */ %(n)s -- ' */", "sql_mode"),
        ("select /*+ ' */ %(n)s -- ' */", "sql_mode"),
        ("select /*!99999 /* */ %(n)s */ 1", "sql_mode"),
        ("select 1 # '\r %(n)s '", "sql_mode"),
        ("select 1 -- '\r %(n)s '", "sql_mode"),
        ("select 5--3, '\n, %(n)s '", "sql_mode"),
        ("select $$ %(n)s $$", "sql_mode"),
        ("set sql_mode = 'NO_BACKSLASH_ESCAPES'; select %(n)s", "sql_mode"),
        # grown together with what stands beside
        ("select 'a'%(n)s", "touches"),
        ("select %(n)s'a'", "touches"),
        ("select %(n)s%(n)s", "touches"),
        ("select x%(n)s", "touches"),
        ("select t.%(n)s", "touches"),
        ("select 1%(n)s", "touches"),
        ("select %(n)se5", "touches"),
        ("select ä%(n)s", "touches"),
    ],
)
def test_a_value_may_not_stand_elsewhere(statement: str, word: str) -> None:
    """It would run as SQL, be no value, or be another one; each says why and names what to write instead."""
    found = list(misplaced(read(statement)))

    assert found
    assert {one.place for one in found} == {"%(n)s"}
    assert word in found[0].advice


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (2**63, "put it in quotes"),
        (-(2**63) - 1, "put it in quotes"),
        (2**64, "put it in quotes"),
        (12345678901234567000, "put it in quotes"),
        (1234567890.1234567, "put it in quotes"),
        (0.30000000000000004, "put it in quotes"),
        (float("inf"), "no number that SQL has"),
        (float("nan"), "no number that SQL has"),
        ("\ud800", "Unicode"),
    ],
)
def test_values_that_were_changed_on_their_way_are_refused(value: Scalar, word: str) -> None:
    """What the API server has rounded, and what no server takes, is told before anything runs."""
    [(field, fault)] = sql_faults(SqlAction.model_construct(statements=["select %(n)s"], args={"n": value}))

    assert field == "args.n"
    assert word in fault


@pytest.mark.parametrize(
    "value", [2**63 - 1, -(2**63), 0.1, 1.5, 123456789.012345, 1e300, 1e-300, True, None, "", "a\0b", "9" * 40, "\ud7ff"]
)
def test_values_that_arrive_pass(value: Scalar) -> None:
    """Whatever JSON keeps as it is written."""
    assert list(sql_faults(SqlAction(statements=["select %(n)s"], args={"n": value}))) == []


@given(st.text(alphabet="'\"`\\/*!+-# \n\r$;a%()s"))
def test_code_has_the_length_of_the_text(text: str) -> None:
    """What is left out is spaces, so that places stay."""
    assert len(code(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("select @a, @@b, @@global.c", ["@a"]),
        ("select a from t where id=@`a b`", ["@`"]),
        ("select@x", ["@x"]),
        ("select '@x', \"@x\", `@x`, /* @x */ 1 -- @x\n # @x", []),
        ("show grants for 'u'@'h'", []),
        ("show grants for u@h", []),
        ("show grants for `u`@`h`", []),
        ("show grants for %(u)s@%(h)s", []),
        ("select @%(u)s", ["@%("]),
        ("select 1 into @x", ["@x"]),
        ("select /*! @x, */ 1", ["@x"]),
        (r"select 'it\'s @x'", []),
        (r"select 'a@b', 'it\'s', @x", ["@x"]),
        ("select a from t where mail = 'a@example.com'", []),
    ],
)
def test_user_variables(text: str, found: list[str]) -> None:
    """Variables of the session are found; system variables, accounts and what is quoted are none."""
    assert user_variables(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("use orders", "USE"),
        ("select 1; USE `orders`", "USE"),
        ("/*! use orders */", "USE"),
        ("set session sql_mode = ''", "SET"),
        ("set sql_mode = ''", "SET"),
        ("set @a = 1, sql_mode = ''", "SET"),
        ("set @@sql_mode = ''", "SET"),
        ("set names utf8mb4", "SET"),
        ("alter session set current_schema = a", "ALTER SESSION"),
        ("create  temporary table t (a int)", "CREATE TEMPORARY"),
        ("select get_lock('a', 1)", "GET_LOCK"),
        ("lock tables t read", "LOCK TABLES"),
        ("prepare s from 'select 1'", "PREPARE"),
        ("update t set a = last_insert_id(a + 1)", "LAST_INSERT_ID"),
        ("begin; insert into t values (1); commit", None),
        ("set @a = 1", None),
        ("set global a = 1", None),
        ("set @@global.a = 1", None),
        ("set password for u = password('x')", None),
        ("set default role r to u", None),
        ("select * from t use index (a)", None),
        ("update t set a = 1, b = 2", None),
        ("select 'use x', `get_lock`, last_insert_id() -- ; set x = 1", None),
        ("create procedure p() begin set a = 1; use b; end", None),
        ("alter system major freeze", None),
    ],
)
def test_what_leaves_state_in_a_session(text: str, words: str | None) -> None:
    """What a new connection would not have; user variables do not count, as nothing can ask for them later."""
    assert state_left(text) == words


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    ["'", "''", "' ", "'\\", "\\'", '"', "`", "` ", "/*", "/**/", "/*!", "*/", "/*+", "-- \n", "--", "#", "#\r", "$", "$a", "$$",
     "%(", "%(a", "%(a)s", "@", "select@", "a", " ", "set ", "set @", ";set @a", "create ", "create definer=", ";", "last_insert_id( "],
)  # fmt: skip
def test_reading_takes_linear_time(piece: str) -> None:
    """The largest text that a spec can hold is read in a moment, whatever it repeats."""

    def seconds(octets: int) -> float:
        text = "%(n)s " + piece * (octets // len(piece))
        began = time.process_time()
        list(zip(range(2), misplaced(read(text)), strict=False))
        user_variables(text)
        state_left(text)
        state_asked(text)
        return time.process_time() - began

    assert min(seconds(256 * 1024) for _ in range(3)) < 2
