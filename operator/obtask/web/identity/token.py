"""Owns signing in with a token of the API server: it stays in this process's memory, behind a cookie."""

from collections.abc import Callable

from starlette.requests import HTTPConnection

from obtask.kube.api import ApiError, ApiUnavailable
from obtask.kube.client import Api
from obtask.kube.visitors import Bearer, Subject, who_asks
from obtask.web.identity.base import Admission, Reason, Refusal, SignIn
from obtask.web.identity.jwt import expiry, is_token
from obtask.web.identity.sessions import Sessions
from obtask.web.visitor import Visitor, view_key

ANONYMOUS, UNAUTHENTICATED = "system:anonymous", "system:unauthenticated"


class TokenIdentity:
    """A visitor is whoever's token the API server knows."""

    sign_in = SignIn.TOKEN

    def __init__(self, api: Api, sessions: Sessions) -> None:
        self._api = api
        self._sessions = sessions

    async def visitor(self, connection: HTTPConnection) -> Visitor | Refusal:
        """Return who sends this request, by its cookie."""
        return self._sessions.find(connection)

    async def admit(self, secret: str) -> Admission | Refusal:
        """Open a session for a token, once the API server has said whose it is."""
        token = secret.strip()
        subject = await known(self._api, token)
        if isinstance(subject, Refusal):
            return subject
        until = self._sessions.until(expiry(token))

        def visitor(refused: Callable[[], None]) -> Visitor:
            api = self._api.under(Bearer(token, refused))
            return Visitor(subject.name, subject.groups, view_key("token", token), api, until, can_sign_out=True)

        return self._sessions.open(visitor)

    def dismiss(self, connection: HTTPConnection) -> None:
        """End the session of a request."""
        self._sessions.end(connection)

    def ended(self, connection: HTTPConnection) -> Refusal | None:
        """Return why the session of a request is over, if the API server has refused its credentials meanwhile."""
        return self._sessions.ended(connection)


async def known(api: Api, token: str) -> Subject | Refusal:
    """Return whose token this is. An API server takes one that it cannot read for nobody's, and may let nobody in as anonymous."""
    if not token:
        return Refusal(Reason.BLANK)
    if not is_token(token):
        return Refusal(Reason.MALFORMED)
    refused: list[bool] = []
    try:
        subject = await who_asks(api.under(Bearer(token, lambda: refused.append(True))))
    except ApiUnavailable:
        return Refusal(Reason.REFUSED if refused else Reason.UNAVAILABLE)
    if isinstance(subject, ApiError):
        return Refusal(Reason.REFUSED, subject.message)
    if not subject.name or subject.name == ANONYMOUS or UNAUTHENTICATED in subject.groups:
        return Refusal(Reason.ANONYMOUS)
    return subject
