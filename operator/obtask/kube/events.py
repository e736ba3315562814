"""Owns posting Kubernetes Events about tasks: in the background, bounded, and never in a task's way."""

import asyncio
import contextlib
import logging
from datetime import datetime

from obtask import names
from obtask.kube.api import Json, Refusal, Requests, Unavailable, path_of
from obtask.model.task import Task

logger = logging.getLogger(__name__)

LONGEST_NOTE = 1024


class EventRecorder:
    """Posts Events one after the other. When the API server cannot keep up, the oldest are dropped."""

    def __init__(self, api: Requests, *, reporter: str, capacity: int = 1000) -> None:
        self._api = api
        self._reporter = reporter
        self._capacity = capacity
        self._waiting: asyncio.Queue[Json] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None

    def post(self, task: Task, *, warning: bool, reason: str, message: str, now: datetime) -> None:
        """Have an Event about the task posted soon."""
        if self._waiting.qsize() >= self._capacity:
            self._waiting.get_nowait()
        self._waiting.put_nowait(self._event(task, "Warning" if warning else "Normal", reason, message, now))

    async def run(self) -> None:
        """Post Events until cancelled; the one that is on its way then is left to ``flush``."""
        while True:
            self._sending = asyncio.create_task(self._send(await self._waiting.get()))
            await asyncio.shield(self._sending)

    async def flush(self, seconds: float) -> None:
        """Post what is still waiting, as far as the API server takes it in this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._sending is not None:
                    await self._sending
                while not self._waiting.empty():
                    await self._send(self._waiting.get_nowait())

    async def _send(self, event: Json) -> None:
        path = path_of("api", "v1", "namespaces", event["metadata"]["namespace"], "events")
        try:
            answer = await self._api.send("POST", path, body=event)
        except Unavailable as error:
            logger.warning("event not posted: %s", error)
            return
        if isinstance(answer, Refusal):
            logger.warning("event refused: %s", answer.message)

    def _event(self, task: Task, type_: str, reason: str, message: str, now: datetime) -> Json:
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
            "message": message[:LONGEST_NOTE],
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
            "source": {"component": names.FIELD_MANAGER},
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": self._reporter[:128],
        }
