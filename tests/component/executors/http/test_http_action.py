"""The http action: what is sent, what is expected, what an answer is to an expression. API.md section 2.1."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from tests.support.attempts import attempt, until
from tests.support.website import Website, http, http_bench, run, website

from obtask.model.attempt import Failed, Lost, Succeeded
from obtask.model.reasons import FailureReason


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """Return a server."""
    async with website() as serving:
        yield serving


async def test_a_get_that_is_answered(site: Website) -> None:
    """Without more, a GET is sent and 2xx is success; the other side can tell who asks."""
    site.answers("/a", 204)

    assert await run(f"{site.url}/a?x=1%2F2") == Succeeded("HTTP 204")

    [heard] = site.heard
    assert (heard.method, heard.path, heard.body) == ("GET", "/a?x=1%2F2", b"")
    assert heard.headers["User-Agent"] == "obtask-operator"
    told = {name.removeprefix("X-OBTask-"): value for name, value in heard.headers.items() if name.startswith("X-OBTask-")}
    assert told == {
        "Namespace": "prod",
        "Name": "resize-orders",
        "UID": "4f0c",
        "Step": "resize",
        "Subtask": "zone1",
        "Attempt": "1",
        "Direction": "Forward",
        "Lock-Token": "7",
    }


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        ({"zone": "租户", "n": [1, None]}, json.dumps({"zone": "租户", "n": [1, None]}, ensure_ascii=False), "application/json"),
        (False, "false", "application/json"),
        ("a=1&b=2", "a=1&b=2", "text/plain; charset=utf-8"),
        ("", "", "text/plain; charset=utf-8"),
    ],
)
async def test_a_body(site: Website, body: object, sent: str, kind: str) -> None:
    """A string goes as it is, anything else as JSON."""
    site.answers("/a")

    assert await run(f"{site.url}/a", method="POST", body=body) == Succeeded("HTTP 200")

    assert (site.heard[0].body.decode(), site.heard[0].headers["Content-Type"]) == (sent, kind)


async def test_the_tasks_own_headers(site: Website) -> None:
    """Headers of the task win over defaults, Secrets over them, and nobody can speak in another task's name."""
    site.answers("/a")
    fields = {
        "headers": {"content-type": "application/x-yaml", "Authorization": "none", "x-obtask-name": "another"},
        "headersFrom": [{"name": "authorization", "secretKeyRef": {"name": "api", "key": "token"}}],
    }
    on = http_bench(secrets={("api", "token"): "Bearer s3cr3t-token\n"})

    assert await on.run(attempt(http(f"{site.url}/a", method="PUT", body={}, **fields))) == Succeeded("HTTP 200")

    headers = site.heard[0].headers
    assert headers["Content-Type"] == "application/x-yaml"
    assert headers["Authorization"] == "Bearer s3cr3t-token"
    assert headers["X-OBTask-Name"] == "resize-orders"
    assert "s3cr3t-token" in on.log.secrets


@pytest.mark.parametrize(
    ("secret", "value", "reason"),
    [
        ("other", "x", FailureReason.FORBIDDEN),
        ("none", "x", FailureReason.NOT_FOUND),
        ("api", "one\ntwo", FailureReason.CONNECTION_FAILED),
    ],
)
async def test_a_secret_that_cannot_be_used(site: Website, secret: str, value: str, reason: FailureReason) -> None:
    """Nothing is sent, and the failure names the Secret."""
    action = http(f"{site.url}/a", headersFrom=[{"name": "X-Key", "secretKeyRef": {"name": secret, "key": "token"}}])

    end = await http_bench(secrets={("api", "token"): value}).run(attempt(action))

    assert isinstance(end, Failed)
    assert end.reason is reason
    assert f'"{secret}"' in end.message
    assert not site.heard


async def test_another_status_than_2xx(site: Website) -> None:
    """Without an expectation the status decides; the message shows the answer on one line."""
    site.answers("/a", 503, text="no leader\nyet")

    assert await run(f"{site.url}/a") == Failed(FailureReason.HTTP_STATUS, "HTTP 503 Service Unavailable: no leader yet", "503")


@pytest.mark.parametrize(
    "expect",
    [
        "status == 404",
        "headers['x-more'] == 'a, b'",
        "headers['content-type'].startsWith('application/json')",
        "body.list[1].n == 2",
        "body.nothing == null && body.big > 9000000000000000000",
        "body.broken == 'a\\ufffdb\\ufffd'",
        "body.huge > 1.0e30",
    ],
)
async def test_an_expectation_that_holds(site: Website, expect: str) -> None:
    """Status, headers in lower case, and JSON as values."""
    body = {"list": [{}, {"n": 2}], "nothing": None, "big": 2**64 - 1, "broken": "a\0b\ud800", "huge": 10**40}

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        answer = web.json_response(body, status=404)
        answer.headers.add("X-More", "a")
        answer.headers.add("X-More", "b")
        return answer

    site.handlers["/a"] = handler

    assert await run(f"{site.url}/a", expect=expect) == Succeeded("HTTP 404")


