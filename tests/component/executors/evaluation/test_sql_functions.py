"""The functions of expressions that give values for SQL: ident and server. API.md section 2.2."""

import pytest

from obtask.executors.evaluation.functions import IDENTIFIER
from obtask.executors.evaluation.language import fault, holds
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Vocabulary


def judged(text: str, **row: object) -> bool | ExpressionFault:
    """Return whether an expression holds for a row."""
    return holds(Vocabulary.SQL, text, {"rows": [row], "affected": 0})


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("10.0.0.5", 2882, "10.0.0.5:2882"),
        ("::1", 2882, "[::1]:2882"),
        ("[fe80::1]", 1, "[fe80::1]:1"),
        ("ob-1.example.com", 65535, "ob-1.example.com:65535"),
    ],
)
def test_server(host: str, port: int, text: str) -> None:
    """An address and a port become what SQL calls a server; an IPv6 address is put in brackets."""
    assert judged(f"server(rows[0].host, rows[0].port) == '{text}'", host=host, port=port) is True


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("10.0.0.5", 0),
        ("10.0.0.5", 65536),
        ("10.0.0.5", -1),
        ("10.0.0.5:2882", 1),
        ("", 1),
        ("a b", 1),
        ("a'", 1),
        ("a,b", 1),
        ("ä", 1),
        ("a\0", 1),
    ],
)
def test_what_is_no_server(host: str, port: int) -> None:
    """A value that another one could take the place of, such as an address with a port of its own."""
    found = judged("server(rows[0].host, rows[0].port) == ''", host=host, port=port)

    assert isinstance(found, ExpressionFault)
    assert found.kind is ExpressionFaultKind.VALUE


def test_ident() -> None:
    """A name is marked as one, alone and in lists."""
    assert judged(f"ident(rows[0].name) == {{'{IDENTIFIER}': b'a`ä'}}", name="a`ä") is True
    assert judged(f"['a', 'b'].map(x, ident(x))[1] == {{'{IDENTIFIER}': b'b'}}") is True


@pytest.mark.parametrize("name", ["", "a\0b", "a" * 129])
def test_what_is_no_name(name: str) -> None:
    """Nothing, a NUL, and what is longer than any name."""
    found = judged("ident(rows[0].name) == {}", name=name)

    assert isinstance(found, ExpressionFault)
    assert found.kind is ExpressionFaultKind.VALUE


@pytest.mark.parametrize(
    "text", ["ident(1) == {}", "ident('a') == 'a'", "ident('a') + 'b' == ''", "server('a', '1') == ''", "ident() == {}"]
)
def test_types_are_checked_when_an_expression_is_compiled(text: str) -> None:
    """A name is no text: it cannot be put together with others."""
    assert fault(Vocabulary.SQL, text) is not None
