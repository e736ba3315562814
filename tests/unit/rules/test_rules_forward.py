"""How a task moves forward: phases, progress, position, times and messages of tasks whose subtasks succeed."""

from datetime import timedelta

import pytest
from tests.support.builders import START, a_task
from tests.support.world import World

from obtask import names
from obtask.model.contract import Direction, Phase, SubtaskPhase
from obtask.model.reasons import Reason
from obtask.rules.attempts import PROGRESS_SHOWN_AFTER, PROGRESS_SHOWN_EVERY
from obtask.rules.decision import Finish, MarkTask, Record, Rest, TakeLock
from obtask.rules.validation import unchecked


def three_steps() -> World:
    """Return a task of three steps, the second with two subtasks, that was just created."""
    return World(a_task().step("check").parallel("resize", "zone1", "zone2").step("verify"))


def test_first_turns_put_the_finalizer_on_then_take_the_lock_then_start() -> None:
    """A new task gets the finalizer before its lock, and its lock before the record of its first attempt."""
    world = three_steps()

    world.run()

    assert [type(intent) for intent in world.intents[:3]] == [MarkTask, TakeLock, Record]
    assert names.FINALIZER in world.task.metadata.finalizers
    assert world.holds_lease


def test_started_task_is_running_at_its_first_step() -> None:
    """Once the lock is held the first step runs: phase, reason, direction, position, message, progress."""
    world = three_steps()

    world.run()

    status = world.status
    assert (status.phase, status.reason, status.direction) == (Phase.RUNNING, Reason.EXECUTING, Direction.FORWARD)
    assert (status.current_step, status.progress, status.message) == ("check", "0/3", 'step 1/3 "check"')
    assert [step.phase for step in status.steps] == [SubtaskPhase.RUNNING, SubtaskPhase.PENDING, SubtaskPhase.PENDING]
    assert world.live == ["check"]


@pytest.mark.parametrize(
    ("done", "progress", "current", "live"),
    [
        ((), "0/3", "check", ["check"]),
        (("check",), "1/3", "resize", ["zone1", "zone2"]),
        (("check", "zone2"), "1/3", "resize", ["zone1"]),
        (("check", "zone2", "zone1"), "2/3", "verify", ["verify"]),
        (("check", "zone1", "zone2", "verify"), "3/3", None, []),
    ],
)
def test_progress_counts_steps_that_are_done(done: tuple[str, ...], progress: str, current: str | None, live: list[str]) -> None:
    """Progress is steps done / steps; a parallel step is done when all its subtasks are; the next step then starts at once."""
    world = three_steps()
    world.run()

    world.succeed(*done)

    assert (world.status.progress, world.status.current_step, world.live) == (progress, current, live)


def test_end_of_a_step_and_start_of_the_next_share_a_write() -> None:
    """A step's end and the next step's start are one write."""
    world = three_steps()
    world.run()
    before = len(world.stored)

    world.succeed("check")

    assert len(world.stored) == before + 1


def test_last_step_done_ends_the_task() -> None:
    """When all steps are done the task is Succeeded, the lock is free and nothing of the operator is left on the object."""
    world = three_steps()
    world.run()

    world.later(90)
    world.succeed("check", "zone1", "zone2", "verify")

    status = world.status
    assert (status.phase, status.reason, status.message) == (Phase.SUCCEEDED, Reason.COMPLETED, "all 3 steps done")
    assert (status.started_at, status.finished_at) == (START, START + timedelta(seconds=90))
    assert (status.lock, status.allowed_actions, status.failed_subtask) == (None, (), None)
    assert {step.phase for step in status.steps} == {SubtaskPhase.SUCCEEDED}
    assert not world.lease.holder
    assert world.task.metadata.finalizers == ()


def test_end_is_stored_before_the_lock_is_given_back() -> None:
    """A lock is released only after the finished phase is stored."""
    world = World(a_task())
    world.run()

    world.succeed("only")

    assert [type(intent) for intent in world.intents[-3:]] == [Record, Finish, Rest]


def test_unfinished_task_has_no_finish_time() -> None:
    """The field finishedAt is only there in a finished phase; startedAt as soon as an attempt is recorded."""
    world = three_steps()
    world.run()

    assert world.status.started_at == START
    assert world.status.finished_at is None


def test_times_of_steps_and_subtasks() -> None:
    """Steps and subtasks carry the times of their start and end."""
    world = three_steps()
    world.run()
    world.later(10)
    world.succeed("check")
    world.later(10)
    world.succeed("zone1")
    world.later(10)
    world.succeed("zone2")

    step, first, second = world.step("resize"), world.subtask("zone1"), world.subtask("zone2")
    at = {seconds: START + timedelta(seconds=seconds) for seconds in (10, 20, 30)}
    assert (step.started_at, step.finished_at) == (at[10], at[30])
    assert (first.started_at, first.finished_at) == (at[10], at[20])
    assert (second.started_at, second.finished_at) == (at[10], at[30])


