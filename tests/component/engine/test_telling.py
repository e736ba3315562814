"""How often people are told why a task does not get on."""

from datetime import timedelta

from tests.support.builders import START

from obtask.cache.tracked import Tracked
from obtask.engine.held_up import OTHER_AGAIN, SAME_AGAIN, is_due

MOMENT = timedelta(seconds=1)


def test_the_same_is_told_again_before_its_event_is_gone() -> None:
    """Once, then after half an hour: the API server keeps Events for an hour."""
    task = Tracked()

    assert is_due(task, "why", START)
    assert not is_due(task, "why", START + SAME_AGAIN - MOMENT)
    assert is_due(task, "why", START + SAME_AGAIN)


def test_a_refusal_in_other_words_each_time_is_no_storm() -> None:
    """Numbers and times in a message make it another one; it is told once a minute."""
    task = Tracked()

    due = [is_due(task, f"refused at {second}", START + second * MOMENT) for second in range(120)]

    assert sum(due) == 2
    assert due[int(OTHER_AGAIN.total_seconds())]
