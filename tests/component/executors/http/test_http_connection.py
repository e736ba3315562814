"""Connections of the http action: TLS, redirects, hosts that are refused, and requests that are never sent twice. API.md section 2.1."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.component.executors.certified import Certified
from tests.support.attempts import attempt
from tests.support.website import Website, http, http_bench, run, website

from devcluster.ports import free_port
from obtask.executors.network.lookup import HostPolicy
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason

LINK_LOCAL = [
    "169.254.169.254",
    "0xA9FEA9FE",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fe80::1]",
    "169.254.169.254.",
]


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """Return a server."""
    async with website() as serving:
        yield serving


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_request_is_never_sent_twice(site: Website, method: str) -> None:
    """A server that hangs up has perhaps done it: the message says so, and no automatic retry asks again, unless it only reads."""
    site.hangs_up("/a")

    end = await run(f"{site.url}/a", method=method)

    assert end == Failed(
        FailureReason.CONNECTION_FAILED, f"{site.url}/a: the connection was lost: outcome unknown", permanent=method not in ("GET", "HEAD")
    )
    assert len(site.heard) == 1


async def test_nobody_listens() -> None:
    """A refused connection means that nothing was sent."""
    port = free_port()

    end = await run(f"http://127.0.0.1:{port}/a?token=hunter2", method="POST")

    said = f"cannot connect to http://127.0.0.1:{port}/a: connection refused: nothing was sent"
    assert end == Failed(FailureReason.CONNECTION_FAILED, said, untouched=True)


async def test_a_host_that_does_not_exist() -> None:
    """An unknown name names itself."""
    end = await run("http://no-such-host.invalid/a")

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CONNECTION_FAILED
    assert end.message.startswith("cannot connect to http://no-such-host.invalid/a: ")
    assert end.message.endswith(": nothing was sent")


@pytest.mark.parametrize("url", ["http://a:99999/", "http:///a", "http://[::1/"])
async def test_a_url_that_is_none(url: str) -> None:
    """It is refused before anything is sent."""
    end = await run(url)

    assert isinstance(end, Failed)
    assert (end.reason, end.message.endswith("nothing was sent")) == (FailureReason.CONNECTION_FAILED, True)


@pytest.mark.parametrize("said", [b"HELO\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
async def test_an_answer_that_is_none(said: bytes) -> None:
    """What is no HTTP, or breaks off, leaves the outcome unknown."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        end = await run(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a", method="POST")

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CONNECTION_FAILED
    assert end.message.endswith("outcome unknown")


@pytest.mark.parametrize("host", LINK_LOCAL)
async def test_a_link_local_address(host: str) -> None:
    """It is Forbidden in every spelling, whatever the administrator's list says."""
    for hosts in (HostPolicy(), HostPolicy((host, "0.0.0.0/0", "::/0"))):
        end = await run(f"http://{host}/latest", hosts=hosts, method="POST")

        assert isinstance(end, Failed)
        assert end.reason is FailureReason.FORBIDDEN
        assert "is link-local, which OBTASK_ALLOWED_HOSTS never allows" in end.message


@pytest.mark.parametrize("allowed", ["10.0.0.0/8", "example.com", "*.0.0.1"])
async def test_a_host_that_is_not_in_the_list(site: Website, allowed: str) -> None:
    """The message names the setting; nothing is sent."""
    end = await run(f"{site.url}/a", hosts=HostPolicy((allowed,)))

    said = 'host "127.0.0.1" is not allowed: it is not in OBTASK_ALLOWED_HOSTS; nothing was sent'
    assert end == Failed(FailureReason.FORBIDDEN, said, untouched=True)
    assert not site.heard


async def test_a_name_whose_address_is_not_in_the_list(site: Website) -> None:
    """A list of addresses decides on the addresses of a name when it is connected to."""
    site.answers("/a")
    url = site.url.replace("127.0.0.1", "localhost")

    assert await run(f"{url}/a", hosts=HostPolicy(("127.0.0.0/8",))) == Succeeded("HTTP 200")
    end = await run(f"{url}/a", hosts=HostPolicy(("10.0.0.0/8",)))

    assert end == Failed(FailureReason.FORBIDDEN, 'host "localhost" is not allowed: it is not in OBTASK_ALLOWED_HOSTS', untouched=True)
    assert len(site.heard) == 1


