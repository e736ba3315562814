"""The administrator's list of hosts: names, suffixes, addresses and CIDRs. API.md section 2.1."""

import socket

import pytest

from obtask.executors.hosts import HostPolicy, HostRefused, reachable


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ((), "anything.example.com"),
        ((), "127.0.0.1"),
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
