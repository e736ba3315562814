"""Owns the ports for probes and metrics, served from the operator's own loop, with limits on the connections of strangers.

A connection serves one request. Beyond the limit, the oldest connection of the busiest peer is closed, so that a probe always gets in.
"""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from obtask.environment import SettingsError
from obtask.runtime.health import Health

MOST_CONNECTIONS = 64
MOST_PER_PEER = 32
HEADER_SECONDS = 5.0
ANSWER_SECONDS = 10.0
LONGEST_LINE = 2048
MOST_HEADERS = 64

Page = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Address = tuple[str, int]

logger = logging.getLogger(__name__)


class _Server(web.Server):
    """Closes connections beyond the limits, and slow ones."""

    def __init__(self, handler: Any, **settings: Any) -> None:
        super().__init__(handler, **settings)
        # In the order in which they came, with the timer that closes them.
        self._open: dict[Any, tuple[asyncio.Transport, str, asyncio.TimerHandle]] = {}

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Accept a connection; close another one if there are too many."""
        super().connection_made(handler, transport)
        peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._open[handler] = (transport, peer, self._later(HEADER_SECONDS, transport))
        peers = Counter(who for _, who, _ in self._open.values())
        most, count = peers.most_common(1)[0]
        if len(self._open) > MOST_CONNECTIONS or count > MOST_PER_PEER:
            oldest = next(one for one, (_, who, _) in self._open.items() if who == most)
            self._open[oldest][0].abort()
            self._forget(oldest)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        self._forget(handler)
        super().connection_lost(handler, exc)

    def asked(self, handler: Any) -> None:
        """Give a connection that has sent its request time for the answer."""
        if handler in self._open:
            transport, peer, timer = self._open.pop(handler)
            timer.cancel()
            self._open[handler] = (transport, peer, self._later(ANSWER_SECONDS, transport))

    def _later(self, seconds: float, transport: asyncio.Transport) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, transport.abort)

    def _forget(self, handler: Any) -> None:
        entry = self._open.pop(handler, None)
        if entry is not None:
            entry[2].cancel()


@asynccontextmanager
async def listening(
    health_address: Address | None, metrics_address: Address | None, health: Health, registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Serve at these addresses, which may be the same, while the block lasts. Raises SettingsError if one cannot be bound."""
    probes: dict[str, Page] = {"/healthz": _probe(health.live), "/readyz": _probe(health.ready)}
    # The handler reads only the query and the headers, which BaseRequest has. No compression: it would hold the loop for longer.
    metrics = cast("Page", make_aiohttp_handler(registry, disable_compression=True))
    series: dict[str, Page] = {"/metrics": metrics, "/": metrics}
    pages: dict[Address, tuple[str, dict[str, Page]]] = {}
    for setting, address, some in (("OBTASK_HEALTH_ADDRESS", health_address, probes), ("OBTASK_METRICS_ADDRESS", metrics_address, series)):
        if address is not None:
            name, others = pages.get(address, (setting, {}))
            pages[address] = (name, others | some)
    async with AsyncExitStack() as stack:
        for address, (setting, some) in pages.items():
            await stack.enter_async_context(_site(setting, address, some))
        yield


@asynccontextmanager
async def _site(setting: str, address: Address, pages: Mapping[str, Page]) -> AsyncIterator[None]:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        server.asked(request.protocol)
        page = pages.get(request.path)
        response: web.StreamResponse
        if request.method not in {"GET", "HEAD"} or page is None:
            response = web.Response(status=404 if page is None else 405, text="not here\n")
        else:
            response = await page(request)
        response.force_close()
        return response

    server = _Server(
        answer,
        access_log=None,
        keepalive_timeout=HEADER_SECONDS,
        lingering_time=0,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
        max_headers=MOST_HEADERS,
        read_bufsize=LONGEST_LINE,
        logger=_Quiet(logger),
    )
    try:
        listener = await asyncio.get_running_loop().create_server(server, *address, backlog=MOST_CONNECTIONS, reuse_address=True)
    except (OSError, socket.gaierror) as error:
        raise SettingsError(f"{setting}={address[0]}:{address[1]}: {error.strerror}") from error
    try:
        yield
    finally:
        listener.close()
        await listener.wait_closed()
        server.pre_shutdown()
        await server.shutdown(0)


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """Logs at DEBUG at most: malformed requests of strangers must not fill the log."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        super().log(min(level, logging.DEBUG), msg, *args, **kwargs)


def _probe(state: Callable[[], tuple[bool, str]]) -> Page:
    async def answer(_: web.BaseRequest) -> web.Response:
        good, said = state()
        return web.Response(text=f"{said}\n", status=200 if good else 503)

    return answer
