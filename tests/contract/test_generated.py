"""What is generated is what the code says now."""

from pathlib import Path
from typing import NoReturn, assert_never, cast

import pytest

from generate.__main__ import PATHS, drift, made
from obtask.model.contract import Verb


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_generated_files_are_up_to_date(path: Path) -> None:
    """If this fails, something that is repeated elsewhere has changed: `make generate`, and look at what it did."""
    assert drift(path) == ""


def test_a_member_that_nobody_decided_about_is_named() -> None:
    """Whoever adds a verb and runs `make generate` is told which place is missing, instead of a traceback."""

    def undecided(_: Path) -> NoReturn:
        assert_never(cast("NoReturn", Verb.RETRY))

    assert made(Path("chart.yaml"), undecided).startswith(
        "--- chart.yaml\n+ cannot be generated: <Verb.RETRY: 'retry'> is not decided about in undecided, tests/contract/test_generated.py:"
    )
