"""How often people are told why a task does not get on."""

from datetime import timedelta

from tests.unit.builders import START

from obtask.engine.held_up import OTHER_AGAIN, SAME_AGAIN, Told
from obtask.model.task import Key

KEY = Key("prod", "x")
MOMENT = timedelta(seconds=1)


def test_the_same_is_told_again_before_its_event_is_gone() -> None:
    """Once, then after half an hour: the API server keeps Events for an hour."""
    told = Told()

    assert told.is_due(KEY, "why", START)
    assert not told.is_due(KEY, "why", START + SAME_AGAIN - MOMENT)
    assert told.is_due(KEY, "why", START + SAME_AGAIN)


def test_a_refusal_in_other_words_each_time_is_no_storm() -> None:
    """Numbers and times in a message make it another one; it is told once a minute."""
    told = Told()

    due = [told.is_due(KEY, f"refused at {second}", START + second * MOMENT) for second in range(120)]

    assert sum(due) == 2
    assert due[int(OTHER_AGAIN.total_seconds())]


def test_each_task_is_told_of() -> None:
    """What one task says keeps no other quiet, and what is told no more is forgotten."""
    told = Told()

    assert all(told.is_due(Key("prod", str(number)), "why", START) for number in range(100))
    told.is_due(KEY, "why", START + SAME_AGAIN)

    assert len(told._told) == 1
