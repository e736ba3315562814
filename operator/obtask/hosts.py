"""Owns which hosts the actions may reach: what the administrator lists, nothing special that is not named there, link-local never. Pure."""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

SETTING = "OBTASK_ALLOWED_HOSTS"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Reached only by who names them: the operator's own machine, several machines at once, and the metadata services of clouds that are
# not link-local, which give out the credentials of the machine to whoever asks from it.
SPECIAL: dict[str, tuple[str, ...]] = {
    "a loopback address": ("127.0.0.0/8", "::1/128"),
    "an unspecified address": ("0.0.0.0/8", "::/128"),
    "a multicast address": ("224.0.0.0/4", "ff00::/8"),
    "a broadcast address": ("255.255.255.255/32",),
    "a metadata service": (
        "100.100.100.200/32",  # Alibaba Cloud
        "fd00:ec2::/32",  # AWS: metadata ::254, EKS pod identity ::23
        "168.63.129.16/32",  # Azure: WireServer
        "fd20:ce::254/128",  # Google Cloud
        "192.0.0.192/32",  # Oracle Cloud
        "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
        "fd00:42::42/128",  # Scaleway
    ),
}
# Huawei, Tencent (169.254.0.23) and OpenStack have link-local ones only. The names are refused as written, whatever they resolve to.
METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
        "api.metadata.cloud.ibm.com",
    }
)

_SPECIAL = [(what, ip_network(text)) for what, texts in SPECIAL.items() for text in texts]
_OLD_SPELLING = re.compile(r"[0-9a-fx.]+", re.IGNORECASE)
_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_WRITTEN = re.compile(r"\[(?P<inside>[^\[\]]+)\](?::(?P<port>\d{1,5}))?|(?P<host>[^:\[\]]+)(?::(?P<number>\d{1,5}))?|(?P<bare>[^\[\]]+)")
_LAST_32_BITS = (
    IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052
    IPv6Network("::/96"),  # IPv4-compatible, RFC 4291
    IPv6Network("::ffff:0:0:0/96"),  # SIIT, RFC 2765
)
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214
_HIGHEST_PORT = 65535
_MAPPED_BITS = 96  # of ::ffff:0:0/96, RFC 4291


class InvalidEntry(ValueError):  # noqa: N818 - what it is
    """The text is no entry of a list of hosts."""


@dataclass(frozen=True, slots=True)
class HostEntry:
    """One entry of a list of hosts: a name, a ``*.suffix`` or a network; for one port or, without one, for all.

    ``absolute``: the name was written with a final dot, so that a resolver tries no search domains.
    """

    name: str | None = None
    suffix: str | None = None
    network: Network | None = None
    port: int | None = None
    absolute: bool = False

    def fits(self, port: int | None) -> bool:
        """Return whether the entry is about this port; None stands for any."""
        return self.port is None or port is None or self.port == port

    def names(self, plain: str) -> bool:
        """Return whether the entry has this name, given in lower case and without a final dot; no name is resolved."""
        return self.name == plain or (self.suffix is not None and plain.endswith(self.suffix) and plain != self.suffix)

    @property
    def names_special(self) -> bool:
        """Whether it is one address, or a network of nothing but special ones: 0.0.0.0/0 names none of them."""
        net = self.network
        return net is not None and (net.num_addresses == 1 or any(_within(net, special) for _, special in _SPECIAL))


def read_entry(text: str) -> HostEntry:
    """Return what an entry such as ``db.corp:2881``, ``*.corp``, ``10.0.0.0/8`` or ``[::1]:2881`` says. Raises InvalidEntry."""
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        raise InvalidEntry(text)
    host, digits = written["inside"] or written["host"] or written["bare"], written["port"] or written["number"]
    port = int(digits) if digits else None
    if port is not None and not 0 < port <= _HIGHEST_PORT:
        raise InvalidEntry(text)
    try:
        return HostEntry(network=_network(_plain(host)), port=port)
    except ValueError as error:
        if written["host"] is None or not _NAME.fullmatch(host):
            raise InvalidEntry(text) from error
    plain, absolute = _plain(host), host.endswith(".")
    if plain.startswith("*."):
        return HostEntry(suffix=plain[1:], port=port, absolute=absolute)
    return HostEntry(name=plain, port=port, absolute=absolute)


def listed(entries: Iterable[HostEntry], host: str, port: int | None) -> str | None:
    """Return the host as it may be connected to, or None if no entry has it. No name is resolved, and no CIDR has a name.

    An address comes back in its usual form. A name comes back with the final dot of its entry, whether the host has one or not:
    ``db.dev`` may be a Service of this cluster where ``db.dev.`` belongs to a stranger. Of an address that a network may translate to
    another one, all must be in the list, unless an entry is that very address.
    """
    fitting = [entry for entry in entries if entry.fits(port)]
    literal = literal_of(host)
    if literal is None:
        plain = _plain(host)
        found = next((entry for entry in fitting if entry.names(plain)), None)
        return None if found is None else f"{plain}{'.' if found.absolute else ''}"
    networks = [entry.network for entry in fitting if entry.network is not None]
    real = _real(literal)
    itself = any(network.network_address == real == network.broadcast_address for network in networks)
    if itself or all(any(meaning in network for network in networks) for meaning in meanings_of(real)):
        return str(real)
    return None


def same_host(one: str, other: str) -> bool:
    """Return whether two hosts are the same address in any spelling, or the same name but for case and a final dot."""
    left, right = literal_of(one), literal_of(other)
    if left is None or right is None:
        return left is right and _plain(one) == _plain(other)
    return _real(left) == _real(right)


