"""What `retry` and `skip-step` do."""

from datetime import timedelta

from tests.support.builders import START, a_mended_task, failed
from tests.support.phases import broken
from tests.support.world import World

from obtask.model.contract import ActionResult, Direction, Phase, SubtaskPhase
from obtask.model.reasons import Reason


def test_retry_runs_only_what_failed() -> None:
    """Retry starts the failed subtask again, as its second attempt, and keeps the one that succeeded."""
    world = broken()

    world.command("retry")

    assert (world.phase, world.live) == (Phase.RUNNING, ["zone2"])
    assert (world.subtask("zone1").phase, world.subtask("zone1").attempts) == (SubtaskPhase.SUCCEEDED, 1)
    assert (world.subtask("zone2").phase, world.subtask("zone2").attempts) == (SubtaskPhase.RUNNING, 2)


def test_retry_forgets_the_failure() -> None:
    """Once the task runs again it shows no failed subtask; reason and message say what goes on now."""
    world = broken()

    world.command("retry")

    status = world.status
    assert (status.failed_subtask, status.failed_subtasks) == (None, None)
    assert (status.reason, status.message, status.direction) == (Reason.EXECUTING, 'step 2/3 "resize"', Direction.FORWARD)
    assert world.step("resize").finished_at is None


def test_retry_is_reported() -> None:
    """The field lastAction says what was asked, why, when, and what was done."""
    world = broken()
    world.later(60)

    world.api.annotate(action="retry", _action_reason="disk was full")
    world.run()

    last = world.status.last_action
    assert last is not None
    assert (last.verb, last.result, last.reason, last.message) == (
        "retry",
        ActionResult.ACCEPTED,
        "disk was full",
        'running step "resize" again',
    )
    assert last.requested_at == last.handled_at == START + timedelta(seconds=60)


def test_following_steps_run_after_a_successful_retry() -> None:
    """When the retried subtask succeeds the task goes on to its end; startedAt stays that of the first attempt."""
    world = broken()
    world.later(60)
    world.command("retry")

    world.succeed("zone2", "verify")

    assert (world.phase, world.status.started_at) == (Phase.SUCCEEDED, START)


def test_retry_that_fails_again_counts_attempts() -> None:
    """A second failure names the second attempt."""
    world = broken()
    world.command("retry")

    world.fail("zone2", failed("again"))

    shown = world.status.failed_subtask
    assert shown is not None
    assert (shown.attempt, shown.message) == (2, "again")
    assert world.status.message == 'step 2/3 "resize": subtask "zone2" failed: again'


def test_retry_runs_every_failed_subtask() -> None:
    """All failed subtasks of the step are run again, at the same time."""
    world = World(a_mended_task())
    world.run()
    world.succeed("check")
    world.fail("zone1")
    world.fail("zone2")

    world.command("retry")

    assert world.live == ["zone1", "zone2"]


def test_skip_step_goes_on_with_the_next_step() -> None:
    """skip-step marks the failed subtasks and their step Skipped and starts the next step."""
    world = broken()

    world.command("skip-step")

    assert (world.phase, world.live, world.status.current_step, world.status.progress) == (Phase.RUNNING, ["verify"], "verify", "2/3")
    assert world.step("resize").phase is SubtaskPhase.SKIPPED
    assert [sub.phase for sub in world.step("resize").subtasks] == [SubtaskPhase.SUCCEEDED, SubtaskPhase.SKIPPED]
    assert (world.status.failed_subtask, world.status.failed_subtasks) == (None, None)


def test_skip_step_of_the_last_step_ends_the_task() -> None:
    """When the last step is skipped there is nothing left to do: the task is Succeeded."""
    world = broken()
    world.command("retry")
    world.succeed("zone2")
    world.fail("verify")

    world.command("skip-step")

    assert (world.phase, world.status.progress, world.step("verify").phase) == (Phase.SUCCEEDED, "3/3", SubtaskPhase.SKIPPED)
    assert not world.lease.holder


def test_skip_step_then_failure_in_the_next_step() -> None:
    """A later failure is about its own step; retry does not touch the skipped one."""
    world = broken()
    world.command("skip-step")
    world.fail("verify")

    world.command("retry")

    assert world.live == ["verify"]
    assert world.subtask("zone2").phase is SubtaskPhase.SKIPPED


def test_skip_step_does_not_start_the_failed_subtask() -> None:
    """Nothing of the skipped step is started again."""
    world = broken()
    attempts = len(world.executors.started)

    world.command("skip-step")

    assert [attempt.id.subtask for attempt in world.executors.started[attempts:]] == ["verify"]


def test_skip_ends_the_task_and_leaves_everything_as_it_is() -> None:
    """Skip runs nothing, undoes nothing, keeps what steps show, keeps the failure, and frees the lock."""
    world = broken()
    steps, attempts, failure = world.status.steps, len(world.executors.started), world.status.failed_subtask
    world.later(5)

    world.command("skip")

    status = world.status
    assert (status.phase, status.reason) == (Phase.SKIPPED, Reason.SKIPPED_BY_USER)
    assert (status.steps, status.failed_subtask, len(world.executors.started)) == (steps, failure, attempts)
    assert (status.finished_at, status.lock, status.progress) == (START + timedelta(seconds=5), None, "1/3")
    assert not world.lease.holder


def test_skip_while_rolling_back_failed() -> None:
    """A person may give up on a task whose rollback failed, too."""
    world = broken()
    world.command("rollback")
    world.fail("zone1")
    world.succeed("zone2")

    world.command("skip")

    assert (world.phase, world.status.direction) == (Phase.SKIPPED, Direction.ROLLBACK)
