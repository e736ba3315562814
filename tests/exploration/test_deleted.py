"""Of a task that is gone nothing stays in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from tests.exploration.operators import Operator, Parts, clock

from obtask import names
from obtask.engine.locking import Locking
from obtask.kube.api import ApiError, Json
from obtask.kube.leases import Leases
from obtask.kube.tasks import Tasks
from obtask.locks.protocol import Locks
from obtask.locks.sweep import Sweeper
from obtask.model.task import Key

KEY = Key("prod", "x")
META: Json = {"name": "x", "namespace": "prod", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
STEPS: Json = {"steps": [{"name": "s", "wait": {"seconds": 0}}]}
SPEC: Json = {"type": "Cluster", "cluster": "c", "maintenance": "None", "ttlSecondsAfterFinished": 0} | STEPS
TASK: Json = {"metadata": META, "spec": SPEC, "status": {"phase": "Skipped", "finishedAt": "1970-01-01T00:00:01Z"}}
NOTED: Json = META | {"annotations": {names.ADOPTED_ANNOTATION: "u"}}
WITHOUT_LOCK: Json = {"metadata": NOTED, "spec": SPEC | {"steps": [{"name": "s", "http": {"url": "http://x"}}]}}


def nothing() -> None:
    """Tell nobody."""


@dataclass
class Server:
    """An API server with one task; ``on_…`` is called before an answer. A task that is deleted is found no more."""

    on_delete: Callable[[], None] = nothing
    on_status: Callable[[], None] = nothing
    on_read: Callable[[], None] = nothing
    task: Json = field(default_factory=dict)
    methods: list[str] = field(default_factory=list)

    async def send(self, method: str, path: str, *, query: object = None, body: Json | None = None) -> Json | ApiError:
        """Delete the task, store its status, or return it."""
        self.methods.append(method)
        if method == "PUT" and body is not None and self.task:
            self.on_status()
            return self.task | body | {"metadata": self.task["metadata"] | {"resourceVersion": "9"}}
        if method == "DELETE":
            self.on_delete()
            return {}
        if method == "GET":
            self.on_read()
            if self.task:
                return self.task
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


@pytest.mark.parametrize("early", [False, True])
async def test_a_task_that_is_deleted_while_its_first_attempt_is_recorded_does_not_run_on(*, early: bool) -> None:
    """Without a finalizer nothing else will stop its attempts; the watch may tell of the deletion before the answer comes, or after."""
    operator = Operator("me", Parts())

    def deleted() -> None:
        operator.handlers.see(names.PLURAL, "DELETED", WITHOUT_LOCK)

    server = Server(on_status=deleted if early else nothing, task=WITHOUT_LOCK)
    engine = replace(operator.engine, tasks=Tasks(server))
    operator.cache.update(WITHOUT_LOCK)
    await engine.reconcile(KEY)
    assert server.methods == ["PUT"]
    if not early:
        assert operator.started
        deleted()
    await engine.reconcile(KEY)

    assert operator.cache.tasks.tracked(KEY) is None
    left = operator.attempts.dump()
    assert (left.live, left.intended) == ((), ())
    assert not any(executor.begun for executor in operator.executors)


async def test_a_task_that_is_deleted_while_its_forerunner_is_cleaned_up_does_not_run_on() -> None:
    """The news of the second deletion comes while the Lease of the first is looked at."""
    operator = Operator("me", Parts())
    cache = operator.cache
    cache.update(WITHOUT_LOCK)
    await replace(operator.engine, tasks=Tasks(Server(task=WITHOUT_LOCK))).reconcile(KEY)
    assert operator.started

    cache.forget(KEY, "forerunner", deleted=True)
    holder = {"name": "obt-lock", "namespace": "prod", "uid": "l", "resourceVersion": "3", "annotations": {}, "labels": {}}
    operator.handlers.see("leases", "ADDED", {"metadata": holder, "spec": {"holderIdentity": "x/forerunner", "leaseTransitions": 1}})
    server = Server(on_read=lambda: operator.handlers.see(names.PLURAL, "DELETED", WITHOUT_LOCK))
    sweeper = Sweeper(Leases(server), Tasks(server), cache.locks, clock)
    locking = Locking(cache, Locks(Leases(server), cache.locks, clock), sweeper, float, "me")
    engine = replace(operator.engine, tasks=Tasks(server), locking=locking)
    await engine.reconcile(KEY)
    await engine.reconcile(KEY)

    assert server.methods[0] == "GET"
    assert cache.tasks.tracked(KEY) is None
    assert operator.attempts.dump().live == ()


async def test_doubt_that_comes_up_while_a_task_is_read_stays() -> None:
    """The answer may have been sent before the deletion that is doubted."""
    operator = Operator("me", Parts())
    operator.cache.update(TASK)
    operator.cache.mark_stale(KEY)
    server = Server(on_read=lambda: operator.cache.mark_stale(KEY), task=TASK)
    await replace(operator.engine, tasks=Tasks(server)).reconcile(KEY)

    assert operator.cache.dump().stale == (KEY,)


@pytest.mark.parametrize("early", [False, True])
async def test_a_finished_task_that_cannot_be_read_is_forgotten(*, early: bool) -> None:
    """As any other: once the watch has told of its end, be that before our own request was answered or after."""
    operator = Operator("me", Parts())
    ended = TASK | {"status": {"phase": "Skipped", "steps": 7}}
    before = ended | {"metadata": META | {"resourceVersion": "6"}, "status": {"phase": "New", "steps": 7}}
    tell = operator.handlers.see
    tell(names.PLURAL, "ADDED", before)
    if early:
        tell(names.PLURAL, "MODIFIED", ended)
    operator.cache.update(ended)
    server = Server(task=ended)
    await replace(operator.engine, tasks=Tasks(server)).reconcile(KEY)
    if not early:
        tell(names.PLURAL, "MODIFIED", ended)

    assert operator.cache.tasks.tracked(KEY) is None
