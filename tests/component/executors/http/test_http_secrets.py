"""Values of Secrets in headers go to the hosts that their Secret lists, and nowhere else, whatever a task or a server says."""

import base64
from collections.abc import AsyncIterator, Callable

import pytest
from tests.support.attempts import attempt
from tests.support.website import Website, http, http_bench, website
from yarl import URL

from obtask.executors.connections.connection import HttpSecret
from obtask.executors.http.requests import secret_headers
from obtask.hosts import read_entry
from obtask.model.attempt import Failed, Lost, Outcome, Succeeded
from obtask.model.reasons import FailureReason

TOKEN = "t0ken-of-the-owner"  # noqa: S105 - of a test
SECRET = [{"name": "X-Key", "secretKeyRef": {"name": "api", "key": "token"}}]


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """Run a server that remembers what it was asked."""
    async with website() as running:
        running.answers("/a")
        yield running


class Listed:
    """A Secret whose values may go to 127.0.0.1."""

    async def http(self, _: str, __: str) -> HttpSecret:
        """Return it."""
        return HttpSecret({"token": TOKEN}, (read_entry("127.0.0.1"),))


async def run(url: str, *hosts: str, **fields: object) -> tuple[Outcome | Lost, str]:
    """Send a request with a header from a Secret that may go to these hosts; return its end and its log."""
    on = http_bench(secrets={("api", "token"): TOKEN, ("api", "several"): "a\nb"}, secret_hosts=hosts)
    end = await on.run(attempt(http(url, **{"headersFrom": SECRET, **fields}), seconds=30))
    return end, on.log.text


def forbidden(end: Outcome | Lost) -> str:
    """Return the message of an attempt that was refused."""
    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert TOKEN not in end.message
    return end.message


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:{port}", "127.0.0.0/8", "10.0.0.1, 127.0.0.1"])
async def test_a_host_that_is_listed(site: Website, entry: str) -> None:
    """An entry is about one port or all of them."""
    port = site.url.rpartition(":")[2]

    end, log = await run(f"{site.url}/a", *entry.format(port=port).split(", "))

    assert end == Succeeded("HTTP 200")
    assert site.heard[0].headers["X-Key"] == TOKEN
    assert "warning: values of Secrets are sent over http://" in log


@pytest.mark.parametrize("entry", ["api.example.com", "127.0.0.1:1", "*.0.0.1", "*.1", "localhost", "10.0.0.0/8", "127.0.0.10", "[::1]"])
async def test_a_host_that_is_not_listed(site: Website, entry: str) -> None:
    """Nothing is sent, not even without the header; the message names the Secret, its key and the host."""
    end, _ = await run(f"{site.url}/a", entry)

    port = site.url.rpartition(":")[2]
    assert (
        forbidden(end)
        == f'values of Secret "api" may not be sent to 127.0.0.1:{port}: its key "hosts" does not list that; nothing was sent'
    )
    assert site.heard == []


@pytest.mark.parametrize("spelling", ["localhost", "LOCALHOST"])
async def test_another_name_of_a_listed_address_is_another_host(site: Website, spelling: str) -> None:
    """Names are not resolved: who owns the name could let it lead anywhere later."""
    end, _ = await run(f"{site.url.replace('127.0.0.1', spelling)}/a", "127.0.0.1")
    allowed, _ = await run(f"{site.url.replace('127.0.0.1', spelling)}/a", "localhost")

    forbidden(end)
    assert allowed == Succeeded("HTTP 200")


async def test_until_asks_no_other_host(site: Website) -> None:
    """Neither the request nor the asking is sent if one of them may not be."""
    until = {"url": f"{site.url.replace('127.0.0.1', 'localhost')}/a", "expect": "true"}

    end, _ = await run(f"{site.url}/a", "127.0.0.1", until=until)

    forbidden(end)
    assert site.heard == []


@pytest.mark.parametrize("name", ["Host", "host", "HOST "])
async def test_a_host_header_names_no_other_host(site: Website, name: str) -> None:
    """A server of many names would hand the value to whoever has the name in the header."""
    end, _ = await run(f"{site.url}/a", "127.0.0.1", headers={name.strip(): "localhost"})
    bad, _ = await run(f"{site.url}/a", "127.0.0.1", headers={name.strip(): "["})

    assert 'header "Host"' in forbidden(end)
    forbidden(bad)
    assert site.heard == []


@pytest.mark.parametrize("names", [("Host", "host"), ("host", "HOST")])
async def test_a_second_host_header_names_no_other_host(site: Website, names: tuple[str, str]) -> None:
    """Keys of a map differ by case, headers do not: every one of them counts, and two are none."""
    here = site.url.removeprefix("http://")
    for values in ((here, "localhost"), ("localhost", here), (here, here)):
        end, _ = await run(f"{site.url}/a", "127.0.0.1", headers=dict(zip(names, values, strict=True)))
        assert 'header "Host"' in forbidden(end)
    action = http(f"{site.url}/a", headersFrom=SECRET, headers=dict(zip(names, (here, "localhost"), strict=True)))
    secret = await secret_headers(action, "team-a", Listed(), [URL(site.url)])

    assert isinstance(secret, Failed)
    assert site.heard == []


