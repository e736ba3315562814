"""docs/expressions.md says which functions there are: each of its examples is true, and nothing that we add is left out."""

import re
from pathlib import Path

import pytest

from obtask.executors.evaluation import functions, pipe
from obtask.executors.evaluation.language import holds
from obtask.rules.expressions import ExpressionFault, ExpressionFaultKind, Vocabulary

TEXT = (Path(__file__).parents[4] / "docs" / "expressions.md").read_text()
EXAMPLES = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", TEXT.partition("## Functions")[2], re.MULTILINE)
NOTHING = {"rows": [], "affected": 0}


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{number}-{name}" for number, (name, _) in enumerate(EXAMPLES)])
def test_documented_function(name: str, example: str) -> None:
    """A function does what its example says, and the example uses it."""
    assert holds(Vocabulary.SQL, example, NOTHING) is True
    assert all(part in example for part in re.findall(r"[\w.]+", name))


def test_our_own_functions_are_documented() -> None:
    """Every function that this project adds to the library stands in the list."""
    source = Path(functions.__file__).read_text()
    added = set(re.findall(r'_declared\("([\w.]+)"|\("(add|sub)",', source))

    assert {one or other for one, other in added} <= {name for name, _ in EXAMPLES}
    assert len(added) == 23


@pytest.mark.parametrize("name", ["find", "findAll", "url", "ip", "cidr", "semver"])
def test_what_is_said_not_to_be_there(name: str) -> None:
    """The list of what is missing is true, too."""
    found = holds(Vocabulary.SQL, f"{name}('a') == 'a' || 'a'.{name}('a') == 'a'", NOTHING)

    assert isinstance(found, ExpressionFault)
    assert found.kind is ExpressionFaultKind.INVALID


def test_the_limit_of_elements() -> None:
    """The library stops at the number that is documented, and the fault says what to do."""
    under = holds(Vocabulary.SQL, "rows.all(r, r.n == 1)", {"rows": [{"n": 1}] * (pipe.ELEMENTS - 1), "affected": 0})
    over = holds(Vocabulary.SQL, "rows.all(r, r.n == 1)", {"rows": [{"n": 1}] * (pipe.ELEMENTS + 1), "affected": 0})

    assert under is True
    assert isinstance(over, ExpressionFault)
    assert over.kind is ExpressionFaultKind.EXCEEDED
    assert over.message.startswith("goes through more than 10,000 elements")
    assert f"{pipe.ELEMENTS:,} elements" in TEXT
