"""Owns the listing of everything at start: Leases of locks, and tasks that are not finished."""

from collections.abc import AsyncIterator, Mapping

from obtask import names
from obtask.kube.api import Denied, Json, Refusal, Requests, path_of
from obtask.kube.leases import Lease, read_lease
from obtask.model.status import Phase

PAGE = "500"


class Listing:
    """Lists objects of some namespaces, or of all when none is named."""

    def __init__(self, api: Requests, namespaces: tuple[str, ...]) -> None:
        self._api = api
        self._namespaces = namespaces

    async def probe_tasks(self) -> None:
        """Return when tasks are served: the API server publishes a kind before it can list it. Raises Unavailable."""
        place = ("namespaces", self._namespaces[0]) if self._namespaces else ()
        await self._api.send("GET", path_of("apis", names.GROUP, names.VERSION, *place, names.PLURAL), query={"limit": "1"})

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
                answer = await self._api.send("GET", path_of("apis", group, version, *place, plural), query=page)
                if isinstance(answer, Refusal):
                    raise Denied(f"cannot list {plural}.{group}: {answer.message}")
                for item in answer.get("items") or []:
                    yield item
                token = (answer.get("metadata") or {}).get("continue")
                if not token:
                    break
                page["continue"] = token
