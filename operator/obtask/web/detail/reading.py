"""Owns reading one task and what is shown beside it, with the visitor's own rights."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from obtask.kube.api import ApiError, BadName, Json, path_of
from obtask.kube.client import Api
from obtask.kube.tasks import task_path
from obtask.model.printable import printable
from obtask.model.task import Key, Task, Unreadable, read_object
from obtask.web.extras import bounded
from obtask.web.formats import moment_of

MOST_EVENTS = 200
LONGEST_MESSAGE = 2000
NOT_FOUND = ApiError(404, "NotFound", "no task can have this name")


@dataclass(frozen=True, slots=True)
class Found:
    """A task as it was read, and as the API server sent it."""

    raw: Json
    task: Task | Unreadable

    @property
    def version(self) -> str:
        """Its resourceVersion."""
        return self.task.metadata.resource_version


@dataclass(frozen=True, slots=True)
class EventRow:
    """An Event about a task."""

    at: datetime | None
    warning: bool
    reason: str
    message: str
    count: int


async def read(api: Api, key: Key) -> Found | ApiError:
    """Return a task, or why it cannot be shown; raises kube.api.ApiUnavailable."""
    try:
        path = task_path(key)
    except BadName:
        return NOT_FOUND
    raw = await api.send("GET", path)
    return raw if isinstance(raw, ApiError) else await parsed(raw)


async def parsed(raw: Json) -> Found:
    """Return a task from an object of the API server; a large one is looked at off the event loop."""
    return Found(raw, await asyncio.to_thread(read_object, raw))


async def events(api: Api, key: Key, uid: str) -> Sequence[EventRow] | ApiError:
    """Return the newest Events about a task, the newest first; raises kube.api.ApiUnavailable."""
    path = path_of("api", "v1", "namespaces", key.namespace, "events")
    query = {"fieldSelector": f"involvedObject.uid={uid}", "limit": str(MOST_EVENTS)}
    answer = await bounded(api.send("GET", path, query=query))
    if isinstance(answer, ApiError):
        return answer
    rows = [_event(item) for item in answer.get("items") or [] if isinstance(item, dict)]
    return sorted(rows, key=lambda row: row.at.timestamp() if row.at is not None else 0.0, reverse=True)


def _event(item: Json) -> EventRow:
    count = item.get("count")
    return EventRow(
        moment_of(item.get("lastTimestamp") or item.get("eventTime") or (item.get("metadata") or {}).get("creationTimestamp")),
        item.get("type") == "Warning",
        printable(str(item.get("reason") or "")[:LONGEST_MESSAGE]),
        printable(str(item.get("message") or "")[:LONGEST_MESSAGE]),
        count if isinstance(count, int) else 1,
    )
