"""Owns how an attempt identifies itself to its target: to pods, SQL sessions and HTTP servers. Pure. API.md section 2.1.

A module of its own because actions that do not know each other share it.
"""

from obtask.model.attempt import Attempt
from obtask.model.constraints import Scalar
from obtask.names import ATTEMPT_VARIABLES


def identity(attempt: Attempt) -> dict[str, Scalar]:
    """Return the names, as they follow OBTASK_, and their values; the lock token is None for a task without a lock."""
    name = attempt.id
    values = (attempt.namespace, attempt.task, name.uid, name.step, name.subtask, name.number, name.direction.value, attempt.lock_token)
    return dict(zip(ATTEMPT_VARIABLES, values, strict=True))
