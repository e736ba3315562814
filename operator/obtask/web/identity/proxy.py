"""Owns visitors whom a proxy in front has signed in: each request brings the visitor's own token of the API server."""

from starlette.requests import HTTPConnection

from obtask.kube.client import Api
from obtask.kube.visitors import Bearer
from obtask.web.identity.base import Admission, Clock, Reason, Refusal, SignIn
from obtask.web.identity.confirmed import Confirmed
from obtask.web.identity.jwt import expiry
from obtask.web.identity.token import known
from obtask.web.visitor import Visitor, view_key

SCHEME = "bearer"


class ProxyIdentity:
    """A visitor is whoever's token comes with the request; nothing else that it says of somebody is looked at."""

    sign_in = SignIn.ELSEWHERE

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._confirmed = Confirmed(clock)

    async def visitor(self, connection: HTTPConnection) -> Visitor | Refusal:
        """Return who sends this request, by its token."""
        token = _token(connection)
        if token is None:
            return Refusal(Reason.UNTRUSTED)
        key = view_key(SCHEME, token)

        async def confirm() -> Visitor | Refusal:
            subject = await known(self._api, token)
            if isinstance(subject, Refusal):
                return subject
            api = self._api.under(Bearer(token, lambda: self._confirmed.refuse(key)))
            return Visitor(subject.name, subject.groups, key, api, expiry(token))

        return await self._confirmed.visitor(key, confirm)

    async def admit(self, secret: str) -> Admission | Refusal:  # noqa: ARG002 - nobody signs in here
        """Admit nobody: the proxy does."""
        return Refusal(Reason.UNTRUSTED)

    def dismiss(self, connection: HTTPConnection) -> None:
        """Do nothing: the proxy signs out."""

    def ended(self, connection: HTTPConnection) -> Refusal | None:
        """Return why the visitor of a request is none any more, if the API server has refused them meanwhile."""
        return self._confirmed.ended(view_key(SCHEME, _token(connection) or ""))


def _token(connection: HTTPConnection) -> str | None:
    given = connection.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == SCHEME else None
