"""Owns which logs of a task are kept: of each subtask and direction the first and the last two, within a budget. Pure. API.md section 6."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from obtask import names
from obtask.logs.store import PREFIX
from obtask.model.attempt import AttemptId
from obtask.model.contract import Direction
from obtask.rules.owned import is_owned

TASK_BYTES: Final = 16 * 1024 * 1024
LAST: Final = 2
LARGEST_OBJECT: Final = 1024 * 1024  # what the API server takes at most
OVERHEAD: Final = 2048  # names, labels and annotations of a ConfigMap


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A log in a ConfigMap: of which attempt, where, and how many bytes it takes there."""

    attempt: AttemptId
    name: str
    uid: str
    octets: int
    started_at: str


def stored_size(packed: int) -> int:
    """Return how many bytes a packed log takes in the API server, which keeps it as base64."""
    return -(-packed // 3) * 4 + OVERHEAD


def read_stored(meta: Mapping[str, Any], uid: str) -> StoredLog | None:
    """Return the log that a ConfigMap keeps by its metadata; None if it is none of the task with this uid."""
    notes = meta.get("annotations") or {}
    if not meta["name"].startswith(PREFIX) or not is_owned(meta, uid):
        return None
    try:
        number, direction = int(notes[names.ATTEMPT_ANNOTATION]), Direction(notes[names.DIRECTION_ANNOTATION])
        attempt = AttemptId(uid, notes[names.STEP_ANNOTATION], notes[names.SUBTASK_ANNOTATION], direction, number)
        # Older operators did not note it: the most that one of theirs can have.
        octets = int(notes.get(names.LOG_BYTES_ANNOTATION, LARGEST_OBJECT))
    except (KeyError, ValueError):
        return None
    begun = notes.get(names.STARTED_AT_ANNOTATION) or meta.get("creationTimestamp") or ""
    return StoredLog(attempt, meta["name"], meta["uid"], min(max(octets, OVERHEAD), LARGEST_OBJECT), begun)


def given_up(stored: Collection[StoredLog], running: Collection[AttemptId], needed: int = 0, budget: int = TASK_BYTES) -> list[StoredLog]:
    """Return the logs to delete, so that ``needed`` more bytes are within the budget as far as that is possible.

    Those of ``running`` attempts stay, whatever they take.
    """
    extra = [log for log in _in_the_middle(stored) if log.attempt not in running]
    going = {log.name for log in extra}
    left = sorted((log for log in stored if log.name not in going), key=lambda log: (log.started_at, log.attempt.number))
    total = sum(log.octets for log in left) + needed
    for log in left:
        if total <= budget:
            break
        if log.attempt not in running:
            extra.append(log)
            total -= log.octets
    return extra


def _in_the_middle(stored: Iterable[StoredLog]) -> list[StoredLog]:
    """Return the logs that are neither of the first nor of the last attempts of their subtask and direction."""
    numbers: defaultdict[tuple[str, str, Direction], set[int]] = defaultdict(set)
    for log in stored:
        numbers[_series(log)].add(log.attempt.number)
    kept = {series: {min(found), *sorted(found)[-LAST:]} for series, found in numbers.items()}
    return [log for log in stored if log.attempt.number not in kept[_series(log)]]


def _series(log: StoredLog) -> tuple[str, str, Direction]:
    return log.attempt.step, log.attempt.subtask, log.attempt.direction
