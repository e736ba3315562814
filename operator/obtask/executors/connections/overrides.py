"""Owns what a task may override in its connection Secret, and where else the password may be sent. Pure. API.md section 2.1.

A host and port that the Secret itself names may always be chosen. Any other must be in its key ``hosts``; a port of the Secret's own host,
too, since somebody else may listen there. The user may be any: only a hash leaves, for the same server.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from obtask.executors.connections.connection import AgentConnection, Connection
from obtask.executors.connections.credentials import AGENT_URL, HOSTS_KEY
from obtask.hosts import HostEntry, listed, same_host, usual_form
from obtask.model.attempt import Failed
from obtask.model.connections import AgentRef, ConnectionRef
from obtask.model.limits import one_line
from obtask.model.reasons import FailureReason

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where a password may be sent; an IPv6 address has no brackets, and SQL no scheme."""

    host: str
    port: int
    scheme: str = ""

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def sql_target(ref: ConnectionRef, secret: Connection) -> Connection | Failed:
    """Return the Secret's connection as the task wants it; Forbidden if its owner has not allowed that host and port."""
    target = replace(secret, user=ref.user or secret.user, database=ref.database or secret.database)
    if ref.host is None and ref.port is None:
        return target
    endpoints = _allowed(ref, [_Endpoint(host, secret.port) for host in secret.host.split(",")], secret.others_allowed)
    if isinstance(endpoints, Failed):
        return endpoints
    return replace(target, host=",".join(endpoint.host for endpoint in endpoints), port=endpoints[0].port)


def agent_target(ref: AgentRef, secret: AgentConnection) -> AgentConnection | Failed:
    """Return the Secret's agents as the task wants them; Forbidden if its owner has not allowed that host and port."""
    if ref.host is None and ref.port is None:
        return secret
    endpoints = _allowed(ref, [_endpoint_of(url) for url in (secret.url, *secret.others)], secret.others_allowed)
    if isinstance(endpoints, Failed):
        return endpoints
    url, *others = (f"{endpoint.scheme}://{endpoint}" for endpoint in endpoints)
    return replace(secret, url=url, others=tuple(others))


def hosts_of(agents: AgentConnection) -> tuple[str, ...]:
    """Return the hosts of the agents."""
    return tuple(_endpoint_of(url).host for url in (agents.url, *agents.others))


def _endpoint_of(url: str) -> _Endpoint:
    form = AGENT_URL.fullmatch(url)
    if form is None:
        raise ValueError("not the URL of an agent")  # one that no Secret gets past credentials.py
    return _Endpoint(form["host"].strip("[]"), int(form["port"] or _PORTS[form["scheme"]]), form["scheme"])


def _allowed(ref: AgentRef, own: Sequence[_Endpoint], entries: tuple[HostEntry, ...]) -> list[_Endpoint] | Failed:
    """Return the places that the task means, at least one, each as the Secret's owner wrote it."""
    if ref.host is None:
        known = list(own)
    else:
        host = ref.host.strip("[]")
        # The owner has not said which scheme and port this host has: take those of the first encrypted one, or else of the first.
        model = next((endpoint for endpoint in own if endpoint.scheme == "https"), own[0])
        known = [endpoint for endpoint in own if same_host(endpoint.host, host)] or [replace(model, host=usual_form(host))]
    wanted = [replace(endpoint, port=int(ref.port or endpoint.port)) for endpoint in known]
    exact = [endpoint for endpoint in wanted if endpoint in own]
    if exact:
        return exact
    found = []
    for endpoint in wanted:
        there = listed(entries, endpoint.host, endpoint.port)
        if there is None:
            return _refused(ref.secret_name, endpoint)
        found.append(replace(endpoint, host=there))
    return found


def _refused(secret_name: str, endpoint: _Endpoint) -> Failed:
    text = (
        f'nothing was sent: the key "{HOSTS_KEY}" of Secret "{secret_name}" does not list {endpoint}; '
        "if its owner wants the password to go there, it must be added to that key"
    )
    return Failed(FailureReason.FORBIDDEN, one_line(text))
