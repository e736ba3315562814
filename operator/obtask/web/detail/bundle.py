"""Owns the evidence bundle as a download: read with the visitor's own rights, packed while it is sent. API.md section 9."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from obtask.kube.api import ApiError, ApiForbidden, ApiUnauthorized, ApiUnavailable, read_refusal
from obtask.kube.client import Api
from obtask.kube.foreign import parse
from obtask.model.task import Key
from obtask.rules.evidence import Evidence, Refused, filename, gathering, packed
from obtask.rules.evidence.reading import Answer
from obtask.web.detail.log_panel import attachment

UNAUTHORIZED = 401


async def collected(api: Api, key: Key) -> Evidence | Refused:
    """Return what is known of a task, or why it cannot be read; raises ApiUnauthorized when the API server does not know the visitor."""
    steps = gathering(key.namespace, key.name)
    path = next(steps)
    while True:
        answer = await _answer(api, path)
        try:
            path = steps.send(answer)
        except StopIteration as end:
            found: Evidence | Refused = end.value
            return found


def streamed(evidence: Evidence, at: datetime) -> Response:
    """Return the bundle as a file."""
    headers = attachment(filename(evidence, at))
    return StreamingResponse(_pieces(packed(evidence, at)), media_type="application/zip", headers=headers)


def refused(why: Refused) -> Response:
    """Return why there is no bundle."""
    return PlainTextResponse(f"{why.message}\n", why.code or 502)


async def _answer(api: Api, path: str) -> Answer:
    try:
        response = await api.exchange("GET", path)
    except (ApiUnavailable, ApiForbidden) as error:
        return Refused(0, str(error))
    if response.status == UNAUTHORIZED:
        raise ApiUnauthorized(f"GET {path}: HTTP {response.status}")
    refusal = read_refusal(response)
    if isinstance(refusal, ApiError):
        return Refused(refusal.status, refusal.message)
    try:
        found = await asyncio.to_thread(parse, response.data)
    except ValueError as error:
        return Refused(0, f"the answer cannot be read: {error}")
    return found if isinstance(found, dict) else {}


async def _pieces(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        if piece:
            yield piece
