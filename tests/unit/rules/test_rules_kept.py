"""What is kept for restore is on record before anything is changed, and stays so over all attempts of the subtask."""

import pytest
from tests.support.builders import a_task
from tests.support.world import World

from obtask.model.attempt import NOTHING_KEPT, Attempt, Running
from obtask.model.limits import KEPT_BYTES, KEPT_OBJECT_BYTES, kept_room
from obtask.rules.subtask_context import running_attempts

CHANGE = {"resource": {"apply": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}}}
RESTORED = CHANGE | {"rollback": {"resource": {"restore": True}}}


def running(world: World) -> Attempt:
    """Return the attempt that runs."""
    return running_attempts(world.task)[0]


def test_the_record_is_made_at_once_and_stays() -> None:
    """The first digest counts, also over a retry; the rollback gets it."""
    world = World(a_task().with_steps({"name": "s", **RESTORED}))
    world.run()
    assert running(world).kept == NOTHING_KEPT

    for digest in ("first", "second"):
        world.executors.look("s", Running(kept=digest))
        world.run()
        assert running(world).kept == "first"
    for verb in ("retry", "rollback"):
        world.fail("s")
        world.command(verb)
        assert running(world).kept == "first"


def test_a_retry_of_what_an_older_operator_began_does_not_say_that_nothing_was_kept() -> None:
    """Only the first attempt knows that for sure."""
    world = World(a_task().with_steps({"name": "s", **RESTORED}))
    world.run()
    world.fail("s")
    [step] = world.status.steps
    older = step.subtasks[0].model_copy(update={"kept": None})
    world.api.write_status(world.status.model_copy(update={"steps": (step.model_copy(update={"subtasks": (older,)}),)}))

    world.command("retry")

    assert running(world).kept is None


def test_others_keep_nothing() -> None:
    """A step that is not restored has no such field in its status."""
    world = World(a_task().with_steps({"name": "s", **CHANGE}))
    world.run()

    assert running(world).kept is None
    assert "kept" not in world.subtask("s").dump()


@pytest.mark.parametrize("count", [1, 64, 65, 511])
def test_a_task_keeps_at_most_16_mib(count: int) -> None:
    """Its subtasks share that equally, 256 KiB for each at most; those that are not restored take no part."""
    steps = [
        {"name": f"s{first}", "parallel": [{"name": f"t{number}", **RESTORED} for number in range(first, min(first + 64, count))]}
        for first in range(0, count, 64)
    ]
    world = World(a_task().with_steps(*steps, {"name": "other", **CHANGE}))
    world.run()

    room = running(world).kept_room
    assert room == kept_room(count) == min(KEPT_OBJECT_BYTES, KEPT_BYTES // count)
    assert count * room <= KEPT_BYTES
