"""Texts with values in them: where an expression begins and ends."""

import time
from contextlib import suppress

import pytest

from obtask.model.values import Inserted, mentioned, parts, texts


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ("",)),
        ("plain", ("plain",)),
        ("${{ params.x }}", (Inserted("params.x"),)),
        ("a ${{x}} b", ("a ", Inserted("x"), " b")),
        ("${{x}}${{y}}", (Inserted("x"), Inserted("y"))),
        ("$${{ x }}", ("${{ x }}",)),
        ("a $${{ x }} ${{ y }}", ("a ${{ x }} ", Inserted("y"))),
        ("$$${{ x }}", ("$${{ x }}",)),
        ("${{ {'a': {'b': 1}} }}", (Inserted("{'a': {'b': 1}}"),)),
        ("${{ {'a': 1}}}", (Inserted("{'a': 1}"),)),
        ("${{ '}}' + \"}}\" }}", (Inserted("'}}' + \"}}\""),)),
        (r"${{ 'it\'s }}' }}", (Inserted(r"'it\'s }}'"),)),
        (r"${{ r'\' }}", (Inserted(r"r'\'"),)),
        ("${{ '''a'}}''' }}", (Inserted("'''a'}}'''"),)),
        ("${{ x // }}\n }}", (Inserted("x // }}"),)),
        ("}} ${{ x }} }}", ("}} ", Inserted("x"), " }}")),
        ("$ {{ x }}", ("$ {{ x }}",)),
    ],
)
def test_text_is_read_as_its_parts(text: str, read: tuple[object, ...]) -> None:
    """An expression ends at the first }} outside of its strings, comments and braces; $${{ is a literal ${{."""
    assert parts(text) == read


@pytest.mark.parametrize("text", ["${{ x", "${{ 'x }}", "a ${{ x } }", "${{ { }}"])
def test_expression_without_an_end_is_a_fault(text: str) -> None:
    """A ${{ that is never closed is named, with what to write for a literal one."""
    with pytest.raises(ValueError, match="has no }}"):
        parts(text)


@pytest.mark.parametrize("before", ["", "${{ "])
@pytest.mark.parametrize("piece", ["${{x}}", "$${{", '\\"', "r'", "'''", "}}", "{", "${{ '\\'", '${{ r"""', "${{ //"])
def test_reading_takes_linear_time(piece: str, before: str) -> None:
    """A text of 256 KiB of any piece is read, or refused, in far less than a second of CPU."""
    text = before + piece * (262_144 // len(piece))
    began = time.process_time()
    with suppress(ValueError):
        parts(text)
    assert time.process_time() - began < 1


def test_texts_of_data_are_found_with_their_paths() -> None:
    """Values of maps and lists are looked at, keys are not."""
    data = {"${{k}}": "a", "b": ["x", {"c": "y"}], "n": 1}
    assert list(texts(data)) == [("${{k}}", "a"), ("b[0]", "x"), ("b[1].c", "y")]


def test_variables_that_an_expression_mentions() -> None:
    """Fields of the same name are not taken for variables."""
    assert mentioned("steps.a.outputs.item == params.x && object.task > 1") == {"steps", "params"}
