"""Owns resolving the hosts that actions name, as far as the policy lets them be reached, in threads that namespaces share.

The system's resolver is used because its answers are those of every other program in the pod: /etc/hosts, nsswitch.conf, search domains
and ``ndots``. It blocks a thread, which nobody can interrupt: a namespace whose name servers do not answer runs out of threads, alone.
"""

import asyncio
import socket
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address

from obtask.hosts import ANYWHERE, HostPolicy, HostRefused, literal_of
from obtask.shares import Threads

__all__ = ["ANYWHERE", "HostPolicy", "HostRefused", "reachable", "share_of"]

LOOKUP_THREADS = 64
LOOKUP_SECONDS = 8.0  # less than any connection may take to be made

Addresses = list[tuple[socket.AddressFamily, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach(HostPolicy):
    """A policy, and the threads in which names are looked up for a namespace."""

    threads: Threads
    namespace: str = ""


def share_of(hosts: HostPolicy, namespace: str) -> HostPolicy:
    """Return the same policy, whose names are looked up within the share of this namespace."""
    return replace(hosts, namespace=namespace) if isinstance(hosts, Reach) else hosts


async def reachable(hosts: HostPolicy, host: str, port: int) -> Addresses:
    """Return the addresses of a host that may be connected to. Raises HostRefused if there are none, OSError if the name has none."""
    refused = hosts.refusal(host, port)
    if refused is not None:
        raise HostRefused(refused)
    literal = literal_of(host)
    if literal is not None:
        return [(socket.AF_INET if isinstance(literal, IPv4Address) else socket.AF_INET6, str(literal))]
    addresses = await _looked_up(hosts, host, port)
    refusals = {ip: hosts.address_refusal(host, ip, port) for _, ip in addresses}
    if all(refusals.values()):
        raise HostRefused(next(filter(None, refusals.values()), hosts.not_allowed(host, port)))
    return [(family, ip) for family, ip in addresses if refusals[ip] is None]


async def _looked_up(hosts: HostPolicy, host: str, port: int) -> Addresses:
    lookup = partial(_addresses, host, port)
    if not isinstance(hosts, Reach):
        return await asyncio.to_thread(lookup)
    waits = hosts.threads.full(hosts.namespace)
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            return await hosts.threads.run(hosts.namespace, lookup)
    except TimeoutError as error:
        after = ", after other lookups of its namespace that are not answered" if waits else ""
        raise socket.gaierror(socket.EAI_AGAIN, f"the name was not resolved within {LOOKUP_SECONDS:g} s{after}") from error


def _addresses(host: str, port: int) -> Addresses:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
    return [(family, str(at[0])) for family, _, _, _, at in found]
