"""Owns which hosts the actions may reach: what the administrator allows, and a link-local address never."""

import asyncio
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

SETTING = "OBTASK_ALLOWED_HOSTS"

_OLD_SPELLING = re.compile(r"[0-9a-fx.]+", re.IGNORECASE)
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")

Address = IPv4Address | IPv6Address


class HostRefused(Exception):  # noqa: N818 - what the policy did
    """The policy refuses a host; the text says so to people."""


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Host names, ``*.suffix``, IP addresses and CIDRs that may be reached; none at all means everything that is not link-local."""

    allowed: tuple[str, ...] = ()

    def refusal(self, host: str) -> str | None:
        """Return why a host as written may not be reached; of a name that only its addresses can allow, those decide later."""
        literal = _literal(host)
        if literal is not None:
            return self.address_refusal(host, str(literal))
        if not self.allowed or self._allows_name(host) or any(_is_network(entry) for entry in self.allowed):
            return None
        return _not_allowed(host)

    def address_refusal(self, host: str, ip: str) -> str | None:
        """Return why this address of the host may not be connected to."""
        address = ip_address(ip)
        if any(meaning.is_link_local for meaning in _meanings(address)):
            where = f'host "{host}"' if host == ip else f'host "{host}" ({ip})'
            return f"{where} is link-local, which {SETTING} never allows"
        if not self.allowed or self._allows_name(host) or self._allows_address(address):
            return None
        return _not_allowed(host)

    def _allows_name(self, host: str) -> bool:
        name, written = _plain(host), [_plain(entry) for entry in self.allowed]
        suffixes = [] if _literal(host) else [entry[1:] for entry in written if entry.startswith("*.")]
        return name in written or any(name.endswith(suffix) and name != suffix for suffix in suffixes)

    def _allows_address(self, address: Address) -> bool:
        real = (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
        return any(real in ip_network(_plain(entry), strict=False) for entry in self.allowed if _is_network(entry))


ANYWHERE = HostPolicy()


async def reachable(policy: HostPolicy, host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses of a host that may be connected to. Raises HostRefused if there are none, OSError if the name has none."""
    refused = policy.refusal(host)
    if refused is not None:
        raise HostRefused(refused)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from error
    addresses = [(family, str(at[0])) for family, _, _, _, at in found]
    refusals = {ip: policy.address_refusal(host, ip) for _, ip in addresses}
    if all(refusals.values()):
        raise HostRefused(next(filter(None, refusals.values()), _not_allowed(host)))
    return [(family, ip) for family, ip in addresses if refusals[ip] is None]


def _not_allowed(host: str) -> str:
    return f'host "{host}" is not allowed: it is not in {SETTING}'


def _plain(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()


def _is_network(entry: str) -> bool:
    try:
        ip_network(_plain(entry), strict=False)
    except ValueError:
        return False
    return True


def _literal(host: str) -> Address | None:
    """Return the address that a host is written as, in any spelling that a resolver takes without asking: 0xA9FEA9FE, 0251.254.43518."""
    text = _plain(host)
    try:
        return ip_address(text)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(text)) if _OLD_SPELLING.fullmatch(text) else None
    except OSError:
        return None


def _meanings(address: Address) -> list[Address]:
    """Return the address, and the IPv4 addresses that a network may translate it to."""
    if isinstance(address, IPv4Address):
        return [address]
    last = IPv4Address(int(address) & 0xFFFFFFFF)
    translated = last if any(address in network for network in (*_NAT64, _COMPATIBLE)) else None
    teredo = address.teredo[1] if address.teredo else None
    return [address, *(inner for inner in (address.ipv4_mapped, address.sixtofour, teredo, translated) if inner is not None)]
