"""Events while one namespace floods: its neighbour's are posted soon, and none of them is dropped."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.attempts import until
from tests.support.builders import a_task

from obtask.kube.api import ApiError, ApiForbidden, ApiUnavailable, Json
from obtask.kube.events import EventRecorder
from obtask.model.task import Task

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Api:
    """An API server that takes its time, and remembers whose Events came."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []
        self.slow = asyncio.Event()

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Take an Event."""
        assert (method, query) == ("POST", {})
        assert body is not None
        assert path == f"/api/v1/namespaces/{body['metadata']['namespace']}/events"
        await self.slow.wait()
        self.came.append((body["metadata"]["namespace"], body["message"]))
        return {}


def task_in(namespace: str) -> Task:
    """Return a task of a namespace."""
    task = a_task().build()
    return replace(task, metadata=task.metadata.model_copy(update={"namespace": namespace}))


@pytest.mark.parametrize("flood", [500, 5000])
async def test_a_flood_of_one_namespace(flood: int) -> None:
    """The neighbour's Events are among the next few; what is dropped is the flood's oldest, and it is counted."""
    api, dropped = Api(), list[None]()
    recorder = EventRecorder(api, reporter="test", capacity=1000, dropped=lambda: dropped.append(None))
    running = asyncio.create_task(recorder.run())
    for number in range(3):
        recorder.post(task_in("neighbour"), warning=False, reason="R", message=f"before {number}", now=NOW)
    for number in range(flood):
        recorder.post(task_in("greedy"), warning=True, reason="R", message=str(number), now=NOW)
    recorder.post(task_in("neighbour"), warning=False, reason="R", message="after", now=NOW)
    api.slow.set()
    await until(lambda: len(api.came) >= min(flood + 4, 1000))
    running.cancel()

    assert [message for namespace, message in api.came[:9] if namespace == "neighbour"] == ["before 0", "before 1", "before 2", "after"]
    assert len(dropped) == max(0, flood + 4 - 1000)
    assert api.came[-1] == ("greedy", str(flood - 1))


class Faulty(Api):
    """An API server whose answers to the first Events make every reader fail."""

    def __init__(self, *faults: Exception) -> None:
        super().__init__()
        self._faults = list(faults)
        self.slow.set()

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Fail, or take the Event."""
        if self._faults:
            raise self._faults.pop()
        return await super().send(method, path, query=query, body=body)


async def test_an_event_that_cannot_be_posted_ends_nothing() -> None:
    """Whatever goes wrong with one, those after it are posted: an operator without its recorder would end."""
    api = Faulty(RuntimeError("of any kind"), ApiForbidden("too long an answer"), ApiUnavailable("away"))
    recorder = EventRecorder(api, reporter="test")
    running = asyncio.create_task(recorder.run())
    for namespace in ("a", "not a/name", "b", "c", "d"):
        recorder.post(task_in(namespace), warning=True, reason="R", message="m", now=NOW)
    await until(lambda: bool(api.came) or running.done())

    assert not running.done()
    assert api.came[-1] == ("d", "m")
    running.cancel()
