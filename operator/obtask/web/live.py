"""Owns what keeps an open page up to date: one stream of events for each visible tab, with those parts of the page that have changed.

A page registers how its parts are made. The numbers in the header come with every stream. The same address answers once, for browsers
that the stream does not reach.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from http import HTTPStatus

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from obtask.kube.api import ApiUnauthorized
from obtask.web.identity.base import Clock
from obtask.web.language import Language
from obtask.web.rendering import Renderer
from obtask.web.views.registry import Views
from obtask.web.views.view import View
from obtask.web.visitor import Visitor, visitor_of

LONGEST_SECONDS = 300.0  # after which the browser comes again, and is asked again who it is
RENDER_SECONDS = 0.5  # between two looks at what has changed
BEAT_SECONDS = 15.0  # so that neither the page nor anything in between takes the silence for an end
BEAT = "event: beat\ndata:\n\n"
MOST_STREAMS = 200
MORPH = "innerMorph"
ONCE, SEEN = "once", "seen"
LAST_EVENT_ID, POSITION = "last-event-id", ";"
# What a script keeps up to date by itself is no change.
_TICKING = re.compile(r'(data-since="[^"<>]{0,64}"[^<>]{0,256}>)[^<]*')


@dataclass(frozen=True, slots=True)
class Piece:
    """What an element gets. With another swap than MORPH it is sent each time that there is something, as lines of a log are.

    ``position`` is how far the reader is with it: a stream that begins anew is told, and need not send anything twice.
    """

    html: str
    swap: str = MORPH
    position: str = ""


Render = Callable[[], Awaitable[Mapping[str, str | Piece]]]


@dataclass(slots=True)
class Tab:
    """An open page: who looks, at what, in which language. ``wake`` has its parts looked at again."""

    request: Request
    visitor: Visitor
    view: View
    language: Language
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def position(self) -> str:
        """How far the reader was when the stream before this one ended; empty for the first one."""
        return self.request.headers.get(LAST_EVENT_ID, "").partition(POSITION)[2]

    def wake(self) -> None:
        """Take note that something that the page shows may have changed. What the view knows wakes every tab by itself."""
        self.woken.set()


Page = Callable[[Tab], AbstractAsyncContextManager[Render]]


class Live:
    """The pages that are kept up to date."""

    def __init__(self, renderer: Renderer, views: Views, clock: Clock, longest: float = LONGEST_SECONDS) -> None:
        self._renderer = renderer
        self._views = views
        self._clock = clock
        self._longest = longest
        self._pages: dict[str, Page] = {}
        self._streams = 0

    def add(self, name: str, page: Page) -> None:
        """Register a page: what gives, while a tab is open, a function that makes the parts by the id of their element."""
        self._pages[name] = page

    async def parts(self, request: Request, name: str, view: View) -> tuple[Mapping[str, Markup], str]:
        """Return the parts of a page as they are now, for the page itself, and the address that keeps them up to date."""
        tab = Tab(request, visitor_of(request), view, self._renderer.language(request))
        async with self._pages[name](tab) as render:
            parts = await self._render(tab, render)
        query = request.url.include_query_params(**{SEEN: _digest(_stills(parts))}).query
        # What stands in them was escaped where they were made.
        return {target: Markup(piece.html) for target, piece in parts.items()}, f"/live/{name}?{query}"  # noqa: S704

    def routes(self) -> list[BaseRoute]:
        """Return the routes of the streams."""
        return [Route("/live/{page}", self._answer)]

    async def _answer(self, request: Request) -> Response:
        page = self._pages.get(request.path_params["page"])
        if page is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        visitor = visitor_of(request)
        if ONCE in request.query_params:
            with self._views.held(visitor) as view:
                tab = Tab(request, visitor, view, self._renderer.language(request))
                await view.ready()
                async with page(tab) as render:
                    return HTMLResponse(_message(await self._render(tab, render)))
        if self._streams >= MOST_STREAMS:
            return PlainTextResponse("too many tabs\n", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "30"})
        return StreamingResponse(self._stream(request, visitor, page), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _stream(self, request: Request, visitor: Visitor, page: Page) -> AsyncIterator[str]:
        self._streams += 1
        try:
            # A browser gives up a stream of which it hears nothing: what a page reads first may take longer.
            yield ": here\n\n"
            with self._views.held(visitor) as view:
                tab = Tab(request, visitor, view, self._renderer.language(request))
                pump = asyncio.create_task(_pump(tab))
                try:
                    async with page(tab) as render, aclosing(self._events(tab, render)) as events:
                        async for event in events:
                            yield event
                except ApiUnauthorized:
                    return  # whoever connects again is asked who it is
                finally:
                    pump.cancel()
        finally:
            self._streams -= 1

    async def _events(self, tab: Tab, render: Render) -> AsyncGenerator[str, None]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds_left(tab.visitor)
        known = tab.request.headers.get(LAST_EVENT_ID, "").partition(POSITION)[0] or tab.request.query_params.get(SEEN, "")
        position = tab.position
        sent: dict[str, str] | None = None
        while not tab.view.is_over and loop.time() < end:
            tab.woken.clear()
            parts = await self._render(tab, render)
            now = _stills(parts)
            if sent is None:
                sent = now if known == _digest(now) else {}
            before = sent
            sent = now
            changed = {target: piece for target, piece in parts.items() if _is_news(piece, before.get(target), now.get(target))}
            if changed:
                position = next((piece.position for piece in changed.values() if piece.position), position)
                yield _event(_message(changed), f"{_digest(now)}{POSITION}{position}")
            await asyncio.sleep(RENDER_SECONDS)
            while not await _woken(tab, min(BEAT_SECONDS, end - loop.time())) and loop.time() < end:
                yield BEAT

    def _seconds_left(self, visitor: Visitor) -> float:
        if visitor.expires is None:
            return self._longest
        return min(self._longest, max(0.0, (visitor.expires - self._clock()).total_seconds()))

    async def _render(self, tab: Tab, render: Render) -> dict[str, Piece]:
        counts = self._renderer.part(tab.language, "counts.html", counts=tab.view.counts if tab.view.is_ready else None)
        made = {"counts": counts, **await render()}
        return {target: piece if isinstance(piece, Piece) else Piece(piece) for target, piece in made.items()}


async def _pump(tab: Tab) -> None:
    version = tab.view.version
    while not tab.view.is_over:
        version = await tab.view.changed(version)
        tab.wake()
    tab.wake()


async def _woken(tab: Tab, seconds: float) -> bool:
    """Wait until there is something to look at, for at most so long; return whether there is."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await tab.woken.wait()
    except TimeoutError:
        return False
    return True


def _is_news(piece: Piece, before: str | None, now: str | None) -> bool:
    return before != now if piece.swap == MORPH else bool(piece.html)


def _stills(parts: Mapping[str, Piece]) -> dict[str, str]:
    """Return the parts that replace what was there, without what ticks in them."""
    return {target: _TICKING.sub(r"\1", piece.html) for target, piece in parts.items() if piece.swap == MORPH}


def _digest(stills: Mapping[str, str]) -> str:
    """Return what is the same exactly if a page with these parts is up to date."""
    texts = sorted(f"{target}\0{still}\0" for target, still in stills.items())
    return hashlib.sha256("".join(texts).encode(errors="replace")).hexdigest()[:16]


def _message(parts: Mapping[str, Piece]) -> str:
    """Return parts in the form in which htmx puts each into its place."""
    return "".join(f'<hx-partial hx-target="#{target}" hx-swap="{piece.swap}">{piece.html}</hx-partial>' for target, piece in parts.items())


def _event(html: str, name: str) -> str:
    lines = html.replace("\r", "").split("\n")
    return "".join(f"data: {line}\n" for line in lines) + f"id: {name}\n\n"
