"""Owns posting Kubernetes Events about tasks: in the background, bounded, and never in a task's way."""

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime

from obtask import names
from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable, Json, Requests, path_of
from obtask.model.printable import printable
from obtask.model.task import Task, Unreadable

logger = logging.getLogger(__name__)

LONGEST_NOTE = 1024


class _Waiting:
    """Events that wait, in one line for each namespace; the lines are served in turn."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Json]] = OrderedDict()
        self._count = 0
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return self._count

    def add(self, event: Json) -> None:
        self._lines.setdefault(event["metadata"]["namespace"], deque()).append(event)
        self._count += 1
        self._some.set()

    def drop(self) -> None:
        """Drop the oldest of the namespace that has the most."""
        self._take(max(self._lines, key=lambda namespace: len(self._lines[namespace])))

    def take(self) -> Json:
        """Return the oldest of the namespace whose turn it is."""
        namespace = next(iter(self._lines))
        event = self._take(namespace)
        if namespace in self._lines:
            self._lines.move_to_end(namespace)
        return event

    async def next(self) -> Json:
        """Wait until there is one, and take it."""
        await self._some.wait()
        return self.take()

    def _take(self, namespace: str) -> Json:
        line = self._lines[namespace]
        event = line.popleft()
        if not line:
            del self._lines[namespace]
        self._count -= 1
        if not self._count:
            self._some.clear()
        return event


class EventRecorder:
    """Posts Events one after the other, of the namespaces in turn.

    When the API server cannot keep up, the oldest of the namespace that has the most are dropped; ``dropped`` is called for each.
    """

    def __init__(self, api: Requests, *, reporter: str, capacity: int = 1000, dropped: Callable[[], None] = lambda: None) -> None:
        self._api = api
        self._reporter = reporter
        self._capacity = capacity
        self._dropped = dropped
        self._waiting = _Waiting()
        self._sending: asyncio.Task[None] | None = None

    def post(self, task: Task | Unreadable, *, warning: bool, reason: str, message: str, now: datetime) -> None:
        """Have an Event about the task posted soon."""
        self._waiting.add(self._event(task, "Warning" if warning else "Normal", reason, message, now))
        if len(self._waiting) > self._capacity:
            self._waiting.drop()
            self._dropped()

    async def run(self) -> None:
        """Post Events until cancelled; the one that is on its way then is left to ``flush``."""
        while True:
            self._sending = asyncio.create_task(self._send(await self._waiting.next()))
            await asyncio.shield(self._sending)

    async def flush(self, seconds: float) -> None:
        """Post what is still waiting, as far as the API server takes it in this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._sending is not None:
                    await self._sending
                while len(self._waiting):
                    await self._send(self._waiting.take())

    async def _send(self, event: Json) -> None:
        try:
            path = path_of("api", "v1", "namespaces", event["metadata"]["namespace"], "events")
            answer = await self._api.send("POST", path, body=event)
        except (ApiUnavailable, ApiForbidden) as error:
            logger.warning("event not posted: %s", error)
            return
        except Exception:  # whatever is wrong with this one, the others are posted, and the operator goes on
            logger.exception("event not posted")
            return
        if isinstance(answer, ApiError):
            logger.warning("event refused: %s", answer.message)

    def _event(self, task: Task | Unreadable, type_: str, reason: str, message: str, now: datetime) -> Json:
        meta = task.metadata
        moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{meta.name[:200].rstrip('.-')}.", "namespace": meta.namespace},
            "involvedObject": {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
                "resourceVersion": meta.resource_version,
            },
            "type": type_,
            "reason": reason,
            "message": printable(message)[:LONGEST_NOTE],
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": self._reporter[:128],
        }
