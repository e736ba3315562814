"""What a visitor writes as YAML: read within bounds, and each field found at its line."""

import pytest

from obtask.kube.yaml_text import written
from obtask.web.yaml_source import LONGEST, Source, Unreadable, lines_of, read_source

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
        ("a: 1\n---\nb: 2", "second object", 3),
        ("[" * 1000, "nested", 1),
        ("a: [" + "1," * 60_000 + "]", "parts", 1),
        ("a" * (LONGEST + 1), "at most", None),
        ("a: 1\nb: {c: 1, c: 2}", "twice", 2),
        ("a: b: c", "not allowed", 1),
        ("a: .nan", "JSON", 1),
        ("a: !!binary aGk=", "tag", 1),
        ("a: !!python/object:os.system x", "tag", 1),
        ("a: 1\n? [b]\n: 2", "name of a field", 2),
        ("a: 1\nnull: 2", "name of a field", 2),
        ("a: 1\n1: 2\n0x1: 3", "twice", 3),
        ("a: 1\n<<: 2", "needs fields", 2),
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


@pytest.mark.parametrize("value", ["''", "_", "x", "1", "[]", "{}", "{a: 1}", "2026-13-45", "=", "é"])
@pytest.mark.parametrize(
    "tag", ["int", "float", "bool", "null", "timestamp", "binary", "set", "omap", "pairs", "map", "seq", "str", "value"]
)
def test_a_tag_on_anything_is_no_error_of_ours(tag: str, value: str) -> None:
    """Whatever a text says that its values are, there is an answer about the text."""
    assert isinstance(read_source(f"a: !!{tag} {value}\n"), Source | Unreadable)
    assert isinstance(read_source(f"!!{tag} {value}: 1\n"), Source | Unreadable)


@pytest.mark.parametrize("text", ["---\na: 1\n---\n", "# nothing\n---\n---\na: 1\n", "a: 1\n---\n# no more\n", "a: 1\n...\n"])
def test_empty_documents_are_no_objects(text: str) -> None:
    """What many programs write at the end is no second object."""
    assert _read(text).body == {"a": 1}


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_lines_are_counted_as_faults_are(end: str) -> None:
    """The line that a fault names is the one that is shown as wrong; what else a line might end with in Python ends none."""
    text = f"a: 1{end}# x\t{end}b: !!int x"
    found = read_source(text)

    assert isinstance(found, Unreadable)
    assert found.line is not None
    assert lines_of(text)[found.line - 1] == "b: !!int x"
    assert lines_of("a\x0bb\x0cc\x1cd\x1ee") == ["a\x0bb\x0cc\x1cd\x1ee"]


def test_a_time_stays_the_text_that_it_is_in_json() -> None:
    """The API server knows no other."""
    assert _read("at: 2026-11-29 08:00:00").body == {"at": "2026-11-29 08:00:00"}


def test_what_is_written_can_be_read() -> None:
    """In the same order; texts of several lines as blocks."""
    body = {"b": "one\ntwo\n", "a": ["2026-01-01", True, 1.5, {"c": None}]}

    assert list(_read(written(body)).body.items()) == list(body.items())
    assert "b: |" in written(body)
