"""Owns what an agent answers: an answer, or a fault. Values of our own, so that the HTTP library shows nowhere else."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

OK = range(200, 300)
SHOWN_CODE = 120
SHOWN_MESSAGE = 4096


class FaultKind(Enum):
    """Where something went wrong: we may not go there, it was not sent, nobody knows what became of it, or it cannot be used."""

    FORBIDDEN = "forbidden"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    TOO_LONG = "too long"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no answer, in one line."""

    kind: FaultKind
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent said. ``error`` is its error code, such as Agent.UnderMaintenance, if it refused."""

    status: int
    data: Any = None
    error: str | None = None
    message: str | None = None

    @property
    def accepted(self) -> bool:
        """True if the agent did what it was asked."""
        return self.status in OK and self.error is None

    @property
    def refusal(self) -> str:
        """Why it refused, for people."""
        told = ": ".join(part for part in (self.error, self.message) if part)
        return f"HTTP {self.status}{f': {told}' if told else ''}"


def told(value: Any, limit: int) -> str:
    """Return what an agent says in a field that should hold a text, cut to so many characters."""
    match value:
        case str():
            return value[:limit]
        case bool() | float() | None:
            return str(value)
        case int():
            return str(value) if abs(value) < 10**18 else "a large number"
        case _:
            return "?"


def read_answer(status: int, octets: bytes) -> Answer | Fault:
    """Return what the answer says; an accepted request may have an empty one."""
    if not octets.strip():
        return Answer(status)
    try:
        body = json.loads(octets)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return Answer(status) if status not in OK else Fault(FaultKind.UNKNOWN, f"HTTP {status}, but the answer is not that of obshell")
    error = body.get("error")
    if isinstance(error, dict):
        code = error.get("errCode") or error.get("code") or "error"
        return Answer(status, error=told(code, SHOWN_CODE), message=told(error.get("message") or "", SHOWN_MESSAGE))
    if status in OK and body.get("successful") is False:
        return Answer(status, error="not successful")
    return Answer(status, body.get("data"))
