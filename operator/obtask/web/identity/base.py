"""Owns what every way to find out who is asking has in common."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from starlette.requests import HTTPConnection

from obtask.web.visitor import Visitor

Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Reason(StrEnum):
    """Why somebody has to sign in, or could not."""

    FIRST = "first"  # nobody has signed in yet
    BLANK = "blank"
    MALFORMED = "malformed"
    ANONYMOUS = "anonymous"
    REFUSED = "refused"  # by the API server
    EXPIRED = "expired"
    IDLE = "idle"
    USED = "used"  # the link
    OFTEN = "often"
    UNAVAILABLE = "unavailable"  # the API server
    SIGNED_OUT = "signed-out"
    UNTRUSTED = "untrusted"  # what the proxy in front says


def is_script(connection: HTTPConnection) -> bool:
    """Whether a script of a page asks, and not the browser for a page."""
    headers = connection.headers
    return "hx-request" in headers or "x-part" in headers or "text/event-stream" in headers.get("accept", "")


class SignIn(StrEnum):
    """What a visitor has to show to sign in."""

    CODE = "code"
    TOKEN = "token"  # noqa: S105 - the word
    ELSEWHERE = "elsewhere"  # at the proxy in front


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody is known by what a request shows. ``detail`` is the API server's own sentence, if it said one."""

    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody has signed in; the cookie finds their session."""

    cookie: str = field(repr=False)
    visitor: Visitor


class Identity(Protocol):
    """Finds out who is asking."""

    sign_in: SignIn

    async def visitor(self, connection: HTTPConnection) -> Visitor | Refusal:
        """Return who sends this request."""

    async def admit(self, secret: str) -> Admission | Refusal:
        """Open a session for what was shown to sign in."""

    def dismiss(self, connection: HTTPConnection) -> None:
        """End the session of a request, if it has one."""

    def ended(self, connection: HTTPConnection) -> Refusal | None:
        """Return why the visitor of a request is none any more, if the API server has refused them meanwhile."""
