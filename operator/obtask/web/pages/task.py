"""Owns the page of one task."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from obtask.kube.api import ApiError, Json
from obtask.model.contract import Option, Verb
from obtask.model.task import Key, Task, Unreadable
from obtask.rules.evidence import Refused
from obtask.web.detail import bundle, commands, giving, more
from obtask.web.detail.before import before, kept_failures
from obtask.web.detail.flow import steps_of
from obtask.web.detail.head import head, verb_of
from obtask.web.detail.live_task import NAME, address, live_task
from obtask.web.detail.log_panel import download, log_panel
from obtask.web.detail.permissions import Permissions
from obtask.web.detail.place import chosen, is_asked, number
from obtask.web.detail.reading import Found, read
from obtask.web.identity.base import Clock
from obtask.web.live import Live
from obtask.web.rendering import Renderer
from obtask.web.views.registry import view_of
from obtask.web.views.view import SMALL, View
from obtask.web.visitor import Visitor, visitor_of

VIEW_SECONDS = 1.0  # after which the page is shown without those who wait for the task
TRIES = 3  # of a command while others write to the task


@dataclass(frozen=True, slots=True)
class _Readable:
    """A task that can be read, and as the API server sent it."""

    raw: Json
    task: Task


class TaskPage:
    """What can be asked of the page of one task."""

    def __init__(self, renderer: Renderer, permissions: Permissions, clock: Clock) -> None:
        self._renderer = renderer
        self._permissions = permissions
        self._clock = clock

    async def show(self, request: Request) -> Response:
        """Return the page."""
        visitor, key = visitor_of(request), _key(request)
        found = await read(visitor.api, key)
        if isinstance(found, ApiError):
            return self._refused(request, found)
        if isinstance(found.task, Unreadable):
            return self._renderer.page(
                request, "task_unreadable.html", here="tasks", task=found.task, yaml=await more.as_yaml(found.raw), key=key
            )
        context = await self._context(request, visitor, found, found.task)
        return self._renderer.page(request, "task.html", here="tasks", **context)

    async def log(self, request: Request) -> Response:
        """Return the log of an attempt as a file."""
        found = await self._found(request)
        if isinstance(found, Response):
            return found
        place = chosen(request.query_params, found.task.status)
        return await download(visitor_of(request), found.task, place if is_asked(request.query_params, place) else None)

    async def bundle(self, request: Request) -> Response:
        """Return everything about the task in one file."""
        found = await bundle.collected(visitor_of(request).api, _key(request))
        return bundle.refused(found) if isinstance(found, Refused) else bundle.streamed(found, self._clock())

    async def confirm(self, request: Request) -> Response:
        """Return what a command would do, to be confirmed."""
        verb = verb_of(request.query_params.get("verb", ""))
        found = await self._found(request)
        if isinstance(found, Response):
            return found
        return await self._dialog(request, found.task, verb) if verb is not None else _back(_key(request))

    async def command(self, request: Request) -> Response:
        """Give a command, and lead to the page that tells what becomes of it."""
        fields = await request.form(max_files=0, max_fields=10)
        verb, seen = verb_of(str(fields.get("verb", ""))), str(fields.get("seen", ""))
        if verb is None:
            return _back(_key(request))
        reason = " ".join(str(fields.get("reason", "")).split())[: commands.LONGEST_REASON]
        option = Option.FRESH.value if fields.get("option") == Option.FRESH and verb is Verb.RETRY else ""
        for tries_left in reversed(range(TRIES)):
            found = await self._found(request)
            if isinstance(found, Response):
                return found
            given = await self._give(request, found, giving.Command(verb, reason, option), seen)
            if isinstance(given, int):
                return self._given(request, verb, given)
            if not given.conflict or not tries_left:
                return await self._dialog(request, found.task, verb, refusal=given, reason=reason)
        raise AssertionError  # it is tried once at least

    async def _found(self, request: Request) -> _Readable | Response:
        """Return the task that a path names, or what is answered instead."""
        found = await read(visitor_of(request).api, _key(request))
        if isinstance(found, ApiError):
            return self._refused(request, found)
        return _back(_key(request)) if isinstance(found.task, Unreadable) else _Readable(found.raw, found.task)

    async def _give(self, request: Request, found: _Readable, command: giving.Command, seen: str) -> int | ApiError:
        gettext, task = self._renderer.gettext(request), found.task
        waiting = giving.waiting_command(found.raw)
        if waiting:
            text = gettext("Another command waits for the operator's answer: %(verb)s.") % {"verb": waiting[:63]}
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Waiting", text)
        now = commands.why_not(task, command.verb, (), gettext)
        if now:
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "NotNow", now)
        if seen and seen != commands.dialog(task, command.verb, "en").seen:
            text = gettext("The task has changed meanwhile. Read again what would happen now.")
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "Changed", text)
        return await giving.give(visitor_of(request).api, task.key, task.metadata.resource_version, command)

    def _given(self, request: Request, verb: Verb, version: int) -> Response:
        key = _key(request)
        location = f"/t/{key.namespace}/{key.name}?request={version}&verb={verb}&asked={int(self._clock().timestamp())}"
        if _is_script(request):
            return Response(None, HTTPStatus.NO_CONTENT, {"X-Location": location})
        return RedirectResponse(location, HTTPStatus.SEE_OTHER)

    async def _dialog(self, request: Request, task: Task, verb: Verb, refusal: ApiError | None = None, reason: str = "") -> Response:
        language, gettext = self._renderer.language(request), self._renderer.gettext(request)
        missing = await self._permissions.missing(visitor_of(request), task.key, task.status.allowed_actions)
        await view_of(request).ready(VIEW_SECONDS)
        why = commands.why_not(task, verb, missing, gettext)
        then = [row.name for row in view_of(request).lines.next_after(task.metadata.uid)]
        shown = commands.dialog(task, verb, language, then) if verb in task.status.allowed_actions else None
        context = {"task": task, "verb": verb, "label": gettext(commands.LABELS[verb]), "dialog": shown, "why": why}
        context |= {"refusal": refusal, "reason": reason, "longest_reason": commands.LONGEST_REASON}
        status = HTTPStatus.OK if refusal is None else refusal.status
        if _is_script(request):
            return Response(self._renderer.part(language, "task_dialog.html", **context), status, media_type="text/html")
        return self._renderer.page(request, "task_confirm.html", here="tasks", status=status, **context)

    async def _context(self, request: Request, visitor: Visitor, found: Found, task: Task) -> dict[str, Any]:
        asked, tab = request.query_params, request.query_params.get("tab", "")
        place = chosen(asked, task.status)
        missing, panel, shown_more, warnings, failures, _ = await asyncio.gather(
            self._permissions.missing(visitor, task.key, task.status.allowed_actions),
            log_panel(visitor.api, task, place, number(asked.get("line")), self._renderer.gettext(request)),
            more.read(visitor.api, found.raw, task, tab),
            more.password_places(found.raw),
            kept_failures(visitor.api, task),
            view_of(request).ready(VIEW_SECONDS),
        )
        if failures:
            await _with_ended(view_of(request))
        return head(
            task,
            view_of(request).waiting_behind(task.metadata.uid),
            missing,
            asked,
            language=self._renderer.language(request),
            gettext=self._renderer.gettext(request),
            now=self._clock(),
        ) | {
            "panel": panel,
            "before": before(task, failures, view_of(request).rows),
            "warnings": warnings,
            "place": place,
            "more": shown_more,
            "tab": tab,
            "steps": steps_of(task, place),
            "live": address(task.key, panel, request.url.query),
        }

    def _refused(self, request: Request, error: ApiError) -> Response:
        gettext = self._renderer.gettext(request)
        heading = gettext("There is no such task") if error.missing else gettext("You may not see this task")
        status = error.status if error.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND} else HTTPStatus.BAD_GATEWAY
        return self._renderer.page(request, "error.html", here="tasks", status=status, heading=heading, detail=error.message)


def routes(renderer: Renderer, live: Live, permissions: Permissions, clock: Clock) -> Sequence[BaseRoute]:
    """Return the routes of this page, and have it kept up to date."""
    live.add(NAME, partial(live_task, renderer, permissions, clock))
    page = TaskPage(renderer, permissions, clock)
    return [
        Route("/t/{namespace}/{name}", page.show, methods=["GET"]),
        Route("/t/{namespace}/{name}/log", page.log, methods=["GET"]),
        Route("/t/{namespace}/{name}/bundle.zip", page.bundle, methods=["GET"]),
        Route("/t/{namespace}/{name}/confirm", page.confirm, methods=["GET"]),
        Route("/t/{namespace}/{name}/command", page.command, methods=["POST"]),
    ]


async def _with_ended(view: View) -> None:
    """Wait until the tasks that have ended are known, too, if they are few."""
    if view.total is not None and view.total <= SMALL:
        view.ask_history()
        await view.known(VIEW_SECONDS)


def _key(request: Request) -> Key:
    return Key(request.path_params["namespace"], request.path_params["name"])


def _back(key: Key) -> Response:
    return RedirectResponse(f"/t/{key.namespace}/{key.name}", HTTPStatus.SEE_OTHER)


def _is_script(request: Request) -> bool:
    """Return whether a script of the page asks for a part of it."""
    return request.headers.get("x-part") == "dialog"
