"""An operator that is stopping: it records what has ended, starts nothing new, and the next operator goes on."""

import pytest
from tests.support.builders import a_blocker, a_mended_task, a_task, failed
from tests.support.world import World

from obtask import names
from obtask.model.attempt import Lost, Succeeded
from obtask.model.contract import Phase, SubtaskPhase
from obtask.model.reasons import FailureReason, Reason
from obtask.rules.decision import Rest


def stopping(world: World) -> World:
    """Let the operator begin to stop."""
    world.draining = True
    return world


def next_operator(world: World) -> None:
    """Let the next operator take over."""
    world.crash()
    world.run()


def running() -> World:
    """Return a task at its second step of three, with zone1 and zone2 running."""
    world = World(a_mended_task())
    world.run()
    world.succeed("check")
    return world


def test_new_task_is_left_to_the_next_operator() -> None:
    """Nothing is begun."""
    world = stopping(World(a_task()))

    assert world.run() == Rest()
    assert (world.phase, world.lease.token, world.task.metadata.finalizers) == (Phase.PENDING, 0, ())

    next_operator(world)
    assert world.phase is Phase.RUNNING


def test_waiting_task_goes_on_waiting() -> None:
    """Not even the first in line takes the lock."""
    world = World(a_task())
    world.in_the_way = (a_blocker("freeze"),)
    world.run()
    stopping(world).in_the_way = ()

    assert (world.run(), world.phase) == (Rest(), Phase.WAITING)


def test_command_to_a_failed_task_is_left_to_the_next_operator() -> None:
    """The annotation stays where it is until somebody can carry it out."""
    world = World(a_task())
    world.run()
    world.fail("only")
    stopping(world)

    world.command("retry")
    assert (world.phase, world.annotations) == (Phase.FAILED, {names.ACTION_ANNOTATION: "retry"})

    next_operator(world)
    assert (world.phase, world.live) == (Phase.RUNNING, ["only"])


def test_end_is_recorded_and_the_next_step_left() -> None:
    """The end of a step is recorded, so that it is not lost; the next step is started by the next operator."""
    world = stopping(running())

    world.succeed("zone1", "zone2")
    assert (world.phase, world.status.current_step, world.status.progress, world.live) == (Phase.RUNNING, "verify", "2/3", [])
    assert (world.step("verify").phase, world.step("verify").started_at) == (SubtaskPhase.PENDING, None)

    next_operator(world)
    assert (world.live, world.subtask("verify").runner) == (["verify"], "operator-2")


def test_end_of_the_last_step_ends_the_task() -> None:
    """Nothing has to be started for that: the lock is freed."""
    world = World(a_task())
    world.run()

    stopping(world).succeed("only")

    assert (world.phase, world.lease.holder) == (Phase.SUCCEEDED, "")


def test_failure_is_recorded() -> None:
    """So is a failure."""
    world = World(a_task())
    world.run()

    stopping(world).fail("only")

    assert (world.phase, world.status.reason) == (Phase.FAILED, Reason.SUBTASK_FAILED)


def test_automatic_retry_is_left() -> None:
    """A retry that falls due is not started, and does not keep the stopping operator awake."""
    world = World(a_task().step("load", auto_retry={"limit": 1, "backoffSeconds": 5}))
    world.run()
    stopping(world).fail("load")

    world.later(5)
    assert (world.run(), world.live) == (Rest(), [])

    next_operator(world)
    assert world.live == ["load"]


def test_attempt_that_was_cut_is_interrupted() -> None:
    """What the grace period did not suffice for is Interrupted, recorded by who cut it."""
    world = World(a_task())
    world.run()
    stopping(world).executors.end("only", Lost())

    world.run()

    assert world.status.failed_subtask is not None
    assert (world.phase, world.status.failed_subtask.reason) == (Phase.FAILED, FailureReason.INTERRUPTED)


def test_attempt_that_was_cut_is_run_again_by_the_next_operator() -> None:
    """With `interrupted: Rerun` it is left as it is, and run again by the next operator."""
    world = World(a_task().step("load", interrupted="Rerun"))
    world.run()
    stopping(world).executors.end("load", Lost())

    world.run()
    assert (world.phase, world.subtask("load").attempts) == (Phase.RUNNING, 1)

    next_operator(world)
    assert (world.live, world.subtask("load").attempts) == (["load"], 2)


def test_rollback_is_left_in_the_middle() -> None:
    """The undo of a step is recorded; the step before it is undone by the next operator."""
    world = running()
    world.succeed("zone1")
    world.fail("zone2")
    world.command("rollback")

    stopping(world).succeed("zone1", "zone2")
    assert (world.phase, world.status.current_step, world.status.progress, world.live) == (Phase.ROLLING_BACK, "check", "2/3", [])

    next_operator(world)
    assert (world.live, world.step("check").phase, world.step("check").finished_at) == (["-check"], SubtaskPhase.ROLLING_BACK, None)

    world.succeed("check")
    assert world.phase is Phase.ROLLED_BACK


def test_steps_with_nothing_to_undo_are_passed_by_the_next_operator() -> None:
    """Also where there is nothing to undo, the next operator goes on to the end."""
    world = World(a_task().step("a").step("b").step("c", undo=True))
    world.run()
    world.succeed("a", "b")
    world.fail("c")
    world.command("rollback")

    stopping(world).succeed("c")
    assert world.phase is Phase.ROLLING_BACK

    next_operator(world)
    assert (world.phase, world.subtask("a").message) == (Phase.ROLLED_BACK, "nothing to undo")


