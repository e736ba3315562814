"""Which finished tasks are kept: properties of the rule, for any tasks and limits."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from obtask.rules.retention import DeletionCause, Finished, Retention, surplus

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
LIMITS = st.none() | st.integers(0, 8)

TASKS = st.lists(
    st.builds(
        Finished,
        namespace=st.sampled_from("ab"),
        name=st.sampled_from("xyz"),
        uid=st.uuids(version=4).map(str),
        version=st.just("1"),
        finished_at=st.integers(-3, 8).map(lambda seconds: NOW - timedelta(seconds=seconds)),
        own_ttl=st.none() | st.integers(0, 8) | st.just(10**18),
        spared=st.booleans(),
    ),
    max_size=20,
    unique_by=lambda task: task.uid,
)


@given(TASKS, LIMITS, LIMITS)
def test_what_stays_is_what_was_asked_for(tasks: list[Finished], ttl: int | None, limit: int | None) -> None:
    """Never more than the limit in a namespace, nothing over its time, and what goes has a reason of its own."""
    gone = dict(surplus(tasks, Retention(ttl, limit), NOW))
    left = [task for task in tasks if task not in gone]

    if limit is not None:
        assert all(count <= limit for count in Counter(task.namespace for task in left if not task.spared).values())
    for task in tasks:
        seconds = task.own_ttl if task.own_ttl is not None else None if task.spared else ttl
        too_old = seconds is not None and (NOW - task.finished_at).total_seconds() >= seconds
        assert too_old == (gone.get(task) is DeletionCause.AGE)
    for task, cause in gone.items():
        if cause is DeletionCause.NUMBER:
            assert not task.spared
            newer = [other for other in tasks if other.namespace == task.namespace and other.finished_at >= task.finished_at]
            assert limit is not None
            assert len(newer) > limit


@given(TASKS, LIMITS)
def test_the_oldest_go_first(tasks: list[Finished], limit: int | None) -> None:
    """By the limit alone, no task goes while an older one of its namespace stays; the order of deletion is that of finishing."""
    found = surplus(tasks, Retention(history_limit=limit), NOW)
    gone = [task for task, cause in found if cause is DeletionCause.NUMBER]

    assert [task.finished_at for task, _ in found] == sorted(task.finished_at for task, _ in found)
    for stays in {task for task in tasks if not task.spared} - {task for task, _ in found}:
        assert all(other.finished_at <= stays.finished_at for other in gone if other.namespace == stays.namespace)


@given(TASKS, LIMITS, LIMITS)
def test_once_is_enough(tasks: list[Finished], ttl: int | None, limit: int | None) -> None:
    """What is left keeps: a second look finds nothing, so that a restart in the middle changes no end."""
    retention = Retention(ttl, limit)
    gone = [task for task, _ in surplus(tasks, retention, NOW)]
    half = gone[: len(gone) // 2]

    assert not surplus([task for task in tasks if task not in gone], retention, NOW)
    assert [task for task, _ in surplus([task for task in tasks if task not in half], retention, NOW)] == gone[len(half) :]


@given(TASKS)
def test_without_limits_everything_stays(tasks: list[Finished]) -> None:
    """Nobody asked for anything to be deleted, but where the task itself says so."""
    assert all(task.own_ttl is not None for task, _ in surplus(tasks, Retention(), NOW))
    assert Retention().keeps_everything
