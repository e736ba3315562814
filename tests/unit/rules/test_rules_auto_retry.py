"""Automatic retries: when, how often, and what is shown meanwhile."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.builders import START, a_task, failed
from tests.support.world import World

from obtask.model.attempt import Lost
from obtask.model.contract import Phase, SubtaskPhase
from obtask.model.reasons import FailureReason
from obtask.rules.decision import Rest


def loading(**auto_retry: int) -> World:
    """Return a task with one step `load` that is retried automatically, running its first attempt."""
    camelled = {"limit": auto_retry["limit"]} | {
        name: auto_retry[key] for key, name in (("backoff", "backoffSeconds"), ("most", "maxBackoffSeconds")) if key in auto_retry
    }
    world = World(a_task().step("load", auto_retry=camelled).step("next"))
    world.run()
    return world


def deadlock(world: World) -> None:
    """Let the running attempt fail."""
    world.fail("load", failed("deadlock", FailureReason.SQL_ERROR, "1213"))


def test_awaited_retry_leaves_the_task_running_and_says_when() -> None:
    """While an automatic retry is awaited the phase stays Running, and subtask and task say when it comes and why."""
    world = loading(limit=2, backoff=5)

    deadlock(world)

    said = "automatic retry 1 of 2 at 2026-11-23T08:00:05Z after: deadlock"
    assert (world.phase, world.live, world.status.failed_subtask) == (Phase.RUNNING, [], None)
    assert (world.subtask("load").phase, world.subtask("load").message) == (SubtaskPhase.FAILED, said)
    assert world.status.message == f'step 1/2 "load": subtask "load": {said}'
    assert world.step("load").phase is SubtaskPhase.RUNNING


def test_task_rests_until_the_retry_is_due() -> None:
    """The rules ask to be woken when the retry is due, start nothing before, and start it then."""
    world = loading(limit=1, backoff=5)
    deadlock(world)
    assert world.intents[-1] == Rest(START + timedelta(seconds=5))

    world.wait(4.9)
    assert world.live == []

    world.wait(0.1)
    assert (world.live, world.subtask("load").attempts, world.status.message) == (["load"], 2, 'step 1/2 "load"')


@pytest.mark.parametrize(
    ("options", "pauses"),
    [
        pytest.param({"limit": 4, "backoff": 5}, [5, 10, 20, 40], id="doubles"),
        pytest.param({"limit": 4, "backoff": 5, "most": 12}, [5, 10, 12, 12], id="up-to-the-longest"),
        pytest.param({"limit": 3}, [5, 10, 20], id="defaults"),
        pytest.param({"limit": 2, "backoff": 60, "most": 10}, [10, 10], id="longest-below-first"),
        pytest.param({"limit": 3, "backoff": 0}, [0, 0, 0], id="no-pause"),
        pytest.param({"limit": 100}, [5, 10, 20, 40, 80, 160] + [300] * 94, id="a-hundred-times"),
    ],
)
def test_pauses(options: dict[str, int], pauses: list[int]) -> None:
    """The pause doubles after every failure, up to the longest; after the last retry the task is Failed."""
    world = loading(**options)

    seen = []
    for _ in pauses:
        deadlock(world)
        due = world.subtask("load").next_attempt_at or world.now
        seen.append((due - world.now).total_seconds())
        world.wait(seen[-1])
    deadlock(world)

    assert seen == pauses
    assert (world.phase, world.subtask("load").attempts) == (Phase.FAILED, len(pauses) + 1)
    assert world.status.message == 'step 1/2 "load": subtask "load" failed: deadlock'


def test_success_after_a_retry_goes_on() -> None:
    """When a retry succeeds the task goes on as if nothing had been."""
    world = loading(limit=2)
    deadlock(world)
    world.wait(5)

    world.succeed("load")

    assert (world.phase, world.live, world.subtask("load").phase) == (Phase.RUNNING, ["next"], SubtaskPhase.SUCCEEDED)


@pytest.mark.parametrize("reason", [FailureReason.CANCELLED, FailureReason.INTERRUPTED, FailureReason.INVALID_EXPRESSION])
def test_no_automatic_retry_where_it_cannot_help(reason: FailureReason) -> None:
    """What was cancelled, has an unknown outcome, or can never work is left to a person."""
    world = loading(limit=3)

    world.fail("load", failed("no", reason))

    assert world.phase is Phase.FAILED


def test_interrupted_attempt_is_not_retried_automatically() -> None:
    """An attempt whose outcome nobody knows counts as Interrupted: with `interrupted: Fail` a person decides."""
    world = loading(limit=3)

    world.executors.end("load", Lost())
    world.run()

    assert world.phase is Phase.FAILED


def test_person_resets_the_count() -> None:
    """A retry by a person brings the automatic ones back, from the shortest pause."""
    world = loading(limit=1, backoff=7)
    deadlock(world)
    world.wait(7)
    deadlock(world)
    assert world.phase is Phase.FAILED

    world.command("retry")
    deadlock(world)

    assert (world.phase, world.subtask("load").next_attempt_at) == (Phase.RUNNING, world.now + timedelta(seconds=7))


def test_step_ends_when_no_retry_is_awaited_any_more() -> None:
    """A subtask that failed for good waits for the automatic retries of the others; then the step fails."""
    world = World(a_task().parallel("resize", "zone1", "zone2", auto_retry={"limit": 1, "backoffSeconds": 5}))
    world.run()
    world.fail("zone1", failed("no", FailureReason.INVALID_EXPRESSION))
    world.fail("zone2")
    assert (world.phase, world.live) == (Phase.RUNNING, [])

    world.wait(5)
    assert (world.phase, world.live) == (Phase.RUNNING, ["zone2"])

    world.succeed("zone2")
    assert (world.phase, world.status.failed_subtasks) == (Phase.FAILED, 1)


def test_earliest_retry_wakes_the_task() -> None:
    """Of several awaited retries the earliest one wakes the task."""
    world = World(a_task().parallel("resize", "zone1", "zone2", auto_retry={"limit": 1, "backoffSeconds": 60}))
    world.run()
    world.fail("zone2")
    world.later(10)
    world.fail("zone1")

    assert world.intents[-1] == Rest(START + timedelta(seconds=60))


def test_undo_is_retried_automatically_too() -> None:
    """The step's automatic retries hold for its rollback, counted anew."""
    world = World(a_task().step("load", undo=True, auto_retry={"limit": 1, "backoffSeconds": 5}))
    world.run()
    world.fail("load")
    world.wait(5)
    world.fail("load")
    world.command("rollback")
    world.fail("load")
    assert world.phase is Phase.ROLLING_BACK

    world.wait(5)
    assert (world.live, world.subtask("load").rollback_attempts) == (["-load"], 2)

    world.fail("load")
    assert (world.phase, world.status.message) == (Phase.FAILED, 'step 1/1 "load": subtask "load" rollback failed: exit code 3')


def test_awaited_retry_survives_a_crash() -> None:
    """An awaited retry is in the status: another operator carries it out, when it is due."""
    world = loading(limit=1, backoff=5)
    deadlock(world)
    world.crash()

    world.wait(5)

    assert (world.live, world.subtask("load").runner) == (["load"], "operator-2")


@pytest.mark.parametrize("passing", [True, False])
def test_what_is_forbidden_is_tried_again_only_if_that_may_pass(passing: bool) -> None:
    """A full quota is emptied by others; a missing right or a policy waits for a person."""
    world = loading(limit=1, backoff=5)

    world.fail("load", replace(failed("exceeded quota", FailureReason.FORBIDDEN, "403"), passing=passing))

    assert world.phase is (Phase.RUNNING if passing else Phase.FAILED)
    assert (world.subtask("load").next_attempt_at is not None) is passing