def undone_before_retry() -> World:
    """Return a task whose subtask was undone before its next attempt, which the stopping operator did not start."""
    world = World(a_task().step("load", undo=True, undo_before_retry=True))
    world.run()
    world.fail("load")
    world.command("retry")
    stopping(world).succeed("load")
    return world


def test_undo_before_a_retry_is_not_repeated() -> None:
    """What was undone before the next attempt is not undone again: the next operator starts the attempt."""
    world = undone_before_retry()
    assert world.live == []

    next_operator(world)

    assert (world.live, world.subtask("load").attempts, world.subtask("load").rollback_attempts) == (["load"], 2, 1)


@pytest.mark.parametrize("operator", ["this", "next"])
def test_cancel_between_undo_and_retry(operator: str) -> None:
    """A cancel in that moment ends the task as Failed, and says that the last attempt is undone."""
    world = undone_before_retry()
    world.api.annotate(action="cancel")

    if operator == "next":
        world.crash()
    world.run()

    shown = world.status.failed_subtask
    assert shown is not None
    assert (world.phase, world.status.reason, shown.reason) == (Phase.FAILED, Reason.SUBTASK_CANCELLED, FailureReason.CANCELLED)
    assert shown.message == "cancelled before the next attempt; the last one is undone"
    assert world.subtask("load").next_attempt_at is None


def test_running_task_can_still_be_cancelled() -> None:
    """A cancel starts nothing: it is carried out."""
    world = stopping(running())

    world.command("cancel")

    assert (world.phase, world.status.reason) == (Phase.FAILED, Reason.SUBTASK_CANCELLED)


def test_task_can_still_be_deleted() -> None:
    """Neither does a deletion."""
    world = stopping(running())
    world.delete()

    world.run()

    assert (world.api.gone, world.lease.holder) == (True, "")


def test_several_ends_while_stopping() -> None:
    """Ends of different kinds in one step are all recorded."""
    world = stopping(running())
    world.executors.end("zone1", Succeeded())
    world.executors.end("zone2", failed())

    world.run()

    assert (world.phase, world.status.failed_subtasks, world.subtask("zone1").phase) == (Phase.FAILED, 1, SubtaskPhase.SUCCEEDED)


def cancelled_before_the_next_step() -> World:
    """Return a task that was cancelled after one operator ended its first step and before the next one started its second."""
    world = World(a_task().step("a", undo=True).step("b", undo=True).step("c"))
    world.run()
    stopping(world).succeed("a")
    world.crash()
    world.command("cancel")
    return world


def test_cancel_before_the_next_step_starts() -> None:
    """The task is Failed at a step that was never started, and that step says so."""
    world = cancelled_before_the_next_step()

    assert (world.phase, world.status.reason, world.status.current_step) == (Phase.FAILED, Reason.SUBTASK_CANCELLED, "b")
    assert (world.step("b").phase, world.step("b").started_at, world.step("b").finished_at) == (SubtaskPhase.PENDING, None, None)


def test_retry_starts_the_step_that_was_never_started() -> None:
    """Retry goes on where the task stopped."""
    world = cancelled_before_the_next_step()

    world.command("retry")

    assert (world.live, world.step("b").started_at) == (["b"], world.now)


def test_skip_step_skips_the_step_that_was_never_started() -> None:
    """A step that a person skips is not run."""
    world = cancelled_before_the_next_step()

    world.command("skip-step")

    assert (world.live, world.status.progress) == (["c"], "2/3")
    assert (world.step("b").phase, world.subtask("b").phase, world.subtask("b").attempts) == (SubtaskPhase.SKIPPED, SubtaskPhase.SKIPPED, 0)


def test_rollback_leaves_the_step_alone_that_was_never_started() -> None:
    """There is nothing to undo in it: it stays Pending."""
    world = cancelled_before_the_next_step()

    world.command("rollback")
    assert world.live == ["-a"]

    world.succeed("a")
    assert world.phase is Phase.ROLLED_BACK
    assert [step.phase for step in world.status.steps] == [SubtaskPhase.ROLLED_BACK, SubtaskPhase.PENDING, SubtaskPhase.PENDING]


@pytest.mark.parametrize("operators", [1, 2])
def test_rollback_leaves_the_step_alone_that_was_skipped_unstarted(operators: int) -> None:
    """A step that was skipped before it started stays Skipped, whichever operator comes by it."""
    world = World(a_task().step("a", undo=True).step("b", undo=True).step("c", undo=True))
    world.run()
    stopping(world).succeed("a")
    world.crash()
    world.command("cancel")
    world.command("skip-step")
    world.fail("c")
    world.command("rollback")

    if operators == 2:
        stopping(world)
    world.succeed("c")
    if operators == 2:
        next_operator(world)
    world.succeed("a")

    phases = [step.phase for step in world.status.steps]
    assert (world.phase, phases) == (Phase.ROLLED_BACK, [SubtaskPhase.ROLLED_BACK, SubtaskPhase.SKIPPED, SubtaskPhase.ROLLED_BACK])
