"""Which changes become Events."""

from itertools import pairwise

import pytest
from tests.support.builders import TaskBuilder, a_blocker, a_mended_task, a_task
from tests.support.phases import failed_one
from tests.support.world import World

from obtask.model.status import TaskStatus
from obtask.rules.announcements import announcements
from obtask.rules.decision import Record


def events(world: World) -> list[tuple[str, str]]:
    """Return type and reason of the Events of all that was stored."""
    history = pairwise([TaskStatus(), *world.stored])
    said = [said for before, after in history for said in announcements(before, Record(after))]
    return [("Warning" if one.warning else "Normal", one.reason) for one in said]


def test_task_that_just_works_has_one_event() -> None:
    """A task that never waits and never fails costs a single Event, at its end."""
    world = World(a_mended_task())
    world.run()
    world.succeed("check", "zone1", "zone2", "verify")

    assert events(world) == [("Normal", "Completed")]


def test_waiting_is_told_once() -> None:
    """The beginning and the end of a wait are told, not every change of who is in the way."""
    world = World(a_task())
    world.in_the_way = (a_blocker("a"), a_blocker("b"))
    world.run()
    world.in_the_way = (a_blocker("b"),)
    world.run()
    world.in_the_way = ()
    world.run()

    assert events(world) == [("Normal", "LockWaiting"), ("Normal", "LockAcquired")]


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("retry", [("Normal", "ActionAccepted")]),
        ("rollback", [("Normal", "ActionAccepted")]),
        ("skip", [("Normal", "ActionAccepted"), ("Normal", "SkippedByUser")]),
        ("cancel", [("Warning", "ActionRejected")]),
        ("nonsense", [("Warning", "ActionRejected")]),
    ],
)
def test_failure_and_command(verb: str, expected: list[tuple[str, str]]) -> None:
    """A failure is a Warning; a command is told, and a refused one is a Warning."""
    world = failed_one()

    world.command(verb)

    assert events(world) == [("Warning", "SubtaskFailed"), *expected]


def test_failed_rollback() -> None:
    """A rollback that fails is told by its own reason, a rollback that is done as well."""
    world = failed_one()
    world.command("rollback")
    world.fail("check")
    world.command("retry")
    world.succeed("check")

    assert [reason for _, reason in events(world)] == ["SubtaskFailed", "ActionAccepted", "RollbackFailed", "ActionAccepted", "RolledBack"]


def test_lost_lock() -> None:
    """The loss of the lock is a Warning, once."""
    world = World(a_task())
    world.run()
    world.lease.holder = "stranger/uid"
    world.executors.stops_at_once = False
    world.run()

    assert events(world) == [("Warning", "LockLost")]


@pytest.mark.parametrize(
    ("builder", "reason"),
    [(a_task().rejecting(), "Conflict"), (a_task().step("s", sql={"statements": ["x"], "expect": "("}), "InvalidSpec")],
)
def test_rejection_is_a_warning(builder: TaskBuilder, reason: str) -> None:
    """A rejected task says so."""
    world = World(builder)
    world.in_the_way = (a_blocker("a"),)
    world.run()

    assert events(world) == [("Warning", reason)]


def test_events_say_what_happened() -> None:
    """Events carry the task's message, and what became of a command."""
    world = failed_one()
    world.command("cancel")

    said = announcements(world.stored[-2], Record(world.stored[-1]))
    assert [event.message for event in said] == [
        "cancel: cancel is not allowed while Failed; allowed now: retry, rollback, skip, skip-step"
    ]
    failed = announcements(TaskStatus(), Record(world.stored[-2]))
    assert [event.message for event in failed] == ['step 1/3 "check": subtask "check" failed: exit code 3']
