"""Owns the assembly of the Task Center: which page is where, and what a request passes before one sees it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from obtask.kube.api import ApiForbidden, ApiUnavailable, BadName
from obtask.web.access import Door, sent_to_sign_in
from obtask.web.detail.permissions import Permissions
from obtask.web.identity.base import Clock, Identity, Refusal
from obtask.web.live import Live
from obtask.web.pages import help as help_page
from obtask.web.pages import locks, login, new_task, preferences, task, tasks, templates
from obtask.web.pages.login import Attempts
from obtask.web.rendering import STATIC, Renderer
from obtask.web.security import AnswerHeaders, HostCheck, PostRule, SizeLimits
from obtask.web.settings import WebSettings
from obtask.web.views.registry import Sight, Views

logger = logging.getLogger(__name__)

SMALLEST_COMPRESSED = 500


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages stand on."""

    settings: WebSettings
    identity: Identity
    renderer: Renderer
    attempts: Attempts
    views: Views
    clock: Clock
    permissions: Permissions


def build_app(parts: Parts) -> ASGIApp:
    """Return the Task Center."""

    def unavailable(request: Request, error: Exception) -> Response:
        return _unavailable(parts, request, error)

    def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
        return _error(parts, request, HTTPStatus(status))

    def nameless(request: Request, error: Exception) -> Response:  # noqa: ARG001 - what handlers are given
        return _error(parts, request, HTTPStatus.NOT_FOUND)

    application = Starlette(
        routes=_routes(parts),
        middleware=[
            Middleware(HostCheck, hosts=parts.settings.allowed_hosts),
            Middleware(PostRule),
            Middleware(SizeLimits),
            Middleware(GZipMiddleware, minimum_size=SMALLEST_COMPRESSED, compresslevel=6),
            Middleware(Door, identity=parts.identity),
            Middleware(Sight, views=parts.views),
        ],
        exception_handlers={
            ApiUnavailable: unavailable,
            ApiForbidden: unavailable,
            BadName: nameless,
            HTTPException: refused,
            Exception: refused,
        },
    )
    # Around it all: what Starlette answers when a page fails passes none of its middlewares.
    return AnswerHeaders(application)


def _routes(parts: Parts) -> Sequence[BaseRoute]:
    renderer = parts.renderer
    live = Live(renderer, parts.views, parts.clock)
    return [
        Route("/", _home),
        Route("/healthz", _healthy),
        Mount("/static", _Static(directory=STATIC)),
        *login.routes(renderer, parts.identity, parts.attempts),
        *preferences.routes(),
        *tasks.routes(renderer, live, parts.clock),
        *task.routes(renderer, live, parts.permissions, parts.clock),
        *locks.routes(renderer, live),
        *new_task.routes(renderer, parts.settings.namespaces),
        *templates.routes(renderer, parts.settings.namespaces),
        *help_page.routes(renderer, parts.settings.namespaces),
        *live.routes(),
    ]


async def _home(_: Request) -> Response:
    return RedirectResponse("/tasks", HTTPStatus.SEE_OTHER)


async def _healthy(_: Request) -> Response:
    return PlainTextResponse("ok\n")


class _Static(StaticFiles):
    """The files of the pages. Browsers may keep them, and ask each time whether they are still the same."""

    def file_response(self, *args: object, **named: object) -> Response:
        answer = super().file_response(*args, **named)  # type: ignore[arg-type]  # passed on as they are
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def _error(parts: Parts, request: Request, status: HTTPStatus) -> Response:
    """Return the page for what cannot be shown."""
    _ = parts.renderer.gettext(request)
    match status:
        case HTTPStatus.NOT_FOUND:
            heading = _("There is no such page")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            heading = _("This cannot be done here")
        case HTTPStatus.BAD_REQUEST | HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            heading = _("This request cannot be read")
        case _:
            heading = _("Something went wrong in the Task Center; its log says what")
    return parts.renderer.page(request, "error.html", status=status, heading=heading, detail="")


def _unavailable(parts: Parts, request: Request, error: Exception) -> Response:
    """Return what is shown when the API server does not answer, or did not want to know the visitor any more."""
    found = parts.identity.ended(request)
    if isinstance(found, Refusal):
        return sent_to_sign_in(request.scope, found.reason)
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    heading = parts.renderer.gettext(request)("The API server does not answer")
    return parts.renderer.page(request, "error.html", status=HTTPStatus.SERVICE_UNAVAILABLE, heading=heading, detail=str(error))
