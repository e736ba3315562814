"""What a visitor writes as YAML: read within bounds, and each field found at its line."""

import pytest

from obtask.web.yaml_source import LONGEST, Source, Unreadable, read_source, written

TASK = "kind: OBTask\nspec:\n  steps:\n  - name: a\n    sql:\n      statements: [x]\n  - name: b\n"


def _read(text: str) -> Source:
    found = read_source(text)
    assert isinstance(found, Source)
    return found


@pytest.mark.parametrize(
    ("field", "line"),
    [("spec", 2), ("spec.steps[0].sql.statements[0]", 6), ("spec.steps[1].name", 7), ("spec.steps[0].sql.unknown", 5), ("metadata", None)],
)
def test_a_field_is_found_at_its_line(field: str, line: int | None) -> None:
    """What is not there is found where it would be."""
    assert _read(TASK).line(field) == line


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("a: &x 1\nb: *x", "aliases", 2),
        ("a: 1\n---\nb: 2", "second object", 2),
        ("[" * 1000, "nested", 1),
        ("a: [" + "1," * 60_000 + "]", "parts", 1),
        ("a" * (LONGEST + 1), "at most", None),
        ("a: 1\nb: {c: 1, c: 2}", "twice", 2),
        ("a: b: c", "not allowed", 1),
        ("a: .nan", "JSON", None),
        ("a: !!binary aGk=", "JSON", None),
        ("a: !!python/object:os.system x", "constructor", 1),
        ("just text", "no object", 1),
        ("", "no object", 1),
    ],
)
def test_what_is_no_object_is_refused_with_the_line(text: str, says: str, line: int | None) -> None:
    """Whatever could take long, or stand for more than is written, is not read at all."""
    found = read_source(text)

    assert isinstance(found, Unreadable)
    assert says in found.message
    assert found.line == line


def test_a_time_stays_the_text_that_it_is_in_json() -> None:
    """The API server knows no other."""
    assert _read("at: 2026-11-29 08:00:00").body == {"at": "2026-11-29 08:00:00"}


def test_what_is_written_can_be_read() -> None:
    """In the same order; texts of several lines as blocks."""
    body = {"b": "one\ntwo\n", "a": ["2026-01-01", True, 1.5, {"c": None}]}

    assert list(_read(written(body)).body.items()) == list(body.items())
    assert "b: |" in written(body)
