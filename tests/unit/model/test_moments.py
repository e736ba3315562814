"""Moments and lengths of time as people and expressions read them."""

import re
from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from obtask.model.base import in_seconds


@given(st.timedeltas())
def test_a_length_of_time_is_told_exactly(length: timedelta) -> None:
    """In seconds, to the microsecond, without an exponent: read as a number it is what it was."""
    text = in_seconds(length)

    assert re.fullmatch(r"-?[0-9]+(\.[0-9]{0,5}[1-9])?", text)
    assert Fraction(text) == Fraction(length // timedelta(microseconds=1), 1_000_000)
