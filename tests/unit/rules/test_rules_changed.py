"""What counts as changed, and what a rollback therefore undoes. API.md sections 3 and 5."""

from dataclasses import replace

import pytest
from tests.support.builders import a_mended_task, a_task, failed
from tests.support.world import World

from obtask.model.attempt import Failed, Succeeded
from obtask.model.contract import Phase, SubtaskPhase
from obtask.model.reasons import FailureReason
from obtask.rules.progress import replace_step


def world_of(**options: object) -> World:
    """Return a running task of one subtask that can be undone."""
    world = World(a_task().step("load", undo=True, **options))
    world.run()
    return world


def end(world: World, subtask: str, outcome: Succeeded | Failed) -> None:
    """Let a running attempt end."""
    world.executors.end(subtask, outcome)
    world.run()


UNTOUCHED = replace(failed(), untouched=True)


def test_an_attempt_that_runs_may_have_changed_something() -> None:
    """Whoever reads the status in the middle, or after a crash, must expect it."""
    assert world_of().subtask("load").changed is True


def test_nothing_is_said_of_what_was_not_begun() -> None:
    """Neither yes nor no."""
    world = World(a_mended_task())
    world.run()

    assert world.subtask("verify").changed is None


def test_work_that_was_done_already_is_not_undone() -> None:
    """The step before found its work done: it changed nothing, and a rollback leaves it alone."""
    world = World(a_mended_task())
    world.run()
    end(world, "check", Succeeded("already done", untouched=True))
    assert world.subtask("check").changed is False
    world.fail("zone1")
    world.succeed("zone2")

    world.command("rollback")
    world.succeed("zone1", "zone2")

    assert world.phase is Phase.ROLLED_BACK
    assert (world.subtask("check").phase, world.subtask("check").rollback_attempts) == (SubtaskPhase.ROLLED_BACK, 0)
    assert world.subtask("check").message == "nothing to undo: it changed nothing"
    assert world.subtask("zone1").rollback_attempts == 1


def test_a_failure_before_anything_was_done_is_not_undone() -> None:
    """A refused connection leaves nothing to undo."""
    world = world_of()
    end(world, "load", UNTOUCHED)

    world.command("rollback")

    assert world.phase is Phase.ROLLED_BACK
    assert world.subtask("load").rollback_attempts == 0


@pytest.mark.parametrize("again", [UNTOUCHED, Succeeded("already done", untouched=True)])
def test_what_one_attempt_changed_stays_changed(again: Succeeded | Failed) -> None:
    """The first attempt may have got half way; the next one finds its work done, or fails before it begins."""
    world = world_of()
    world.fail("load")
    world.command("retry")

    end(world, "load", again)

    assert world.subtask("load").changed is True


def test_an_attempt_after_one_that_changed_nothing_counts_by_itself() -> None:
    """The first attempt found nobody, the second found the work done."""
    world = world_of()
    end(world, "load", UNTOUCHED)
    world.command("retry")
    assert world.subtask("load").changed is True

    end(world, "load", Succeeded("already done", untouched=True))

    assert world.subtask("load").changed is False


def test_nothing_is_undone_before_a_retry_if_nothing_was_changed() -> None:
    """``undoBeforeRetry`` means the changes of the attempt before."""
    world = world_of(undo_before_retry=True)
    end(world, "load", UNTOUCHED)

    world.command("retry")

    assert world.live == ["load"]


def test_what_was_undone_before_a_retry_is_no_longer_changed() -> None:
    """The attempt after it counts by itself again."""
    world = world_of(undo_before_retry=True)
    world.fail("load")
    world.command("retry")
    world.succeed("load")
    assert world.live == ["load"]

    end(world, "load", Succeeded("already done", untouched=True))

    assert world.subtask("load").changed is False


def test_an_interrupted_attempt_may_have_changed_something() -> None:
    """Nobody knows how far it got: it is undone."""
    world = world_of()
    world.crash()
    world.run()
    assert world.status.failed_subtask is not None
    assert world.status.failed_subtask.reason is FailureReason.INTERRUPTED
    assert world.subtask("load").changed is True

    world.command("rollback")

    assert world.live == ["-load"]


def test_an_attempt_that_goes_on_after_a_crash_does_not_forget_it() -> None:
    """The one that was run again finds the work done: by the one before, for all that is known."""
    world = world_of(interrupted="Rerun")
    world.crash()
    world.run()

    end(world, "load", Succeeded("already done", untouched=True))

    assert (world.subtask("load").attempts, world.subtask("load").changed) == (2, True)


def test_what_an_older_operator_began_may_be_changed() -> None:
    """It did not record it: neither an attempt of it that goes on here, nor one after it, is taken for the first."""
    world = world_of()
    older = world.subtask("load").model_copy(update={"changed": None})
    step = world.step("load").model_copy(update={"subtasks": (older,)})
    world.api.write_status(replace_step(world.status, step))

    end(world, "load", UNTOUCHED)

    assert world.subtask("load").changed is not False
    world.command("rollback")
    assert world.live == ["-load"]
