"""Owns the list of tasks: what its address asks for, a page of it, kept up to date, and all of it as a file."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from obtask.model.contract import Maintenance, TaskType
from obtask.web.identity.base import Clock
from obtask.web.language import Language
from obtask.web.live import Live, Page, Piece, Render, Tab
from obtask.web.pages.task_columns import COLUMNS, TIMELINE_COLUMNS, Column, columns_of
from obtask.web.pages.task_file import task_file
from obtask.web.rendering import Renderer
from obtask.web.views.query import Query, Status, page_of, read_query
from obtask.web.views.registry import view_of
from obtask.web.views.timeline import USUAL_HOURS, read_hours, timeline_of
from obtask.web.views.view import SMALL, View
from obtask.web.words import STATUSES

LONGEST_COLUMNS = 300
HISTORY_SECONDS = 2.0  # that a page waits for a short history, which then is there at once


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address of the list asks for. ``columns`` is as it was given, for links; ``hours``: of the timeline, 0 for the list."""

    query: Query
    columns: str
    hours: int = 0

    def path(self, base: str = "/tasks", *, hours: int | None = None, **changes: Any) -> str:
        """Return the address that asks for the same with some changes."""
        address = self.query.path(base, **changes)
        window = self.hours if hours is None else hours
        more = {"cols": self.columns, "view": "timeline" if window else "", "hours": str(window or "")}
        given = "&".join(f"{name}={value}" for name, value in more.items() if value)
        return address + (f"{'&' if '?' in address else '?'}{given}" if given else "")


def routes(renderer: Renderer, live: Live, clock: Clock) -> Sequence[BaseRoute]:
    """Return the routes of this page."""
    live.add("tasks", _live_page(renderer, clock))

    async def show(request: Request) -> Response:
        asked, view = _asked(request), view_of(request)
        parts, address = await live.parts(request, "tasks", view)
        answer = renderer.page(request, "tasks.html", here="tasks", parts=parts, live=address, **_frame(view, asked))
        answer.headers["HX-Push-Url"] = asked.path(page=asked.query.page)
        return answer

    async def export(request: Request) -> Response:
        asked, view = _asked(request), view_of(request)
        await _look(view, asked.query)
        file = await task_file(view, asked.query, clock)
        return Response(file.text, headers={"Content-Disposition": f'attachment; filename="{file.name}"'}, media_type="text/csv")

    return [Route("/tasks", show), Route("/tasks.csv", export)]


async def _look(view: View, query: Query) -> None:
    """Have looked at the namespace that is asked for."""
    await view.ready()
    view.nudge()
    if query.namespace:
        view.look_at(query.namespace)
        await view.ready()


async def _prepare(view: View, query: Query) -> None:
    """Have read what is asked for, as far as a reader would wait for it."""
    await _look(view, query)
    small = view.total is not None and view.total <= SMALL
    if query.wants_history or (query.status is None and small):
        view.ask_history()
        if small:
            await view.known(HISTORY_SECONDS)


def _live_page(renderer: Renderer, clock: Clock) -> Page:
    @asynccontextmanager
    async def page(tab: Tab) -> AsyncIterator[Render]:
        asked = _asked(tab.request)
        # A tab that comes back after a while may find a view that has just been opened.
        await _prepare(tab.view, asked.query)

        async def render() -> Mapping[str, str | Piece]:
            return _parts(renderer, tab.language, tab.view, asked, clock())

        yield render

    return page


def _asked(request: Request) -> Asked:
    given = request.query_params
    chosen = [name for name in ",".join(given.getlist("cols"))[:LONGEST_COLUMNS].split(",") if name.isalpha() and name.isascii()]
    hours = read_hours(given.get("hours", "")) if given.get("view") == "timeline" else 0
    return Asked(read_query(given), ",".join(dict.fromkeys(chosen)), hours)


def _columns(view: View, asked: Asked) -> tuple[Column, ...]:
    if asked.hours:
        return TIMELINE_COLUMNS
    several = len(view.namespaces) > 1 and not asked.query.namespace
    return columns_of([name for name in asked.columns.split(",") if name], several_namespaces=several)


def _parts(renderer: Renderer, language: Language, view: View, asked: Asked, now: datetime) -> Mapping[str, str]:
    """Return the parts of the page that change."""
    found = view.chosen(asked.query)
    page = page_of(found, asked.query.page)
    counts, history = view.counts, view.history
    known = history.complete or view.total is None
    every = counts.all if known else view.total or 0
    finished = max(counts.finished, every - counts.waiting - counts.running - counts.failed)
    numbers = {Status.ALL: every, Status.WAITING: counts.waiting, Status.RUNNING: counts.running, Status.FAILED: counts.failed}
    timeline = timeline_of(now, asked.hours) if asked.hours else None
    context = {"view": view, "asked": asked, "page": page, "columns": _columns(view, asked), "lines": view.lines, "history": history}
    return {
        "scale": renderer.part(language, "task_scale.html", timeline=timeline).strip(),
        "rows": renderer.part(language, "task_rows.html", **context, timeline=timeline),
        "note": renderer.part(language, "task_note.html", **context, unread=0 if known else finished - counts.finished),
        "pages": renderer.part(language, "task_pages.html", **context),
        "problems": renderer.part(language, "problems.html", problems=view.problems).strip(),
        **{f"number-{status}": str(number) for status, number in (numbers | {Status.FINISHED: finished}).items()},
    }


def _frame(view: View, asked: Asked) -> dict[str, Any]:
    """Return what the page has around them."""
    return {
        "asked": asked,
        "query": asked.query,
        "columns": _columns(view, asked),
        "all_columns": COLUMNS,
        "statuses": STATUSES,
        "types": tuple(TaskType),
        "scopes": tuple(Maintenance),
        "namespaces": sorted({*view.namespaces, *([asked.query.namespace] if asked.query.namespace else [])}),
        "clusterwide": view.is_clusterwide,
        "usual_hours": USUAL_HOURS,
    }
