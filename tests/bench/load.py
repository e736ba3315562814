"""Owns the load of a benchmark: making tasks at once, waiting for their end, and reading their times from the API server."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from obtask.kube.api import ApiError, Json
from obtask.kube.client import Api

CONCURRENT_CREATES = 16
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds since the first task of its batch was created."""

    name: str
    created: float
    started: float
    finished: float


class Load:
    """Makes tasks in one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._path = f"/apis/task.oceanbase.com/v1alpha1/namespaces/{namespace}/obtasks"

    async def run(
        self, prefix: str, count: int, *, seconds: int, steps: int = 1, one_lock: bool = False, locked: bool = True, limit: float = 300
    ) -> list[Times]:
        """Create tasks at once, wait until all have succeeded, and return their times."""
        slots = asyncio.Semaphore(CONCURRENT_CREATES)
        began = time.time()
        made: dict[str, float] = {}

        async def create(number: int) -> None:
            async with slots:
                name = f"{prefix}-{number:05d}"
                made[name] = time.time()
                cluster, maintenance = prefix if one_lock else name, "Global" if locked else "None"
                waits = [{"name": f"s{index}", "wait": {"seconds": seconds}} for index in range(steps)]
                await self._create(name, {"type": "Cluster", "cluster": cluster, "maintenance": maintenance, "steps": waits})

        await asyncio.gather(*(create(number) for number in range(count)))
        await self._all_done(limit)
        bodies = [body for body in await self._list({}) if body["metadata"]["name"].startswith(prefix + "-")]
        return [_times(body, made[body["metadata"]["name"]], began) for body in bodies]

    async def _create(self, name: str, spec: Json) -> None:
        body = {"apiVersion": "task.oceanbase.com/v1alpha1", "kind": "OBTask", "metadata": {"name": name}, "spec": spec}
        answer = await self._api.send("POST", self._path, body=body)
        if isinstance(answer, ApiError):
            raise ConnectionError(answer.message)

    async def _all_done(self, limit: float) -> None:
        async with asyncio.timeout(limit):
            # A watch would cost the very cores that are measured.
            while await self._list({"fieldSelector": "status.phase!=Succeeded", "limit": "1"}):  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)

    async def _list(self, query: dict[str, str]) -> list[Json]:
        answer = await self._api.send("GET", self._path, query=query)
        if isinstance(answer, ApiError):
            raise ConnectionError(answer.message)
        items: list[Json] = answer["items"]
        return items


def _times(body: dict[str, Any], created: float, began: float) -> Times:
    status = body["status"]
    return Times(body["metadata"]["name"], created - began, _seconds(status["startedAt"]) - began, _seconds(status["finishedAt"]) - began)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def hand_overs(times: list[Times]) -> list[float]:
    """Return the seconds from the end of each holder of one lock to the start of the next."""
    order = sorted(times, key=lambda task: task.started)
    return [after.started - before.finished for before, after in pairwise(order)]
