"""What a word on a command line stands for as the value of a parameter."""

from typing import Any, Final

import pytest

from obtask.model.template_contract import ParameterType
from obtask.templates.typed import typed

# Of each type: words that can be read, and one that cannot, or stays as it is.
WORDS: Final[dict[ParameterType, dict[str, Any]]] = {
    ParameterType.STRING: {"8": "8", "[1]": "[1]"},
    ParameterType.SECRET: {"true": "true"},
    ParameterType.INTEGER: {"8": 8, "-3": -3, "8.5": "8.5", "many": "many"},
    ParameterType.NUMBER: {"8": 8, "8.5": 8.5, "1e3": 1000.0, "many": "many", "nan": "nan", "-inf": "-inf", "1e999": "1e999"},
    ParameterType.BOOLEAN: {"true": True, "False": False, "yes": "yes"},
    ParameterType.LIST: {"a, b,": ["a", "b"], '["a,b"]': ["a,b"], "[1": "[1", "": []},
    ParameterType.MAP: {'{"a": "b"}': {"a": "b"}, "a=b": "a=b"},
}


def test_every_type_is_tried() -> None:
    """A new one needs a decision about what its words stand for."""
    assert {*WORDS} == {*ParameterType}


@pytest.mark.parametrize(("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words])
def test_a_word_has_the_type_of_its_parameter(kind: ParameterType, word: str) -> None:
    """What cannot be read, or JSON cannot say, stays a text: the check of the parameter then says what is allowed."""
    found = typed(kind.value, word)

    assert (found, type(found)) == (WORDS[kind][word], type(WORDS[kind][word]))


def test_a_word_that_is_too_deep() -> None:
    """It ends as a text, not as an error."""
    assert typed("list", "[" * 100_000) == "[" * 100_000
