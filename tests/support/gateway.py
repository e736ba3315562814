"""Owns a gateway between an operator and the API server that can fail like a network: refuse, drop, lose answers, answer errors."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, assert_never

import aiohttp
import yaml
from aiohttp import web
from tests.support.relayed_watch import RelayedWatches
from tests.support.verdicts import Delay, Fate, Refuse, Strike, Verdict
from yarl import URL

from devcluster.controlplane import ControlPlane

WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
LONGEST_LINE = 2**22  # an object at the size limit of the API server
PASSED_ON = ("Accept", "Content-Type", "User-Agent", "Impersonate-User")
CLOSE_SECONDS = 0.25  # aiohttp's guide: TLS connections need the loop a little longer to close

_T = TypeVar("_T")
Forwarded = AbstractAsyncContextManager[aiohttp.ClientResponse]
Rule = Callable[[str, str], Verdict]


def is_write(method: str, path: str) -> bool:
    """Return whether a request changes anything; a question for the user's own rights does not."""
    return method in WRITING and "/selfsubjectaccessreviews" not in path


def pass_all(method: str, path: str) -> Fate:  # noqa: ARG001 - a rule's arguments
    """Pass every request."""
    return Fate.PASS


class Gateway:
    """A reverse proxy that the operator takes for the API server. ``rule(method, path)`` is asked about each request, in its thread."""

    def __init__(self, cluster: ControlPlane, folder: Path) -> None:
        self._cluster = cluster
        self._pki = cluster.kubeconfig.parent / "pki"
        self._loop = asyncio.new_event_loop()
        self._transports: set[asyncio.BaseTransport] = set()
        self._unanswered: set[asyncio.Task[None]] = set()
        self._port = 0
        self.watches = RelayedWatches()
        self.rule: Rule = pass_all
        self.kubeconfig = folder / "gateway.kubeconfig"

    @contextmanager
    def running(self) -> Iterator["Gateway"]:
        """Pass requests on as long as the block lasts."""
        thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        thread.start()
        try:
            self._wait(self._start())
            self._write_kubeconfig()
            yield self
        finally:
            self._wait(self._stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def shut(self) -> None:
        """Refuse new connections and break the open ones."""
        self._wait(self._shut())

    def open(self) -> None:
        """Let connections through again."""
        self._wait(self._listen())

    def cut(self) -> None:
        """Break all open connections, in the middle of whatever they carry; new ones are welcome."""
        self._wait(self._cut())

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _write_kubeconfig(self) -> None:
        config = yaml.safe_load(self._cluster.operator_kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self._port}"
        self.kubeconfig.write_text(yaml.safe_dump(config))

    async def _start(self) -> None:
        tls = ssl.create_default_context(cafile=self._pki / "ca.crt")
        tls.load_cert_chain(self._pki / "operator.kubeconfig.crt", self._pki / "operator.kubeconfig.key")
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("Content-Type",),
            read_bufsize=LONGEST_LINE,
        )
        self._runner = web.ServerRunner(web.Server(self._handle, handler_cancellation=True), shutdown_timeout=0)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._pki / "apiserver.crt", self._pki / "apiserver.key")
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=tls, reuse_address=True)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    async def _shut(self) -> None:
        await self._site.stop()
        await self._cut()

    async def _stop(self) -> None:
        await self._cut()
        await self._runner.cleanup()
        await asyncio.gather(*self._unanswered, return_exceptions=True)
        await self._session.close()
        await asyncio.sleep(CLOSE_SECONDS)

    async def _cut(self) -> None:
        for transport in self._transports:
            transport.abort()  # type: ignore[attr-defined] # every transport of a stream has it
        self._transports.clear()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is not None:
            self._transports.add(transport)
        body = await request.read()
        try:
            return await self._meet(request, body, self.rule(request.method, request.path_qs))
        except (aiohttp.ClientError, ConnectionError):
            return _broken(transport)

    async def _meet(self, request: web.BaseRequest, body: bytes, verdict: Verdict) -> web.StreamResponse:
        match verdict:
            case Fate.PASS:
                return await self._pass_on(request, body)
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
                return await self._pass_on(request, body)
            case Refuse():
                if verdict.applied:
                    await self._carry_out(request, body)
                return _refusal(verdict)
            case Strike(kill=kill):
                if verdict.applied:
                    await self._carry_out(request, body)
                kill()
                return _broken(request.transport)
            case Fate.LOSE:
                await self._carry_out(request, body)
                return _broken(request.transport)
            case Fate.DROP:
                return _broken(request.transport)
            case never:
                assert_never(never)

    def _forward(self, request: web.BaseRequest, body: bytes) -> Forwarded:
        url = URL(self._cluster.url + request.path_qs, encoded=True)
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        return self._session.request(request.method, url, data=body, headers=headers)

    async def _carry_out(self, request: web.BaseRequest, body: bytes) -> None:
        """Have the API server carry the request out, even if its sender goes away meanwhile."""

        async def forward() -> None:
            async with self._forward(request, body) as answer:
                if not is_watch(request.path_qs):  # its answer has no end
                    await answer.read()

        unanswered = asyncio.create_task(forward())
        self._unanswered.add(unanswered)
        unanswered.add_done_callback(self._unanswered.discard)
        await asyncio.shield(unanswered)

    async def _pass_on(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        async with self._forward(request, body) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
            await response.prepare(request)
            if answer.ok and is_watch(request.path_qs):
                if not await self.watches.relay(request.path, answer.content, response.write):
                    return _broken(request.transport)
            else:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            await response.write_eof()
            return response


def is_watch(path: str) -> bool:
    """Return whether a GET with this path and query is a watch."""
    return URL(path, encoded=True).query.get("watch") in {"1", "true"}


def _refusal(verdict: Refuse) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": verdict.status, "message": "no"}
    after = {"Retry-After": str(verdict.retry_after)} if verdict.retry_after is not None else {}
    return web.json_response(body, status=verdict.status, headers=after)


def _broken(transport: asyncio.Transport | None) -> web.StreamResponse:
    if transport is not None:
        transport.abort()
    return web.Response(status=503)
