"""The administrator's list of hosts: names, suffixes, addresses and CIDRs. API.md section 2.1."""

import socket

import pytest

from obtask.executors.network.lookup import reachable
from obtask.hosts import METADATA_NAMES, HostPolicy, HostRefused, InvalidEntry, literal_of, read_entry


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ((), "anything.example.com"),
        (("db.prod",), "DB.prod."),
        (("*.example.com",), "a.example.com"),
        (("*.example.com",), "a.b.example.com"),
        (("10.0.0.0/8",), "10.1.2.3"),
        (("10.0.0.0/8",), "[::ffff:10.1.2.3]"),
        (("10.0.0.5",), "10.0.0.5"),
        (("[::1]", "x"), "::1"),
        (("fd00::/8",), "fd00::5"),
    ],
)
def test_a_host_in_the_list(allowed: tuple[str, ...], host: str) -> None:
    """Names are compared without case and final dot; an address in IPv6 clothes is the IPv4 address."""
    assert HostPolicy(allowed).refusal(host) is None


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        (("db.prod",), "db.prod.example.com"),
        (("*.example.com",), "example.com"),
        (("*.example.com",), "badexample.com"),
        (("*.0.0.1",), "127.0.0.1"),
        (("10.0.0.0/8",), "11.0.0.1"),
        (("10.0.0.0/8",), "[64:ff9b::10.0.0.1]"),
        (("db.prod",), "10.0.0.1"),
    ],
)
def test_a_host_that_is_not_in_the_list(allowed: tuple[str, ...], host: str) -> None:
    """The refusal names the host and the setting."""
    refusal = HostPolicy(allowed).refusal(host)

    assert refusal is not None
    assert host in refusal
    assert "OBTASK_ALLOWED_HOSTS" in refusal


SPECIAL = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",  # noqa: S104 - an address that is refused
    "0.1.2.3",
    "::",
    "::1",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "255.255.255.255",
    "100.100.100.200",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "168.63.129.16",
    "fd20:ce::254",
    "192.0.0.192",
    "fd00:c1::a9fe:a9fe",
]
# What a resolver or a network takes for such an address: spellings of 127.0.0.1 and 100.100.100.200.
CLOTHES = [
    "0x7f000001",
    "0x7F.1",
    "0177.0.0.1",
    "2130706433",
    "127.1",
    "[::ffff:127.0.0.1]",
    "::ffff:0:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::127.0.0.1",
    "64:ff9b:1:7f00:0:1::",
    "64:ff9b:1:7f:0:1::",
    "64:ff9b:1:0:7f:0:100::",
    "2002:7f00:1::",
    "2001:0:7f00:1::1",
    "2001:0:1:2:3:4:80ff:fffe",
    "2001:db8::5efe:127.0.0.1",
    "2001:db8::200:5efe:127.0.0.1",
    "::ffff:0:100.100.100.200",
    "64:ff9b::100.100.100.200",
    "0x646464c8",
    "1684301000",
]


@pytest.mark.parametrize("host", SPECIAL + CLOTHES)
@pytest.mark.parametrize("allowed", [(), ("0.0.0.0/0", "::/0"), ("0.0.0.0/1", "96.0.0.0/3", "100.64.0.0/10", "*.corp", "fd00::/8")])
def test_a_special_address_must_be_named(allowed: tuple[str, ...], host: str) -> None:
    """Neither an empty list nor a network that happens to hold it lists a loopback, multicast or metadata address, in no spelling."""
    policy = HostPolicy(allowed)

    assert "OBTASK_ALLOWED_HOSTS" in (policy.refusal(host, 80) or "")
    literal = literal_of(host)
    assert policy.address_refusal("innocent.corp", str(literal), 80) is not None


@pytest.mark.parametrize("host", SPECIAL)
def test_a_special_address_that_is_named(host: str) -> None:
    """It may be reached at the port that the entry says, and at no other."""
    bracketed = f"[{host}]" if ":" in host else host
    assert HostPolicy((host,)).refusal(host, 80) is None
    assert HostPolicy((f"{bracketed}:2881",)).refusal(host, 2881) is None
    assert HostPolicy(("0.0.0.0/0", "::/0", f"{bracketed}:2881")).refusal(host, 80) is not None
    assert HostPolicy((host,)).address_refusal("innocent.corp", host, 80) is None