@pytest.mark.parametrize(
    ("text", "kind", "expect"),
    [
        ("12", "text/plain", "body == '12'"),
        ('{"a": 1}', "text/plain", "body.a == 1"),
        ("12", "application/json", "body == 12"),
        ("{no json", "application/json", "body == '{no json'"),
        ('{"a": NaN}', "application/json", "body.startsWith('{')"),
        ("[" * 100_000, "application/json", "size(body) == 100000"),
        ("", "application/json", "body == ''"),
        ("é", "text/plain; charset=latin-1", "body == 'é'"),
    ],
)
async def test_a_body_is_json_or_text(site: Website, text: str, kind: str, expect: str) -> None:
    """What says that it is JSON, or is an object or a list, is JSON if it can be read; everything else is text."""
    data = text.encode("latin-1") if "latin" in kind else text.encode()

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=data, headers={"Content-Type": kind})

    site.handlers["/a"] = handler

    assert await run(f"{site.url}/a", expect=expect) == Succeeded("HTTP 200")


async def test_an_expectation_that_does_not_hold(site: Website) -> None:
    """The message has the expression and what came instead; the code is the status."""
    site.answers("/a", json={"state": "idle"})

    end = await run(f"{site.url}/a", expect="body.state == 'done'")

    said = """expect: does not hold: body.state == 'done'; saw HTTP 200 OK: {"state": "idle"}"""
    assert end == Failed(FailureReason.EXPECTATION_NOT_MET, said, "200")


@pytest.mark.parametrize(("status", "reason"), [(200, FailureReason.INVALID_EXPRESSION), (500, FailureReason.EXPECTATION_NOT_MET)])
async def test_an_expectation_that_cannot_be_told(site: Website, status: int, reason: FailureReason) -> None:
    """A field that is missing is the expression's fault, unless the answer is an error anyway."""
    site.answers("/a", status, json={})

    end = await run(f"{site.url}/a", expect="body.state == 'done'")

    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (reason, str(status))
    assert "state" in end.message


async def test_an_expression_that_does_not_compile(site: Website) -> None:
    """Nothing is sent."""
    end = await run(f"{site.url}/a", method="POST", expect="state == 1")

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INVALID_EXPRESSION
    assert not site.heard


async def test_a_body_over_one_mebibyte_is_cut(site: Website) -> None:
    """The first MiB is kept, as text, and the log and the message say so."""
    site.answers("/a", text="x" * (3 * 1024 * 1024))
    on = http_bench()

    assert await on.run(attempt(http(f"{site.url}/a", expect="size(body) == 1048576"))) == Succeeded("HTTP 200")
    assert "1048576 bytes, cut at 1 MiB" in on.log.text
    end = await run(f"{site.url}/a", expect="status == 1")

    assert isinstance(end, Failed)
    assert "cut at 1 MiB" in end.message


@pytest.mark.parametrize("header", ["Content-Length", "transfer-encoding", "Connection"])
async def test_headers_that_frame_the_request(site: Website, header: str) -> None:
    """A task cannot make the request something else than it looks like."""
    end = await run(f"{site.url}/a", headers={header: "5"})

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.FORBIDDEN
    assert not site.heard


async def test_starting_twice_sends_once(site: Website) -> None:
    """The same attempt is not sent again; a new operator does not know it and says so."""
    site.answers("/a")
    on = http_bench()
    one = attempt(http(f"{site.url}/a", method="POST"))

    await on.executor.start(one, on.log)
    await on.run(one)
    await on.executor.start(one, on.log)

    assert len(site.heard) == 1
    assert await http_bench().end_of(one) == Lost()


async def test_cancelling_lets_go_of_the_server(site: Website) -> None:
    """The connection is closed, which the server can see; the message and the log say that the outcome is unknown."""
    left = site.hangs("/a")
    on = http_bench()
    one = attempt(http(f"{site.url}/a", method="POST"))
    await on.executor.start(one, on.log)
    await until(lambda: site.heard)

    await on.executor.cancel(one)
    await on.bells.wait()

    async with asyncio.timeout(10):
        await left.wait()
    end = await on.end_of(one)
    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED
    assert end.message == f"cancelled: POST {site.url}/a: sent, waiting for the answer"
    assert "outcome unknown" in on.log.text


async def test_a_server_that_does_not_answer_in_time(site: Website) -> None:
    """The deadline is around everything, and the log stays."""
    left = site.hangs("/a")
    on = http_bench()

    end = await on.run(attempt(http(f"{site.url}/a"), seconds=1))

    async with asyncio.timeout(10):
        await left.wait()
    assert end == Failed(FailureReason.TIMEOUT, f"did not end within 1 s: GET {site.url}/a: sent, waiting for the answer")
    assert f"GET {site.url}/a" in on.log.text


async def test_nothing_is_changed_before_leadership_is_confirmed(site: Website) -> None:
    """A request that may change something waits until nobody else can lead; a GET need not."""
    site.answers("/a")
    leads = asyncio.Event()

    async def confirmed() -> None:
        await leads.wait()

    assert await http_bench(confirmed=confirmed).run(attempt(http(f"{site.url}/a"))) == Succeeded("HTTP 200")
    on = http_bench(confirmed=confirmed)
    one = attempt(http(f"{site.url}/a", method="POST"))
    await on.executor.start(one, on.log)
    await until(lambda: on.log.lines)
    assert [heard.method for heard in site.heard] == ["GET"]

    leads.set()
    await on.bells.wait()

    assert await on.end_of(one) == Succeeded("HTTP 200")
