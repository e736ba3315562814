"""Owns turning connection Secrets into connections. Only Secrets of the right type are ever read out. API.md section 2.1."""

import base64
import binascii
import re

from obtask import names
from obtask.executors.connections import AgentConnection, Connection
from obtask.kube.api import Json, Refusal, Unavailable
from obtask.kube.objects import Objects
from obtask.model.attempt import Failed
from obtask.model.status import FailureReason

DEFAULT_PORT = 2881
DEFAULT_USER = "root@sys"
AGENT_URL = re.compile(r"https?://([-A-Za-z0-9._]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")


class SecretConnections:
    """Reads connection Secrets when an attempt starts, so that a changed password counts from the next attempt on."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def connection(self, namespace: str, secret_name: str) -> Connection | Failed:
        """Return what the Secret says of a SQL server, or why it cannot be used."""
        found = await self._data(namespace, secret_name)
        return found if isinstance(found, Failed) else _sql(secret_name, found)

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:
        """Return what the Secret says of an obshell agent, or why it cannot be used."""
        found = await self._data(namespace, secret_name)
        return found if isinstance(found, Failed) else _agent(secret_name, found)

    async def _data(self, namespace: str, secret_name: str) -> dict[str, str] | Failed:
        try:
            answer = await self._objects.secret(namespace, secret_name)
        except Unavailable:
            return Failed(FailureReason.CONNECTION_FAILED, f'the API server did not answer when asked for Secret "{secret_name}"')
        if isinstance(answer, Refusal):
            if answer.missing:
                return Failed(FailureReason.NOT_FOUND, f'Secret "{secret_name}" not found in namespace "{namespace}"')
            return Failed(FailureReason.FORBIDDEN, f'Secret "{secret_name}" cannot be read: {answer.message}')
        if answer.get("type") != names.CONNECTION_SECRET_TYPE:
            found = answer.get("type") or "none"
            text = f'Secret "{secret_name}" has type {found}; only {names.CONNECTION_SECRET_TYPE} may be used as a connection'
            return Failed(FailureReason.FORBIDDEN, text)
        return _read(secret_name, answer)


def _read(name: str, secret: Json) -> dict[str, str] | Failed:
    try:
        return {key: base64.b64decode(value or "").decode() for key, value in (secret.get("data") or {}).items()}
    except (binascii.Error, UnicodeDecodeError):
        return Failed(FailureReason.CONNECTION_FAILED, f'Secret "{name}": a value is not text')


def _agent(name: str, data: dict[str, str]) -> AgentConnection | Failed:
    url = data.get("url", "").strip().rstrip("/")
    if not url:
        return Failed(FailureReason.CONNECTION_FAILED, f'Secret "{name}" has no key "url"')
    form = AGENT_URL.fullmatch(url)
    if form is None or int(form["port"] or 0) > 65535:  # noqa: PLR2004 - the ports of TCP
        # Whoever wrote a password into the URL does not want to read it in a status.
        return Failed(
            FailureReason.CONNECTION_FAILED, f'Secret "{name}": key "url" is not of the form http://HOST:PORT or https://HOST:PORT'
        )
    if data.get("ca.crt") and not url.startswith("https:"):
        return Failed(FailureReason.CONNECTION_FAILED, f'Secret "{name}" has a ca.crt, but its url is not https')
    return AgentConnection(url, data.get("password", ""), data.get("ca.crt") or None)


def _sql(name: str, data: dict[str, str]) -> Connection | Failed:
    if not data.get("host"):
        return Failed(FailureReason.CONNECTION_FAILED, f'Secret "{name}" has no key "host"')
    port = data.get("port", "").strip() or str(DEFAULT_PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004 - the ports of TCP
        return Failed(FailureReason.CONNECTION_FAILED, f'Secret "{name}": key "port" is not a port number')
    return Connection(
        host=data["host"].strip(),
        port=int(port),
        user=data.get("user", "").strip() or DEFAULT_USER,
        password=data.get("password", ""),
        database=data.get("database", "").strip() or None,
        ca_cert=data.get("ca.crt"),
    )