def usual_form(host: str) -> str:
    """Return a host as an entry of a list should have it: an address in its usual form, a name as it is."""
    literal = literal_of(host)
    return host if literal is None else str(_real(literal))


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Host names, ``*.suffix``, IP addresses and CIDRs, each with or without a port, that may be reached.

    None at all means everything that is not special. A special address, such as a loopback one, must be named: by itself, by a CIDR
    of nothing but such addresses, or by the very name it is asked for. A link-local one is never reached.
    """

    allowed: tuple[str, ...] = ()
    _entries: tuple[HostEntry, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the entries once; what is no entry, which the settings refuse, is the name of nothing."""
        object.__setattr__(self, "_entries", tuple(map(_entry_or_name, self.allowed)))

    def refusal(self, host: str, port: int | None = None) -> str | None:
        """Return why a host as written may not be reached, at this port or at any.

        Of a name that only its addresses can allow, those decide later.
        """
        literal = literal_of(host)
        if literal is not None:
            return self.address_refusal(host, str(literal), port)
        if _plain(host) in METADATA_NAMES and not self._names(host, port):
            return f'host "{host}" is a metadata service, which {SETTING} must name'
        if not self.allowed or self.allows_name(host, port) or any(entry.network and entry.fits(port) for entry in self._entries):
            return None
        return self.not_allowed(host, port)

    def not_allowed(self, host: str, port: int | None) -> str:
        """Return the sentence about a host that the list does not have, or not with this port."""
        literal = literal_of(host)
        other = self.allows_name(host, None) or (literal is not None and self._has(literal, None, special=False))
        return f'host "{host}" is not allowed{f" at port {port}" if other else ""}: it is not in {SETTING}'

    def address_refusal(self, host: str, ip: str, port: int | None = None) -> str | None:
        """Return why this address of the host may not be connected to."""
        address = ip_address(ip)
        where = f'host "{host}"' if host == ip else f'host "{host}" ({ip})'
        meanings = meanings_of(address)
        if any(meaning.is_link_local for meaning in meanings):
            return f"{where} is link-local, which {SETTING} never allows"
        real = _real(address)
        if self.allowed and not self.allows_name(host, port) and not self._has(real, port, special=False):
            return self.not_allowed(host, port)
        special = next(filter(None, map(special_kind, meanings)), None)
        if special is None or self._names(host, port) or self._has(real, port, special=True):
            return None
        return f"{where} is {special}, which {SETTING} must name"

    def header_refusal(self, host: str, port: int | None) -> str | None:
        """Return why a server may not be told to be this host: nobody resolves that name, so the list must have the name itself."""
        refused = self.refusal(host, port)
        if refused is not None or literal_of(host) is not None:
            return refused
        if self.allowed and not self.allows_name(host, port):
            return self.not_allowed(host, port)
        loopback = f".{_plain(host)}".endswith(".localhost") and not self._names(host, port)
        return f'host "{host}" is a loopback address, which {SETTING} must name' if loopback else None

    def allows_name(self, host: str, port: int | None) -> bool:
        """Return whether the list has this name, or a suffix of it."""
        if self._names(host, port):
            return True
        plain = _plain(host)
        suffixes = [entry.suffix for entry in self._entries if entry.suffix and entry.fits(port)] if literal_of(host) is None else []
        return any(plain.endswith(suffix) and plain != suffix for suffix in suffixes)

    def _names(self, host: str, port: int | None) -> bool:
        return any(entry.name == _plain(host) and entry.fits(port) for entry in self._entries)

    def _has(self, address: Address, port: int | None, *, special: bool) -> bool:
        entries = (entry for entry in self._entries if entry.fits(port) and (entry.names_special or not special))
        return any(entry.network is not None and address in entry.network for entry in entries)


class HostRefused(Exception):  # noqa: N818 - what the policy did
    """The policy refuses a host; the text says so to people."""


def literal_of(host: str) -> Address | None:
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


def special_kind(address: Address) -> str | None:
    """Return what makes an address a special one, if anything does."""
    return next((what for what, network in _SPECIAL if address.version == network.version and address in network), None)


def meanings_of(address: Address) -> list[Address]:
    """Return the address, and the IPv4 addresses that a network may translate it to."""
    if isinstance(address, IPv4Address):
        return [address]
    inner: list[IPv4Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    low = int(address) & (2**64 - 1)
    if any(address in network for network in _LAST_32_BITS) or low >> 32 in _ISATAP:
        inner.append(IPv4Address(low & 0xFFFFFFFF))
    if address in _LOCAL_NAT64:
        inner += _translated(int(address))
    return [address, *(found for found in inner if found is not None)]


def _real(address: Address) -> Address:
    """Return the IPv4 address that is meant by one in the clothes of IPv6; any other as it is."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _network(text: str) -> Network:
    """Return a network; the IPv4 one that is meant by one in the clothes of IPv6. Raises ValueError."""
    if ":" not in text:
        return IPv4Network(text, strict=False)
    network = IPv6Network(text, strict=False)
    first = _real(network.network_address)
    if isinstance(first, IPv6Address) or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((first, network.prefixlen - _MAPPED_BITS))


def _translated(number: int) -> list[IPv4Address]:
    """Return where RFC 6052 can put an IPv4 address below a prefix of 48 bits or more: bits 64 to 71 are left out of it."""
    octets = number.to_bytes(16, "big")
    without = octets[:8] + octets[9:]
    return [IPv4Address(without[length // 8 : length // 8 + 4]) for length in (48, 56, 64)] + [IPv4Address(octets[12:])]


def _entry_or_name(text: str) -> HostEntry:
    try:
        return read_entry(text)
    except InvalidEntry:
        return HostEntry(name=_plain(text))


def _within(network: Network, outer: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(outer, IPv4Network) and network.subnet_of(outer)
    return isinstance(outer, IPv6Network) and network.subnet_of(outer)


def _plain(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()


ANYWHERE = HostPolicy()
