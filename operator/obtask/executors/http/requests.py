"""Owns what is sent: a request made from the action, its Secrets and the attempt's identity, and where a redirect leads it."""

import base64
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from multidict import CIMultiDict
from yarl import URL

from obtask.executors.http.secret_headers import SecretHeaders
from obtask.executors.identity import identity
from obtask.masking.http import place
from obtask.model.actions import HttpAction
from obtask.model.attempt import Attempt

REDIRECTS = frozenset({301, 302, 303, 307, 308})
SEE_OTHER = 303
KEEPING = frozenset({307, 308})
SAFE = frozenset({"GET", "HEAD"})
OWN_HEADERS = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})

_ENCODED = re.compile(r"[-A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; it may hold secrets, so little of it shows."""

    method: str
    url: URL = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    secret: SecretHeaders = field(default_factory=SecretHeaders)

    @property
    def safe(self) -> bool:
        """True when sending it changes nothing at the other side."""
        return self.method in SAFE


def identity_headers(attempt: Attempt) -> dict[str, str]:
    """Return the headers that tell the other side who asks."""
    known = {name: str(value) for name, value in identity(attempt).items() if value is not None}
    return {f"X-OBTask-{name if name == 'UID' else name.replace('_', '-').title()}": value for name, value in known.items()}


def parsed(url: str) -> URL | None:
    """Return the URL if it is one that can be asked."""
    try:
        found = URL(url, encoded=_ENCODED.fullmatch(url) is not None)  # as it is: another spelling could break a signature
        if found.host and found.scheme in ("http", "https") and found.port:
            return found
    except ValueError:
        pass
    return None


def request(method: str, url: URL, action: HttpAction, secret: SecretHeaders, who: dict[str, str], *, with_body: bool = True) -> Request:
    """Return the action's request; the operator's own headers win over Secrets, and those over what is written in the task."""
    headers = CIMultiDict(action.headers)
    headers.update(secret.values)
    headers.update(who)
    if url.user is not None or url.password is not None:
        pair = f"{unquote(url.raw_user or '')}:{unquote(url.raw_password or '')}"
        headers.setdefault("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    body = _encoded(secret.body.body if secret.body is not None else action.body) if with_body else None
    if body is not None:
        headers.setdefault("Content-Type", "text/plain; charset=utf-8" if isinstance(action.body, str) else "application/json")
    return Request(method, url.with_user(None).with_fragment(None), tuple(headers.items()), body, secret)


def redirected(sent: Request, status: int, location: str | None) -> Request | str | None:
    """Return the request that follows this answer, or why it is not followed; None if the answer is no redirect."""
    if status not in REDIRECTS or not location:
        return None
    try:
        target = sent.url.join(URL(location)).with_fragment(None)
        if target.scheme not in ("http", "https") or not target.host:
            return "it redirects to something that is no HTTP address"
        target = target.with_user(None)
    except ValueError:
        return "it redirects to something that is no URL"
    refused = _refused(sent, target, status)
    if refused is not None:
        return f"it redirects to {place(target)}, which is not followed: {refused}"
    if status == SEE_OTHER and not sent.safe:
        kept = tuple((name, value) for name, value in sent.headers if not name.lower().startswith("content-"))
        return Request("GET", target, kept, secret=sent.secret)
    return replace(sent, url=target)


def _refused(sent: Request, target: URL, status: int) -> str | None:
    upgraded = sent.url.scheme == "http" and target.scheme == "https"
    if (target.host or "").lower() != (sent.url.host or "").lower():
        return "it is another host"
    if not upgraded and target.origin() != sent.url.origin():
        return "it is another port or without TLS"
    if not sent.safe and status != SEE_OTHER and status not in KEEPING:
        return f"a {status} would make a GET of the {sent.method}"
    return sent.secret.refusal(target)


def _encoded(body: Any) -> bytes | None:
    if body is None:
        return None
    return body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
