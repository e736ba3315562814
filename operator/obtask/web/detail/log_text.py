"""Owns how the text of a log becomes lines on a page: numbered, in blocks, bounded, one of them marked as the one that tells why. Pure."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

from obtask.model.printable import printable

BLOCK = 200  # lines that a browser lays out together
MOST_LINES = 20_000
HEAD_LINES = 2_000  # of a log that has more
LONGEST_LINE = 4096  # characters
LAST_LINES = 20  # that somebody on call sees at once
LOOKED_AT = 2_000  # lines from the end, for the one that tells why
COMPARED = 5  # lines: by so many a place in a log is known
_TELLING = re.compile(r"\b(?:error|fatal|failed|failure|exception|denied|refused|panic)\b", re.IGNORECASE)
_STAMP = re.compile(r"[0-9-]{10}T[0-9:]{8}[0-9.]{0,10}(?:Z|[+-][0-9:]{5}) ?")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, as far as it helps to find the line that says so."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a log, or a gap: ``hidden`` says how many lines it stands for."""

    number: int
    text: str = ""
    cut: int = 0
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A log as it is shown, with the end that ``end_of`` gives. ``telling``: the number of the line that tells why it failed, or 0."""

    rows: tuple[Row, ...]
    count: int
    telling: int = 0
    end: str = ""


def shown(text: str, failure: Failure | None = None, wanted: int = 0, first: int = 1) -> Shown:
    """Return a log as it is shown. ``wanted``: a line that must be among them; ``first``: the number of the first line."""
    lines = split(text)
    telling = telling_line(lines, failure) if failure is not None else 0
    rows: list[Row] = []
    for begin, end in _ranges(len(lines), wanted or telling):
        if rows and begin > rows[-1].number - first + 1:
            rows.append(Row(0, hidden=begin - (rows[-1].number - first + 1)))
        rows += [_row(first + at, lines[at]) for at in range(begin, end)]
    return Shown(tuple(rows), len(lines), telling + first - 1 if telling else 0, end_of(lines, len(lines)))


def split(text: str) -> list[str]:
    """Return the lines of a log; only line feeds end one, so that numbers stay those of the file."""
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else lines


def end_of(lines: Sequence[str], count: int) -> str:
    """Return what is the same exactly if the first lines of a log, so many, end with the same ones."""
    return hashlib.sha256("\n".join(lines[max(0, count - COMPARED) : count]).encode(errors="replace")).hexdigest()[:16]


def known_until(lines: Sequence[str], count: int, end: str) -> int | None:
    """Return how many lines of a log somebody knows who has read so many, with this end; None if this is another log.

    They are fewer than were read where the log has lost lines in its middle meanwhile. So many lines are gone through as are shown at all.
    """
    likely = (count,) if count <= len(lines) else ()
    recent = range(len(lines), max(0, len(lines) - MOST_LINES), -1)
    return next((at for at in (*likely, *recent) if end_of(lines, at) == end), None)


def _has_word(line: str, word: str) -> bool:
    at = line.find(word)
    while at >= 0:
        around = line[at - 1 : at] + line[at + len(word) : at + len(word) + 1]
        if not any(letter.isalnum() or letter == "_" for letter in around):
            return True
        at = line.find(word, at + 1)
    return False


def telling_line(lines: Sequence[str], failure: Failure) -> int:
    """Return the number, from 1, of the line that most likely tells why an attempt failed; 0 if there is no line.

    That is the last line with the code of the failure and a word such as error; else with the beginning of its message; else with
    such a word; else the last one.
    """
    recent = [(at + 1, lines[at][:LONGEST_LINE]) for at in range(len(lines) - 1, max(-1, len(lines) - 1 - LOOKED_AT), -1)]
    told = failure.message[:60].strip()
    for at, line in recent:
        if failure.code and _TELLING.search(line) and _has_word(_STAMP.sub("", line, count=1), failure.code):
            return at
    for at, line in recent:
        if told and told in line:
            return at
    for at, line in recent:
        if _TELLING.search(line):
            return at
    return len(lines)


def blocks(log: Shown, chosen: int, too_long: str, not_shown: str) -> Iterator[Markup]:
    """Yield the lines as HTML, in blocks. ``too_long`` and ``not_shown`` are sentences with a place for the ``number``."""
    for begin in range(0, len(log.rows), BLOCK):
        rows = log.rows[begin : begin + BLOCK]
        # A browser may leave out of its layout what nobody sees, as long as it can tell its height.
        kind = "log-block full" if len(rows) == BLOCK else "log-block"
        lines = "".join(_html(row, log.telling, chosen, too_long, not_shown) for row in rows)
        # There are thousands of lines: each is escaped where it is put in, and nothing is looked at twice.
        yield Markup(f'<div class="{kind}">{lines}</div>')  # noqa: S704


def _html(row: Row, telling: int, chosen: int, too_long: str, not_shown: str) -> str:
    if row.hidden:
        return f'<em class="log-gap" data-hidden="{row.hidden}">{escape(not_shown % {"number": row.hidden})}</em>\n'
    text = str(escape(row.text))
    if row.cut:
        text += f'<em class="log-cut">{escape(too_long % {"number": row.cut})}</em>'
    kinds = [kind for kind, number in (("telling", telling), ("chosen", chosen)) if number == row.number]
    if kinds:
        text = f'<mark class="{" ".join(kinds)}">{text}</mark>'
    return f'<a id="L{row.number}" href="#L{row.number}">{row.number}</a>{text}\n'


def _row(number: int, line: str) -> Row:
    return Row(number, printable(line[:LONGEST_LINE].removesuffix("\r")), max(0, len(line) - LONGEST_LINE))


def last_lines(log: Shown) -> tuple[Row, ...]:
    """Return the last lines of a log without their times, which take half of a narrow screen."""
    return tuple(replace(row, text=_STAMP.sub("", row.text, count=1)) for row in log.rows[-LAST_LINES:] if not row.hidden)


def _ranges(count: int, wanted: int) -> list[tuple[int, int]]:
    """Return which lines are shown, as ranges from 0: all, or the first ones, those about the wanted one, and the newest."""
    if count <= MOST_LINES:
        return [(0, count)]
    half = (MOST_LINES - HEAD_LINES) // 2
    if HEAD_LINES < wanted <= count - 2 * half:
        begin = max(HEAD_LINES, wanted - half // 2)
        return [(0, HEAD_LINES), (begin, begin + half), (count - half, count)]
    return [(0, HEAD_LINES), (count - 2 * half, count)]
