"""Names as label values."""

import re

import pytest

from obtask.rules.owned import label_value

LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@pytest.mark.parametrize("name", ["resize", "resize-orders.2026", "a" * 63])
def test_name_that_fits_stays_as_it_is(name: str) -> None:
    """A name that a label can hold can be searched for as it is."""
    assert label_value(name) == name


@pytest.mark.parametrize("name", ["a" * 64, "a" * 253, "租户", ".", "a.", "x" * 46 + "." * 20])
def test_name_that_does_not_fit_is_hashed(name: str) -> None:
    """Anything else becomes a valid value that starts like the name, where it can."""
    assert LABEL_VALUE.fullmatch(label_value(name))
    assert label_value(name) != name


def test_long_names_stay_apart() -> None:
    """Two names that differ only in their end have different labels."""
    assert label_value("a" * 253) != label_value("a" * 252)
