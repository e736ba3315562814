"""Owns resolving the hosts that actions name, as far as the policy lets them be reached."""

import asyncio
import socket

from obtask.hosts import ANYWHERE, HostPolicy, HostRefused

__all__ = ["ANYWHERE", "HostPolicy", "HostRefused", "reachable"]


async def reachable(policy: HostPolicy, host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses of a host that may be connected to. Raises HostRefused if there are none, OSError if the name has none."""
    refused = policy.refusal(host, port)
    if refused is not None:
        raise HostRefused(refused)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
    addresses = [(family, str(at[0])) for family, _, _, _, at in found]
    refusals = {ip: policy.address_refusal(host, ip, port) for _, ip in addresses}
    if all(refusals.values()):
        raise HostRefused(next(filter(None, refusals.values()), policy.not_allowed(host, port)))
    return [(family, ip) for family, ip in addresses if refusals[ip] is None]
