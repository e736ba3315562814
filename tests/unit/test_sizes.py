"""Sizes that keep the code liveable: no module of the product is longer than 300 lines."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "operator"
MOST_LINES = 300


@pytest.mark.parametrize("package", ["obtask", "devcluster", "generate", "documents"])
def test_no_module_is_too_long(package: str) -> None:
    """What grows beyond is split by topic."""
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in (ROOT / package).rglob("*.py")}

    assert lines
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}
