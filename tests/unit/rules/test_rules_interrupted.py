"""What becomes of attempts whose outcome nobody knows, and of `undoBeforeRetry`."""

import pytest
from tests.support.builders import a_task, failed
from tests.support.world import Crash, World

from obtask.model.attempt import Succeeded
from obtask.model.contract import Direction, Phase, SubtaskPhase, Verb
from obtask.model.reasons import FailureReason, Reason


def test_interrupted_attempt_fails() -> None:
    """By default an attempt that the operator lost is failed, reason Interrupted: a person looks at the target."""
    world = World(a_task())
    world.run()

    world.crash()
    world.run()

    shown = world.status.failed_subtask
    assert shown is not None
    assert (world.phase, shown.reason, shown.code) == (Phase.FAILED, FailureReason.INTERRUPTED, None)
    assert shown.message == "the operator stopped in the middle; nobody knows how far the attempt got"


def test_interrupted_attempt_can_be_retried() -> None:
    """Retry runs an interrupted subtask again."""
    world = World(a_task())
    world.run()
    world.crash()
    world.run()

    world.command("retry")

    assert (world.live, world.subtask("only").attempts) == (["only"], 2)


def test_rerun_starts_the_next_attempt_at_once() -> None:
    """With `interrupted: Rerun` the subtask is run again by the next operator, without a person."""
    world = World(a_task().step("load", interrupted="Rerun"))
    world.run()

    world.crash()
    world.run()

    load = world.subtask("load")
    assert (world.phase, world.live, load.attempts, load.runner) == (Phase.RUNNING, ["load"], 2, "operator-2")


def test_rerun_holds_for_the_undo_too() -> None:
    """An interrupted undo is run again."""
    world = World(a_task().step("load", undo=True, interrupted="Rerun"))
    world.run()
    world.fail("load")
    world.command("rollback")

    world.crash()
    world.run()

    assert (world.phase, world.live, world.subtask("load").rollback_attempts) == (Phase.ROLLING_BACK, ["-load"], 2)


def test_interrupted_undo_fails_the_rollback() -> None:
    """By default an undo that the operator lost stops the rollback."""
    world = World(a_task().step("load", undo=True))
    world.run()
    world.fail("load")
    world.command("rollback")

    world.crash()
    world.run()

    assert (world.phase, world.status.reason, world.status.direction) == (Phase.FAILED, Reason.ROLLBACK_FAILED, Direction.ROLLBACK)


def test_only_lost_attempts_are_interrupted() -> None:
    """A subtask that ended before the crash is not touched by it."""
    world = World(a_task().parallel("resize", "zone1", "zone2"))
    world.run()
    world.succeed("zone1")

    world.crash()
    world.run()

    assert (world.subtask("zone1").phase, world.subtask("zone2").phase) == (SubtaskPhase.SUCCEEDED, SubtaskPhase.FAILED)
    assert world.status.failed_subtasks == 1


@pytest.mark.parametrize(
    ("crash", "phase"),
    [
        pytest.param(Crash.BEFORE_WRITE, Phase.RUNNING, id="not-recorded-so-not-lost"),
        pytest.param(Crash.AFTER_WRITE, Phase.FAILED, id="recorded-but-perhaps-started"),
    ],
)
def test_crash_around_the_record_of_an_attempt(crash: Crash, phase: Phase) -> None:
    """An attempt counts from its record on: a crash before leaves no trace, one after leaves an attempt nobody knows of."""
    world = World(a_task().step("a").step("b"))
    world.run()
    world.executors.end("a", Succeeded())

    world.reconcile(crash)
    world.run()

    # After a crash before the write, it is the first step's attempt that nobody knows of.
    assert world.phase is Phase.FAILED
    assert world.status.current_step == ("a" if phase is Phase.RUNNING else "b")
    assert len(world.executors.started) == 1


def retrying() -> World:
    """Return a task whose step `load` failed and is undone before it is tried again."""
    world = World(a_task().step("load", undo=True, undo_before_retry=True).step("next"))
    world.run()
    world.fail("load")
    return world


