"""Owns what an attempt tells the other side of itself: pods, SQL sessions and HTTP servers. Pure. API.md section 2.1."""

from obtask.model.attempt import Attempt
from obtask.model.constraints import Scalar


def identity(attempt: Attempt) -> dict[str, Scalar]:
    """Return the names, as they follow OBTASK_, and their values; the lock token is None for a task without a lock."""
    return {
        "NAMESPACE": attempt.namespace,
        "NAME": attempt.task,
        "UID": attempt.id.uid,
        "STEP": attempt.id.step,
        "SUBTASK": attempt.id.subtask,
        "ATTEMPT": attempt.id.number,
        "DIRECTION": attempt.id.direction.value,
        "LOCK_TOKEN": attempt.lock_token,
    }