def test_progress_of_a_short_attempt_is_not_written_down() -> None:
    """What an attempt says in its first seconds is not worth a write, but the rules ask to be woken when it is."""
    world = three_steps()
    world.run()

    world.executors.say("check", "statement 2 of 5")

    assert world.run() == Rest(START + PROGRESS_SHOWN_AFTER)
    assert world.subtask("check").message is None


def test_progress_of_a_longer_attempt_is_shown() -> None:
    """What a longer attempt says about its progress becomes the message of its subtask, once per message."""
    world = three_steps()
    world.run()
    world.executors.say("check", "statement 2 of 5")
    stored = len(world.stored)

    world.wait(PROGRESS_SHOWN_AFTER.total_seconds())
    world.wait(60)

    assert (world.subtask("check").message, len(world.stored)) == ("statement 2 of 5", stored + 1)


def a_talking_step() -> World:
    """Return a task whose step waits and tells how far it is, after it has told so for the first time."""
    until = {"query": "select 1", "expect": "false", "message": "'40 %'"}
    world = World(a_task().with_steps({"name": "wait", "sql": {"statements": ["select 1"], "until": until}}))
    world.verdicts = dict.fromkeys(unchecked(world.task, {}))
    world.run()
    world.executors.say("wait", "40 %")
    world.wait(PROGRESS_SHOWN_AFTER.total_seconds())
    return world


def test_a_message_of_the_task_is_renewed_now_and_then() -> None:
    """Whoever tells how far it is gets asked again, without anything that rings."""
    world = a_talking_step()

    assert world.subtask("wait").message == "40 %"
    assert world.run() == Rest(world.now + PROGRESS_SHOWN_EVERY)


def test_progress_that_changes_often_is_not_written_often() -> None:
    """However often a task is looked at, other progress is shown when it is time for it, and the rules ask to be woken then."""
    world = a_talking_step()
    stored = len(world.stored)
    world.progress_at = world.now + PROGRESS_SHOWN_EVERY
    for percent in range(41, 60):
        world.executors.say("wait", f"{percent} %")
        world.later(0.5)
        assert world.run() == Rest(world.progress_at)
    assert (len(world.stored), world.subtask("wait").message) == (stored, "40 %")

    world.now = world.progress_at
    world.run()

    assert (len(world.stored), world.subtask("wait").message) == (stored + 1, "59 %")


def test_message_of_a_success_is_kept() -> None:
    """The message of a successful end stays with the subtask."""
    world = three_steps()
    world.run()

    world.succeed("check", message="already done")

    assert (world.subtask("check").phase, world.subtask("check").message) == (SubtaskPhase.SUCCEEDED, "already done")


def test_a_task_of_one_step_says_so() -> None:
    """The closing message fits a task of one step."""
    world = World(a_task())
    world.run()

    world.succeed("only")

    assert (world.status.message, world.status.progress) == ("the step is done", "1/1")


def test_maintenance_none_runs_without_a_lock() -> None:
    """A task that excludes nobody starts at once, whoever is in the way, and never shows a lock."""
    world = World(a_task().none())

    world.run()

    assert (world.phase, world.status.lock, world.lease.holder) == (Phase.RUNNING, None, "")


def test_lock_is_shown_while_it_is_held() -> None:
    """status.lock names the Lease, the scope, the time and the fencing token, and the attempts get the token."""
    world = World(a_task().tenant("orders"))
    world.lease.token = 6

    world.run()

    lock = world.status.lock
    assert lock is not None
    assert (lock.scope, lock.acquired_at, lock.token) == ("Tenant", START, 7)
    assert lock.lease.startswith("obt-tenant-")
    assert [attempt.lock_token for attempt in world.executors.started] == [7]


def test_observed_generation_follows_the_object() -> None:
    """The status says which generation it was made for."""
    world = three_steps()

    world.run()

    assert world.status.observed_generation == 1


def test_one_write_per_step_and_little_around() -> None:
    """N steps cost at most N + 6 writes: finalizer on and off, Lease taken and given back, and N + 1 status writes."""
    steps = 10
    builder = a_task()
    for number in range(steps):
        builder = builder.step(f"s{number}")
    world = World(builder)
    world.run()

    world.succeed(*(f"s{number}" for number in range(steps)))

    assert world.phase is Phase.SUCCEEDED
    assert len(world.stored) <= steps + 2
