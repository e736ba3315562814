"""Size and shape: what a log gives out is printable, dated, and never larger than the contract allows."""

import gzip
import random
import re
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from obtask.logs.bounded import Limits
from obtask.logs.text import AttemptLog
from obtask.model.limits import TAIL_BYTES, TAIL_LINES

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SMALL = Limits(head_bytes=2048, newest_bytes=8192, packed_bytes=4096, line_characters=200)
LINE = re.compile(r"2026-11-23T\d\d:\d\d:\d\d\.\d{3}Z .*")


class Ticking:
    """A clock that goes on by a second each time it is read."""

    def __init__(self) -> None:
        self.seconds = -1

    def __call__(self) -> datetime:
        """Return the time, a second later."""
        self.seconds += 1
        return START + timedelta(seconds=self.seconds)


def a_log(limits: Limits | None = None) -> AttemptLog:
    """Return an empty log."""
    return AttemptLog(clock=Ticking(), limits=limits)


def whole(log: AttemptLog) -> str:
    """Return the whole log."""
    return gzip.decompress(log.packed()).decode()


def noise(seed: int, lines: int, width: int) -> list[str]:
    """Return lines that hardly compress."""
    source = random.Random(seed)  # noqa: S311 - noise
    return ["".join(source.choices(string.ascii_letters + string.digits, k=width)) for _ in range(lines)]


def test_each_line_has_the_time_it_was_written_at() -> None:
    """RFC 3339, UTC, milliseconds; the lines of one write share their time."""
    log = a_log()

    log.write("one")
    log.write("two\nthree\n")
    log.write("")
    log.write("\r\nfour\rfive")

    assert log.tail().split("\n") == [
        "2026-11-23T12:00:00.000Z one", "2026-11-23T12:00:01.000Z two", "2026-11-23T12:00:01.000Z three", "2026-11-23T12:00:02.000Z ",
        "2026-11-23T12:00:03.000Z ", "2026-11-23T12:00:03.000Z four", "2026-11-23T12:00:03.000Z five",
    ]  # fmt: skip


