"""What a failed subtask makes of a task: phase, messages, failedSubtask, and the end of parallel steps."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.builders import START, a_mended_task, a_task, failed
from tests.support.world import World

from obtask.model.attempt import Failed
from obtask.model.contract import Direction, Left, Phase, SubtaskPhase, Verb
from obtask.model.limits import EXTERNAL_CHARACTERS, OBJECT_BYTES
from obtask.model.reasons import FailureReason, Reason
from obtask.model.status import LogRef


def resizing() -> World:
    """Return a task at its second step of three, `resize`, with the subtasks zone1 and zone2 running."""
    world = World(a_mended_task())
    world.run()
    world.succeed("check")
    return world


def test_failed_task_says_where_and_why() -> None:
    """The message names step, position, subtask and cause: the words of the contract."""
    world = resizing()
    world.succeed("zone1")

    world.fail("zone2", failed("exit code 3", FailureReason.NON_ZERO_EXIT, "3"))

    status = world.status
    assert status.message == 'step 2/3 "resize": subtask "zone2" failed: exit code 3'
    assert (status.phase, status.reason, status.direction) == (Phase.FAILED, Reason.SUBTASK_FAILED, Direction.FORWARD)
    assert (status.progress, status.current_step, status.finished_at) == ("1/3", "resize", None)
    assert status.allowed_actions == (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP, Verb.SKIP_STEP)


def test_failed_task_keeps_its_lock_and_finalizer() -> None:
    """A failed task is unfinished: it holds its lock until a person acts."""
    world = resizing()

    world.fail("zone1")
    world.succeed("zone2")

    assert world.holds_lease
    assert world.status.lock is not None
    assert world.task.metadata.finalizers


@pytest.mark.parametrize("reason", list(FailureReason))
def test_failed_subtask_carries_the_reason_of_the_attempt(reason: FailureReason) -> None:
    """Every reason of the contract reaches status.failedSubtask, with its code and message."""
    world = World(a_task())
    world.run()

    world.fail("only", Failed(reason, "what happened", "1064"))

    shown = world.status.failed_subtask
    assert shown is not None
    assert (shown.step, shown.subtask, shown.attempt, shown.direction) == ("only", "only", 1, Direction.FORWARD)
    assert (shown.reason, shown.code, shown.message) == (reason, "1064", "what happened")


def test_failed_subtask_carries_its_log() -> None:
    """The last lines of the log and the reference to the whole of it are shown with the failure."""
    world = World(a_task())
    world.run()
    ref = LogRef(config_map="logs-of-x", key="log.gz")

    world.fail("only", tail="first\nsecond", ref=ref)

    shown = world.status.failed_subtask
    assert shown is not None
    assert (shown.log_tail, shown.log_ref) == ("first\nsecond", ref)
    assert world.subtask("only").log_ref == ref


def test_all_subtasks_end_before_the_step_does() -> None:
    """A failed subtask does not end its step while others run; nothing is stopped because of it."""
    world = resizing()

    world.fail("zone1")

    assert (world.phase, world.live, world.executors.asked_to_stop) == (Phase.RUNNING, ["zone2"], [])
    assert world.subtask("zone1").phase is SubtaskPhase.FAILED
    assert world.step("resize").phase is SubtaskPhase.RUNNING
    assert world.status.failed_subtask is None


@pytest.mark.parametrize(
    ("order", "first"),
    [pytest.param(("zone1", "zone2"), "zone1", id="as-written"), pytest.param(("zone2", "zone1"), "zone2", id="the-other-way-round")],
)
def test_failed_subtask_is_the_first_to_fail(order: tuple[str, ...], first: str) -> None:
    """The field failedSubtask is the one that failed first in time; failedSubtasks counts them all."""
    world = resizing()

    for name in order:
        world.later(5)
        world.fail(name, failed(f"{name} broke"))

    shown = world.status.failed_subtask
    assert shown is not None
    assert (shown.subtask, shown.message, shown.failed_at) == (first, f"{first} broke", START + timedelta(seconds=5))
    assert world.status.failed_subtasks == 2
    assert world.status.message == f'step 2/3 "resize": subtask "{first}" failed: {first} broke'


def test_first_failure_keeps_the_whole_tail_in_a_large_task() -> None:
    """Room in the object is scarce in a task of many subtasks, but the first failure is shown with all of its tail."""
    builder = a_task()
    for step in range(8):
        builder = builder.parallel(f"s{step}", *(f"t{number}" for number in range(64)))
    world = World(builder)
    world.run()
    tail = "\n".join(f"line {number}" for number in range(20))

    world.fail("t63", tail=tail, ref=LogRef(config_map="logs", key="log.gz"))
    world.later(1)
    for number in range(63):
        world.executors.end(f"t{number}", failed(), tail, LogRef(config_map="logs", key="log.gz"))
    world.run()

    shown = world.status.failed_subtask
    assert shown is not None
    assert (shown.subtask, shown.log_tail) == ("t63", tail)
    assert len(world.subtask("t0").log_tail or "") < 100


def test_largest_task_fits_into_the_api_server() -> None:
    """512 subtasks that all failed, and the undos of the last step, too, with the longest of everything, stay below 512 KiB."""
    parts = [f"t{number:02d}".ljust(63, "x") for number in range(64)]
    builder = a_task()
    for step in range(8):
        builder = builder.parallel(f"s{step}".ljust(63, "x"), *parts, undo=parts)
    world = World(builder)
    world.run()

    for verb in (*["skip-step"] * 7, "rollback", None):
        for attempt in world.executors.running:
            ref = LogRef(config_map="c" * 63, key="log.gz")
            external, mark = "3" * EXTERNAL_CHARACTERS, "8ef6993e@1795947134613~"
            end = replace(failed("租户<b>" * 500), external=external, external_mark=mark, left=Left.HOLDING)
            world.executors.end(attempt.id.subtask, end, "\n".join(["<line>"] * 20), ref)
        world.run()
        assert (world.phase, world.status.failed_subtasks) == (Phase.FAILED, 64)
        text = json.dumps(world.api.body, ensure_ascii=False, separators=(",", ":"))
        assert len(text.encode()) + 5 * sum(text.count(character) for character in "<>&") < OBJECT_BYTES
        if verb:
            world.command(verb)


def test_long_message_becomes_one_short_line() -> None:
    """A message is one line of at most 512 characters."""
    world = World(a_task())
    world.run()

    world.fail("only", failed("first\nsecond\t" + "x" * 1000))

    shown = world.status.failed_subtask
    assert shown is not None
    assert shown.message.startswith("first second xxx")
    assert len(shown.message) == 512


def test_following_steps_do_not_start_after_a_failure() -> None:
    """Nothing after the failed step is started."""
    world = resizing()

    world.fail("zone1")
    world.succeed("zone2")

    assert world.step("verify").started_at is None
    assert [step.phase for step in world.status.steps] == [SubtaskPhase.SUCCEEDED, SubtaskPhase.FAILED, SubtaskPhase.PENDING]


def test_failed_task_waits_for_a_person() -> None:
    """Time does not move a failed task."""
    world = resizing()
    world.fail("zone1")
    world.succeed("zone2")
    stored = len(world.stored)

    world.wait(7 * 86400)

    assert (world.phase, len(world.stored)) == (Phase.FAILED, stored)
