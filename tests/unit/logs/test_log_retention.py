"""Which logs of a task are kept: the first and the last two of each subtask and direction, at most 16 MiB, the oldest given up first."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obtask.logs.retention import LARGEST_OBJECT, OVERHEAD, TASK_BYTES, StoredLog, given_up, read_stored, stored_size
from obtask.model.attempt import AttemptId
from obtask.model.contract import Direction

UID = "4f0c"
KIB = 1024


def log(
    number: int, octets: int = KIB, *, subtask: str = "a", direction: Direction = Direction.FORWARD, at: int | None = None
) -> StoredLog:
    """Return a stored log; later attempts began later."""
    attempt = AttemptId(UID, "step", subtask, direction, number)
    return StoredLog(attempt, f"{subtask}-{direction.value}-{number}", f"uid-{number}", octets, f"2026-11-23T00:{at or number:04}")


LOGS = st.builds(
    log,
    st.integers(1, 12),
    st.integers(1, 3 * KIB * KIB),
    subtask=st.sampled_from("abc"),
    direction=st.sampled_from(Direction),
    at=st.integers(1, 9999),
)
STORED = st.lists(LOGS, max_size=40, unique_by=lambda one: one.attempt)


def test_a_hundred_automatic_retries_leave_three_logs() -> None:
    """Each one is stored when it ends; there are never more than one too many."""
    stored: list[StoredLog] = []
    for number in range(1, 102):
        stored.append(log(number))
        gone = given_up(stored, [stored[-1].attempt])
        assert len(gone) <= 1
        stored = [one for one in stored if one not in gone]

    assert [one.attempt.number for one in stored] == [1, 100, 101]


def test_both_directions_of_every_subtask_count_on_their_own() -> None:
    """What is rolled back does not push out what was done."""
    stored = [log(number, subtask=name, direction=way) for name in "ab" for way in Direction for number in (1, 2, 3)]

    assert given_up(stored, []) == []


@given(STORED, st.integers(0, 40), st.integers(0, TASK_BYTES))
def test_the_budget_holds_and_nothing_goes_without_need(stored: list[StoredLog], running: int, needed: int) -> None:
    """Running attempts keep theirs; of the others the oldest go first, and no more than it takes."""
    alive = [one.attempt for one in stored[:running]]

    gone = given_up(stored, alive, needed)

    left = [one for one in stored if one not in gone]
    total = sum(one.octets for one in left) + needed
    assert not any(one.attempt in alive for one in gone)
    assert total <= TASK_BYTES or all(one.attempt in alive for one in left)
    numbers = {key: sorted(_numbers(stored, key)) for key in {_key(one) for one in stored}}
    by_number = [one for one in gone if one.attempt.number not in {numbers[_key(one)][0], *numbers[_key(one)][-2:]}]
    by_budget = [one for one in gone if one not in by_number]
    assert not by_budget or total + by_budget[-1].octets > TASK_BYTES
    assert all(one.started_at <= other.started_at for one in by_budget for other in left if other.attempt not in alive)


def _key(one: StoredLog) -> tuple[str, Direction]:
    return one.attempt.subtask, one.attempt.direction


def _numbers(stored: list[StoredLog], key: tuple[str, Direction]) -> list[int]:
    return [one.attempt.number for one in stored if _key(one) == key]


def meta(**annotations: str) -> dict[str, Any]:
    """Return the metadata of a log's ConfigMap."""
    prefix = "task.oceanbase.com/"
    given = {"step": "step", "subtask": "a", "direction": "Forward", "attempt": "1", "log-bytes": "5000"} | annotations
    owners = [{"kind": "OBTask", "uid": UID}]
    notes = {f"{prefix}{key.replace('_', '-')}": value for key, value in given.items()}
    return {"name": "obt-log-1", "uid": "u", "creationTimestamp": "2026-11-23T00:00:00Z", "ownerReferences": owners, "annotations": notes}


def test_a_stored_log_is_known_by_its_metadata() -> None:
    """Size and beginning are on it; those of an older operator count as the largest there can be."""
    assert read_stored(meta(started_at="2026"), UID) == StoredLog(
        AttemptId(UID, "step", "a", Direction.FORWARD, 1), "obt-log-1", "u", 5000, "2026"
    )
    older = meta()
    del older["annotations"]["task.oceanbase.com/log-bytes"]
    found = read_stored(older, UID)
    assert found is not None
    assert (found.octets, found.started_at) == (LARGEST_OBJECT, "2026-11-23T00:00:00Z")


@pytest.mark.parametrize(
    "strange",
    [
        meta() | {"name": "settings"},
        meta() | {"ownerReferences": []},
        meta() | {"ownerReferences": [{"kind": "OBTask", "uid": "another"}]},
        meta() | {"annotations": {}},
        meta() | {"annotations": None, "ownerReferences": None},
        meta(attempt="one"),
        meta(direction="Sideways"),
        meta(**{"log-bytes": "many"}),
    ],
)
def test_what_is_no_log_of_the_task_is_neither_counted_nor_deleted(strange: dict[str, Any]) -> None:
    """Whoever may write ConfigMaps can put labels on them."""
    assert read_stored(strange, UID) is None


@pytest.mark.parametrize(("said", "counted"), [("-5", OVERHEAD), ("0", OVERHEAD), ("9" * 30, LARGEST_OBJECT)])
def test_what_is_said_of_a_size_is_bounded(said: str, counted: int) -> None:
    """No more than the API server would take, no less than an empty one needs."""
    found = read_stored(meta(**{"log-bytes": said}), UID)

    assert found is not None
    assert found.octets == counted


def test_the_size_is_that_in_the_api_server() -> None:
    """base64 takes four bytes for three."""
    assert stored_size(512 * KIB) < 684 * KIB + OVERHEAD
    assert stored_size(0) == OVERHEAD


def test_thousands_of_logs_are_judged_in_no_time() -> None:
    """Anybody can make ConfigMaps that look like logs of a task; 43 s for ten thousand of them would end the leadership."""
    stored = [log(number) for number in range(1, 10_001)]
    begun = time.process_time()

    gone = given_up(stored, [])

    assert len(gone) == len(stored) - 3
    assert time.process_time() - begun < 2