def test_times_are_in_utc() -> None:
    """Whatever zone the clock has."""
    log = AttemptLog(clock=lambda: datetime.fromisoformat("2026-11-23T20:00:00+08:00"))

    log.write("x")

    assert log.tail() == "2026-11-23T12:00:00.000Z x"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("tab\there", "tab\there"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("nul \0 bell \a", r"nul \x00 bell \x07"),
        (b"\xff\xfeok".decode(errors="surrogateescape"), "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}ok"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),
        ("密\u3000码 é 😀", "密\u3000码 é 😀"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_odd_text_is_made_printable(written: str, shown: str) -> None:
    """Control characters cannot act on a terminal, and broken text is still text."""
    log = a_log()

    log.write(written)

    assert log.tail() == f"2026-11-23T12:00:00.000Z {shown}"


def test_a_long_line_is_split_with_marks() -> None:
    """A line without end does not defeat the limits; marks tell that the pieces belong together."""
    log = a_log(SMALL)

    log.write("x" * 450)

    prefix = "2026-11-23T12:00:00.000Z "
    assert log.tail().split("\n") == [f"{prefix}{'x' * 200}…", f"{prefix}…{'x' * 200}…", f"{prefix}…{'x' * 50}"]


def test_a_short_log_is_its_own_tail() -> None:
    """Up to 20 lines and 2048 bytes, nothing has to be kept elsewhere."""
    log = a_log()
    for number in range(TAIL_LINES):
        log.write(f"line {number}")

    assert not log.is_longer_than_tail()
    assert log.tail() + "\n" == whole(log)
    log.write("one more")
    assert log.is_longer_than_tail()
    assert log.tail().split("\n")[0].endswith("line 1")


def test_an_empty_log() -> None:
    """Nothing was written, nothing is given out."""
    log = a_log()

    assert (log.tail(), log.is_longer_than_tail(), whole(log)) == ("", False, "")


def test_a_log_of_few_long_lines_is_longer_than_its_tail() -> None:
    """The tail is limited in bytes, too; it begins at a line."""
    log = a_log()
    for number in range(5):
        log.write(f"{number}" * 600)

    assert log.is_longer_than_tail()
    assert [line.split(" ")[1][0] for line in log.tail().split("\n")] == ["2", "3", "4"]


def test_of_a_last_line_that_is_too_long_the_end_is_the_tail() -> None:
    """The end of a line says more than its beginning, and its time stays."""
    log = a_log()

    log.write("密" * 1000 + "the end")

    tail = log.tail()
    assert re.fullmatch("2026-11-23T12:00:00.000Z …密+the end", tail)
    assert TAIL_BYTES - 3 < len(tail.encode()) <= TAIL_BYTES


@given(st.lists(st.text(max_size=400), max_size=60), st.text(min_size=1, max_size=4), st.integers(1, 25), st.integers(0, 300))
@example(["a a a a a a a a a a a a a a a a"], "a", 20, 64)
def test_the_tail_never_exceeds_its_limits(texts: list[str], secret: str, lines: int, size: int) -> None:
    """At most so many lines and bytes, valid UTF-8, and no beginning of a line is missing unless the last one is too long."""
    log = a_log(SMALL)
    log.hide(secret)
    for text in texts:
        log.write(text)

    tail = log.tail(lines, size)

    assert len(tail.encode()) <= size
    found = tail.split("\n") if tail else []
    assert len(found) <= lines
    assert all(LINE.fullmatch(line) for line in found[1:])
    if not log.is_longer_than_tail(lines, size):
        assert tail + ("\n" if tail else "") == whole(log)


@given(st.integers(0, 2**32), st.integers(0, 300), st.integers(0, 500))
def test_the_packed_log_never_exceeds_its_limit(seed: int, lines: int, width: int) -> None:
    """Whatever is written: the first lines, how much was cut, the newest lines."""
    log = a_log(SMALL)
    texts = noise(seed, lines, width)
    for text in texts:
        log.write(text)

    packed = log.packed()

    assert len(packed) <= SMALL.packed_bytes
    assert packed == log.packed()
    check_parts(gzip.decompress(packed).decode(), texts, SMALL)


def check_parts(text: str, written: list[str], limits: Limits) -> None:
    """Check that a log is the beginning and the end of what was written, and that the line between tells the truth."""
    lines = text.splitlines()
    cuts = [line for line in lines if line.startswith("… ")]
    if not cuts:
        assert "".join(line[25:].strip("…") for line in lines) == "".join(written)
        return
    (cut,) = cuts
    head, newest = lines[: lines.index(cut)], lines[lines.index(cut) + 1 :]
    assert limits.head_bytes - limits.line_characters * 2 < len("\n".join(head).encode()) <= limits.head_bytes
    assert "".join(written).startswith("".join(line[25:].strip("…") for line in head))
    assert "".join(written).endswith("".join(line[25:].strip("…") for line in newest))
    pieces = [max(1, -(-len(text) // limits.line_characters)) for text in written]
    said = re.fullmatch(r"… (\d+) lines \((\d+) bytes\) were cut here …", cut)
    assert said
    assert int(said[1]) == sum(pieces) - len(head) - len(newest)


@pytest.mark.parametrize("alphabet", ["ab", string.printable], ids=["compresses well", "compresses badly"])
def test_the_limits_of_the_contract(alphabet: str) -> None:
    """A log of 3 MB: at most 512 KiB packed, the first 64 KiB and the newest lines; what compresses well keeps 1 MiB of them."""
    source = random.Random(7)  # noqa: S311 - noise
    log = a_log()
    for number in range(30):
        text = "".join(source.choices(alphabet, k=100_000)).translate(str.maketrans("\r\n", "  "))
        log.write(f"{number} " + "\n".join(text[start : start + 1000] for start in range(0, len(text), 1000)))
    log.write("the end")

    packed = log.packed()

    lines = gzip.decompress(packed).decode().splitlines()
    cut = next(index for index, line in enumerate(lines) if line.startswith("… "))
    assert 256 * 1024 < len(packed) <= 512 * 1024 or alphabet == "ab"
    assert 62 * 1024 < sum(len(line) + 1 for line in lines[:cut]) <= 64 * 1024
    assert lines[-1].endswith("the end")
    if alphabet == "ab":
        assert sum(len(line) + 1 for line in lines[cut + 1 :]) > 1000 * 1024


def test_memory_is_bounded() -> None:
    """What was cut is gone: 64 MiB of log leave about 1 MiB of it in memory."""
    log = a_log()
    for _ in range(64):
        log.write("\n".join(["x" * 1023] * 1024))

    assert sum(line.size for line in log._lines.newest) <= 1024 * 1024
    assert sum(line.size for line in [*log._lines.head, *log._lines.after_head, *log._lines.before_newest]) <= 112 * 1024
