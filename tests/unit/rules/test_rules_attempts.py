"""What an attempt knows: its name, action, times, lock token and connection."""

from datetime import timedelta

import pytest
from tests.support.builders import START, TaskBuilder, a_task
from tests.support.world import World

from obtask.model.attempt import AttemptId
from obtask.model.contract import Direction

SQL = {"statements": ["select 1"]}


def test_attempt_is_named_for_ever() -> None:
    """An attempt is named by the task's uid, step, subtask, direction and number."""
    world = World(a_task().parallel("resize", "zone1", "zone2", undo=("zone1",)))
    world.run()
    world.fail("zone1")
    world.succeed("zone2")
    world.command("retry")
    world.fail("zone1")
    world.command("rollback")

    ids = [attempt.id for attempt in world.executors.started]
    assert ids == [
        AttemptId("uid-of-x", "resize", "zone1", Direction.FORWARD, 1),
        AttemptId("uid-of-x", "resize", "zone2", Direction.FORWARD, 1),
        AttemptId("uid-of-x", "resize", "zone1", Direction.FORWARD, 2),
        AttemptId("uid-of-x", "resize", "zone1", Direction.ROLLBACK, 1),
    ]


def test_attempt_knows_its_surroundings() -> None:
    """The executor is told namespace, task, connection, service account, start, token and operator."""
    world = World(a_task().named("resize").with_spec(connection={"secretName": "sys"}, serviceAccountName="runner").step("load", sql=SQL))
    world.run()

    attempt = world.executors.started[0]
    assert (attempt.namespace, attempt.task, attempt.service_account) == ("prod", "resize", "runner")
    assert attempt.connection is not None
    assert attempt.connection.secret_name == "sys"  # noqa: S105 - a name
    assert (attempt.started_at, attempt.lock_token, attempt.runner) == (START, 1, "operator-1")


@pytest.mark.parametrize(
    ("builder", "seconds"),
    [
        pytest.param(a_task().step("load", sql=SQL), 3600, id="default"),
        pytest.param(a_task().step("load", sql=SQL, timeout_seconds=60), 60, id="set"),
        pytest.param(a_task().step("load", wait=60), None, id="a-wait-has-none-by-default"),
        pytest.param(a_task().step("load", wait=7200, timeout_seconds=60), 60, id="a-wait-with-one"),
        pytest.param(a_task().step("load", wait=7200, timeout_seconds=3600), 3600, id="a-wait-with-one-as-long-as-the-default"),
    ],
)
def test_deadline(builder: TaskBuilder, seconds: int | None) -> None:
    """The step's timeout counts from the start of each attempt; the default does not cut a long wait short."""
    world = World(builder)
    world.later(5)
    world.run()

    attempt = world.executors.started[0]
    assert attempt.deadline == (None if seconds is None else START + timedelta(seconds=5 + seconds))


def test_task_without_a_lock_has_no_token() -> None:
    """There is nothing to fence."""
    world = World(a_task().none())
    world.run()

    assert world.executors.started[0].lock_token is None


def test_new_attempt_starts_with_a_clean_slate() -> None:
    """The next attempt shows nothing of the one before but the count."""
    world = World(a_task())
    world.run()
    world.fail("only", tail="boom")
    world.later(30)

    world.command("retry")

    only = world.subtask("only")
    assert (only.attempts, only.started_at) == (2, START + timedelta(seconds=30))
    assert (only.message, only.failure, only.finished_at, only.log_tail, only.log_ref) == (None, None, None, None, None)


def test_attempt_knows_who_created_its_task() -> None:
    """From the task as it was read, of whose annotations most are forgotten."""
    stamped, plain = World(a_task().annotated(_created_by="alice").step("check", sql=SQL)), World(a_task().step("check", sql=SQL))
    for world in (stamped, plain):
        world.run()

    assert [world.executors.started[0].created_by for world in (stamped, plain)] == ["alice", None]
