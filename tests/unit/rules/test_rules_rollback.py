"""What `rollback` does: reverse order, nothing to undo, a failing undo, and what retry means then."""

import pytest
from tests.support.builders import a_task, failed
from tests.support.phases import broken
from tests.support.world import World

from obtask.model.contract import Direction, Phase, SubtaskPhase, Verb
from obtask.model.reasons import FailureReason, Reason


def undoing_failed() -> World:
    """Return the same task after a rollback in which undoing zone1 failed."""
    world = broken()
    world.command("rollback")
    world.succeed("zone2")
    world.fail("zone1", failed("table is locked", FailureReason.SQL_ERROR, "4012"))
    return world


def test_rollback_starts_with_the_failed_step() -> None:
    """The subtasks of the failed step are undone first, the failed one too, at the same time."""
    world = broken()

    world.command("rollback")

    status = world.status
    assert (status.phase, status.direction, status.reason) == (Phase.ROLLING_BACK, Direction.ROLLBACK, Reason.EXECUTING)
    assert (status.current_step, status.message) == ("resize", 'undoing step 2/3 "resize"')
    assert world.live == ["-zone1", "-zone2"]
    assert (world.step("resize").phase, world.subtask("zone1").phase) == (SubtaskPhase.ROLLING_BACK, SubtaskPhase.ROLLING_BACK)


def test_rollback_goes_back_step_by_step() -> None:
    """Earlier steps are undone one at a time, in reverse order; a step waits until the later one is undone."""
    world = broken()
    world.command("rollback")

    world.succeed("zone1")
    assert world.live == ["-zone2"]

    world.succeed("zone2")
    assert (world.live, world.status.current_step, world.status.progress) == (["-check"], "check", "2/3")


def test_everything_undone_ends_the_task() -> None:
    """When the first step is undone the task is RolledBack, finished, and its lock is free."""
    world = broken()
    world.command("rollback")

    world.succeed("zone1", "zone2", "check")

    status = world.status
    assert (status.phase, status.reason, status.direction) == (Phase.ROLLED_BACK, Reason.ROLLED_BACK, Direction.ROLLBACK)
    assert (status.progress, status.lock, status.allowed_actions) == ("3/3", None, ())
    assert status.finished_at == world.now
    assert [step.phase for step in status.steps] == [SubtaskPhase.ROLLED_BACK, SubtaskPhase.ROLLED_BACK, SubtaskPhase.PENDING]
    assert not world.lease.holder


@pytest.mark.parametrize(("undone", "progress"), [((), "1/3"), (("zone1",), "1/3"), (("zone1", "zone2"), "2/3")])
def test_steps_still_to_undo_are_not_done(undone: tuple[str, ...], progress: str) -> None:
    """While rolling back, steps that are still to be undone do not count as done."""
    world = broken()
    world.command("rollback")

    world.succeed(*undone)

    assert world.status.progress == progress


def test_step_that_was_never_started_is_left_alone() -> None:
    """What was never started is not undone."""
    world = broken()

    world.command("rollback")
    world.succeed("zone1", "zone2", "check")

    assert "verify" not in {attempt.id.subtask for attempt in world.executors.started}
    assert world.step("verify").phase is SubtaskPhase.PENDING


def test_subtask_without_rollback_is_recorded_as_having_nothing_to_undo() -> None:
    """A subtask without a rollback is RolledBack at once and says why; the others of its step are undone."""
    world = World(a_task().step("check").parallel("resize", "zone1", "zone2", undo=("zone2",)))
    world.run()
    world.succeed("check", "zone1")
    world.fail("zone2")

    world.command("rollback")

    assert world.live == ["-zone2"]
    assert (world.subtask("zone1").phase, world.subtask("zone1").message) == (SubtaskPhase.ROLLED_BACK, "nothing to undo")


def test_steps_without_rollback_are_passed_in_the_same_write() -> None:
    """Steps with nothing to undo cost no reconcile: rolling back a task without rollbacks is one write."""
    world = World(a_task().step("a").step("b").step("c"))
    world.run()
    world.succeed("a", "b")
    world.fail("c")
    before = len(world.stored)

    world.command("rollback")

    assert (world.phase, len(world.stored)) == (Phase.ROLLED_BACK, before + 1)
    assert {world.subtask(name).message for name in "abc"} == {"nothing to undo"}


