"""Owns how a reader likes the pages: light or dark, remembered by a cookie."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from obtask.web.identity.cookies import THEME, set_preference
from obtask.web.rendering import THEMES
from obtask.web.security import local_path


def routes() -> Sequence[BaseRoute]:
    """Return the routes of this page."""
    return [Route("/preferences", _remember, methods=["POST"])]


async def _remember(request: Request) -> Response:
    fields = await request.form(max_files=0, max_fields=10)
    answer = RedirectResponse(local_path(str(fields.get("next", "/tasks"))), HTTPStatus.SEE_OTHER)
    theme = str(fields.get("theme", ""))
    set_preference(request, answer, THEME, theme if theme in THEMES else "")
    return answer
