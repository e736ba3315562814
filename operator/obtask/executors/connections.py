"""Owns what an executor must know to reach a SQL server or an obshell agent, and the protocols of whoever reads it from a Secret."""

from dataclasses import dataclass, field
from typing import Protocol

from obtask.model.attempt import Failed


@dataclass(frozen=True, slots=True)
class Connection:
    """Where and as whom to connect; the password shows in no repr."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str | None = None
    ca_cert: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AgentConnection:
    """Where an obshell agent is, and its password; ``url`` has scheme, host and port, and nothing else."""

    url: str
    password: str = field(repr=False)
    ca_cert: str | None = field(default=None, repr=False)


class AgentSource(Protocol):
    """Reads connection Secrets of obshell agents."""

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:
        """Return what the Secret says, or why it cannot be used."""


class ConnectionSource(Protocol):
    """Reads connection Secrets."""

    async def connection(self, namespace: str, secret_name: str) -> Connection | Failed:
        """Return what the Secret says, or why it cannot be used."""
