"""Owns requests to the Kubernetes API: JSON in, JSON out, and what a refusal means."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_incluster_config, load_kube_config

from obtask import names

Json = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"


class Unavailable(Exception):  # noqa: N818 - it is a state of the API server, not a fault of the request
    """The API server did not answer, or asked to come back later: whether a write was applied is not known."""


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
    def missing(self) -> bool:
        """There is no such object."""
        return self.status == 404  # noqa: PLR2004


class Requests(Protocol):
    """Sends one request to the API server."""

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | Refusal:
        """Return the answer, or why it was refused; raises Unavailable when nobody can tell."""


class Streams(Requests, Protocol):
    """Sends requests, and reads texts that are too long to be held."""

    def streaming(
        self, path: str, *, query: Mapping[str, str] = {}, seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes] | Refusal]:
        """Yield the text at a path in pieces as it comes, for that long at most, or why it was refused; raises Unavailable."""


# aiohttp's guide to graceful shutdown: TLS connections need the loop to run a little longer to close.
TLS_CLOSE_SECONDS = 0.25
RETRYABLE = frozenset({401, 408, 429})


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

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | Refusal:
        """Return the answer, or why it was refused; raises Unavailable when nobody can tell."""
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            headers = await self._headers(method)
            response = await self._client.rest_client.request(method, url, headers=headers, body=body, _request_timeout=self._timeout)
            data = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{method} {path}: {type(error).__name__}: {error}") from error
        return _answer(method, path, response.status, data)

    @asynccontextmanager
    async def streaming(self, path: str, *, query: Mapping[str, str] = {}, seconds: float) -> AsyncIterator[AsyncIterator[bytes] | Refusal]:
        """Open the text at a path; yield it in pieces as it comes, for that long at most, or why it was refused.

        Raises Unavailable, also in the middle of the text.
        """
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        timeout = aiohttp.ClientTimeout(total=seconds, connect=5)
        try:
            headers = await self._headers("GET") | {"Accept": "*/*"}
            answer = await self._client.rest_client.request("GET", url, headers=headers, _request_timeout=timeout)
            response = answer.response
            try:
                if response.status >= 400:  # noqa: PLR2004
                    refused = _answer("GET", path, response.status, await response.read())
                    yield refused if isinstance(refused, Refusal) else Refusal(response.status, "", "")
                else:
                    yield response.content.iter_any()
            finally:
                response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"GET {path}: {type(error).__name__}: {error}") from error

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


def _answer(method: str, path: str, status: int, data: bytes) -> Json | Refusal:
    if status >= 500 or status in RETRYABLE:  # noqa: PLR2004
        raise Unavailable(f"{method} {path}: HTTP {status}: {_message(data)}")
    if status >= 400:  # noqa: PLR2004
        reason = _parsed(data).get("reason") or str(status)
        return Refusal(status, reason, _message(data))
    return _parsed(data)


def _parsed(data: bytes) -> Json:
    try:
        parsed = json.loads(data) if data else {}
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


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
        await load_kube_config(config_file=kubeconfig, context=context, client_configuration=configuration)
    configuration.connection_pool_maxsize = 128
    # With trust_env aiohttp looks for a .netrc file in a thread at every request.
    configuration.client_session_kwargs = {"trust_env": False}
    return Api(ApiClient(configuration))


def path_of(*parts: str) -> str:
    """Return a URL path of these parts, each one quoted."""
    return "/" + "/".join(quote(part, safe="") for part in parts)
