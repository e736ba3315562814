"""Owns what a page can do without: what cannot be read soon, or is too much, is left out or said, and does not cost the page."""

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus
from typing import TypeVar

from obtask.kube.api import ApiError, ApiForbidden, ApiUnauthorized, ApiUnavailable

PATIENCE_SECONDS = 2.0
TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

Found = TypeVar("Found")


async def extra(asked: Awaitable[Found], otherwise: Found, seconds: float | None = PATIENCE_SECONDS) -> Found:
    """Return what is asked for, something else if the API server does not give it in so many seconds; raises ApiUnauthorized."""
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except ApiUnauthorized:
        raise
    except (ApiUnavailable, ApiForbidden, TimeoutError):
        return otherwise


async def bounded(asked: Awaitable[Found]) -> Found | ApiError:
    """Return what is asked for, a refusal where it is more than is read, as anybody can make it. Raises ApiUnavailable."""
    try:
        return await asked
    except ApiForbidden as error:
        return ApiError(TOO_LARGE, "", str(error))
