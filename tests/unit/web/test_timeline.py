"""When tasks waited, worked and stood failed, as bars of a window."""

from datetime import timedelta

from tests.support.builders import START
from tests.support.rows import row

from obtask.web.views.timeline import USUAL_HOURS, Bar, Timeline, read_hours, timeline_of

HOUR = timedelta(hours=1)
WINDOW = Timeline(START, START + 10 * HOUR)


def test_a_task_that_waited_worked_and_failed() -> None:
    """Each stretch follows the one before, up to now."""
    tune = row("tune", phase="Failed", started=START + 2 * HOUR, since=START + 5 * HOUR)

    assert WINDOW.bars(tune) == [Bar("waiting", 0, 20), Bar("working", 20, 30), Bar("failed", 50, 50)]


def test_a_finished_task() -> None:
    """What ended stays where it ended, however short it was."""
    old = row("old", phase="Succeeded", started=START + HOUR, finished=START + HOUR)

    assert WINDOW.bars(old) == [Bar("waiting", 0, 10), Bar("ended", 10, 0.4)]


def test_what_is_not_in_the_window() -> None:
    """It has no bar; what begins before it is cut."""
    gone = row("gone", phase="Succeeded", minutes=-600, started=START - 9 * HOUR, finished=START - 8 * HOUR)
    long = row("long", phase="Running", minutes=-600, started=START - 9 * HOUR)

    assert WINDOW.bars(gone) == []
    assert WINDOW.bars(long) == [Bar("working", 0, 100)]


def test_a_waiting_task() -> None:
    """It waits until now."""
    assert WINDOW.bars(row("waits", minutes=300)) == [Bar("waiting", 50, 50)]


def test_the_window() -> None:
    """It ends about now, does not move with every second, and has a sensible length whatever is asked for."""
    one, other = (timeline_of(START + timedelta(seconds=seconds), 24) for seconds in (1, 2))

    assert one == other
    assert START < one.until < START + HOUR
    assert one.until - one.since == 24 * HOUR
    assert [read_hours(text) for text in ("6", "0", "99999", "x", "")] == [6, *[USUAL_HOURS] * 4]
    assert len(one.ticks()) == 6