async def test_the_other_host_of_until_and_of_the_host_header(site: Website) -> None:
    """They are looked at before the request is sent."""
    until: dict[str, object] = {"until": {"url": "http://169.254.1.1/", "expect": "true"}}
    for fields in (until, {"headers": {"host": "169.254.1.1:80"}}):
        end = await http_bench().run(attempt(http(f"{site.url}/a", method="POST", **fields)))

        assert isinstance(end, Failed)
        assert end.reason is FailureReason.FORBIDDEN
    assert not site.heard


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [("GET", 301, "GET"), ("GET", 302, "GET"), ("POST", 303, "GET"), ("POST", 307, "POST"), ("PUT", 308, "PUT")],
)
async def test_a_redirect_on_the_same_host(site: Website, method: str, status: int, then: str) -> None:
    """It is followed, with the headers; a 303 asks for the result with GET."""
    site.answers("/a", status, headers={"Location": "/b?x=1"})
    site.answers("/b", text="there")

    end = await run(f"{site.url}/a", method=method, body={"n": 1}, headers={"X-Key": "k"}, expect="body == 'there'")

    assert end == Succeeded("HTTP 200")
    second = site.heard[1]
    assert (second.method, second.path, second.headers["X-Key"]) == (then, "/b?x=1", "k")
    assert second.body == (b'{"n": 1}' if then == method else b"")


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("http://127.0.0.2:1/b?token=hunter2", "http://127.0.0.2:1/b"),
        ("http://127.0.0.1:1/b", "http://127.0.0.1:1/b"),
        ("http://169.254.169.254/latest", "http://169.254.169.254/latest"),
        ("//user:hunter2@localhost/b", "http://localhost/b"),
        ("file:///etc/passwd", "no HTTP address"),
        ("http://[", "no URL"),
    ],
)
async def test_a_redirect_to_another_place(site: Website, location: str, where: str) -> None:
    """It is not followed; the failure names the place, without its query."""
    site.answers("/a", 302, headers={"Location": location})

    for expect in (None, "status == 200"):
        end = await run(f"{site.url}/a", expect=expect)

        assert isinstance(end, Failed)
        assert (end.reason, end.code) == (FailureReason.HTTP_STATUS, "302")
        assert where in end.message
        assert "hunter2" not in end.message


async def test_a_redirect_that_would_lose_the_body(site: Website) -> None:
    """A POST that a 302 would turn into a GET is not taken for done."""
    site.answers("/a", 302, headers={"Location": "/b"})

    end = await run(f"{site.url}/a", method="POST")

    said = f"HTTP 302 Found: it redirects to {site.url}/b, which is not followed: a 302 would make a GET of the POST"
    assert end == Failed(FailureReason.HTTP_STATUS, said, "302")


async def test_redirects_without_end(site: Website) -> None:
    """Five are followed."""
    site.answers("/a", 302, headers={"Location": "/a"})

    end = await run(f"{site.url}/a")

    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (FailureReason.HTTP_STATUS, "302")
    assert len(site.heard) == 6


async def test_tls_is_verified(tmp_path: Path) -> None:
    """A server whose authority is trusted is asked; any other gets nothing."""
    certified = Certified(tmp_path, "web")
    async with website(tls=certified.server) as site:
        site.answers("/a")

        assert await run(f"{site.url}/a", tls=certified.client) == Succeeded("HTTP 200")
        stranger = await run(f"{site.url}/a", method="POST")
        other_name = await run(f"{site.url.replace('127.0.0.1', '127.0.0.2')}/a", tls=certified.client)

        assert len(site.heard) == 1
    for end in (stranger, other_name):
        assert isinstance(end, Failed)
        assert end.reason is FailureReason.CONNECTION_FAILED
    assert isinstance(stranger, Failed)
    assert stranger.message.startswith(f"cannot verify the TLS certificate of {site.url}/a: ")
    assert stranger.message.endswith(": nothing was sent")


async def test_an_upgrade_to_tls_on_the_same_host(site: Website, tmp_path: Path) -> None:
    """It is followed; the way back is not."""
    certified = Certified(tmp_path, "web")
    async with website(tls=certified.server) as secure:
        site.answers("/a", 307, headers={"Location": f"{secure.url}/b"})
        secure.answers("/b")
        secure.answers("/c", 307, headers={"Location": f"{site.url}/a"})

        assert await run(f"{site.url}/a", tls=certified.client, method="POST") == Succeeded("HTTP 200")
        end = await run(f"{secure.url}/c", tls=certified.client)

    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (FailureReason.HTTP_STATUS, "307")
    assert "without TLS" in end.message


async def test_no_cookies_are_kept(site: Website) -> None:
    """What one answer sets is not sent with the next request."""
    site.answers("/a", headers={"Set-Cookie": "session=abcdef; Path=/"})
    done = {"until": {"url": f"{site.url}/a", "expect": "true", "intervalSeconds": 1}}

    assert isinstance(await http_bench().run(attempt(http(f"{site.url}/a", **done))), Succeeded)

    assert len(site.heard) == 2
    assert not any("Cookie" in heard.headers for heard in site.heard)
