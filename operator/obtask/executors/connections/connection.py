"""Owns what an executor must know to reach its target, and the protocols for reading it from Secrets. API.md section 2.1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from obtask.hosts import HostEntry, listed, literal_of
from obtask.model.attempt import Failed


class Tls(StrEnum):
    """Whether a SQL session is encrypted: never, if the server offers it, or always. With a ``ca.crt`` it is required and verified."""

    DISABLED = "disabled"
    PREFERRED = "preferred"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where and as whom to connect; the password shows in no repr.

    ``server_public_key`` (PEM) is the only key that a password is encrypted for without TLS; ``others_allowed`` is where else than to
    ``host`` and ``port`` a task may have the password sent.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str | None = None
    ca_cert: str | None = field(default=None, repr=False)
    tls: Tls = Tls.PREFERRED
    server_public_key: str | None = field(default=None, repr=False)
    others_allowed: tuple[HostEntry, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class AgentConnection:
    """Where an obshell agent is, and its passwords; ``url`` has scheme, host and port, and nothing else, ``others`` are tried after it.

    ``agent_password`` is for what concerns OBProxy and the agent itself; ``public_key`` (base64 of DER, or PEM) is the only key that the
    passwords are encrypted for, ``client_cert`` and ``client_key`` (PEM) are shown to whoever asks for them. ``others_allowed`` is where
    else than to its URLs a task may have the passwords sent.
    """

    url: str
    password: str = field(repr=False)
    ca_cert: str | None = field(default=None, repr=False)
    others: tuple[str, ...] = ()
    agent_password: str | None = field(default=None, repr=False)
    public_key: str | None = field(default=None, repr=False)
    client_cert: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    others_allowed: tuple[HostEntry, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class HttpSecret:
    """The values of a Secret for HTTP headers and bodies, and the hosts that they may be sent to."""

    values: Mapping[str, str] = field(repr=False)
    hosts: tuple[HostEntry, ...] = ()

    def may_go(self, host: str, port: int | None) -> bool:
        """Return whether the values may be sent to this host and port."""
        found = listed(self.hosts, host, port)
        # The URL is used as it is written: nobody adds the final dot of the entry, or takes it away.
        return found is not None and (literal_of(host) is not None or host.endswith(".") == found.endswith("."))


class AgentSource(Protocol):
    """Reads connection Secrets of obshell agents."""

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:
        """Return what the Secret says, or why it cannot be used."""

    async def value(self, namespace: str, secret_name: str, key: str, to: Sequence[str]) -> str | Failed:
        """Return the text under a key of a connection Secret, or why it cannot be used; ``to``: the hosts that it will be sent to."""


class SqlSource(Protocol):
    """Reads connection Secrets of SQL servers, and single values of them."""

    async def connection(self, namespace: str, secret_name: str) -> Connection | Failed:
        """Return what the Secret says, or why it cannot be used."""

    async def value(self, namespace: str, secret_name: str, key: str, to: Sequence[str]) -> str | Failed:
        """Return the text under a key of a connection Secret, or why it cannot be used; ``to``: the hosts that it will be sent to."""


class HttpSecretSource(Protocol):
    """Reads Secrets for HTTP headers."""

    async def http(self, namespace: str, secret_name: str) -> HttpSecret | Failed:
        """Return what the Secret says, or why it cannot be used."""
