"""Owns the sessions: in memory only, each found by a random cookie, each ended by disuse, by its time, or by the API server."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import HTTPConnection

from obtask.web.identity.base import Admission, Clock, Reason, Refusal, is_script
from obtask.web.identity.cookies import session_name
from obtask.web.visitor import Visitor

COOKIE_BYTES = 32
MOST = 1000


@dataclass(slots=True)
class Session:
    """Somebody who has signed in."""

    visitor: Visitor
    used: datetime
    ended: Reason | None = None


class Sessions:
    """All sessions of this process."""

    def __init__(self, clock: Clock, *, idle: timedelta, longest: timedelta) -> None:
        self._clock = clock
        self._idle = idle
        self._longest = longest
        self._sessions: dict[str, Session] = {}

    def until(self, expires: datetime | None) -> datetime:
        """Return when a session that begins now ends, if its credentials end then."""
        longest = self._clock() + self._longest
        return longest if expires is None else min(longest, expires)

    def open(self, make: Callable[[Callable[[], None]], Visitor]) -> Admission:
        """Open a session. ``make`` makes its visitor, and is given what to call when the API server refuses them."""
        cookie = secrets.token_urlsafe(COOKIE_BYTES)
        name = _digest(cookie)
        self._make_room()
        visitor = make(lambda: self._refuse(name))
        self._sessions[name] = Session(visitor, self._clock())
        return Admission(cookie, visitor)

    def find(self, connection: HTTPConnection) -> Visitor | Refusal:
        """Return the visitor of a request; a session that is over is forgotten once its reader was told why."""
        cookie = connection.cookies.get(session_name(connection))
        name = _digest(cookie) if cookie else ""
        session = self._sessions.get(name)
        if session is None:
            return Refusal(Reason.EXPIRED if cookie else Reason.FIRST)
        reason = session.ended or self._over(session)
        if reason is not None:
            # A script only has the browser ask for a page, which is what shows the reason.
            if not is_script(connection):
                del self._sessions[name]
            return Refusal(reason)
        session.used = self._clock()
        return session.visitor

    def ended(self, connection: HTTPConnection) -> Refusal | None:
        """Return why the session of a request is over, if the API server has refused it meanwhile."""
        session = self._sessions.get(_digest(connection.cookies.get(session_name(connection), "")))
        return Refusal(session.ended) if session is not None and session.ended else None

    def end(self, connection: HTTPConnection) -> None:
        """Forget the session of a request."""
        self._sessions.pop(_digest(connection.cookies.get(session_name(connection), "")), None)

    def _over(self, session: Session) -> Reason | None:
        now = self._clock()
        if session.visitor.expires is not None and now >= session.visitor.expires:
            return Reason.EXPIRED
        return Reason.IDLE if now - session.used >= self._idle else None

    def _refuse(self, name: str) -> None:
        if name in self._sessions:
            self._sessions[name].ended = Reason.REFUSED

    def _make_room(self) -> None:
        for name in [name for name, session in self._sessions.items() if session.ended or self._over(session)]:
            del self._sessions[name]
        while len(self._sessions) >= MOST:
            del self._sessions[min(self._sessions, key=lambda name: self._sessions[name].used)]


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
