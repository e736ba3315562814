"""Patterns that others wrote mean what RE2 and the API server mean by them, and cost little whatever they are."""

import time

import pytest

from obtask.model.pattern import matcher


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^[a-z]+$", "abc", True),
        ("^[a-z]+$", "abc\n", False),
        ("b", "abc", True),
        (r"^\w+$", "a_1", True),
        (r"^\w+$", "é", False),
        (r"^\d$", "٣", False),
        (r"^[\w.-]+$", "a.b-c", True),
        (r"^[^\s;]+$", "a;b", False),
        (r"^\D+$", "ab", True),
        (r"^\S+$", "a b", False),
        (r"\bfoo\b", "a foo b", True),
        ("^[[:alpha:]]+$", "abc", True),
        ("^[[:alpha:]]+$", "a1", False),
        ("^[]a]+$", "]a", True),
        ("^[^]a]+$", "b", True),
        ("^[a&&b]+$", "a&b", True),
        ("^[[]$", "[", True),
        (r"^\[x\]$", "[x]", True),
        (r"^[\]x]+$", "]x", True),
        ("^.$", "é", True),
    ],
)
def test_a_pattern_means_what_re2_means(pattern: str, text: str, matches: bool) -> None:
    """It need not match the whole text, and classes are those of ASCII."""
    assert matcher(pattern)(text) is matches


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "unclosed group"),
        ("(?=a)", "look-around"),
        (r"(a)\1", "backreferences"),
        ("x{2,1}", "invalid repetition"),
        ("\\", "is no pattern"),
        (r"\p{Greek}", "Unicode"),
        (r"[\W]", "within brackets"),
        ("(a{40}){40}", "multiply"),
        ("a" * 257, "at most 256"),
    ],
)
def test_what_is_no_pattern_or_too_large_is_refused(pattern: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=why):
        matcher(pattern)


@pytest.mark.parametrize("pattern", [r"(?i)([^k]{10}){100}", r"\w{999}", "([^a]?.?.?.?){1000}", "(a?){31}a{31}", "(.*)*x", "." * 256])
def test_no_pattern_takes_long(pattern: str) -> None:
    """Neither to compile nor to match."""
    began = time.perf_counter()
    matcher(pattern)("a" * 16384 + "é")
    assert time.perf_counter() - began < 1
