"""What kopf gets to see of lists: nothing. Listed objects are handed over at once, one after the other, however long that takes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from obtask.cache.events import LIST_BEGINS, LIST_ENDS, LISTED
from obtask.kube.foreign import DEEPEST
from obtask.runtime.evidence import Evidence
from obtask.runtime.kopf_session import Ears, KopfSession

LIMIT = aiohttp.ClientTimeout(total=0.5)
PIECES = 8
Listing = tuple[Any, list[tuple[str, str, dict[str, Any]]]]


def job(number: int, **metadata: Any) -> dict[str, Any]:
    """Return a Job, as a list has it."""
    meta = {"name": f"j-{number}", "namespace": "ns", "uid": f"u-{number}", "resourceVersion": str(number)}
    return {"metadata": {**metadata, **meta}, "spec": {"suspend": True}}


async def listed(
    pieces: Callable[[], AsyncIterator[bytes]], kind: str = "jobs?limit=200", *, limit: aiohttp.ClientTimeout = LIMIT
) -> Listing:
    """Return what kopf gets of a list that comes in these pieces, and what else was told of it."""
    told: list[tuple[str, str, dict[str, Any]]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in pieces():
            await response.write(piece)
        return response

    async with _served(answer) as url, aiohttp.ClientSession() as plain:
        ears = Ears(lambda *what: told.append(what), lambda: True, Evidence(["/jobs", "/namespaces/prod/jobs"], told.clear))
        session = KopfSession(Plain(plain), url, ears)
        async with await session.request(method="get", url=f"{url}/{kind}", timeout=limit) as found:
            return await found.json(), told


@dataclass
class Plain:
    """Sends requests as nobody in particular."""

    session: aiohttp.ClientSession

    async def open(self, method: str, url: str, *, headers: Mapping[str, str], limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """Send a request."""
        return await self.session.request(method, url, headers=headers, timeout=limit)

    async def close(self) -> None:
        """Whoever made the session closes it."""


@asynccontextmanager
async def _served(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def at_once(*items: dict[str, Any]) -> Callable[[], AsyncIterator[bytes]]:
    """Return a list in one piece."""

    async def pieces() -> AsyncIterator[bytes]:
        yield json.dumps({"kind": "JobList", "metadata": {"resourceVersion": "9"}, "items": items}, separators=(",", ":")).encode()

    return pieces


async def test_kopf_gets_no_listed_object() -> None:
    """Otherwise it keeps a record and, for some seconds, a worker of each: tens of megabytes for ten thousand finished tasks."""
    found, told = await listed(at_once(*(job(number, annotations={"a": "x" * 200_000}) for number in range(50))))

    assert found == {"kind": "JobList", "metadata": {"resourceVersion": "9"}, "items": []}
    begins, *told, ends = told
    assert (begins, ends) == (("jobs", LIST_BEGINS, {"metadata": {}}), ("jobs", LIST_ENDS, {"metadata": {}}))
    assert [(kind, change, body["metadata"]["name"]) for kind, change, body in told] == [
        ("jobs", LISTED, f"j-{number}") for number in range(50)
    ]
    assert all(len(body["metadata"]["annotations"]["a"]) == 200_000 for _, _, body in told)


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("jobs?limit=200", "", [LIST_BEGINS, LIST_ENDS]),
        ("jobs?limit=200", "t", [LIST_BEGINS]),
        ("jobs?limit=200&continue=t", "u", []),
        ("jobs?limit=200&continue=t", "", [LIST_ENDS]),
        ("namespaces/prod/jobs?limit=200", "", [LIST_BEGINS, LIST_ENDS]),
    ],
)
async def test_begin_and_end_of_a_list_are_told_once(kind: str, more: str, expected: list[str]) -> None:
    """However many pages it has, and even if there is nothing in it: what it does not name is gone."""

    async def empty() -> AsyncIterator[bytes]:
        yield json.dumps({"metadata": {"resourceVersion": "9", "continue": more}, "items": []}, separators=(",", ":")).encode()

    _, told = await listed(empty, kind)

    where = {"metadata": {"namespace": "prod"} if "prod" in kind else {}}
    assert told == [("jobs", change, where) for change in expected]


async def test_a_deep_object_is_told_of_without_its_depths() -> None:
    """Managed fields nest as deep as somebody wants; a Lease or a Job must not be overlooked for that."""
    deep: dict[str, Any] = {}
    for _ in range(DEEPEST + 50):
        deep = {"f:a": deep}
    _, told = await listed(at_once(job(1, managedFields=[{"fieldsV1": deep}]), job(2)))

    assert [body["metadata"]["name"] for _, change, body in told if change == LISTED] == ["j-1", "j-2"]


async def test_a_list_takes_its_time_as_long_as_something_comes() -> None:
    """It depends on what strangers have written how long it takes."""

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"metadata":{},"items":['
        for number in range(PIECES):
            await asyncio.sleep(0.1)
            yield (b"," if number else b"") + json.dumps(job(number)).encode()
        yield b"]}"

    _, told = await listed(slow)

    assert len([change for _, change, _ in told if change == LISTED]) == PIECES


async def test_a_list_that_does_not_go_on_is_given_up() -> None:
    """A connection that is dead must be noticed."""
    end = asyncio.Event()

    async def silent() -> AsyncIterator[bytes]:
        yield b'{"metadata":{},"items":['
        await end.wait()

    with pytest.raises(TimeoutError):
        await listed(silent, limit=aiohttp.ClientTimeout(total=0.2))
    end.set()
