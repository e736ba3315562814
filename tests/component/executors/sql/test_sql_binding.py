"""Placeholders and passwords in SQL text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.converters import escape_item

from obtask.executors.sql.statements import bind
from obtask.masking.secrets import masked
from obtask.masking.sql import masked_statement, secrets_in, without_echo
from obtask.masking.words import MASK
from obtask.model.constraints import Scalar
from obtask.rules.sql_text import unknown_names

ARGS: dict[str, Scalar] = {"a": "x'y", "n": 1, "nothing": None, "yes": True, "f": 1.5, "minus": -1}


def escape(value: Scalar) -> str:
    """Return a literal as the driver writes it."""
    return str(escape_item(value))


@pytest.mark.parametrize(
    ("statement", "bound"),
    [
        ("select %(a)s", r"select 'x\'y'"),
        ("select %(n)s, %(nothing)s, %(yes)s, %(f)s", "select 1, NULL, 1, 1.5e0"),
        ("like '100%%'", "like '100%'"),
        ("like '100%'", "like '100%'"),
        ("%s %d %(a)d %", "%s %d %(a)d %"),
        ("%%(a)s", "%(a)s"),
        ("%%%(n)s", "%1"),
        ("select -%(minus)s, - %(minus)s", "select - -1, - -1"),
    ],
)
def test_bind(statement: str, bound: str) -> None:
    """Names become literals, doubled percents single ones; every other percent stays."""
    assert bind(statement, ARGS, escape) == bound


def test_a_value_that_looks_like_a_placeholder_stays_a_value() -> None:
    """What was put in is not looked at again."""
    assert bind("select %(a)s", {"a": "%(b)s %%"}, escape) == "select '%(b)s %%'"


@given(st.text())
def test_without_args_every_statement_stays_as_it_is(statement: str) -> None:
    """Without args there are no placeholders."""
    assert bind(statement, {}, escape) == statement
    assert unknown_names(statement, {}) == []


def test_unknown_names() -> None:
    """Every name that args do not have is named once."""
    assert unknown_names("%(b)s %(a)s %(c)s %(b)s %%(d)s", ARGS) == ["b", "c"]


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("CREATE USER u IDENTIFIED BY 'pw-1234'", f"CREATE USER u IDENTIFIED BY {MASK}"),
        ('create user u identified\n by "pw-1234" account lock', f"create user u identified\n by {MASK} account lock"),
        ("alter user u identified by 'it''s\\'pw-1234' x", f"alter user u identified by {MASK} x"),
        (
            "create user u identified with mysql_native_password as 'pw-1234'",
            f"create user u identified with mysql_native_password as {MASK}",
        ),
        ("create user u identified by password 'pw-1234'", f"create user u identified by password {MASK}"),
        ("set password for 'u'@'%' = 'pw-1234'", f"set password for 'u'@'%' = {MASK}"),
        ("set password = password('pw-1234')", f"set password = password({MASK})"),
        ("change master to master_password = 'pw-1234', master_port = 1", f"change master to master_password = {MASK}, master_port = 1"),
        ("create user u identified by 'pw-1234", f"create user u identified by {MASK}"),
        ("create user a identified by 'pw-1234', b identified by 'pw-5678'", f"create user a identified by {MASK}, b identified by {MASK}"),
        (
            "alter system set log_archive_dest='oss://b?host=h&access_id=i&access_key=pw-1234&x=y'",
            f"alter system set log_archive_dest='oss://b?host=h&access_id={MASK}&access_key={MASK}&x=y'",
        ),
        ("create user u identified by %(pw)s", "create user u identified by %(pw)s"),
        ("select 'password', identified, by from t", "select 'password', identified, by from t"),
    ],
)
def test_masked_statement(statement: str, shown: str) -> None:
    """What follows IDENTIFIED BY and its like shows as a mask, and is known as a secret."""
    assert masked_statement(statement) == shown
    hidden = secrets_in(statement, {"pw": "pw-1234"})
    assert any("pw-1234" in secret for secret in hidden) == (shown != statement or "%(pw)s" in statement)


def test_secrets_are_known_as_written_and_as_meant() -> None:
    """A literal with escapes is a secret in both forms."""
    assert secrets_in("identified by 'a''b\\'c'", {}) == ["a''b\\'c", "a'b'c"]


def test_a_short_secret_is_masked_only_where_it_stands_alone() -> None:
    """The password "a" does not make a log unreadable."""
    assert masked("a password is 'a', not abba", ["a"]) == f"{MASK} password is '{MASK}', not abba"


@given(st.text(min_size=4), st.text(), st.text())
def test_a_secret_is_masked_wherever_it_is(secret: str, before: str, after: str) -> None:
    """A secret of four characters or more does not show, unless it is the mask itself."""
    shown = masked(before + secret + after, [secret])
    assert secret not in shown or "*" in secret


def test_what_a_server_quotes_is_left_out() -> None:
    """A syntax error may quote half a secret."""
    assert without_echo("error; use near 'by 'hun' at line 1") == f"error; use near {MASK}"
