"""Owns reading the Secrets that attempts name. Secrets of any other type are not read. API.md section 2.1."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from obtask import names
from obtask.executors.connections.connection import AgentConnection, Connection, HttpSecret
from obtask.executors.connections.credentials import Data, agent_connection, http_secret, secret_value, sql_connection
from obtask.kube.api import ApiError, ApiUnavailable, Json
from obtask.kube.errors import explained
from obtask.kube.objects import Objects
from obtask.model.attempt import Failed
from obtask.model.reasons import FailureReason

# An API server that is away for a moment is no reason to fail a maintenance: nothing of the attempt has been executed yet.
TRIES = 7
PAUSES = wait_exponential(0.125)  # 8 s in all
USES = {names.CONNECTION_SECRET_TYPE: "as a connection, or for argsFrom", names.HTTP_SECRET_TYPE: "for the headers of HTTP requests"}

T = TypeVar("T")


class SecretConnections:
    """Reads connection Secrets when an attempt starts, so that a changed password counts from the next attempt on."""

    def __init__(self, objects: Objects, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._objects = objects
        self._sleep = sleep

    async def connection(self, namespace: str, secret_name: str) -> Connection | Failed:
        """Return what the Secret says of a SQL server, or why it cannot be used."""
        return await self._read(namespace, secret_name, names.CONNECTION_SECRET_TYPE, sql_connection)

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:
        """Return what the Secret says of an obshell agent, or why it cannot be used."""
        return await self._read(namespace, secret_name, names.CONNECTION_SECRET_TYPE, agent_connection)

    async def value(self, namespace: str, secret_name: str, key: str, to: Sequence[str]) -> str | Failed:
        """Return the text under a key of a connection Secret, or why it cannot be used; ``to``: the hosts that it will be sent to."""
        return await self._read(namespace, secret_name, names.CONNECTION_SECRET_TYPE, partial(secret_value, key=key, to=to))

    async def http(self, namespace: str, secret_name: str) -> HttpSecret | Failed:
        """Return the values that the Secret has for HTTP headers, or why it cannot be used."""
        return await self._read(namespace, secret_name, names.HTTP_SECRET_TYPE, http_secret)

    async def _read(self, namespace: str, secret_name: str, wanted: str, read: Callable[[str, Data], T | Failed]) -> T | Failed:
        answer = await self._answer(namespace, secret_name)
        if answer is None:
            return Failed(FailureReason.CONNECTION_FAILED, f'the API server did not answer when asked for Secret "{secret_name}"')
        if isinstance(answer, ApiError):
            if answer.missing:
                return Failed(FailureReason.NOT_FOUND, f'Secret "{secret_name}" not found in namespace "{namespace}"')
            return Failed(FailureReason.FORBIDDEN, f'Secret "{secret_name}" cannot be read: {explained(answer)}')
        found = answer.get("type") or "none"
        if found != wanted:
            text = f'Secret "{secret_name}" has type {found}; only {wanted} may be used {USES[wanted]}'
            return Failed(FailureReason.FORBIDDEN, text)
        return read(secret_name, answer.get("data") or {})

    async def _answer(self, namespace: str, name: str) -> Json | ApiError | None:
        asking = AsyncRetrying(
            retry=retry_if_exception_type(ApiUnavailable), wait=PAUSES, stop=stop_after_attempt(TRIES), sleep=self._sleep, reraise=True
        )
        try:
            return await asking(self._objects.secret, namespace, name)
        except ApiUnavailable:
            return None