def test_skipped_subtask_is_undone_too() -> None:
    """A subtask that failed and was skipped by skip-step was started, so it is undone."""
    world = broken()
    world.command("skip-step")
    world.fail("verify")

    world.command("rollback")
    world.succeed("verify")

    assert world.live == ["-zone1", "-zone2"]


def test_undo_runs_the_rollback_action() -> None:
    """An undo runs the rollback's action, in direction Rollback, counted on its own."""
    world = broken()
    forward = next(attempt for attempt in world.executors.started if attempt.id.subtask == "zone2")

    world.command("rollback")

    undo = world.executors.started[-1]
    assert (undo.id.subtask, undo.id.direction, undo.id.number) == ("zone2", Direction.ROLLBACK, 1)
    assert undo.action != forward.action
    assert (world.subtask("zone2").attempts, world.subtask("zone2").rollback_attempts) == (1, 1)


def test_failing_undo_stops_the_rollback() -> None:
    """If an undo fails: Failed, direction Rollback, reason RollbackFailed, lock kept, no earlier step touched."""
    world = undoing_failed()

    status = world.status
    assert (status.phase, status.direction, status.reason) == (Phase.FAILED, Direction.ROLLBACK, Reason.ROLLBACK_FAILED)
    assert status.message == 'step 2/3 "resize": subtask "zone1" rollback failed: table is locked'
    assert (status.current_step, status.progress, status.failed_subtasks) == ("resize", "1/3", 1)
    assert status.allowed_actions == (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP)
    assert world.holds_lease
    assert world.subtask("check").phase is SubtaskPhase.SUCCEEDED


def test_failed_undo_is_shown_as_such() -> None:
    """The field failedSubtask says that it was the undo that failed, and which attempt of it."""
    shown = undoing_failed().status.failed_subtask

    assert shown is not None
    assert (shown.subtask, shown.direction, shown.attempt) == ("zone1", Direction.ROLLBACK, 1)
    assert (shown.reason, shown.code, shown.message) == (FailureReason.SQL_ERROR, "4012", "table is locked")


@pytest.mark.parametrize("verb", ["retry", "rollback"])
def test_retry_of_a_failed_rollback_goes_on_with_the_rollback(verb: str) -> None:
    """After a failed undo, retry (and rollback) undo what is left, keep what is undone, and never go forward."""
    world = undoing_failed()

    world.command(verb)

    assert (world.phase, world.status.direction, world.live) == (Phase.ROLLING_BACK, Direction.ROLLBACK, ["-zone1"])
    assert (world.subtask("zone1").rollback_attempts, world.subtask("zone2").rollback_attempts) == (2, 1)
    assert world.status.failed_subtask is None

    world.succeed("zone1", "check")
    assert world.phase is Phase.ROLLED_BACK
    assert not [attempt for attempt in world.executors.started if attempt.id.subtask == "verify"]


def test_failed_rollback_can_fail_again() -> None:
    """A second failure of the undo is the same state again, with its attempt."""
    world = undoing_failed()
    world.command("retry")

    world.fail("zone1", failed("still locked"))

    shown = world.status.failed_subtask
    assert shown is not None
    assert (world.status.reason, shown.attempt, shown.message) == (Reason.ROLLBACK_FAILED, 2, "still locked")


def test_both_undos_end_before_the_rollback_stops() -> None:
    """A failing undo lets the other undos of its step end."""
    world = broken()
    world.command("rollback")

    world.fail("zone1")

    assert (world.phase, world.live) == (Phase.ROLLING_BACK, ["-zone2"])


def test_skip_step_is_not_offered_while_undoing() -> None:
    """skip-step is for direction Forward only."""
    world = undoing_failed()

    world.command("skip-step")

    last = world.status.last_action
    assert last is not None
    assert last.message == "skip-step is not allowed while Failed; allowed now: retry, rollback, skip"
    assert world.phase is Phase.FAILED


def test_rollback_of_a_failed_first_step() -> None:
    """A task that failed at once undoes that step and is done."""
    world = World(a_task().step("check", undo=True).step("next"))
    world.run()
    world.fail("check")

    world.command("rollback")
    world.succeed("check")

    assert (world.phase, world.status.progress) == (Phase.ROLLED_BACK, "2/2")
