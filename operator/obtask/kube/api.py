"""Owns requests to the Kubernetes API: JSON in, JSON out, and what a refusal means."""

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import aiohttp
import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from obtask import names
from obtask.kube.foreign import TooDeep, off_loop, parse, parse_shallow, parse_task
from obtask.model.constraints import SEGMENT_RULE, is_path_segment

Json = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
ONLY_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Unavailable(Exception):  # noqa: N818 - it is a state of the API server, not a fault of the request
    """The API server did not answer, or asked to come back later: whether a write was applied is not known."""


class Busy(Unavailable):
    """The API server answered that it wants to be asked again: nothing was changed, unless it is an error of its own."""


class Denied(Exception):  # noqa: N818 - what the API server did
    """The API server refuses what the operator must be able to do: rights, admission or a quota are in the way."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API server said no, and nothing was changed."""

    status: int
    reason: str
    message: str

    @property
    def conflict(self) -> bool:
        """Someone else wrote first, or the object exists already."""
        return self.status == 409  # noqa: PLR2004

    @property
    def invalid(self) -> bool:
        """What was sent cannot be, for one thing because what is there must not change."""
        return self.status == 422  # noqa: PLR2004

    @property
    def missing(self) -> bool:
        """There is no such object."""
        return self.status == 404  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Response:
    """What the API server answered, whatever it was."""

    status: int
    data: bytes
    warnings: tuple[str, ...] = ()


class Requests(Protocol):
    """Sends one request to the API server."""

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | Refusal:
        """Return the answer, or why it was refused; raises Unavailable when nobody can tell."""


class Inspects(Requests, Protocol):
    """Sends requests, and reads the metadata of objects without the rest of them."""

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | Refusal:
        """Return a list of PartialObjectMetadata, or why it was refused; raises Unavailable when nobody can tell."""


class Streams(Requests, Protocol):
    """Sends requests, and reads texts that are too long to be held."""

    def streaming(
        self, path: str, *, query: Mapping[str, str] = {}, seconds: float | None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes] | Refusal]:
        """Yield the text at a path in pieces as it comes, or why it was refused; raises Unavailable.

        Without ``seconds``, which is for how long, it may take any time, as long as something comes.
        """


# aiohttp's guide to graceful shutdown: TLS connections need the loop to run a little longer to close.
TLS_CLOSE_SECONDS = 0.25
RETRYABLE = frozenset({401, 408, 429})
# An object has at most 3 MiB. What is listed without pages, such as the pods of a Job, is more only if somebody means harm.
ANSWER_BYTES = 16 * 1024 * 1024
PIECE_BYTES = 64 * 1024
SILENCE_SECONDS = 60.0  # after which a long answer will not go on any more
LONGEST_SHOWN = 64  # of a name that is none
OWN_OBJECTS, NAME = f"/apis/{names.GROUP}/", 7  # the place of the name in the path of one object; that of a list ends before


