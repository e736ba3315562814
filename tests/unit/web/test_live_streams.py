"""How a stream begins, and ends, whatever the API server does meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from tests.support.rows import NOW

from obtask.kube.api import ApiError, ApiForbidden, ApiUnauthorized, Json
from obtask.kube.client import Api
from obtask.web.detail.permissions import Permissions
from obtask.web.language import Language, translations
from obtask.web.live import Live, Piece, Render, Tab
from obtask.web.pages import locks, task
from obtask.web.rendering import Renderer
from obtask.web.views.registry import Views
from obtask.web.visitor import Visitor


async def silence() -> None:
    """Wait for an answer that never comes."""
    await asyncio.Event().wait()


async def nothing() -> Mapping[str, str | Piece]:
    """Return the parts of a page that has none."""
    return {}


async def refuses() -> None:
    """Answer as an API server does that does not know who asks."""
    raise ApiUnauthorized("who is that?")


class Silent:
    """An API server that never answers."""

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | ApiError:
        """Wait for ever."""
        await silence()
        return {"path": path, "query": query}

    @asynccontextmanager
    async def streaming(self, path: str, *, query: Mapping[str, str] = {}, seconds: float | None) -> AsyncIterator[ApiError]:
        """Wait for ever."""
        await silence()
        yield ApiError(404, "NotFound", f"{path} {query} {seconds}")


class TooMuch:
    """An API server whose answers are all too long to be read, and that lets nobody list tasks."""

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Answer with too much."""
        raise ApiForbidden(f"{method} {path}: too long with {query} and {body}")

    async def metadata(self, path: str, *, query: Mapping[str, str] = {}) -> Json | ApiError:
        """Answer with too much."""
        return await self.send("GET", path, query=query)

    @asynccontextmanager
    async def streaming(self, path: str, *, query: Mapping[str, str] = {}, seconds: float | None) -> AsyncIterator[ApiError]:
        """Refuse."""
        yield ApiError(403, "Forbidden", f"{path} {query} {seconds}")


@asynccontextmanager
async def reads_for_ever(_: Tab) -> AsyncIterator[Render]:
    """Be a page that reads something first, and gets no answer."""
    await silence()
    yield nothing


@asynccontextmanager
async def knows_nobody(_: Tab) -> AsyncIterator[Render]:
    """Be a page whose visitor the API server does not know any more."""
    await refuses()
    yield nothing


@asynccontextmanager
async def stream(page: str, api: Silent | TooMuch, query: str = "") -> AsyncIterator[AsyncIterator[str]]:
    """Give what a browser gets of the stream of a page."""
    views = Views(lambda: NOW)
    renderer = Renderer(translations(), Language.EN, lambda: NOW)
    live = Live(renderer, views, lambda: NOW)
    live.add("reads-for-ever", reads_for_ever)
    live.add("knows-nobody", knows_nobody)
    locks.routes(renderer, live)
    task.routes(renderer, live, Permissions(lambda: NOW), lambda: NOW)
    visitor = Visitor("li", (), "key", cast(Api, api))
    (route,) = live.routes()
    assert isinstance(route, Route)
    scope = {"type": "http", "headers": [], "query_string": query.encode(), "path_params": {"page": page}, "state": {"visitor": visitor}}
    answer = await route.endpoint(Request(scope))
    assert isinstance(answer, StreamingResponse)
    try:
        yield cast(AsyncIterator[str], answer.body_iterator)
    finally:
        await views.close()


async def test_a_stream_begins_before_anything_is_read() -> None:
    """A browser that hears nothing gives up, again and again, while the API server takes its time."""
    async with stream("reads-for-ever", Silent()) as lines:
        assert await anext(lines) == ": here\n\n"


async def test_a_stream_ends_where_the_visitor_is_not_known_any_more() -> None:
    """The browser comes again, and is asked who it is."""
    async with stream("knows-nobody", Silent()) as lines:
        assert [line async for line in lines] == [": here\n\n"]


@pytest.mark.parametrize(
    ("page", "query", "part", "words"),
    [
        ("locks", "ns=prod", "#locks", "You may not list tasks"),
        ("task", "namespace=prod&name=tune", "#problems", "too long"),
    ],
)
async def test_an_answer_that_is_too_long_ends_no_stream(page: str, query: str, part: str, words: str) -> None:
    """What others have stored may be of any size: the page is there, with what can be read, and says what cannot."""
    async with stream(page, TooMuch(), query) as lines:
        assert await anext(lines) == ": here\n\n"

        text = await anext(lines)

    assert f'hx-target="{part}"' in text
    assert words in text
