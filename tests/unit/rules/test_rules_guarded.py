"""Which tasks a deletion has to wait for: only those bear the finalizer."""

from typing import Any

import pytest
from tests.support.builders import a_task
from tests.support.world import World

from obtask import names
from obtask.model.contract import Phase
from obtask.rules.decision import Finish, MarkTask

WAIT: dict[str, Any] = {"wait": {"seconds": 60}}
JOB: dict[str, Any] = {"job": {"image": "x"}}
OTHERS: dict[str, dict[str, Any]] = {
    "job": JOB,
    "resource": {"resource": {"apply": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}}},
    "obshell": {"obshell": {"path": "/api/v1/x"}},
    "undone by a job": {**WAIT, "rollback": JOB},
}


def unlocked(step: dict[str, Any]) -> World:
    """Return a task without a lock, of one step."""
    world = World(a_task().none())
    world.api.body["spec"]["steps"] = [{"name": "a", **step}]
    world.api.annotate()
    return world


@pytest.mark.parametrize(
    "step", [WAIT, {"sql": {"statements": ["select 1"]}}, {"http": {"url": "http://a.example"}}], ids=["wait", "sql", "http"]
)
def test_a_task_of_which_nothing_is_left_bears_no_finalizer(step: dict[str, Any]) -> None:
    """It has no lock, and its work ends with its object: neither its beginning nor its end costs a write for that."""
    world = unlocked(step)

    world.run()
    running = world.task.metadata.finalizers
    world.succeed("a")

    assert (running, world.phase) == ((), Phase.SUCCEEDED)
    assert len(world.stored) == 2
    assert not any(isinstance(intent, Finish) or (isinstance(intent, MarkTask) and intent.guard) for intent in world.intents)


def test_such_a_task_is_gone_as_soon_as_it_is_deleted() -> None:
    """What runs of it is stopped by the operator when it hears of that."""
    world = unlocked(WAIT)
    world.run()

    world.delete()

    assert world.api.gone


@pytest.mark.parametrize("what", OTHERS)
def test_what_leaves_something_outside_bears_the_finalizer(what: str) -> None:
    """Also if only an undo would; and it bears it again if somebody takes it off."""
    world = unlocked(OTHERS[what])
    world.run()
    bore = world.task.metadata.finalizers
    world.api.body["metadata"]["finalizers"] = []
    world.api.annotate()

    world.run()

    assert bore == world.task.metadata.finalizers == (names.FINALIZER,)


def test_what_may_hold_a_lock_bears_the_finalizer() -> None:
    """Whatever its steps do."""
    world = World(a_task())
    world.run()

    assert world.task.metadata.finalizers == (names.FINALIZER,)