class Api:
    """Sends requests through the kept Kubernetes client, without its typed models: bodies stay as the server sent them."""

    def __init__(self, client: ApiClient, *, request_seconds: float = 30) -> None:
        self._client = client
        self._timeout = aiohttp.ClientTimeout(total=request_seconds, connect=5)

    @property
    def configuration(self) -> Configuration:
        """Where and as whom the client connects."""
        configuration: Configuration = self._client.configuration
        return configuration

    def apart(self) -> "Api":
        """Return a client of the same server with connections of its own, as many as it needs: long answers keep nobody else waiting."""
        configuration = copy.copy(self._client.configuration)
        configuration.connection_pool_maxsize = 0  # to aiohttp: no limit
        return Api(ApiClient(configuration))

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | Refusal:
        """Return the answer, or why it was refused; raises Unavailable when nobody can tell."""
        response = await self.exchange(method, path, query=query, body=body)
        return await off_loop(response.data, lambda: read_answer(method, path, response))

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | Refusal:
        """Return a list of PartialObjectMetadata, or why it was refused; raises Unavailable when nobody can tell."""
        response = await self.exchange("GET", path, query=query, headers={"Accept": ONLY_METADATA})
        return await off_loop(response.data, lambda: read_answer("GET", path, response))

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None, headers: Mapping[str, str] = {}
    ) -> Response:
        """Return whatever the server answers; raises Unavailable when it does not."""
        async with self._opened(method, path, query=query, body=body, headers=headers, limit=self._timeout) as response:
            data = await _read(response, f"{method} {path}")
            return Response(response.status, data, tuple(response.headers.getall("Warning", ())))

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str], headers: Mapping[str, str], seconds: float
    ) -> AsyncIterator[Response | AsyncIterator[bytes]]:
        """Give an answer in pieces as it comes, for at most that long; a refusal comes whole. Raises Unavailable in between."""
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
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            full = {**await self._headers(method), **headers}
            answer = await self._client.rest_client.request(method, url, headers=full, body=body, _request_timeout=limit)
            try:
                yield answer.response
            finally:
                answer.response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{method} {path}: {type(error).__name__}: {error}") from error

    @asynccontextmanager
    async def streaming(
        self, path: str, *, query: Mapping[str, str] = {}, seconds: float | None
    ) -> AsyncIterator[AsyncIterator[bytes] | Refusal]:
        """Open the text at a path; yield it in pieces as it comes, or why it was refused.

        Without ``seconds``, which is for how long, it may take any time, as long as something comes. Raises Unavailable, also in the
        middle of the text.
        """
        async with self._flowing(path, query, {"Accept": "*/*"}, seconds) as answer:
            if isinstance(answer, Response):
                refused = read_answer("GET", path, answer)
                yield refused if isinstance(refused, Refusal) else Refusal(answer.status, "", "")
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

    async def _headers(self, method: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": names.FIELD_MANAGER}
        headers["Content-Type"] = MERGE_PATCH if method == "PATCH" else "application/json"
        for setting in (await self._client.configuration.auth_settings()).values():
            headers[setting["key"]] = setting["value"]
        return headers

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
        await asyncio.sleep(TLS_CLOSE_SECONDS)


def read_answer(method: str, path: str, response: Response) -> Json | Refusal:
    """Return the object in a response, or why it was refused; raises Unavailable when the server wants to be asked again."""
    if response.status >= 500 or response.status in RETRYABLE:  # noqa: PLR2004
        kind = Unavailable if response.status == HTTPStatus.UNAUTHORIZED else Busy
        raise kind(f"{method} {path}: HTTP {response.status}: {_message(response.data)}")
    refusal = read_refusal(response)
    if refusal is not None:
        return refusal
    try:
        return _object((parse_task if path.startswith(OWN_OBJECTS) and path.split("/")[NAME:] else parse)(response.data))
    except TooDeep as error:
        # What was written is written; what was read must not be taken for the whole.
        if method == "GET":
            return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "TooDeep", f"the answer cannot be read: {error}")
        return _object(parse_shallow(response.data))
    except ValueError:
        return {}


async def _read(response: aiohttp.ClientResponse, what: str) -> bytes:
    pieces, size = [], 0
    async for piece in response.content.iter_chunked(PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > ANSWER_BYTES:
            raise Denied(f"{what}: the answer has more than {ANSWER_BYTES // 1024 // 1024} MiB")
    return b"".join(pieces)


def read_refusal(response: Response) -> Refusal | None:
    """Return why the server refused, if it did."""
    if response.status < 400:  # noqa: PLR2004
        return None
    reason = _parsed(response.data).get("reason") or str(response.status)
    return Refusal(response.status, reason, _message(response.data))


def _parsed(data: bytes) -> Json:
    try:
        return _object(parse(data))
    except ValueError:
        return {}


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _message(data: bytes) -> str:
    return str(_parsed(data).get("message") or data[:200].decode(errors="replace"))


async def connect(kubeconfig: str | None, context: str | None = None) -> Api:
    """Return an API client for a kubeconfig, or for the pod's own service account when none is given.

    Raises kubernetes.aio.config.ConfigException when neither can be read.
    """
    configuration = Configuration()
    if kubeconfig is None:
        load_incluster_config(client_configuration=configuration)
    else:
        try:
            await load_kube_config(config_file=kubeconfig, context=context, client_configuration=configuration)
        except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
            # The client takes what it has read to pieces without a look at it. The error's own text may hold credentials.
            raise ConfigException(f"this is no kubeconfig ({type(error).__name__})") from error
    configuration.connection_pool_maxsize = 128
    # With trust_env aiohttp looks for a .netrc file in a thread at every request.
    configuration.client_session_kwargs = {"trust_env": False}
    return Api(ApiClient(configuration))


class BadName(ValueError):  # noqa: N818 - what the part is
    """No object can have this name."""


def path_of(*parts: str) -> str:
    """Return a URL path of these parts, each one quoted; raises BadName for what is no path segment.

    The API server finds its way by the decoded path, so that a quoted slash would lead elsewhere.
    """
    for part in parts:
        if not is_path_segment(part):
            raise BadName(f"{part[:LONGEST_SHOWN]!r} cannot be a name: {SEGMENT_RULE}")
    return "/" + "/".join(quote(part, safe="") for part in parts)
