"""Owns how a SQL session tells what it belongs to: user variables, and the program name in the server's session list. Pure."""

from collections.abc import Callable

from obtask.executors.identity import identity
from obtask.model.attempt import Attempt
from obtask.model.constraints import Scalar


def identify(attempt: Attempt, escape: Callable[[Scalar], str]) -> str:
    """Return the statement that makes a session carry its identity."""
    return "SET " + ", ".join(f"@OBTASK_{name}={escape(value)}" for name, value in identity(attempt).items())


def program(attempt: Attempt) -> str:
    """Return the name that the session has in the server's list of connection attributes."""
    return f"obtask {attempt.namespace}/{attempt.task}"
