"""What `cancel` does in each phase."""

import pytest
from tests.support.builders import a_blocker, a_mended_task, a_task, failed
from tests.support.world import World

from obtask.model.attempt import Succeeded
from obtask.model.contract import ActionResult, Direction, Phase, SubtaskPhase, Verb
from obtask.model.reasons import FailureReason, Reason

CANCELLED = 'step 2/3 "resize": cancelled; the target may be half changed'


def resizing() -> World:
    """Return a task at its second step of three, whose attempts take their time to stop."""
    world = World(a_mended_task())
    world.run()
    world.succeed("check")
    world.executors.stops_at_once = False
    return world


def test_cancel_of_a_new_task() -> None:
    """A task that nobody has looked at yet is Cancelled before its first step: no lock, no attempt."""
    world = World(a_task().annotated(action="cancel"))

    world.run()

    status = world.status
    assert (status.phase, status.reason, status.started_at) == (Phase.CANCELLED, Reason.CANCELLED_BY_USER, None)
    assert (status.finished_at, status.allowed_actions) == (world.now, ())
    assert (world.executors.started, world.lease.token) == ([], 0)


def test_cancel_of_a_waiting_task() -> None:
    """A task in line is Cancelled, and shows nobody in its way any more."""
    world = World(a_task())
    world.in_the_way = (a_blocker("other"),)
    world.run()

    world.command("cancel")

    status = world.status
    assert (status.phase, status.message) == (Phase.CANCELLED, "cancelled before its first step started")
    assert (status.blocked_by, status.blocked_by_count, status.blocked_by_summary) == ((), None, None)
    assert world.executors.started == []


def test_cancel_of_a_running_task_stops_its_subtasks() -> None:
    """Cancel asks every running subtask to stop; until they have stopped the task is Running and holds its lock."""
    world = resizing()

    world.command("cancel")

    assert world.executors.asked_to_stop == ["zone1", "zone2"]
    assert (world.phase, world.holds_lease, world.status.allowed_actions) == (Phase.RUNNING, True, (Verb.CANCEL,))


def test_cancelled_task_waits_for_a_person() -> None:
    """When all subtasks have stopped the task is Failed, reason SubtaskCancelled, keeps its lock and can be retried or undone."""
    world = resizing()
    world.command("cancel")

    world.fail("zone1", failed("cancelled", FailureReason.CANCELLED))
    assert world.phase is Phase.RUNNING
    world.fail("zone2", failed("cancelled", FailureReason.CANCELLED))

    status = world.status
    assert (status.phase, status.reason, status.message) == (Phase.FAILED, Reason.SUBTASK_CANCELLED, CANCELLED)
    assert not status.cancelling
    assert status.failed_subtask is not None
    assert (status.failed_subtask.reason, status.failed_subtask.subtask) == (FailureReason.CANCELLED, "zone1")
    assert status.allowed_actions == (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP, Verb.SKIP_STEP)
    assert world.holds_lease


def test_cancel_with_success_of_one_subtask() -> None:
    """A subtask that was quicker than its cancellation has succeeded, and a retry runs only the other one."""
    world = resizing()
    world.command("cancel")
    world.succeed("zone1")
    world.fail("zone2", failed("cancelled", FailureReason.CANCELLED))
    assert (world.phase, world.status.failed_subtasks) == (Phase.FAILED, 1)

    world.command("retry")

    assert (world.phase, world.live) == (Phase.RUNNING, ["zone2"])


def test_cancel_that_comes_too_late() -> None:
    """When all subtasks succeed in spite of the cancel the task still stops there, and a retry goes on with the next step."""
    world = resizing()
    world.command("cancel")

    world.succeed("zone1", "zone2")
    assert (world.phase, world.status.reason, world.status.message) == (Phase.FAILED, Reason.SUBTASK_CANCELLED, CANCELLED)
    assert world.status.failed_subtask is None

    world.command("retry")
    assert (world.phase, world.live) == (Phase.RUNNING, ["verify"])
    assert world.step("resize").phase is SubtaskPhase.SUCCEEDED


def test_cancel_and_success_seen_in_the_same_turn() -> None:
    """A cancel that is handled when the last subtask has already ended does not start the next step."""
    world = resizing()
    world.executors.end("zone1", Succeeded())
    world.executors.end("zone2", Succeeded())
    world.api.annotate(action="cancel")

    world.run()

    assert (world.phase, world.status.reason, world.live) == (Phase.FAILED, Reason.SUBTASK_CANCELLED, [])


