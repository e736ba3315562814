"""What an attempt has started elsewhere: it is on record as soon as it is known, and the next attempt of the same kind is told."""

import pytest
from tests.support.builders import a_task
from tests.support.world import World

from obtask.model.attempt import Attempt, Failed, Succeeded
from obtask.model.contract import Phase
from obtask.model.reasons import FailureReason
from obtask.rules.subtask_context import running_attempts

OBSHELL = {"path": "/api/v1/ob/stop"}
BROKEN = Failed(FailureReason.OBSHELL_TASK_FAILED, "broken", "11", external="11")


def world_of(**step: object) -> World:
    """Return a task of one obshell step that runs."""
    world = World(a_task().with_steps({"name": "stop", "obshell": OBSHELL, **step}))
    world.run()
    return world


def attempt_of(world: World) -> Attempt:
    """Return the attempt that runs."""
    return running_attempts(world.task)[0]


def known(attempt: Attempt) -> tuple[str | None, str | None]:
    """Return what an attempt and the one before it have started."""
    return attempt.external, attempt.previous_external


def test_it_is_recorded_while_the_attempt_runs() -> None:
    """Once known it is stored at once, and a new operator is told."""
    world = world_of()
    before = known(attempt_of(world))

    world.executors.say("stop", "1/2", external="11")
    world.run()

    assert before == (None, None)
    assert known(attempt_of(world)) == ("11", None)
    writes = len(world.stored)
    world.run()
    assert len(world.stored) == writes


def test_the_next_attempt_knows_what_the_one_before_has_left() -> None:
    """Also over an attempt that started nothing; an attempt's own replaces it."""
    world = world_of()
    world.fail("stop", BROKEN)
    world.command("retry")
    second = known(attempt_of(world))
    world.fail("stop")
    world.command("retry")
    third = known(attempt_of(world))
    world.executors.say("stop", "1/2", external="12")
    world.run()

    assert (second, third, known(attempt_of(world))) == ((None, "11"), (None, "11"), ("12", None))


@pytest.mark.parametrize(
    ("undo", "told"), [({"path": "/api/v1/ob/start"}, None), ({"operator": "Rollback"}, "11")], ids=["an-operation", "by-obshell"]
)
def test_an_undo_is_told_only_if_it_works_on_it(undo: dict[str, str], told: str | None) -> None:
    """An undo of its own starts afresh, and its next attempt takes up what it has left itself."""
    world = world_of(rollback={"obshell": undo})
    world.fail("stop", BROKEN)
    world.command("rollback")
    first = known(attempt_of(world))
    world.fail("stop", Failed(FailureReason.OBSHELL_TASK_FAILED, "broken", external="13"))
    world.command("retry")

    assert first == (None, told)
    assert known(attempt_of(world)) == (None, "13")


def test_what_is_undone_is_not_taken_up() -> None:
    """After an undo that succeeded, the next attempt forward starts afresh."""
    world = world_of(rollback={"obshell": {"operator": "Rollback"}}, undoBeforeRetry=True)
    world.fail("stop", BROKEN)
    world.command("retry")
    undoing = known(attempt_of(world))
    world.executors.end("stop", Succeeded("rolled back", external="11"))
    world.run()

    assert undoing == (None, "11")
    assert known(attempt_of(world)) == (None, None)
    assert world.phase is Phase.RUNNING


def test_an_interrupted_attempt_leaves_what_was_there_before() -> None:
    """Nobody knows what it did; the retry begins where the last known one ended."""
    world = world_of()
    world.fail("stop", BROKEN)
    world.command("retry")
    world.crash()
    world.run()
    interrupted = world.subtask("stop").failure
    world.command("retry")

    assert interrupted is not None
    assert interrupted.reason is FailureReason.INTERRUPTED
    assert known(attempt_of(world)) == (None, "11")
