"""Of a task that is gone nothing stays in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from tests.exploration.operators import Operator, Parts

from obtask.kube.api import ApiError, Json
from obtask.kube.tasks import Tasks
from obtask.model.task import Key

KEY = Key("prod", "x")
META: Json = {"name": "x", "namespace": "prod", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
STEPS: Json = {"steps": [{"name": "s", "wait": {"seconds": 0}}]}
SPEC: Json = {"type": "Cluster", "cluster": "c", "maintenance": "None", "ttlSecondsAfterFinished": 0} | STEPS
TASK: Json = {"metadata": META, "spec": SPEC, "status": {"phase": "Skipped", "finishedAt": "1970-01-01T00:00:01Z"}}


def nothing() -> None:
    """Tell nobody."""


@dataclass
class Server:
    """An API server with one task; ``on_delete`` is called before a deletion is answered."""

    on_delete: Callable[[], None] = nothing
    methods: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:
        """Delete the task; it is not found after that."""
        self.methods.append(method)
        if method == "DELETE":
            self.on_delete()
            return {}
        return ApiError(404, "NotFound", f"{path} {query} {body}")


@pytest.mark.parametrize("early", [False, True])
async def test_a_task_that_is_deleted_at_its_end_leaves_nothing(*, early: bool) -> None:
    """Without a time to live the operator deletes it itself; the watch may tell of that before the answer comes, or after."""
    engine = Operator("me", Parts()).engine
    cache = engine.cache
    server = Server(lambda: cache.forget(KEY, "u", deleted=True)) if early else Server()
    engine = replace(engine, tasks=Tasks(server), longest_reconcile=2)
    cache.update(TASK)

    await engine.reconcile(KEY)
    assert server.methods == ["DELETE"]
    if not early:
        cache.forget(KEY, "u", deleted=True)
    await engine.reconcile(KEY)

    assert cache.tasks.tracked(KEY) is None
