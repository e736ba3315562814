"""What happens to a task whose Lease was deleted, emptied or taken by hand."""

import pytest
from tests.support.builders import a_blocker, a_mended_task, a_task, failed
from tests.support.world import World

from obtask.model.attempt import Succeeded
from obtask.model.contract import ActionResult, Direction, Phase, SubtaskPhase, Verb
from obtask.model.reasons import FailureReason, Reason
from obtask.rules.decision import VerifyLock

STRANGER = "janitor/uid-of-janitor"


def resizing() -> World:
    """Return a task at its second step of three, with zone1 and zone2 running."""
    world = World(a_mended_task())
    world.run()
    world.succeed("check")
    return world


def lost_while_failed() -> World:
    """Return a task that failed at zone2 and whose lock a stranger took then."""
    world = resizing()
    world.succeed("zone1")
    world.fail("zone2")
    world.lease.holder = STRANGER
    world.run()
    return world


def test_lease_that_was_emptied_is_taken_again() -> None:
    """A Lease that was deleted or emptied by hand is made again, with a new token; the task goes on."""
    world = resizing()
    world.lease.holder = ""
    world.later(30)

    world.run()

    lock = world.status.lock
    assert lock is not None
    assert (lock.token, lock.acquired_at) == (2, world.now)
    assert (world.phase, world.live, world.holds_lease) == (Phase.RUNNING, ["zone1", "zone2"], True)


def test_new_attempts_get_the_new_token() -> None:
    """What starts after that is fenced with the new token."""
    world = resizing()
    world.lease.holder = ""
    world.run()

    world.succeed("zone1", "zone2")

    assert [attempt.lock_token for attempt in world.executors.started] == [1, 1, 1, 2]


def test_running_task_stops_when_a_stranger_holds_its_lock() -> None:
    """The running subtasks are stopped, no further step is started, and the task is Failed, reason LockLost, without a lock."""
    world = resizing()
    world.lease.holder = STRANGER

    world.run()

    status = world.status
    assert (status.phase, status.reason, status.lock) == (Phase.FAILED, Reason.LOCK_LOST, None)
    assert (status.message or "").startswith("lock lost: the Lease obt-global-")
    assert (status.message or "").endswith(f"is held by {STRANGER}; retry takes it again")
    assert status.failed_subtask is not None
    assert status.failed_subtask.reason is FailureReason.CANCELLED
    assert world.lease.holder == STRANGER


def test_task_that_lost_its_lock_waits_for_its_subtasks_to_stop() -> None:
    """Until they have stopped the task is Running, but says LockLost, and starts nothing."""
    world = resizing()
    world.executors.stops_at_once = False
    world.lease.holder = STRANGER
    world.run()
    assert (world.phase, world.status.reason, world.executors.asked_to_stop) == (Phase.RUNNING, Reason.LOCK_LOST, ["zone1", "zone2"])

    world.succeed("zone1", "zone2")

    assert (world.phase, world.status.reason, world.live) == (Phase.FAILED, Reason.LOCK_LOST, [])
    assert world.status.current_step == "resize"


def test_lock_lost_in_the_moment_a_step_ends() -> None:
    """The next step is not started, although the last one succeeded."""
    world = resizing()
    world.executors.end("zone1", Succeeded())
    world.executors.end("zone2", Succeeded())
    world.lease.holder = STRANGER

    world.run()

    assert (world.phase, world.status.reason, world.status.failed_subtask) == (Phase.FAILED, Reason.LOCK_LOST, None)
    assert [sub.phase for sub in world.step("resize").subtasks] == [SubtaskPhase.SUCCEEDED, SubtaskPhase.SUCCEEDED]


def test_lock_lost_while_an_automatic_retry_is_awaited() -> None:
    """The retry is given up."""
    world = World(a_task().step("load", auto_retry={"limit": 1, "backoffSeconds": 5}))
    world.run()
    world.fail("load", failed("deadlock"))
    world.lease.holder = STRANGER

    world.wait(5)

    assert (world.phase, world.status.reason, world.live) == (Phase.FAILED, Reason.LOCK_LOST, [])
    assert world.subtask("load").message == "deadlock"


def test_lock_lost_while_rolling_back() -> None:
    """A rollback stops as well, in direction Rollback; a retry goes on with it once the lock is back."""
    world = resizing()
    world.succeed("zone1")
    world.fail("zone2")
    world.command("rollback")
    world.lease.holder = STRANGER
    world.run()
    assert (world.phase, world.status.reason, world.status.direction) == (Phase.FAILED, Reason.LOCK_LOST, Direction.ROLLBACK)

    world.lease.holder = ""
    world.command("retry")

    assert (world.phase, world.live, world.holds_lease) == (Phase.ROLLING_BACK, ["-zone1", "-zone2"], True)


