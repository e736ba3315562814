"""Values of `${{ }}` on their way from an evaluation process: all that JSON has, and names for SQL."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obtask.executors.evaluation.evaluator import Evaluator
from obtask.executors.evaluation.functions import IDENTIFIER
from obtask.executors.evaluation.language import holds, value
from obtask.executors.evaluation.pipe import read, written
from obtask.model.values import Identifier
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Vocabulary

PARAMS = {"name": "a`ä", "names": ["a", "b"], "port": 2882, "forged": {IDENTIFIER: "id"}, "map": {"x": "y"}}


def given_by(text: str, vocabulary: Vocabulary = Vocabulary.VALUES, **variables: Any) -> Any:
    """Return the value of an expression over parameters."""
    return value(vocabulary, text, {"params": PARAMS} | variables)


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    """Return real evaluation processes."""
    real = Evaluator()
    yield real
    await real.close()


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("ident(params.name)", Identifier("a`ä")),
        ("params.names.map(n, ident(n))", [Identifier("a"), Identifier("b")]),
        ("[ident('a')]", [Identifier("a")]),
        ("server('::1', params.port)", "[::1]:2882"),
        ("params.map", {"x": "y"}),
        ("params.forged", {IDENTIFIER: "id"}),
        ("[params.names, [1]]", [["a", "b"], [1]]),
        ("[]", []),
    ],
)
async def test_values_arrive(evaluator: Evaluator, text: str, is_: Any) -> None:
    """A name is one only if ident has made it: a map of the same key, as a server may send one, stays a map."""
    assert given_by(text) == is_
    assert await evaluator.value("prod", Vocabulary.VALUES, text, {"params": PARAMS}) == is_


@pytest.mark.parametrize("text", ["[dyn(ident('a')), 1]", "{'a': ident('a')}", "[[ident('a')]]", "b'a'"])
def test_names_stand_alone_or_in_a_list_of_names(text: str) -> None:
    """Elsewhere they are no value, and neither are octets."""
    found = given_by(text)

    assert isinstance(found, ExpressionFault)
    assert found.kind is ExpressionFaultKind.TYPE


def test_names_are_no_outputs() -> None:
    """What an action gives away is stored as JSON."""
    assert isinstance(given_by("ident('a')", Vocabulary.SQL, rows=[], affected=0), ExpressionFault)


@pytest.mark.parametrize("variables", [{"params": {"x": "a\0b"}}, {"params": {"x": ["c", {"d": "a\0"}]}}, {"params": {"a\0b": "x"}}])
def test_a_value_is_never_cut_without_a_word(variables: dict[str, Any]) -> None:
    """The library ends texts at a NUL: what has one cannot be looked at."""
    found = value(Vocabulary.VALUES, "string(params.x) + ''", variables)
    judged = holds(Vocabulary.VALUES, "params.x == 'a'", variables)

    for fault in (found, judged):
        assert isinstance(fault, ExpressionFault)
        assert fault.kind is ExpressionFaultKind.VALUE
        assert "NUL" in fault.message
    assert value(Vocabulary.VALUES, "1 + 1", variables) == 2


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["answer", "name", "names"]), inner, max_size=4)
    ),
    max_leaves=12,
)
names = st.text(max_size=20).map(Identifier)
faults = st.builds(ExpressionFault, st.text(), st.sampled_from(ExpressionFaultKind))


@given(json_like | names | st.lists(names, min_size=1) | faults)
def test_answers_are_read_as_they_were_written(answer: Any) -> None:
    """No value is taken for a name or a fault, and none the other way round."""
    assert read(written(answer)) == answer
