"""Owns reading connection Secrets: whole connections, and single values. Only those of the right type are read out. API.md section 2.1."""

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable

from obtask import names
from obtask.executors.connections import AgentConnection, Connection
from obtask.kube.api import Json, Refusal, Unavailable
from obtask.kube.objects import Objects
from obtask.model.attempt import Failed
from obtask.model.status import FailureReason

DEFAULT_PORT = 2881
DEFAULT_USER = "root@sys"
# An API server that is away for a moment is no reason to fail a maintenance: nothing of the attempt has been executed yet.
PAUSES_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
AGENT_URL = re.compile(r"https?://([-A-Za-z0-9._]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")


class SecretConnections:
    """Reads connection Secrets when an attempt starts, so that a changed password counts from the next attempt on."""

    def __init__(self, objects: Objects, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._objects = objects
        self._sleep = sleep

    async def connection(self, namespace: str, secret_name: str) -> Connection | Failed:
        """Return what the Secret says of a SQL server, or why it cannot be used."""
        found = await self._data(namespace, secret_name)
        return found if isinstance(found, Failed) else _sql(secret_name, found)

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:
        """Return what the Secret says of an obshell agent, or why it cannot be used."""
        found = await self._data(namespace, secret_name)
        return found if isinstance(found, Failed) else _agent(secret_name, found)

    async def value(self, namespace: str, secret_name: str, key: str) -> str | Failed:
        """Return the value of a key, or why it cannot be used."""
        data = await self._data(namespace, secret_name)
        if isinstance(data, Failed):
            return data
        return data[key] if key in data else Failed(FailureReason.NOT_FOUND, f'Secret "{secret_name}" has no key "{key}"')

    async def _data(self, namespace: str, secret_name: str) -> dict[str, str] | Failed:
        answer = await self._answer(namespace, secret_name)
        if answer is None:
            return Failed(FailureReason.CONNECTION_FAILED, f'the API server did not answer when asked for Secret "{secret_name}"')
        if isinstance(answer, Refusal):
            if answer.missing:
                return Failed(FailureReason.NOT_FOUND, f'Secret "{secret_name}" not found in namespace "{namespace}"')
            return Failed(FailureReason.FORBIDDEN, f'Secret "{secret_name}" cannot be read: {answer.message}')
        if answer.get("type") != names.CONNECTION_SECRET_TYPE:
            found = answer.get("type") or "none"
            text = f'Secret "{secret_name}" has type {found}; only {names.CONNECTION_SECRET_TYPE} may be used as a connection'
            return Failed(FailureReason.FORBIDDEN, text)
        return _texts(secret_name, answer)

    async def _answer(self, namespace: str, name: str) -> Json | Refusal | None:
        for pause in (*PAUSES_SECONDS, None):
            try:
                return await self._objects.secret(namespace, name)
            except Unavailable:
                if pause is not None:
                    await self._sleep(pause)
        return None


def _texts(name: str, secret: Json) -> dict[str, str] | Failed:
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
