"""Owns signing in with a link that works once: whoever opens it has the rights of the kubeconfig, as the person at the terminal has."""

import hmac
import secrets
from datetime import datetime, timedelta

from starlette.requests import HTTPConnection

from obtask.kube.api import ApiError, ApiUnavailable
from obtask.kube.client import Api
from obtask.kube.visitors import who_asks
from obtask.web.identity.base import Admission, Clock, Reason, Refusal, SignIn
from obtask.web.identity.sessions import Sessions
from obtask.web.visitor import Visitor, view_key

CODE_BYTES = 32
CODE_LASTS = timedelta(minutes=5)


class KubeconfigIdentity:
    """A visitor is whoever has the code that was printed to the terminal."""

    sign_in = SignIn.CODE

    def __init__(self, api: Api, sessions: Sessions, clock: Clock) -> None:
        self._api = api
        self._sessions = sessions
        self._clock = clock
        self._code = ""
        self._ends: datetime | None = None

    def new_code(self) -> str:
        """Return a code for one sign-in within five minutes; those before it end."""
        self._code, self._ends = secrets.token_urlsafe(CODE_BYTES), self._clock() + CODE_LASTS
        return self._code

    async def visitor(self, connection: HTTPConnection) -> Visitor | Refusal:
        """Return who sends this request, by its cookie."""
        return self._sessions.find(connection)

    async def admit(self, secret: str) -> Admission | Refusal:
        """Open a session for the code, which is spent by it."""
        if not secret.strip():
            return Refusal(Reason.BLANK)
        if not self._code or not hmac.compare_digest(secret.strip().encode(), self._code.encode()):
            return Refusal(Reason.USED)
        over = self._ends is not None and self._clock() >= self._ends
        self._code = ""
        if over:
            return Refusal(Reason.EXPIRED)
        try:
            subject = await who_asks(self._api)
        except ApiUnavailable:
            return Refusal(Reason.UNAVAILABLE)
        if isinstance(subject, ApiError):
            return Refusal(Reason.REFUSED, subject.message)
        visitor = Visitor(subject.name, subject.groups, view_key("kubeconfig"), self._api, self._sessions.until(None), can_sign_out=True)
        return self._sessions.open(lambda _refused: visitor)

    def dismiss(self, connection: HTTPConnection) -> None:
        """End the session of a request."""
        self._sessions.end(connection)

    def ended(self, connection: HTTPConnection) -> Refusal | None:
        """Return why the session of a request is over, if the API server has refused its credentials meanwhile."""
        return self._sessions.ended(connection)
