"""Owns what an agent answers, or why there is no answer. Values of our own, so that the HTTP library is not visible elsewhere."""

import json
import re
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any

from obtask.executors.foreign_values import parsed
from obtask.model.limits import cut_in_the_middle

OK = range(200, 300)
# One answer in memory; there is room for a dozen of them at once.
MOST_TAKEN = 48 * 1024 * 1024
BYTES_OF_A_CONTAINER, BYTES_OF_A_VALUE = 72, 56
SHOWN_CODE = 120
SHOWN_MESSAGE = 64 * 1024  # cut in the middle, and after masking, where it is told
SHOWN_REFUSAL = 320
LONGEST_HINT = 200

# Of any error of its database obshell says that the task is not found, and why behind a colon.
_DATABASE_AWAY = re.compile(
    r"dial |connect|i/o timeout|broken pipe|timed? ?out|bad conn|unavailable|not available|unreachable|\beof\b|error [0-9]{4}\b|"
    r"database|db (is|not)|no leader|leader|not master|refused|denied",
    re.IGNORECASE,
)
_PLAIN_TO_TLS = b"HTTP request to an HTTPS server"

NO_SLOT = "waiting for a free slot in the operator"
_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ERROR = re.compile(rb'[\[,]\s*(?="ERROR)')
_LOGS_END = re.compile(rb'"\s*\]')
SHOWN_BYTES = 600


class AgentFaultKind(Enum):
    """What went wrong: the host is not allowed, nothing was sent, the outcome is unknown, or the answer is too long."""

    FORBIDDEN = "forbidden"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    TOO_LONG = "too long"


@dataclass(frozen=True, slots=True)
class AgentFault:
    """Why there is no answer, in one line. ``end`` is what came last of an answer that was too long."""

    kind: AgentFaultKind
    message: str
    end: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class AgentAnswer:
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
        told = cut_in_the_middle(": ".join(part for part in (self.error, self.message) if part), SHOWN_REFUSAL)
        return f"HTTP {self.status}{f': {told}' if told else ''}"

    @property
    def busy(self) -> bool:
        """True if it refused because a task of its own is under way, or has failed and was left as it is."""
        error = self.error or ""
        return not self.accepted and "UnderMaintenance" in error and "NotUnderMaintenance" not in error

    @property
    def wrong_password(self) -> bool:
        """True if it refused because of the password: nothing was carried out."""
        return self.status == HTTPStatus.UNAUTHORIZED and "Incorrect" in (self.error or "") and "Password" in (self.error or "")

    @property
    def may_pass(self) -> bool:
        """True if it may do what it refused now later: of an operator 400 is the last word, but for a task that is not failed just now."""
        return self.status != HTTPStatus.BAD_REQUEST or (self.error or "").endswith("NotFailedDag")

    @property
    def is_final(self) -> bool:
        """True if it will never do what it refused."""
        return self.error == "Task.Expired" or not self.may_pass

    @property
    def unknown_task(self) -> bool:
        """True if there is no such task. While the agent's database is away it says the same of every task: that does not count."""
        away = _DATABASE_AWAY.search((self.message or "").partition(":")[2] or (self.message or ""))
        return self.status == HTTPStatus.NOT_FOUND and away is None


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


def _taken(octets: bytes) -> int:
    """Return about how many bytes of memory the values of a JSON text take: the three bytes "{}," take more than seventy."""
    opened, separated = octets.count(b"{") + octets.count(b"["), octets.count(b",") + octets.count(b":")
    return len(octets) + BYTES_OF_A_CONTAINER * opened + BYTES_OF_A_VALUE * separated


def read_answer(status: int, octets: bytes) -> AgentAnswer | AgentFault:
    """Return what the answer says; an accepted request may have an empty one."""
    if not octets.strip():
        return AgentAnswer(status)
    if _taken(octets) > MOST_TAKEN:
        return AgentFault(
            AgentFaultKind.TOO_LONG, f"the answer has so many values that they would take more than {MOST_TAKEN // 1024**2} MiB of memory"
        )
    try:
        body = parsed(octets.decode("utf-8-sig"))
    except ValueError:
        body = None
    if status not in OK and _PLAIN_TO_TLS in octets[:LONGEST_HINT]:
        return AgentAnswer(status, message="it speaks TLS only: its url begins with https://")
    if not isinstance(body, dict):
        return (
            AgentAnswer(status)
            if status not in OK
            else AgentFault(AgentFaultKind.UNKNOWN, f"HTTP {status}, but the answer is not that of obshell")
        )
    error = body.get("error")
    if isinstance(error, dict):
        code = error.get("errCode") or error.get("code") or "error"
        return AgentAnswer(status, error=told(code, SHOWN_CODE), message=told(error.get("message") or "", SHOWN_MESSAGE))
    if status in OK and body.get("successful") is False:
        return AgentAnswer(status, error="not successful")
    return AgentAnswer(status, body.get("data"))


@dataclass(frozen=True, slots=True)
class Miss:
    """Why something cannot be seen just now.

    ``gone``: the agent does not know the DAG. ``away``: it is its database that does not answer. ``wrong_password``: no password is right.
    ``answered``: the agent did answer.
    """

    message: str
    gone: bool = False
    away: bool = False
    wrong_password: bool = False
    answered: bool = False

    @property
    def unasked(self) -> bool:
        """True where the agent was not asked, and may be in a while."""
        return self.message == NO_SLOT


@dataclass(frozen=True, slots=True)
class NotDone:
    """Why an operator was not carried out.

    ``disallowed``: obshell does not allow it for that task, now or later. ``busy``: it is busy with another one. ``uncertain``: it may have
    arrived. ``refused``: nothing was changed by it, and asking again is in vain.
    """

    message: str
    disallowed: bool = False
    busy: AgentAnswer | None = None
    uncertain: bool = False
    refused: bool = False


def last_words(end: bytes) -> str | None:
    """Return the last line of an error in the end of a DAG as JSON; of a line that is longer than that, its end. None if there is none.

    obshell writes the logs of a subtask last, and a subtask that failed is followed by some that have none yet.
    """
    errors = list(_ERROR.finditer(end))
    whole = _TEXT.match(end, errors[-1].end()) if errors else None
    if whole is not None:
        return _decoded(whole[1])
    closing = [found.start() for found in _LOGS_END.finditer(end)]
    if not closing:
        return None
    return _decoded(end[max(0, closing[-1] - SHOWN_BYTES) : closing[-1]])


def _decoded(text: bytes) -> str | None:
    readable = text.decode(errors="ignore")
    try:
        decoded = json.loads(f'"{readable}"', strict=False)
    except ValueError:
        # It begins, or ends, in the middle of what is escaped.
        return readable.replace("\\n", " ").strip() or None
    return decoded.strip() or None if isinstance(decoded, str) else None