def test_lock_lost_while_failed() -> None:
    """A failed task that loses its lock says so, and keeps what it shows of its failure."""
    world = lost_while_failed()

    status = world.status
    assert (status.phase, status.reason, status.lock) == (Phase.FAILED, Reason.LOCK_LOST, None)
    assert status.failed_subtask is not None
    assert (status.failed_subtask.subtask, status.failed_subtasks) == ("zone2", 1)
    assert status.allowed_actions == (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP, Verb.SKIP_STEP)


@pytest.mark.parametrize(
    ("verb", "phase", "live"),
    [
        ("retry", Phase.RUNNING, ["zone2"]),
        ("rollback", Phase.ROLLING_BACK, ["-zone1", "-zone2"]),
        ("skip-step", Phase.RUNNING, ["verify"]),
    ],
)
def test_command_that_works_on_takes_the_lock_again(verb: str, phase: Phase, live: list[str]) -> None:
    """Retry, rollback and skip-step of a task that lost its lock take it again first, with a new token."""
    world = lost_while_failed()
    world.lease.holder = ""
    started = len(world.executors.started)

    world.command(verb)

    assert (world.phase, world.live, world.holds_lease, world.status.reason) == (phase, live, True, Reason.EXECUTING)
    assert {attempt.lock_token for attempt in world.executors.started[started:]} == {2}
    assert world.status.last_action is not None
    assert world.status.last_action.result is ActionResult.ACCEPTED


@pytest.mark.parametrize("verb", ["retry", "rollback", "skip-step"])
@pytest.mark.parametrize("holder", ["of-its-own-lease", "of-one-that-conflicts"])
def test_command_is_rejected_while_somebody_else_holds_the_lock(verb: str, holder: str) -> None:
    """If another task holds the lock the command is rejected, the message names the holder, and nothing else changes."""
    world = lost_while_failed()
    if holder == "of-one-that-conflicts":
        world.lease.holder, world.rivals = "", (a_blocker("janitor"),)
    before = world.status

    world.command(verb)

    last = world.status.last_action
    assert last is not None
    assert (last.verb, last.result) == (verb, ActionResult.REJECTED)
    assert last.message.startswith("the lock was lost; waiting for janitor (Global, Running")
    assert world.status.model_copy(update={"last_action": None, "history": (), "lock_attempts": 0}) == before
    assert not world.holds_lease


@pytest.mark.parametrize("verb", ["retry", "rollback", "skip-step"])
def test_command_is_not_rejected_because_of_somebody_who_is_gone(verb: str) -> None:
    """If the lock names a task that is over, the try is recorded, the command stays, and the next try takes the lock."""
    world = lost_while_failed()
    world.lease.holder, world.rivals, world.freed = "", (a_blocker("gone"),), True
    world.api.annotate(action=verb)
    while not world.status.lock_attempts:
        world.reconcile()
    assert world.status.history == ()
    world.rivals = world.in_the_way = ()

    world.run()

    last = world.status.last_action
    assert last is not None
    assert (last.result, world.holds_lease) == (ActionResult.ACCEPTED, True)


def test_skip_needs_no_lock() -> None:
    """Skip touches no target: it is accepted whoever holds the lock, and leaves the stranger's Lease alone."""
    world = lost_while_failed()

    world.command("skip")

    assert (world.phase, world.lease.holder) == (Phase.SKIPPED, STRANGER)


@pytest.mark.parametrize("verb", ["retry", "rollback", "skip-step"])
def test_command_does_not_outrun_the_discovery_that_the_lock_is_lost(verb: str) -> None:
    """A command that is given in the moment the lock is lost starts nothing before the Lease was looked at."""
    world = resizing()
    world.succeed("zone1")
    world.fail("zone2")
    world.lease.holder = STRANGER
    started = len(world.executors.started)

    world.command(verb)

    assert (world.phase, world.status.reason, len(world.executors.started)) == (Phase.FAILED, Reason.LOCK_LOST, started)
    assert world.status.last_action is not None
    assert world.status.last_action.result is ActionResult.REJECTED


def test_command_after_the_lease_was_emptied() -> None:
    """A command that is given in the moment the Lease was emptied makes it again first."""
    world = resizing()
    world.succeed("zone1")
    world.fail("zone2")
    world.lease.holder = ""

    world.command("retry")

    assert (world.phase, world.live, world.holds_lease) == (Phase.RUNNING, ["zone2"], True)
    assert world.executors.started[-1].lock_token == 2


def test_lock_of_a_finished_task_is_not_looked_for() -> None:
    """What happens to the Lease after the end is of no concern."""
    world = World(a_task())
    world.run()
    world.succeed("only")
    world.lease.holder = STRANGER

    world.run()

    assert not [intent for intent in world.intents if isinstance(intent, VerifyLock)]
