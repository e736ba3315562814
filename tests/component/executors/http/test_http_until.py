"""until of the http action, and its log: what is asked again and again, and what nobody may read. API.md sections 2.1 and 6."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from tests.support.attempts import Bench, Evaluated, attempt
from tests.support.website import Handler, Website, http, http_bench, website

from obtask.executors.evaluation.pipe import TOO_LARGE
from obtask.logs.text import AttemptLog
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """Return a server that accepts an operation."""
    async with website() as serving:
        serving.answers("/run", 202)
        yield serving


async def at_once(_: float) -> None:
    """Let no time pass between two requests."""
    await asyncio.sleep(0)


def in_turn(*answers: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> Handler:
    """Answer each request with the next of these, and go on with the last one."""
    rest = list(answers)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return await (rest.pop(0) if len(rest) > 1 else rest[0])(request)

    return handler


def answer(status: int, **body: object) -> Handler:
    """Answer with JSON."""

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return handler


async def hang_up(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(_: web.BaseRequest) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    return web.Response()


async def test_until_it_has_arrived(site: Website) -> None:
    """Errors, lost connections, silence and missing fields are "not yet"; the operation itself is sent once."""
    steps = [answer(503), hang_up, hang, answer(200), answer(200, state="busy"), answer(200, state="busy"), answer(200, state="done")]
    site.handlers["/state"] = in_turn(*steps)
    on = http_bench(sleep=at_once, poll_seconds=0.3)
    until = {"url": f"{site.url}/state", "expect": "body.state == 'done'", "intervalSeconds": 1}

    end = await on.run(attempt(http(f"{site.url}/run", method="POST", body={"n": 1}, headers={"X-Key": "k"}, until=until)))

    assert end == Succeeded('HTTP 202; HTTP 200 OK: {"state": "done"}')
    assert [heard.method for heard in site.heard] == ["POST"] + ["GET"] * 7
    assert {heard.headers["X-Key"] for heard in site.heard} == {"k"}
    assert {heard.body for heard in site.heard[1:]} == {b""}
    seen = [line.removeprefix("not yet: ") for line in on.log.lines if line.startswith("not yet: ")]
    assert seen[0] == "HTTP 503 Service Unavailable: {}"
    assert seen[1] == f"{site.url}/state: the connection was lost: outcome unknown"
    assert seen[2] == "no answer within 0.3 s"
    assert "Key not found" in seen[3]
    assert seen[4:] == ['HTTP 200 OK: {"state": "busy"}']


async def test_until_may_wait_for_an_error(site: Website) -> None:
    """An expectation over the status decides, also over one that is no success."""
    site.handlers["/thing"] = in_turn(answer(200), answer(404))
    until = {"url": f"{site.url}/thing", "expect": "status == 404", "intervalSeconds": 1}

    end = await http_bench(sleep=at_once).run(attempt(http(f"{site.url}/run", method="DELETE", until=until)))

    assert end == Succeeded("HTTP 202; HTTP 404 Not Found: {}")


async def test_until_never(site: Website) -> None:
    """The timeout says what was seen last; cancelling ends it, too."""
    site.answers("/state", json={"state": "busy"})
    until = {"url": f"{site.url}/state", "expect": "body.state == 'done'", "intervalSeconds": 3600}
    on = http_bench()

    end = await on.run(attempt(http(f"{site.url}/run", method="POST", until=until), seconds=1))

    said = """did not end within 1 s: waiting until body.state == 'done': last saw HTTP 200 OK: {"state": "busy"}"""
    assert end == Failed(FailureReason.TIMEOUT, said)


async def logged(on: Bench, **fields: object) -> str:
    """Carry out an action with the log that people see; return everything they can read of it, in the log and in the message."""
    log = AttemptLog(clock=lambda: attempt(http("http://a")).started_at)
    one = attempt(http(str(fields.pop("url")), **fields))
    await on.executor.start(one, log)
    await on.bells.wait()
    end = await on.end_of(one)
    assert isinstance(end, Succeeded | Failed)
    return log.tail(1000, 1_000_000) + "\n" + (end.message or "")


async def test_the_log(site: Website) -> None:
    """Request line, headers, status, time, size, answer's headers, and the head of the answer's body."""
    site.answers("/long", text="line one\x07\n" + "x" * 10_000, headers={"X-More": "m"})

    text = await logged(http_bench(), url=f"{site.url}/long?zone=z1", method="PUT", body="abc")

    assert f"PUT {site.url}/long?zone=z1\n" in text
    assert "X-OBTask-Name: resize-orders" in text
    assert "X-OBTask-Lock-Token: 7" in text
    assert "; body: 3 bytes\n" in text
    assert "HTTP 200 OK, " in text
    assert " ms, 10010 bytes\n" in text
    assert "X-More: m" in text
    assert "line one\\x07\n" in text
    assert "… of 10010 bytes" in text
    assert text.count("x" * 4000) == 1
    assert "x" * 4100 not in text


async def test_nothing_secret_is_written(site: Website) -> None:
    """Values of Secrets, credentials in headers, URLs and bodies, and whatever the server gives back of them: also in messages."""

    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        body = {
            "you": dict(request.headers),
            "path": request.path_qs,
            "sent": (await request.read()).decode(),
            "access_token": "given-7788",
        }
        return web.json_response(body, status=500, headers={"Set-Cookie": "session=cookie-9911", "X-Echo": request.headers["X-Plain"]})

    site.handlers["/login"] = echo
    url = site.url.replace("://", "://admin:in-url-3344@") + "/login?access_key=in-query-5566&zone=z1"
    fields = {
        "headers": {"Authorization": "Bearer in-header-4455", "X-Plain": "from-secret-1122"},
        "headersFrom": [{"name": "X-Plain", "secretKeyRef": {"name": "api", "key": "key"}}],
        "body": {"root": [{"rootPassword": "in-body-6677"}]},
    }

    for expect in (None, "status == 200", "body.nothing"):
        text = await logged(http_bench(secrets={("api", "key"): "from-secret-1122"}), url=url, method="POST", expect=expect, **fields)

        for secret in ("1122", "3344", "4455", "5566", "6677", "7788", "9911"):
            assert secret not in text, text
        assert "access_key=******&zone=z1" in text
    assert site.heard[0].headers["X-Plain"] == "from-secret-1122"


async def test_the_user_of_the_url_is_basic_authorization(site: Website) -> None:
    """User and password of the URL become the header that every client makes of them."""
    site.answers("/a")
    url = site.url.replace("://", "://us%40er:p%3Aw@") + "/a"

    assert await http_bench().run(attempt(http(url))) == Succeeded("HTTP 200")

    assert site.heard[0].headers["Authorization"] == "Basic dXNAZXI6cDp3"


async def test_an_expression_that_takes_too_much_ends_the_waiting(site: Website) -> None:
    """It would the next time, too; an expression that merely cannot be told yet is asked again."""
    site.answers("/progress", 200)

    class Exhausted(Evaluated):
        async def holds(self, *_: object) -> ExpressionFault:
            """Return that it takes too much."""
            return TOO_LARGE

    on = http_bench(sleep=at_once, expressions=Exhausted())
    end = await on.run(attempt(http(f"{site.url}/run", until={"url": f"{site.url}/progress", "expect": "true"}), seconds=30))

    assert isinstance(end, Failed)
    assert (end.reason, TOO_LARGE.message in end.message, end.permanent) == (FailureReason.INVALID_EXPRESSION, True, True)
    assert [asked.path for asked in site.heard] == ["/run", "/progress"]


async def test_fail_when_and_message(site: Website) -> None:
    """The task's own words are the progress; what has failed for good ends the attempt at once and is told first."""
    site.handlers["/state"] = in_turn(answer(503), answer(200, state="busy", done=40), answer(200, state="failed", done=60))
    told: list[str] = []

    async def sleep(_: float) -> None:
        told.append(await on.progress(one))

    until = {
        "url": f"{site.url}/state",
        "expect": "body.state == 'done'",
        "failWhen": "body.state == 'failed'",
        "message": "string(body.done) + ' %'",
    }
    on = http_bench(sleep=sleep)
    one = attempt(http(f"{site.url}/run", method="POST", until=until))

    end = await on.run(one)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.EXPECTATION_NOT_MET
    assert end.message.startswith("60 %; until.failWhen holds: body.state == 'failed'; saw HTTP 200 OK: ")
    assert told == ["waiting until body.state == 'done': last saw HTTP 503 Service Unavailable: {}", "40 %"]