async def test_a_redirect_leads_to_no_other_host(site: Website) -> None:
    """Redirects stay on the host anyway; and within it on the ports that are listed."""
    async with website() as other:
        other.answers("/loot")
        for target in (
            f"{other.url}/loot",
            f"{other.url.replace('127.0.0.1', 'localhost')}/loot",
            "//localhost/loot",
            "https://127.0.0.1/loot",
        ):
            site.answers("/r", 307, headers={"Location": target})
            end, _ = await run(f"{site.url}/r", f"127.0.0.1:{site.url.rpartition(':')[2]}")
            assert isinstance(end, Failed)
        assert other.heard == []


@pytest.mark.parametrize(
    ("key", "reason"),
    [("absent", FailureReason.NOT_FOUND), ("hosts", FailureReason.NOT_FOUND), ("several", FailureReason.CONNECTION_FAILED)],
)
async def test_a_key_that_is_no_header(site: Website, key: str, reason: FailureReason) -> None:
    """A key that is not there, the list of hosts itself, a value of several lines: nothing is sent."""
    end, _ = await run(f"{site.url}/a", "127.0.0.1", headersFrom=[{"name": "X-Key", "secretKeyRef": {"name": "api", "key": key}}])

    assert isinstance(end, Failed)
    assert end.reason is reason
    assert site.heard == []


@pytest.mark.parametrize("form", [str, lambda text: base64.b64encode(text.encode()).decode(), lambda text: text.encode().hex()])
async def test_half_of_a_secret_is_not_shown(site: Website, form: Callable[[str], str]) -> None:
    """A server that is told what to say before it repeats a header could have it cut anywhere: in the message, and in the log."""
    said = form(TOKEN)
    for length in (199, 4096, 16 * 1024):
        for before in range(length - len(said) - 16, length, 3):
            site.answers("/a", 500, text="x" * before + said + "y")
            end, log = await run(f"{site.url}/a", "127.0.0.1")
            assert isinstance(end, Failed)
            assert not [part for part in parts_of(said) if part in end.message or part in log], before
    site.answers("/a", 500, text=said * 2000)
    end, log = await run(f"{site.url}/a", "127.0.0.1")

    assert isinstance(end, Failed)
    assert not [part for part in parts_of(said) if part in end.message or part in log]


def parts_of(text: str) -> list[str]:
    """Return every part of a text of eight characters."""
    return [text[start : start + 8] for start in range(len(text) - 7)]


BODY = [{"pointer": "/auth/key", "secretKeyRef": {"name": "api", "key": "token"}}]


async def test_values_of_secrets_in_a_body(site: Website) -> None:
    """They go where the pointer says, to a host that the Secret lists."""
    site.answers("/a", text=f"you said {TOKEN}")

    end, log = await run(f"{site.url}/a", "127.0.0.1", method="POST", headersFrom=[], body={"name": "x"}, bodyFrom=BODY)

    assert isinstance(end, Succeeded)
    assert site.heard[0].body == b'{"name": "x", "auth": {"key": "' + TOKEN.encode() + b'"}}'
    assert "warning: values of Secrets are sent over http://" in log


async def test_a_body_goes_to_no_other_host(site: Website) -> None:
    """The same rule as for headers: nothing is sent."""
    end, _ = await run(f"{site.url}/a", "10.0.0.1", method="POST", headersFrom=[], body={}, bodyFrom=BODY)

    assert 'its key "hosts" does not list that' in forbidden(end)
    assert site.heard == []


@pytest.mark.parametrize("where", ["headers", "body"])
async def test_an_empty_value_is_none(site: Website, where: str) -> None:
    """A key that somebody has left empty is not sent: a request with it would set an empty password."""
    on = http_bench(secrets={("api", "token"): " " if where == "headers" else ""}, secret_hosts=("127.0.0.1",))
    fields = {"headersFrom": SECRET} if where == "headers" else {"body": {}, "bodyFrom": BODY}

    end = await on.run(attempt(http(f"{site.url}/a", method="POST", **fields), seconds=30))

    assert isinstance(end, Failed)
    assert (end.reason, end.message) == (FailureReason.NOT_FOUND, 'Secret "api" has no key "token" with a text')
    assert site.heard == []


async def test_white_space_around_a_value(site: Website) -> None:
    """A body has it, a header cannot; what the server says of the value is masked without it, too."""
    site.answers("/a", status=400, text=f"not good: {TOKEN}")
    on = http_bench(secrets={("api", "token"): f" {TOKEN} \n"}, secret_hosts=("127.0.0.1",))

    end = await on.run(attempt(http(f"{site.url}/a", method="POST", headersFrom=SECRET, body={}, bodyFrom=BODY), seconds=30))

    assert site.heard[0].body == b'{"auth": {"key": " ' + TOKEN.encode() + b' \\n"}}'
    assert site.heard[0].headers["X-Key"] == TOKEN
    assert isinstance(end, Failed)
    assert TOKEN not in end.message + on.log.text