def test_undo_comes_before_the_next_attempt() -> None:
    """With `undoBeforeRetry` a retry first runs the subtask's rollback, then its next attempt; the task stays in direction Forward."""
    world = retrying()

    world.command("retry")
    assert (world.phase, world.status.direction, world.live) == (Phase.RUNNING, Direction.FORWARD, ["-load"])
    assert (world.subtask("load").phase, world.step("load").phase) == (SubtaskPhase.ROLLING_BACK, SubtaskPhase.RUNNING)

    world.succeed("load")
    assert (world.live, world.subtask("load").attempts, world.subtask("load").rollback_attempts) == (["load"], 2, 1)

    world.succeed("load")
    assert world.live == ["next"]


def test_first_attempt_needs_no_undo() -> None:
    """The first attempt has nothing before it to undo."""
    world = World(a_task().step("load", undo=True, undo_before_retry=True))

    world.run()

    assert world.live == ["load"]


def test_subtask_without_rollback_is_just_retried() -> None:
    """Where there is no rollback there is nothing to run before."""
    world = World(a_task().parallel("resize", "zone1", "zone2", undo=("zone2",), undo_before_retry=True))
    world.run()
    world.fail("zone1")
    world.fail("zone2")

    world.command("retry")

    assert world.live == ["zone1", "-zone2"]


def test_undo_that_fails_before_a_retry() -> None:
    """If that undo fails the task is Failed in direction Forward, and says that it was the rollback that failed."""
    world = retrying()
    world.command("retry")

    world.fail("load", failed("table is locked"))

    status = world.status
    assert (status.phase, status.reason, status.direction) == (Phase.FAILED, Reason.SUBTASK_FAILED, Direction.FORWARD)
    assert status.message == 'step 1/2 "load": subtask "load" rollback failed: table is locked'
    assert status.failed_subtask is not None
    assert (status.failed_subtask.direction, status.failed_subtask.attempt) == (Direction.ROLLBACK, 1)
    assert status.allowed_actions == (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP, Verb.SKIP_STEP)


def test_retry_after_that_undoes_again_first() -> None:
    """What could not be undone is undone before the next attempt, not left out."""
    world = retrying()
    world.command("retry")
    world.fail("load")

    world.command("retry")

    assert (world.live, world.subtask("load").rollback_attempts) == (["-load"], 2)


def test_automatic_retry_undoes_first() -> None:
    """An automatic retry is a retry: the undo comes before it."""
    world = World(a_task().step("load", undo=True, undo_before_retry=True, auto_retry={"limit": 1, "backoffSeconds": 5}))
    world.run()
    world.fail("load")

    world.wait(5)

    assert (world.phase, world.live) == (Phase.RUNNING, ["-load"])


def test_rerun_undoes_first() -> None:
    """So is the next attempt of an interrupted subtask."""
    world = World(a_task().step("load", undo=True, undo_before_retry=True, interrupted="Rerun"))
    world.run()

    world.crash()
    world.run()

    assert (world.live, world.subtask("load").attempts, world.subtask("load").rollback_attempts) == (["-load"], 1, 1)


def test_rerun_of_a_lost_undo_is_the_undo() -> None:
    """An undo before a retry that is lost is run again, and only then the attempt."""
    world = World(a_task().step("load", undo=True, undo_before_retry=True, interrupted="Rerun"))
    world.run()
    world.fail("load")
    world.command("retry")

    world.crash()
    world.run()
    assert (world.live, world.subtask("load").rollback_attempts) == (["-load"], 2)

    world.succeed("load")
    assert world.live == ["load"]


def test_cancel_during_the_undo_before_a_retry() -> None:
    """A cancel stops the undo; if that was quicker, the next attempt is not started all the same, and the subtask says so."""
    world = retrying()
    world.command("retry")
    world.executors.stops_at_once = False
    world.command("cancel")

    world.succeed("load", message="waited 30 s")

    shown = world.status.failed_subtask
    assert shown is not None
    assert (world.phase, world.status.reason, world.live) == (Phase.FAILED, Reason.SUBTASK_CANCELLED, [])
    assert (shown.reason, shown.message) == (FailureReason.CANCELLED, "cancelled before the next attempt; the last one is undone")


def test_rollback_of_a_task_that_was_retried() -> None:
    """A rollback undoes the newest attempt."""
    world = retrying()
    world.command("retry")
    world.succeed("load")
    world.fail("load")

    world.command("rollback")
    world.succeed("load")

    assert (world.phase, world.subtask("load").rollback_attempts) == (Phase.ROLLED_BACK, 2)
