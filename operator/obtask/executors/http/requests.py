"""Owns what is sent: the request made from the action, its Secrets and the attempt's identity, and where it may be sent or redirected."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from multidict import CIMultiDict
from yarl import URL

from obtask.executors.connections.body import SecretBody, secret_body
from obtask.executors.connections.connection import HttpSecret, HttpSecretSource
from obtask.executors.identity import identity
from obtask.hosts import HostPolicy, literal_of
from obtask.masking.http import without_query
from obtask.model.actions import HttpAction
from obtask.model.attempt import Attempt, Failed
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason

REDIRECTS = frozenset({301, 302, 303, 307, 308})
SEE_OTHER = 303
KEEPING = frozenset({307, 308})
SAFE = frozenset({"GET", "HEAD"})
OWN_HEADERS = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})

_ENCODED = re.compile(r"[-A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%]+")
# RFC 9110 section 7.2: host [ ":" port ], without userinfo.
_HOST = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_HIGHEST_PORT = 65535
PLAIN_WARNING = "warning: values of Secrets are sent over http://, where whoever is on the way can read them"

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class SecretHeaders:
    """Headers, and a body, with values of Secrets, and where each of these Secrets lets them go."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: SecretBody | None = field(default=None, repr=False)
    secrets: Mapping[str, HttpSecret] = field(default_factory=dict)
    host_headers: tuple[str, ...] = ()

    def refusal(self, url: URL) -> str | None:
        """Return why the headers may not be sent to this URL, if they may not: it, and the Host that it is told to be, must be listed."""
        for name, secret in self.secrets.items():
            for host, port in self._places(url):
                if host is None or not secret.may_go(host, port):
                    where = f"{url.host}:{url.port}" if host is None or host == url.host else f'the host of header "Host", {host}:{port}'
                    return f'values of Secret "{name}" may not be sent to {where}: its key "hosts" does not list that'
        return None

    def _places(self, url: URL) -> list[tuple[str | None, int | None]]:
        endpoints: list[tuple[str | None, int | None]] = [(url.host, url.port)]
        for header in self.host_headers:
            try:
                named = URL.build(scheme=url.scheme, authority=header.strip())
                endpoints.append((named.host, named.port))
            except ValueError:
                endpoints.append((None, None))
        return endpoints


async def secret_headers(action: HttpAction, namespace: str, source: HttpSecretSource, urls: Iterable[URL]) -> SecretHeaders | Failed:
    """Return what is in Secrets of the request, or why one of them cannot be used for a request to one of these URLs."""
    values: dict[str, str] = {}
    secrets: dict[str, HttpSecret] = {}

    async def value_of(name: str, key: str) -> str | Failed:
        secret = secrets.get(name) or await source.http(namespace, name)
        if isinstance(secret, Failed):
            return secret
        secrets[name] = secret
        return secret.values.get(key) or _nothing(name, key)

    for header in action.headers_from:
        ref = header.secret_key_ref
        value = await value_of(ref.name, ref.key)
        if isinstance(value, Failed):
            return value
        value = value.strip()
        if not value:
            return _nothing(ref.name, ref.key)
        if _CONTROL.search(value):
            text = f'Secret "{ref.name}": key "{ref.key}" has several lines and cannot be a header; nothing was sent'
            return Failed(FailureReason.CONNECTION_FAILED, text)
        values[header.name] = value
    body = await secret_body(action.body, action.body_from, value_of)
    if isinstance(body, Failed):
        return body
    host_headers = tuple(value for name, value in action.headers.items() if name.strip().lower() == "host")
    found = SecretHeaders(values, body, secrets, host_headers)
    refused = next(filter(None, map(found.refusal, urls)), None)
    return Failed(FailureReason.FORBIDDEN, one_line(f"{refused}; nothing was sent")) if refused else found


def _nothing(name: str, key: str) -> Failed:
    return Failed(FailureReason.NOT_FOUND, one_line(f'Secret "{name}" has no key "{key}" with a text'))


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
    """Return the headers that identify the attempt."""
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
        return f"it redirects to {without_query(target)}, which is not followed: {refused}"
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


def host_header_refusal(policy: HostPolicy, headers: Mapping[str, str], urls: Iterable[URL]) -> str | None:
    """Return why the Host among these headers may not be sent to these URLs, if it may not. A URL's own host always may."""
    values = [value.strip() for name, value in headers.items() if name.strip().lower() == "host"]
    if len(values) > 1:
        return 'the header "Host" may be given once: which of several counts is up to each server on the way'
    for value in values:
        said = _HOST.fullmatch(value)
        if said is None or int(said["port"] or 0) > _HIGHEST_PORT or (value.startswith("[") and literal_of(said["host"]) is None):
            return 'the header "Host" must be a host name or an IP address, with or without a port'
        host = said["host"].strip("[]")
        for url in urls:
            port = int(said["port"]) if said["port"] else url.port
            own = _same(host, url.host or "") and port == url.port
            refused = None if own else policy.header_refusal(host, port)
            if refused is not None:
                return f'header "Host": {refused}'
    return None


def _same(one: str, other: str) -> bool:
    return one.rstrip(".").lower() == other.rstrip(".").lower()
