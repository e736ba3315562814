"""Host headers follow the list of hosts from every source, and no URL or header is odd enough to be an error of the operator."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.attempts import attempt
from tests.support.local import ALLOWED_HOSTS
from tests.support.website import Website, http, http_bench, run, website
from yarl import URL

from obtask.executors.http.requests import host_header_refusal
from obtask.hosts import HostPolicy
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """Return a web server."""
    async with website() as running:
        yield running


LISTED = HostPolicy((*ALLOWED_HOSTS, "shop.corp", "*.prod"))


@pytest.mark.parametrize("host", ["shop.corp", "SHOP.corp.", "a.prod", "shop.corp:8080"])
async def test_a_host_header_that_is_in_the_list(site: Website, host: str) -> None:
    """A name that the administrator lists may be said to any server that may be reached."""
    site.answers("/a")

    assert await run(f"{site.url}/a", hosts=LISTED, headers={"Host": host}) == Succeeded("HTTP 200")
    assert [request.headers["Host"] for request in site.heard] == [host]


async def test_the_own_host_as_a_header(site: Website) -> None:
    """A URL's own host may be written as a header, too."""
    site.answers("/a")
    own = URL(site.url).authority

    assert await run(f"{site.url}/a", hosts=HostPolicy(("127.0.0.1",)), headers={"hOST": own}) == Succeeded("HTTP 200")


@pytest.mark.parametrize("host", ["internal-admin.corp", "prod", "10.0.0.1", "127.0.0.1:1", "169.254.169.254", "metadata.google.internal"])
@pytest.mark.parametrize("where", ["url", "until"])
async def test_a_host_header_that_is_not_in_the_list(site: Website, host: str, where: str) -> None:
    """With addresses in the list a name is not left to its addresses: nobody looks a header up. Nothing is sent."""
    url = f"{site.url}/a"
    until: dict[str, object] = {"until": {"url": url, "expect": "true"}} if where == "until" else {}

    end = await run(url, hosts=HostPolicy((f"127.0.0.1:{URL(site.url).port}", "*.prod")), headers={"Host": host}, tls=None, **until)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert end.message.startswith('header "Host": host "')
    assert not site.heard


@pytest.mark.parametrize("host", ["localhost", "a.localhost.", "127.0.0.1", "[::1]:80", "0x7f.1", "100.100.100.200", "metadata"])
def test_a_special_host_header_without_a_list(host: str) -> None:
    """Without a list any name may be said, but those of special hosts."""
    urls = [URL("http://shop.example.com/")]

    assert host_header_refusal(HostPolicy(), {"Host": host}, urls) is not None
    assert host_header_refusal(HostPolicy(), {"Host": "internal-admin.corp"}, urls) is None


@pytest.mark.parametrize(
    "host",
    ["[::1", "a:99999", "a:b", "user@a", "a/b", "a b", "", "http://a", "[a]", "a:80:80", "::1", "a,b", "a:\u0663", "bü.example"],
)
async def test_a_host_header_that_is_none(site: Website, host: str) -> None:
    """It is a failure that says so, whatever the list."""
    for hosts in (LISTED, HostPolicy(ALLOWED_HOSTS)):
        end = await run(f"{site.url}/a", hosts=hosts, headers={"Host": host})

        assert isinstance(end, Failed)
        assert end.reason is FailureReason.FORBIDDEN
        assert end.message == 'the header "Host" must be a host name or an IP address, with or without a port; nothing was sent'
        assert not site.heard


@pytest.mark.parametrize("name", ["Host", "host", "HOST"])
async def test_a_host_header_from_a_secret(site: Website, name: str) -> None:
    """It is refused whatever it is: who reads the task does not see which host it names."""
    secrets = {("keys", "host"): "shop.corp"}
    action = http(f"{site.url}/a", headersFrom=[{"name": name, "secretKeyRef": {"name": "keys", "key": "host"}}])

    end = await http_bench(hosts=LISTED, secrets=secrets).run(attempt(action, seconds=30))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert not site.heard


ODD = st.text(st.sampled_from("abz09.:/@[]%?#\\-_ ~*+=&;,\u0663é\u3002\x00\t"), max_size=24)


@pytest.mark.slow
@given(ODD, ODD, ODD)
async def test_no_url_and_no_header_is_an_error_of_the_operator(url: str, until: str, host: str) -> None:
    """Whatever they are made of, the attempt ends with a reason of its own."""
    action = http("http://h").model_copy(
        update={
            "url": f"http://{url}",
            "headers": {"Host": host},
            "until": http("http://h", until={"url": "http://h", "expect": "true"}).until.model_copy(update={"url": f"https://{until}"}),  # type: ignore[union-attr] # it has one
        }
    )

    end = await http_bench(hosts=HostPolicy(("nowhere.invalid",))).run(attempt(action, seconds=30))

    assert isinstance(end, Failed)
    assert "unexpected" not in end.message
