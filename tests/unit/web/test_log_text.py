"""How the text of a log becomes lines on a page."""

from collections.abc import Iterable

import pytest

from obtask.web.detail.log_text import LAST_LINES, MOST_LINES, Failure, blocks, end_of, known_until, last_lines, shown, split, telling_line

TOO_LONG, NOT_SHOWN = "%(number)d more", "%(number)d not shown"


@pytest.mark.parametrize(
    ("code", "message", "line"),
    [
        ("1146", "", 2),  # its code beside a word such as error
        ("", "table missing", 3),  # the beginning of its message
        ("", "", 4),  # the last line with such a word
        ("77", "nowhere", 4),
    ],
)
def test_the_line_that_tells_why_is_found(code: str, message: str, line: int) -> None:
    """By the code of the failure, its message, or a word; numbers in the time of a line are none of its text."""
    lines = [
        "2026-11-28T14:24:58.077Z started 1146",
        "2026-11-28T14:24:59.101Z ERROR 1146 (42S02)",
        "2026-11-28T14:24:59.102Z table missing",
        "2026-11-28T14:24:59.103Z failed: exit code 3",
        "2026-11-28T14:24:59.104Z bye",
    ]

    assert telling_line(lines, Failure(code, message)) == line


def test_without_any_word_it_is_the_last_line() -> None:
    """An empty log has none."""
    assert telling_line(["one", "two"], Failure("", "")) == 2
    assert telling_line([], Failure("", "")) == 0


def test_a_long_log_has_its_first_and_newest_lines_and_the_wanted_one() -> None:
    """The numbers stay those of the file; a gap says how many lines it stands for."""
    text = "".join(f"line {number}\n" for number in range(1, 100_001))

    rows = shown(text, wanted=50_000).rows

    numbers = [row.number for row in rows if not row.hidden]
    assert len(numbers) <= MOST_LINES
    assert {1, 2000, 50_000, 100_000} <= set(numbers)
    assert len(numbers) + sum(row.hidden for row in rows) == 100_000
    assert all(row.text == f"line {row.number}" for row in rows if not row.hidden)


@pytest.mark.parametrize("wanted", [0, 1, 2001, 11_000, 82_000, 82_001, 99_999, 100_000, 10**17])
def test_whatever_line_is_wanted_nothing_is_shown_twice(wanted: int) -> None:
    """Nor is any line left out that no gap counts."""
    rows = shown("x\n" * 100_000, wanted=wanted).rows

    numbers = [row.number for row in rows if not row.hidden]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) + sum(row.hidden for row in rows) == 100_000


def test_lines_are_text() -> None:
    """Markup, control characters and marks of direction are shown as such; a carriage return ends no line."""
    (html,) = blocks(shown("<b>\x1b[1m\u202e</b>\r\na\rb\n"), 1, TOO_LONG, NOT_SHOWN)

    assert "<b>" not in html
    assert "&lt;b&gt;\\x1b[1m\\u202e&lt;/b&gt;" in html
    assert "a\\x0db" in html
    assert html.count("<a id=") == 2
    assert '<mark class="chosen">' in html


def test_an_endless_line_is_cut() -> None:
    """What is left out is said."""
    (html,) = blocks(shown("y" * 300_000), 0, TOO_LONG, NOT_SHOWN)

    assert len(html) < 5000
    assert "295904 more" in html


def test_only_line_feeds_end_lines() -> None:
    """So that numbers are those that an editor shows for the file."""
    assert split("one\u2028two\x0cthree\nfour\n") == ["one\u2028two\x0cthree", "four"]


def test_the_last_lines_come_without_their_times() -> None:
    """The numbers stay, so that the line that tells why can be marked; a line without a time stays as it is."""
    text = "".join(f"2026-11-28T14:24:58.{number:03}Z line {number}\n" for number in range(1, 100)) + "no time\n"

    found = last_lines(shown(text))

    assert len(found) == LAST_LINES
    assert [(row.number, row.text) for row in found[-2:]] == [(99, "line 99"), (100, "no time")]
    assert last_lines(shown("")) == ()


def test_what_was_read_is_looked_for_among_the_newest_lines_only() -> None:
    """What a reader claims to have read comes from outside, and every line that is gone through costs time."""
    lines = [f"line {number}" for number in range(MOST_LINES + 100)]

    assert known_until(lines, 10**9, end_of(lines, 101)) == 101
    assert known_until(lines, 10**9, end_of(lines, 100)) is None
    assert known_until(lines, 100, end_of(lines, 100)) == 100


@pytest.mark.parametrize(
    ("now", "known"),
    [
        (range(100), 50),  # it has grown
        (range(50), 50),
        ([*range(10), "… 25 lines were cut", *range(35, 100)], 26),  # it has lost lines in its middle
        (range(60, 100), None),  # what was read is gone
        (range(40), None),
        ([], None),
    ],
)
def test_a_reader_who_comes_back_is_told_what_is_new(now: Iterable[object], known: int | None) -> None:
    """The last lines that were read tell where the rest begins, although their numbers may be others."""
    lines = [f"line {number}" for number in range(50)]

    assert known_until([each if isinstance(each, str) else f"line {each}" for each in now], 50, end_of(lines, 50)) == known
