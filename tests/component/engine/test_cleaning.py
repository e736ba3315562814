"""What the cleaner does when it may not delete a task."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from obtask.cache.finished import FinishedTasks
from obtask.engine.cleaning import ASIDE, Cleaner
from obtask.kube.api import ApiError, Json, Response, read_answer
from obtask.kube.tasks import Tasks
from obtask.metrics import Metrics
from obtask.rules.retention import Retention


@dataclass
class Guarded:
    """An API server whose policy protects some tasks; it takes note of what it is asked to delete."""

    protected: set[str]
    asked: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, body: Json | None = None) -> Json | ApiError:
        """Delete a task, or refuse to."""
        del query, body
        name = path.rsplit("/", 1)[1]
        self.asked.append(name)
        if name in self.protected:
            said = {"kind": "Status", "reason": "Forbidden", "message": f"policy: {name} stays"}
            return read_answer(method, path, Response(403, json.dumps(said).encode()))
        return read_answer(method, path, Response(200, b"{}"))


@dataclass
class Clock:
    """A clock that the test sets."""

    now: datetime = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now


def cleaner(api: Guarded, clock: Clock, *names: str) -> Cleaner:
    """Return a cleaner that keeps no finished task of these, which finished in this order."""
    finished = FinishedTasks(wanted=True)
    for minute, name in enumerate(names):
        meta = {"namespace": "prod", "name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
        status = {"phase": "Succeeded", "finishedAt": f"2026-11-23T07:{minute:02}:00Z"}
        finished.see({"metadata": meta, "spec": {}, "status": status})
    return Cleaner(Tasks(api), finished, Retention(history_limit=0), Metrics(CollectorRegistry()), clock)


async def test_a_time_of_its_own_is_tried_again_when_it_was_refused() -> None:
    """Once a policy lets it go, it goes: no restart is needed, and no setting of the operator."""
    api, clock = Guarded({"own"}), Clock()
    finished = FinishedTasks(wanted=False)
    meta = {"namespace": "prod", "name": "own", "uid": "u", "resourceVersion": "1"}
    status = {"phase": "Succeeded", "finishedAt": "2026-11-23T07:00:00Z"}
    finished.see({"metadata": meta, "spec": {"ttlSecondsAfterFinished": 60}, "status": status})
    keeping = Cleaner(Tasks(api), finished, Retention(), Metrics(CollectorRegistry()), clock)

    await keeping.clean()
    await keeping.clean()
    assert api.asked == ["own"]

    api.protected.clear()
    clock.now += ASIDE
    await keeping.clean()
    assert api.asked == ["own", "own"]
    assert finished.surplus(Retention(history_limit=0), clock.now + ASIDE) == []


async def test_a_protected_task_does_not_keep_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """It is left alone for a while, then asked for again; the log says so once."""
    api, clock = Guarded({"oldest"}), Clock()
    cleaning = cleaner(api, clock, "oldest", "older", "old")

    with caplog.at_level(logging.WARNING):
        await cleaning.clean()
        await cleaning.clean()
        assert api.asked == ["oldest", "older", "old"]
        clock.now += ASIDE
        await cleaning.clean()

    assert api.asked[3:] == ["oldest"]
    assert [record.getMessage() for record in caplog.records] == [
        "cannot delete prod/oldest: policy: oldest stays; it is tried again every 5 minutes"
    ]


async def test_a_task_that_is_protected_no_more_is_deleted() -> None:
    """When its time comes again."""
    api, clock = Guarded({"x"}), Clock()
    cleaning = cleaner(api, clock, "x")
    await cleaning.clean()

    api.protected.clear()
    clock.now += ASIDE
    await cleaning.clean()
    await cleaning.clean()

    assert api.asked == ["x", "x"]
