"""Owns all views: one for each identity, opened when somebody looks, and dropped when nobody does any more."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from obtask.web.identity.base import Clock
from obtask.web.views.source import Pace
from obtask.web.views.view import View
from obtask.web.visitor import Visitor

MOST = 50
IDLE = timedelta(seconds=60)
SWEEP_SECONDS = 5.0


@dataclass(slots=True)
class _Kept:
    view: View
    used: datetime
    tabs: int = field(default=0)


class Views:
    """The views of everybody who looks."""

    def __init__(self, clock: Clock, offered: Sequence[str] = (), pace: Pace | None = None, most: int = MOST) -> None:
        self._clock = clock
        self._offered = offered
        self._pace = pace or Pace()
        self._most = most
        self._kept: dict[str, _Kept] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._kept)

    def of(self, visitor: Visitor) -> View:
        """Return the view of a visitor, and open it if there is none."""
        self.sweep()
        kept = self._kept.get(visitor.key)
        if kept is None or kept.view.is_over:
            if kept is not None:
                self._close(visitor.key)
            self._make_room()
            view = View(visitor.api, visitor.name, self._offered, self._clock, self._pace)
            kept = self._kept[visitor.key] = _Kept(view, self._clock())
            view.open()
        kept.used = self._clock()
        return kept.view

    @contextmanager
    def held(self, visitor: Visitor) -> Iterator[View]:
        """Give the view of a visitor, and keep it while the block lasts, which is as long as a tab is open."""
        view = self.of(visitor)
        kept = self._kept[visitor.key]
        kept.tabs += 1
        try:
            yield view
        finally:
            kept.tabs -= 1
            kept.used = self._clock()

    def sweep(self) -> None:
        """Drop the views that nobody looks at any more."""
        now = self._clock()
        for key in [key for key, kept in self._kept.items() if kept.view.is_over or (not kept.tabs and now - kept.used >= IDLE)]:
            self._close(key)

    async def keep_sweeping(self) -> None:
        """Drop them until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep()

    async def close(self) -> None:
        """Drop all."""
        for key in list(self._kept):
            self._close(key)
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _make_room(self) -> None:
        """Drop the one that was not used for the longest time; those with tabs only if there is no other."""
        while len(self._kept) >= self._most:
            self._close(min(self._kept, key=lambda key: (self._kept[key].tabs > 0, self._kept[key].used)))

    def _close(self, key: str) -> None:
        task = asyncio.create_task(self._kept.pop(key).view.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class Sight:
    """Gives every request of a visitor the visitor's view."""

    def __init__(self, app: ASGIApp, views: Views) -> None:
        self._app = app
        self._views = views

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        visitor = scope.get("state", {}).get("visitor")
        if visitor is not None:
            scope["state"]["view"] = self._views.of(visitor)
        await self._app(scope, receive, send)


def view_of(request: HTTPConnection) -> View:
    """Return the view of whoever asks. Routes that anybody may see have none, and do not ask for one."""
    view: View = request.state.view
    return view
