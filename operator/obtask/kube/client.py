"""Owns requests to the Kubernetes API: JSON in, JSON out, over connections that are kept."""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from multidict import CIMultiDict

from obtask import names
from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable, Json, Response, read_answer
from obtask.kube.foreign import off_loop
from obtask.kube.login import Credentials, Lent, Ticket, load

MERGE_PATCH = "application/merge-patch+json"
ONLY_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
# aiohttp's guide to graceful shutdown: TLS connections need the loop to run a little longer to close.
TLS_CLOSE_SECONDS = 0.25
# An object has at most 3 MiB. What is listed without pages, such as the pods of a Job, is more only if somebody means harm.
ANSWER_BYTES = 16 * 1024 * 1024
PIECE_BYTES = 64 * 1024
SILENCE_SECONDS = 60.0  # after which a long answer will not go on any more
Certificate = tuple[str | None, str | None]


class Api:
    """Sends requests through the kept Kubernetes client, without its typed models: bodies stay as the server sent them."""

    def __init__(self, configuration: Configuration, credentials: Credentials, *, request_seconds: float = 30) -> None:
        self._client = ApiClient(configuration)
        self._credentials = credentials
        self._certificate: Certificate = (configuration.cert_file, configuration.key_file)
        self._is_lent = False
        self._former: list[ApiClient] = []  # with another certificate: what it has begun goes on
        self._timeout = aiohttp.ClientTimeout(total=request_seconds, connect=5)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._client.configuration.host)

    def apart(self, keeper: asyncio.AbstractEventLoop | None = None) -> "Api":
        """Return a client of the same server with connections of its own, as many as it needs: long answers keep nobody else waiting.

        For use in another event loop, ``keeper`` is the one of this client.
        """
        configuration = copy.copy(self._client.configuration)
        configuration.connection_pool_maxsize = 0  # to aiohttp: no limit
        return Api(configuration, Lent(self._credentials, keeper) if keeper is not None else self._credentials)

    def under(self, credentials: Credentials) -> "Api":
        """Return a client of the same server, over the same connections, that shows other credentials.

        Connections know nothing of who asks as long as neither shows a client certificate. Closing it closes none of them.
        """
        other = copy.copy(self)
        other._credentials = credentials  # noqa: SLF001 - its own kind
        other._is_lent = True  # noqa: SLF001
        return other

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Return the answer, or why it was refused; raises ApiUnavailable when nobody can tell."""
        response = await self.exchange(method, path, query=query, body=body)
        return await off_loop(response.data, lambda: read_answer(method, path, response))

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | ApiError:
        """Return a list of PartialObjectMetadata, or why it was refused; raises ApiUnavailable when nobody can tell."""
        response = await self.exchange("GET", path, query=query, headers={"Accept": ONLY_METADATA})
        return await off_loop(response.data, lambda: read_answer("GET", path, response))

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None, headers: Mapping[str, str] = {}
    ) -> Response:
        """Return whatever the server answers; raises ApiUnavailable when it does not."""
        async with self._opened(method, path, query=query, body=body, headers=headers, limit=self._timeout) as response:
            data = await _read(response, f"{method} {path}")
            return Response(response.status, data, tuple(response.headers.getall("Warning", ())))

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str], headers: Mapping[str, str], seconds: float
    ) -> AsyncIterator[Response | AsyncIterator[bytes]]:
        """Give an answer in pieces as it comes, for at most that long; a refusal comes whole. Raises ApiUnavailable in between."""
        async with self._flowing(path, query, headers, seconds) as answer:
            yield answer if isinstance(answer, Response) else answer.iter_any()

    @asynccontextmanager
    async def _opened(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        body: Json | None,
        headers: Mapping[str, str],
        limit: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        content_type = MERGE_PATCH if method == "PATCH" else "application/json"
        try:
            answer = await self.open(method, url, body=body, headers={"Content-Type": content_type, **headers}, limit=limit)
            try:
                yield answer
            finally:
                answer.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailable(f"{method} {path}: {type(error).__name__}: {error}") from error

    @asynccontextmanager
    async def streaming(
        self, path: str, *, query: Mapping[str, str] = {}, seconds: float | None
    ) -> AsyncIterator[AsyncIterator[bytes] | ApiError]:
        """Open the text at a path; yield it in pieces as it comes, or why it was refused.

        Without ``seconds``, which is for how long, it may take any time, as long as something comes. Raises ApiUnavailable, also in the
        middle of the text.
        """
        async with self._flowing(path, query, {"Accept": "*/*"}, seconds) as answer:
            if isinstance(answer, Response):
                refused = read_answer("GET", path, answer)
                yield refused if isinstance(refused, ApiError) else ApiError(answer.status, "", "")
            else:
                yield answer.iter_any()

    @asynccontextmanager
    async def _flowing(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str], seconds: float | None
    ) -> AsyncIterator[Response | aiohttp.StreamReader]:
        limit = aiohttp.ClientTimeout(total=seconds, connect=5, sock_read=SILENCE_SECONDS if seconds is None else None)
        async with self._opened("GET", path, query=query, body=None, headers=headers, limit=limit) as response:
            if response.status >= 400:  # noqa: PLR2004
                yield Response(response.status, await _read(response, f"GET {path}"))
            else:
                yield response.content

    async def open(
        self, method: str, url: str, *, headers: Mapping[str, str], limit: aiohttp.ClientTimeout, body: Json | None = None
    ) -> aiohttp.ClientResponse:
        """Return an answer that is still to be read, whatever it is. One that refuses who asks is given again with new credentials.

        Raises what aiohttp raises.
        """
        ticket = await self._credentials.ticket()
        answer = await self._request(method, url, ticket, headers, limit, body)
        # Whoever is not known has changed nothing: it may be sent again.
        if answer.status != HTTPStatus.UNAUTHORIZED or not await self._credentials.renew(ticket.number):
            return answer
        answer.close()
        return await self._request(method, url, await self._credentials.ticket(), headers, limit, body)

    async def _request(  # noqa: PLR0917 - what a request consists of
        self, method: str, url: str, ticket: Ticket, headers: Mapping[str, str], limit: aiohttp.ClientTimeout, body: Json | None
    ) -> aiohttp.ClientResponse:
        if ticket.certificate != self._certificate:
            await self._show(ticket.certificate)
        full = CIMultiDict({"Accept": "application/json", "User-Agent": names.FIELD_MANAGER, **ticket.headers, **headers})
        full.extend(ticket.repeated)
        answer = await self._client.rest_client.request(method, url, headers=full, body=body, _request_timeout=limit)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _show(self, certificate: Certificate) -> None:
        """Connect with another client certificate from now on: a connection that is open goes on with the one that it began with."""
        configuration = copy.copy(self._client.configuration)
        configuration.cert_file, configuration.key_file = certificate
        self._former.append(self._client)
        self._client, self._certificate = ApiClient(configuration), certificate
        if len(self._former) > 1:
            await self._former.pop(0).close()

    async def close(self) -> None:
        """Close the connections."""
        await self._credentials.close()
        if self._is_lent:
            return
        for client in (self._client, *self._former):
            await client.close()
        await asyncio.sleep(TLS_CLOSE_SECONDS)


async def _read(response: aiohttp.ClientResponse, what: str) -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > ANSWER_BYTES:
            raise ApiForbidden(f"{what}: the answer has more than {ANSWER_BYTES // 1024 // 1024} MiB")
    return b"".join(pieces)


async def connect(kubeconfig: str | None, context: str | None = None) -> Api:
    """Return an API client for a kubeconfig, or for the pod's own service account when none is given.

    Raises kubernetes.aio.config.ConfigException when neither can be read.
    """
    login = await load(kubeconfig, context)
    configuration = copy.copy(login.configuration)
    configuration.connection_pool_maxsize = 128
    # With trust_env aiohttp looks for a .netrc file in a thread at every request.
    configuration.client_session_kwargs = {"trust_env": False}
    return Api(configuration, login)
