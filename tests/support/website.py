"""A real HTTP server for tests of the http action: it remembers what it was asked, and answers as a test tells it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.support.attempts import Bench, alone, attempt, bench, evaluated, wall_clock
from tests.support.local import LOCAL

from obtask.executors.connections.connection import HttpSecret
from obtask.executors.evaluation.evaluator import Expressions
from obtask.executors.http.work import HttpWork
from obtask.hosts import HostPolicy, read_entry
from obtask.model.actions import HttpAction
from obtask.model.attempt import Failed, Lost, Outcome
from obtask.model.reasons import FailureReason

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Website:
    """What is served, where, and what was asked."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=dict)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Remember the request and answer it."""
        self.heard.append(Heard(request.method, request.path_qs, request.headers.copy(), await request.read()))
        return await self.handlers[request.path](request)

    def answers(self, path: str, status: int = 200, **more: Any) -> None:
        """Answer this path always alike: ``json`` or ``text``, ``headers``."""

        async def handler(_: web.BaseRequest) -> web.StreamResponse:
            return web.json_response(more["json"], status=status) if "json" in more else web.Response(status=status, **more)

        self.handlers[path] = handler

    def hangs(self, path: str) -> asyncio.Event:
        """Never answer this path; return what is set when the other side has left."""
        left = asyncio.Event()

        async def handler(_: web.BaseRequest) -> web.StreamResponse:
            try:
                await asyncio.Event().wait()
            finally:
                left.set()
            return web.Response()

        self.handlers[path] = handler
        return left

    def hangs_up(self, path: str) -> None:
        """Read the request to this path, and close the connection instead of answering."""

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        self.handlers[path] = handler


@asynccontextmanager
async def website(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Website]:
    """Serve on a free port of 127.0.0.1."""
    site = Website()
    runner = web.ServerRunner(web.Server(site.serve, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await listener.start()
    host, port = runner.addresses[0][:2]
    site.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield site
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class Values:
    """Secrets for HTTP headers, with values by (name, key); a name "other" is a Secret of another type. They may go to ``hosts``."""

    known: Mapping[tuple[str, str], str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")

    async def http(self, namespace: str, secret_name: str) -> HttpSecret | Failed:
        """Return that Secret."""
        if secret_name == "other":  # noqa: S105 - a name
            return Failed(FailureReason.FORBIDDEN, f'Secret "{secret_name}" of {namespace} has type Opaque')
        values = {key: value for (name, key), value in self.known.items() if name == secret_name}
        return HttpSecret(values, tuple(map(read_entry, self.hosts)))


def http(url: str, **fields: object) -> HttpAction:
    """Return an http action."""
    return HttpAction.model_validate({"url": url, **fields})


def http_bench(
    *,
    hosts: HostPolicy = LOCAL,
    tls: ssl.SSLContext | None = None,
    secrets: Mapping[tuple[str, str], str] | None = None,
    secret_hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    confirmed: Callable[[], Awaitable[None]] = alone,
    poll_seconds: float = 30,
    expressions: Expressions = evaluated,
    slots: int = 8,
) -> Bench:
    """Return an executor of http actions."""
    return bench(
        http_work(
            hosts=hosts,
            tls=tls,
            secrets=secrets,
            secret_hosts=secret_hosts,
            sleep=sleep,
            confirmed=confirmed,
            poll_seconds=poll_seconds,
            expressions=expressions,
        ),
        slots=slots,
    )


def http_work(
    *,
    hosts: HostPolicy = LOCAL,
    tls: ssl.SSLContext | None = None,
    secrets: Mapping[tuple[str, str], str] | None = None,
    secret_hosts: tuple[str, ...] = ("127.0.0.1", "localhost"),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    confirmed: Callable[[], Awaitable[None]] = alone,
    poll_seconds: float = 30,
    expressions: Expressions = evaluated,
) -> HttpWork:
    """Return the work of http actions."""
    return HttpWork(
        Values(secrets or {}, secret_hosts),
        clock=wall_clock,
        confirmed=confirmed,
        expressions=expressions,
        hosts=hosts,
        tls=tls or ssl.create_default_context(),
        sleep=sleep,
        poll_seconds=poll_seconds,
    )


async def run(url: str, *, hosts: HostPolicy = LOCAL, tls: ssl.SSLContext | None = None, **fields: object) -> Outcome | Lost:
    """Carry out one http action."""
    return await http_bench(hosts=hosts, tls=tls).run(attempt(http(url, **fields), seconds=30))
