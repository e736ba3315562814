"""Owns what a page knows of whoever looks at it: a name, and a client of the API server with that person's credentials."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import HTTPConnection

from obtask.kube.client import Api


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page.

    ``key`` is the same for two requests exactly if the API server judges them by the same credentials: whatever is kept of what one
    visitor may see is kept under it. ``expires`` is when the visitor has to sign in again, None: not that we know.
    """

    name: str
    groups: tuple[str, ...]
    key: str
    api: Api = field(repr=False, compare=False)
    expires: datetime | None = None
    can_sign_out: bool = False


def view_key(*parts: str) -> str:
    """Return the key of a view: a digest of all that the API server judges by."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def visitor_of(request: HTTPConnection) -> Visitor:
    """Return who is asking. Routes that anybody may see have no visitor, and do not ask for one."""
    visitor: Visitor = request.state.visitor
    return visitor
