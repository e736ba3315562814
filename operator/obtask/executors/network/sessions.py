"""Owns HTTP sessions of actions: they go only where the policy lets them, verify who answers, and send nothing twice."""

import asyncio
import socket
import ssl
from functools import partial
from types import SimpleNamespace

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from obtask.executors.network.large_answers import Share
from obtask.executors.network.lookup import HostPolicy, HostRefused, reachable
from obtask.executors.network.paced import PacedHandler

CONNECT_SECONDS = 10.0
USER_AGENT = "obtask-operator"


class Disconnected(Exception):  # noqa: N818 - what the other side did
    """The connection broke after the request may have been sent; the text says how."""


class _Resolver(AbstractResolver):
    """Resolves names to the addresses that may be reached; what it returns is what is connected to."""

    def __init__(self, hosts: HostPolicy) -> None:
        self._hosts = hosts

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of a name."""
        found = [(kind, ip) for kind, ip in await reachable(self._hosts, host, port) if family in (kind, socket.AF_UNSPEC)]
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [ResolveResult(hostname=host, host=ip, port=port, family=kind, proto=0, flags=flags) for kind, ip in found]

    async def close(self) -> None:
        """Nothing is kept."""


def open_session(hosts: HostPolicy, tls: ssl.SSLContext, share: Share, longest: int) -> aiohttp.ClientSession:
    """Return a session without cookies, proxies, kept connections and repetition of requests.

    A request's ``trace_request_ctx`` may be a coroutine function: it is awaited when the connection stands, before anything is sent.
    Requests raise HostRefused and Disconnected besides aiohttp's own errors. A connection brings at most ``longest`` bytes.
    """

    async def guard(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        # An address in the URL itself is never shown to the resolver.
        refused = hosts.refusal(request.url.host or "", request.url.port)
        if refused is not None:
            raise HostRefused(refused)
        try:
            return await handler(request)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            # aiohttp answers these two by sending GET, PUT and DELETE again.
            raise Disconnected("the connection was lost") from error

    connector = aiohttp.TCPConnector(resolver=_Resolver(hosts), ssl=tls, force_close=True, use_dns_cache=False, family=socket.AF_UNSPEC)
    loop = asyncio.get_running_loop()
    connector._factory = partial(PacedHandler, loop, share, longest)  # type: ignore[assignment] # noqa: SLF001 - no other way in
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        middlewares=(guard,),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
        trace_configs=[_before_sending()],
        trust_env=False,
    )


async def close_session(session: aiohttp.ClientSession) -> None:
    """Close the session, and let closed transports say goodbye."""
    await session.close()
    await asyncio.sleep(0)


def _before_sending() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionCreateEndParams) -> None:
        if context.trace_request_ctx is not None:
            await context.trace_request_ctx()

    trace.on_connection_create_end.append(connected)
    return trace
