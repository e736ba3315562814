"""Owns the listing of everything at start: Leases of locks, and tasks that are not finished."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_exponential

from obtask import names
from obtask.kube.api import ApiBusy, ApiError, ApiForbidden, ApiUnavailable, Json, Streams, path_of
from obtask.kube.errors import explained
from obtask.kube.foreign import ListReader, items_of, off_loop, parse_shallow, parse_task
from obtask.kube.leases import Lease, read_lease
from obtask.model.contract import Phase

logger = logging.getLogger(__name__)

# Pages are taken apart while they come. What is counted here is what the API server holds at once, 1.5 MiB for each at worst. How long
# that takes depends on what strangers have written: a limit on the time would let them keep the operator from starting.
PAGE = "200"
# An API server that has just been told of the CRD says for a while that its storage is not ready: HTTP 429.
TRIES = 8
UNFINISHED: Final = ",".join(f"status.phase!={phase.value}" for phase in Phase if phase.finished)  # a field selector
PAUSES = wait_exponential(0.25, max=3)


@dataclass(frozen=True, slots=True)
class PageEnd:
    """What a page of a list ends with: the resourceVersion of the list, where it goes on, and how many are left if that is known."""

    version: str
    token: str
    remaining: int | None


class Listing:
    """Lists objects of some namespaces, or of all when none is named."""

    def __init__(self, api: Streams, namespaces: tuple[str, ...], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._api = api
        self._namespaces = namespaces
        self._sleep = sleep

    async def leases(self) -> list[Lease]:
        """Return all Leases that are locks."""
        items = self._items("coordination.k8s.io", "v1", "leases", {"labelSelector": names.LOCK_LABEL})
        return [read_lease(await off_loop(item, partial(parse_shallow, item))) async for item in items]

    async def unfinished_tasks(self) -> AsyncIterator[Json]:
        """Yield all tasks that are not finished, one by one; the server leaves the others out.

        Raises ApiForbidden when the CRD is not installed or cannot be listed.
        """
        async for item in self._items(names.GROUP, names.VERSION, names.PLURAL, {"fieldSelector": UNFINISHED}):
            try:
                yield await off_loop(item, partial(parse_task, item))
            except ValueError as error:
                logger.warning("left out a task that cannot be read: %s", error)

    async def _items(self, group: str, version: str, plural: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        everywhere: list[tuple[str, ...]] = [()]
        for scope in [("namespaces", namespace) for namespace in self._namespaces] or everywhere:
            page: dict[str, str] = {"limit": PAGE, **query}
            while True:
                reader = ListReader()
                async with AsyncExitStack() as stack:
                    answer = await self._page(stack, path_of("apis", group, version, *scope, plural), page)
                    if isinstance(answer, ApiError):
                        raise ApiForbidden(f"cannot list {plural}.{group}: {explained(answer)}")
                    async for item in items_of(reader, answer):
                        yield item
                token = page_end(reader).token
                if not token:
                    break
                page["continue"] = token

    async def _page(self, stack: AsyncExitStack, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes] | ApiError:
        asking = AsyncRetrying(
            retry=retry_if_exception_type(ApiBusy),
            wait=PAUSES,
            stop=stop_after_attempt(TRIES),
            sleep=self._sleep,
            before_sleep=_say_again,
            reraise=True,
        )
        return await asking(self._open, stack, path, query)

    async def _open(self, stack: AsyncExitStack, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes] | ApiError:
        return await stack.enter_async_context(self._api.streaming(path, query=query, seconds=None))


def _say_again(asking: RetryCallState) -> None:
    logger.info("asking again in %g s: %s", asking.upcoming_sleep, asking.outcome and asking.outcome.exception())


def page_end(reader: ListReader) -> PageEnd:
    """Return what a page ends with; raises ApiUnavailable when it broke off."""
    try:
        meta = reader.ended().get("metadata") or {}
    except ValueError as error:
        raise ApiUnavailable(f"a list broke off: {error}") from error
    remaining = meta.get("remainingItemCount")
    return PageEnd(str(meta.get("resourceVersion", "")), str(meta.get("continue") or ""), int(remaining) if remaining else None)
