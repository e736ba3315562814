"""What is generated is what the code says now."""

from pathlib import Path

import pytest

from generate.__main__ import PATHS, drift


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_generated_files_are_up_to_date(path: Path) -> None:
    """If this fails, something that is repeated elsewhere has changed: `make generate`, and look at what it did."""
    assert drift(path) == ""
