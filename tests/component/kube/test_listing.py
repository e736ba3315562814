"""What is listed at start is asked for again when the API server says that it is not ready, as it does for a new CRD."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from obtask.kube.api import ApiBusy, ApiError, ApiUnavailable, Json, Response, read_answer
from obtask.kube.listing import TRIES, Listing

INITIALIZING = Response(429, b'{"kind": "Status", "message": "storage is (re)initializing", "reason": "TooManyRequests"}')


@dataclass
class NotReadyYet:
    """An API server that answers so many requests as one that has just been told of the CRD."""

    refused: int
    pauses: list[float] = field(default_factory=list)

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Nothing but lists is asked for."""
        raise NotImplementedError(f"{method} {path} {query} {body}")

    @asynccontextmanager
    async def streaming(
        self, path: str, *, query: Mapping[str, str] = {}, seconds: float | None
    ) -> AsyncIterator[AsyncIterator[bytes] | ApiError]:
        """Answer with one task, or as not ready."""
        if self.refused:
            self.refused -= 1
            read_answer("GET", path, INITIALIZING)
        yield _pieces(json.dumps({"items": [{"query": dict(query), "seconds": seconds}]}).encode())

    async def sleep(self, seconds: float) -> None:
        """Take note of a pause."""
        self.pauses.append(seconds)


async def _pieces(text: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(text), 7):
        yield text[start : start + 7]


async def test_storage_that_is_not_ready_yet_is_asked_again() -> None:
    """The operator does not end because it was started right after its CRD."""
    api = NotReadyYet(refused=3)

    assert len([task async for task in Listing(api, (), api.sleep).unfinished_tasks()]) == 1
    assert api.pauses == [0.25, 0.5, 1]


async def test_an_api_server_that_stays_busy_is_given_up() -> None:
    """After some seconds the process may end and say why."""
    api = NotReadyYet(refused=100)

    with pytest.raises(ApiBusy, match="storage is"):
        await Listing(api, (), api.sleep).leases()
    assert len(api.pauses) == TRIES - 1
    assert max(api.pauses) == 3


def test_bad_credentials_are_not_asked_again() -> None:
    """A token that is refused is not the API server's being busy."""
    with pytest.raises(ApiUnavailable) as caught:
        read_answer("GET", "/", Response(401, b""))
    assert not isinstance(caught.value, ApiBusy)


async def test_a_lease_may_nest_as_deep_as_it_likes() -> None:
    """Managed fields are free-form: one such Lease must not keep the operator from starting."""
    deep = '{"f:a":' * 5_000 + "{}" + "}" * 5_000
    meta = f'{{"managedFields":[{{"fieldsV1":{deep}}}],"name":"l","namespace":"ns","resourceVersion":"1","uid":"u"}}'
    other = meta.replace('"l"', '"m"').replace(deep, "{}")
    text = f'{{"metadata":{{}},"items":[{{"metadata":{meta},"spec":{{"holderIdentity":"x/y"}}}},{{"metadata":{other},"spec":{{}}}}]}}'

    found = await Listing(Written(text.encode()), ()).leases()

    assert [(lease.name, lease.holder) for lease in found] == [("l", "x/y"), ("m", "")]


class Written(NotReadyYet):
    """An API server that has this list."""

    def __init__(self, text: bytes) -> None:
        """Take the list."""
        super().__init__(refused=0)
        self.text = text

    @asynccontextmanager
    async def streaming(
        self,
        path: str,  # noqa: ARG002 - the protocol's arguments
        *,
        query: Mapping[str, str] = {},  # noqa: ARG002
        seconds: float | None,  # noqa: ARG002
    ) -> AsyncIterator[AsyncIterator[bytes] | ApiError]:
        """Answer with the list."""
        yield _pieces(self.text)
