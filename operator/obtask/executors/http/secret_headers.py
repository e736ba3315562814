"""Owns headers whose values come from Secrets: these go nowhere but to the hosts that their Secrets list. API.md section 2.1."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from yarl import URL

from obtask.executors.connections.body import SecretBody, secret_body
from obtask.executors.connections.connection import HttpSecret, HttpSecretSource
from obtask.model.actions import HttpAction
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.status import FailureReason

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
        places: list[tuple[str | None, int | None]] = [(url.host, url.port)]
        for header in self.host_headers:
            try:
                named = URL.build(scheme=url.scheme, authority=header.strip())
                places.append((named.host, named.port))
            except ValueError:
                places.append((None, None))
        return places


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