@pytest.mark.parametrize(
    ("allowed", "host"), [(("127.0.0.0/8",), "127.9.9.9"), (("127.0.0.0/30",), "127.0.0.1"), (("::ffff:127.0.0.1", "127.0.0.1"), "::1")]
)
def test_a_network_of_nothing_but_special_addresses(allowed: tuple[str, ...], host: str) -> None:
    """It names those in it, and no others."""
    assert (HostPolicy(allowed).refusal(host, 80) is None) == (host != "::1")


def test_a_name_that_resolves_to_a_special_address() -> None:
    """The administrator who lists the very name means it; a suffix, or an empty list, does not list what a stranger's DNS says."""
    assert HostPolicy(("localhost",)).address_refusal("localhost", "127.0.0.1", 80) is None
    assert HostPolicy(("localhost:80",)).address_refusal("localhost", "127.0.0.1", 81) is not None
    for allowed in ((), ("*.corp",), ("0.0.0.0/0",)):
        assert HostPolicy(allowed).address_refusal("db.corp", "127.0.0.1", 80) is not None
        assert HostPolicy(allowed).address_refusal("db.corp", "100.100.100.200", 80) is not None
    assert HostPolicy(("*.corp",)).address_refusal("db.corp", "10.0.0.1", 80) is None


@pytest.mark.parametrize("host", [*sorted(METADATA_NAMES), "Metadata.Google.Internal."])
def test_names_of_metadata_services(host: str) -> None:
    """They are refused as written, unless the list has the very name."""
    assert HostPolicy().refusal(host, 80) is not None
    assert HostPolicy(("*.internal", "0.0.0.0/0")).refusal(host, 80) is not None
    assert HostPolicy((host,)).refusal(host, 80) is None


@pytest.mark.parametrize(
    ("allowed", "host", "port", "reached"),
    [
        (("db.prod:2881",), "db.prod", 2881, True),
        (("db.prod:2881",), "db.prod", 2882, False),
        (("*.prod:443",), "a.prod", 443, True),
        (("*.prod:443",), "a.prod", 80, False),
        (("10.0.0.0/8:443",), "10.1.1.1", 443, True),
        (("10.0.0.0/8:443",), "10.1.1.1", 80, False),
        (("[fd00::/8]:443",), "fd00::5", 443, True),
        (("[fd00::/8]:443",), "fd00::5", 80, False),
        (("10.0.0.0/8:443", "10.0.0.5"), "10.0.0.5", 80, True),
        (("10.0.0.0/8:443",), "some.name", 443, True),
        (("10.0.0.0/8:443",), "some.name", 80, False),
    ],
)
def test_an_entry_with_a_port(allowed: tuple[str, ...], host: str, port: int, *, reached: bool) -> None:
    """It allows that port only, and the refusal of another says so."""
    refusal = HostPolicy(allowed).refusal(host, port)

    assert (refusal is None) == reached
    assert reached or host == "some.name" or f"at port {port}" in str(refusal)


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "a b", "a:0", "a:65536", "a:b", "[::1", "::1]", "[a]:1", "http://a", "10.0.0.0/33", "user@a"]
)
def test_what_is_no_entry(text: str) -> None:
    """The settings refuse it, and a policy takes it for the name of nothing."""
    with pytest.raises(InvalidEntry):
        read_entry(text)
    assert HostPolicy((text,)).refusal("127.0.0.1", 80) is not None


def test_a_name_that_resolves_to_a_link_local_address() -> None:
    """The address decides, whoever vouches for the name."""
    policy = HostPolicy(("metadata.example.com",))

    assert policy.refusal("metadata.example.com") is None
    refusal = policy.address_refusal("metadata.example.com", "169.254.169.254")
    assert refusal == 'host "metadata.example.com" (169.254.169.254) is link-local, which OBTASK_ALLOWED_HOSTS never allows'
    assert policy.address_refusal("metadata.example.com", "fe80::1%eth0") is not None
    assert policy.address_refusal("metadata.example.com", "10.0.0.1") is None


async def test_what_is_connected_to() -> None:
    """A name gives the addresses that are allowed; none of them is a refusal, no address at all an error of the resolver."""
    assert [ip for _, ip in await reachable(HostPolicy(("127.0.0.0/8",)), "localhost", 80)] == ["127.0.0.1"]
    with pytest.raises(HostRefused):
        await reachable(HostPolicy(("10.0.0.0/8",)), "localhost", 80)
    for name in ("no-such-host.invalid", "a" * 64 + ".invalid"):
        with pytest.raises(socket.gaierror):
            await reachable(HostPolicy(), name, 80)
