"""Owns which of several hosts a connection goes to: the first one that lets us in, in the order of the Secret. API.md section 2.1."""

from collections.abc import Callable
from dataclasses import replace

from obtask.executors.connections.connection import Connection
from obtask.executors.network.large_answers import Share
from obtask.executors.network.lookup import HostPolicy
from obtask.executors.sql.answers import Fault, FaultKind
from obtask.executors.sql.session import Session, connect
from obtask.executors.sql.wire import CONNECT_SECONDS

SECONDS_PER_HOST = 5.0  # one of several that does not answer must not take the time of the others
REFUSALS = frozenset({"1044", "1045", "1049"})  # what one server says of a user or a database, the others say too


def hosts_of(target: Connection) -> list[str]:
    """Return the hosts of a connection, at least one."""
    return [host for part in target.host.split(",") if (host := part.strip())] or [target.host]


async def dial(
    target: Connection, tell: Callable[[str], None], *, database: str | None, program: str, hosts: HostPolicy, share: Share
) -> Session | Fault:
    """Return a session with the first host that lets us in, or why none of them did. ``tell`` hears of each that did not."""
    names = hosts_of(target)
    seconds = CONNECT_SECONDS if len(names) == 1 else SECONDS_PER_HOST
    faults: list[Fault] = []
    for name in names:
        at_host = replace(target, host=name)
        found = await connect(at_host, tell, database=database, program=program, seconds=seconds, hosts=hosts, share=share)
        if isinstance(found, Session):
            return found
        if len(names) == 1 or found.kind is FaultKind.FORBIDDEN or found.code in REFUSALS:
            return found
        tell(found.message)
        faults.append(found)
    return Fault(
        FaultKind.CONNECT, f"none of {len(names)} hosts let us in: {'; '.join(fault.message for fault in faults)}", faults[-1].code
    )