def test_cancel_starts_nothing() -> None:
    """Nothing new is started once a cancel was accepted, not even an automatic retry of a subtask that fails meanwhile."""
    world = World(a_task().parallel("resize", "zone1", "zone2", auto_retry={"limit": 3, "backoffSeconds": 0}))
    world.run()
    world.executors.stops_at_once = False
    world.command("cancel")

    world.fail("zone1", failed("deadlock", FailureReason.SQL_ERROR))
    world.fail("zone2", failed("cancelled", FailureReason.CANCELLED))

    assert (world.phase, len(world.executors.started)) == (Phase.FAILED, 2)
    assert world.subtask("zone1").next_attempt_at is None


def test_cancel_while_an_automatic_retry_is_awaited() -> None:
    """There is nothing to stop: the task is Failed at once, and the subtask tells why it failed, not that it will be tried again."""
    world = World(a_task().step("load", auto_retry={"limit": 3, "backoffSeconds": 60}))
    world.run()
    world.fail("load", failed("deadlock", FailureReason.SQL_ERROR, "1213"))
    before = len(world.stored)

    world.command("cancel")

    status = world.status
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.SUBTASK_CANCELLED)
    assert status.failed_subtask is not None
    assert (status.failed_subtask.reason, status.failed_subtask.message) == (FailureReason.SQL_ERROR, "deadlock")
    assert (world.subtask("load").message, world.subtask("load").next_attempt_at) == ("deadlock", None)
    assert len(world.stored) == before + 1


def test_cancel_while_one_subtask_runs_and_another_awaits_its_retry() -> None:
    """The awaited retry is given up and the running one stopped; both are failed then."""
    world = World(a_task().parallel("resize", "zone1", "zone2", auto_retry={"limit": 3, "backoffSeconds": 60}))
    world.run()
    world.fail("zone1", failed("deadlock", FailureReason.SQL_ERROR))

    world.command("cancel")
    world.wait(3600)

    assert (world.phase, world.status.failed_subtasks, len(world.executors.started)) == (Phase.FAILED, 2, 2)
    assert world.subtask("zone1").message == "deadlock"


def test_cancel_of_a_rollback() -> None:
    """A cancelled rollback is Failed in direction Rollback, and a retry goes on with the rollback."""
    world = resizing()
    world.succeed("zone1")
    world.fail("zone2")
    world.command("rollback")
    world.executors.stops_at_once = True

    world.command("cancel")
    assert (world.phase, world.status.direction, world.status.reason) == (Phase.FAILED, Direction.ROLLBACK, Reason.SUBTASK_CANCELLED)
    assert world.status.allowed_actions == (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP)

    world.command("retry")
    assert (world.phase, world.live) == (Phase.ROLLING_BACK, ["-zone1", "-zone2"])


def test_undo_that_succeeds_in_spite_of_the_cancel() -> None:
    """An undo that was quicker than its cancellation is done and is not done again."""
    world = resizing()
    world.succeed("zone1")
    world.fail("zone2")
    world.command("rollback")
    world.command("cancel")
    world.succeed("zone1")
    world.fail("zone2", failed("cancelled", FailureReason.CANCELLED))

    world.command("retry")

    assert world.live == ["-zone2"]


def test_cancel_twice() -> None:
    """A second cancel while the first is at work is accepted and changes nothing."""
    world = resizing()
    world.command("cancel")

    world.command("cancel")

    last = world.status.last_action
    assert last is not None
    assert (last.result, last.message, world.phase) == (ActionResult.ACCEPTED, "stopping the running subtasks", Phase.RUNNING)


def test_cancel_after_the_operator_lost_the_attempts() -> None:
    """Attempts that nobody knows of any more cannot be stopped: the task is Failed at once and says so."""
    world = resizing()
    world.crash()

    world.command("cancel")

    status = world.status
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.SUBTASK_CANCELLED)
    assert status.failed_subtask is not None
    assert status.failed_subtask.message == "cancelled; nobody knows how far the attempt got"


@pytest.mark.parametrize("outcome", ["succeeds", "fails"])
def test_operator_that_dies_while_stopping(outcome: str) -> None:
    """A cancel that was accepted is carried on by the next operator."""
    world = resizing()
    world.command("cancel")
    if outcome == "succeeds":
        world.succeed("zone1")
    world.crash()

    world.run()

    assert (world.phase, world.status.reason) == (Phase.FAILED, Reason.SUBTASK_CANCELLED)
