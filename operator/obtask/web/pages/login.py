"""Owns signing in and out."""

import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from obtask.web.access import LOGIN
from obtask.web.identity.base import Clock, Identity, Reason, Refusal
from obtask.web.identity.cookies import delete_session, set_session
from obtask.web.rendering import Renderer
from obtask.web.security import local_path

logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=1)
MOST_ADDRESSES = 10_000
NOT_NOW = {Reason.OFTEN: HTTPStatus.TOO_MANY_REQUESTS, Reason.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE}


class Attempts:
    """Counts who tries to sign in how often."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._seen: dict[str, deque[datetime]] = {}

    def one_more(self, address: str) -> bool:
        """Take note of an attempt; return whether it may be made."""
        now = self._clock()
        if len(self._seen) >= MOST_ADDRESSES:
            self._seen = {name: times for name, times in self._seen.items() if times[-1] > now - WINDOW}
        while len(self._seen) >= MOST_ADDRESSES:
            del self._seen[next(iter(self._seen))]
        times = self._seen.setdefault(address, deque(maxlen=self._most))
        if len(times) == self._most and times[0] > now - WINDOW:
            return False
        times.append(now)
        return True


def routes(renderer: Renderer, identity: Identity, attempts: Attempts) -> Sequence[BaseRoute]:
    """Return the routes of this page."""

    def form(request: Request, refusal: Refusal | None, back: str, status: int = HTTPStatus.OK) -> Response:
        return renderer.page(request, "login.html", status=status, sign_in=identity.sign_in, refusal=refusal, back=back)

    async def show(request: Request) -> Response:
        named = request.query_params.get("reason", "")
        refusal = Refusal(Reason(named)) if named in set(Reason) else None
        return form(request, refusal, local_path(request.query_params.get("next", "/tasks")))

    async def sign_in(request: Request) -> Response:
        fields = await request.form(max_files=0, max_fields=10)
        back = local_path(str(fields.get("next", "/tasks")))
        address = request.client.host if request.client else ""
        found = await identity.admit(str(fields.get("secret", ""))) if attempts.one_more(address) else Refusal(Reason.OFTEN)
        if isinstance(found, Refusal):
            logger.warning("somebody at %s could not sign in: %s", address, found.reason)
            return form(request, found, back, NOT_NOW.get(found.reason, HTTPStatus.FORBIDDEN))
        logger.info("%s has signed in from %s", found.visitor.name, address)
        answer = RedirectResponse(back, HTTPStatus.SEE_OTHER)
        set_session(request, answer, found.cookie)
        return answer

    async def sign_out(request: Request) -> Response:
        identity.dismiss(request)
        answer = RedirectResponse(f"{LOGIN}?reason={Reason.SIGNED_OUT}", HTTPStatus.SEE_OTHER)
        delete_session(request, answer)
        return answer

    return [
        Route(LOGIN, show, methods=["GET"]),
        Route(LOGIN, sign_in, methods=["POST"]),
        Route("/logout", sign_out, methods=["POST"]),
    ]