async def test_pauses_grow(site: Website) -> None:
    """Each is twice the one before, up to the longest."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    site.handlers["/state"] = in_turn(*[answer(200, state="busy")] * 4, answer(200, state="done"))
    until = {"url": f"{site.url}/state", "expect": "body.state == 'done'", "intervalSeconds": 2, "maxIntervalSeconds": 7}

    assert isinstance(await http_bench(sleep=sleep).run(attempt(http(f"{site.url}/run", until=until))), Succeeded)
    assert pauses == [2, 4, 7, 7]


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("body.done + 'a' == 'x'", "until.expect: UNKNOWN: No matching overloads found"),
        ("body.done.percent == 100", "until.expect: a field is asked for of what is no map"),
        ("body.done", "until.expect: must be true or false, not int"),
        ("body.list.map(x, body.list.map(y, x + y)).size() > 0", "until.expect: goes through more than 10,000 elements"),
    ],
)
async def test_what_cannot_become_true_ends_the_waiting(site: Website, expect: str, words: str) -> None:
    """A type error and a budget that is used up will be the same the next time; the error page before says nothing of that."""
    site.handlers["/state"] = in_turn(answer(502), answer(200, done=40, list=list(range(200))))
    until = {"url": f"{site.url}/state", "expect": expect, "intervalSeconds": 1}

    end = await http_bench(sleep=at_once).run(attempt(http(f"{site.url}/run", until=until), seconds=30))

    assert isinstance(end, Failed)
    assert (end.reason, end.permanent) == (FailureReason.INVALID_EXPRESSION, True)
    assert end.message.startswith(words)


async def test_a_page_instead_of_json_is_waited_for_only_if_it_is_an_error(site: Website) -> None:
    """A proxy answers for a service that is starting; a service that answers with text always will."""

    async def page(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=502, text="<html>bad gateway</html>", content_type="text/html")

    async def text(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="up")

    until = {"url": f"{site.url}/state", "expect": "body.state == 'done'", "intervalSeconds": 1}
    site.handlers["/state"] = in_turn(page, page, answer(200, state="done"))
    assert isinstance(await http_bench(sleep=at_once).run(attempt(http(f"{site.url}/run", until=until))), Succeeded)

    site.handlers["/state"] = in_turn(text)
    end = await http_bench(sleep=at_once).run(attempt(http(f"{site.url}/run", until=until), seconds=30))
    assert isinstance(end, Failed)
    assert end.reason is FailureReason.INVALID_EXPRESSION
