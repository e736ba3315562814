"""Owns visitors whom a trusted proxy in front names: we ask the API server in their name, with rights to do so for some groups only."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from obtask.kube.api import ApiError, ApiUnavailable
from obtask.kube.visitors import Impersonated, Server, who_asks
from obtask.web.identity.base import Admission, Clock, Reason, Refusal, SignIn
from obtask.web.identity.confirmed import Confirmed
from obtask.web.visitor import Visitor, view_key

SECRET_HEADER = "X-OBTask-Proxy-Secret"  # noqa: S105 - the name of the header
RESERVED = "system:"  # Kubernetes' own users and groups
LONGEST_NAME = 256
MOST_GROUPS = 100


@dataclass(frozen=True, slots=True)
class Trust:
    """What a proxy has to show, how it names visitors, and for which groups we ask."""

    secret: str = field(repr=False)
    user_header: str
    groups_header: str
    groups: frozenset[str]


class ImpersonateIdentity:
    """A visitor is whomever the proxy names that knows the secret."""

    sign_in = SignIn.ELSEWHERE

    def __init__(self, server: Server, trust: Trust, clock: Clock) -> None:
        self._server = server
        self._trust = trust
        self._confirmed = Confirmed(clock)

    async def visitor(self, connection: HTTPConnection) -> Visitor | Refusal:
        """Return who sends this request, by the word of the proxy."""
        named = self._named(connection)
        if named is None:
            return Refusal(Reason.UNTRUSTED)
        user, groups = named
        key = _key(user, groups)

        async def confirm() -> Visitor | Refusal:
            api = self._server.api.under(Impersonated(self._server.credentials, user, groups))
            try:
                subject = await who_asks(api)
            except ApiUnavailable:
                return Refusal(Reason.UNAVAILABLE)
            if isinstance(subject, ApiError):
                return Refusal(Reason.REFUSED, subject.message)
            # An API server that took no notice of the names would give every visitor our own rights.
            return Visitor(subject.name, subject.groups, key, api) if subject.name == user else Refusal(Reason.UNTRUSTED)

        return await self._confirmed.visitor(key, confirm)

    async def admit(self, secret: str) -> Admission | Refusal:  # noqa: ARG002 - nobody signs in here
        """Admit nobody: the proxy does."""
        return Refusal(Reason.UNTRUSTED)

    def dismiss(self, connection: HTTPConnection) -> None:
        """Do nothing: the proxy signs out."""

    def ended(self, connection: HTTPConnection) -> Refusal | None:
        """Return why the visitor of a request is none any more, if the API server has refused them meanwhile."""
        named = self._named(connection)
        return self._confirmed.ended(_key(*named)) if named is not None else None

    def _named(self, connection: HTTPConnection) -> tuple[str, tuple[str, ...]] | None:
        """Return user and groups, or None if whoever names them may not: no secret, two users, or a name of Kubernetes' own."""
        headers = connection.headers
        shown, users = headers.getlist(SECRET_HEADER), headers.getlist(self._trust.user_header)
        if len(shown) != 1 or not hmac.compare_digest(shown[0].encode(), self._trust.secret.encode()):
            return None
        given = [group.strip() for text in headers.getlist(self._trust.groups_header) for group in text.split(",")]
        groups = [group for group in given if group]
        if len(users) != 1 or len(groups) > MOST_GROUPS or not all(map(_may_be_named, [users[0], *groups])):
            return None
        # Whoever is in other groups, too, is looked at without them.
        return users[0], tuple(sorted(self._trust.groups.intersection(groups)))


def _key(user: str, groups: Sequence[str]) -> str:
    return view_key("impersonate", user, *groups)


def _may_be_named(name: str) -> bool:
    is_plain = name.isascii() and name.isprintable() and name == name.strip() and 0 < len(name) <= LONGEST_NAME
    return is_plain and not name.lower().startswith(RESERVED)
