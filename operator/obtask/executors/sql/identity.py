"""Owns how a SQL session tells what it belongs to: user variables, and the program name in the server's session list. Pure."""

from collections.abc import Callable

from obtask.model.attempt import Attempt
from obtask.model.constraints import Scalar


def identity(attempt: Attempt) -> dict[str, Scalar]:
    """Return the names and values that a session carries (API.md section 2.1)."""
    return {
        "OBTASK_NAMESPACE": attempt.namespace,
        "OBTASK_NAME": attempt.task,
        "OBTASK_UID": attempt.id.uid,
        "OBTASK_STEP": attempt.id.step,
        "OBTASK_SUBTASK": attempt.id.subtask,
        "OBTASK_ATTEMPT": attempt.id.number,
        "OBTASK_DIRECTION": attempt.id.direction.value,
        "OBTASK_LOCK_TOKEN": attempt.lock_token,
    }


def identify(attempt: Attempt, escape: Callable[[Scalar], str]) -> str:
    """Return the statement that makes a session carry its identity."""
    return "SET " + ", ".join(f"@{name}={escape(value)}" for name, value in identity(attempt).items())


def program(attempt: Attempt) -> str:
    """Return the name that the session has in the server's list of connection attributes."""
    return f"obtask {attempt.namespace}/{attempt.task}"
