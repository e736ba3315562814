"""Owns the listing of everything at start: Leases of locks, and tasks that are not finished."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from obtask import names
from obtask.kube.api import Busy, Denied, Json, Refusal, Requests, path_of
from obtask.kube.leases import Lease, read_lease
from obtask.model.status import Phase

logger = logging.getLogger(__name__)

PAGE = "500"
# An API server that has just been told of the CRD says for a while that its storage is not ready: HTTP 429.
PAUSES_SECONDS = (0.25, 0.5, 1.0, 2.0, 3.0, 3.0, 3.0)


class Listing:
    """Lists objects of some namespaces, or of all when none is named."""

    def __init__(self, api: Requests, namespaces: tuple[str, ...], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._api = api
        self._namespaces = namespaces
        self._sleep = sleep

    async def leases(self) -> list[Lease]:
        """Return all Leases that are locks."""
        query = {"labelSelector": names.LOCK_LABEL}
        return [read_lease(item) async for item in self._items("coordination.k8s.io", "v1", "leases", query)]

    async def unfinished_tasks(self) -> list[Json]:
        """Return all tasks that are not finished; the server leaves the others out.

        Raises Denied when the CRD is not installed or cannot be listed.
        """
        selector = ",".join(f"status.phase!={phase.value}" for phase in Phase if phase.finished)
        return [item async for item in self._items(names.GROUP, names.VERSION, names.PLURAL, {"fieldSelector": selector})]

    async def _items(self, group: str, version: str, plural: str, query: Mapping[str, str]) -> AsyncIterator[Json]:
        everywhere: list[tuple[str, ...]] = [()]
        for place in [("namespaces", namespace) for namespace in self._namespaces] or everywhere:
            page: dict[str, str] = {"limit": PAGE, **query}
            while True:
                answer = await self._page(path_of("apis", group, version, *place, plural), page)
                if isinstance(answer, Refusal):
                    raise Denied(f"cannot list {plural}.{group}: {answer.message}")
                for item in answer.get("items") or []:
                    yield item
                token = (answer.get("metadata") or {}).get("continue")
                if not token:
                    break
                page["continue"] = token

    async def _page(self, path: str, query: Mapping[str, str]) -> Json | Refusal:
        for pause in PAUSES_SECONDS:
            try:
                return await self._api.send("GET", path, query=query)
            except Busy as error:
                logger.info("asking again in %g s: %s", pause, error)
                await self._sleep(pause)
        return await self._api.send("GET", path, query=query)
