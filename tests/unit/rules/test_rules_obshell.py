"""What the rules know of tasks in obshell: started afresh, undos that it refuses, what it still holds, and how far it is."""

from collections.abc import Mapping

import pytest
from tests.support.builders import a_task
from tests.support.world import World

from obtask.model.attempt import Failed, Lost, Running, Succeeded
from obtask.model.contract import ActionResult, Direction, Left, Phase, Verb
from obtask.model.reasons import FailureReason, Reason
from obtask.rules.afterwards import SINCE, left_attempts
from obtask.rules.subtask_context import running_attempts

OBSHELL = {"path": "/api/v1/ob/stop"}
BY_OBSHELL = {"obshell": {"operator": "Rollback"}}
BROKEN = Failed(FailureReason.OBSHELL_TASK_FAILED, "broken", external="11", external_mark="m@1")
REFUSED = Failed(FailureReason.OBSHELL_TASK_FAILED, "obshell does not allow ROLLBACK; nothing was changed", refused=True)


def world_of(*steps: Mapping[str, object]) -> World:
    """Return a task of obshell steps that runs."""
    world = World(a_task().with_steps(*({"obshell": OBSHELL, **step} for step in steps)))
    world.run()
    return world


def last_action(world: World) -> tuple[ActionResult, str]:
    """Return what became of the last command."""
    done = world.status.last_action
    assert done is not None
    return done.result, done.message


def test_a_fresh_retry_is_one_of_its_attempt_only() -> None:
    """The attempt knows what was left, and that it must not go on with it; the next one goes on with its own."""
    world = world_of({"name": "stop"})
    world.fail("stop", BROKEN)
    world.command("retry", "fresh")
    fresh = running_attempts(world.task)[0]
    world.fail("stop", Failed(FailureReason.OBSHELL_TASK_FAILED, "broken", external="12"))
    world.command("retry")
    after = running_attempts(world.task)[0]

    assert (fresh.fresh, fresh.previous_external, fresh.previous_mark) == (True, "11", "m@1")
    assert (after.fresh, after.previous_external) == (False, "12")


@pytest.mark.parametrize(
    ("verb", "option", "told"),
    [
        ("rollback", "fresh", "action-option=fresh is for retry only, not for rollback"),
        ("skip", "fresh", "is for retry only, not for skip"),
        ("retry", "stale", "unknown option task.oceanbase.com/action-option=stale: use one of fresh"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(verb: str, option: str, told: str) -> None:
    """It is taken off with the command, and nothing else changes."""
    world = world_of({"name": "stop"})
    world.fail("stop", BROKEN)

    world.command(verb, option)

    result, message = last_action(world)
    assert result is ActionResult.REJECTED
    assert told in message
    assert world.phase is Phase.FAILED
    assert not [key for key in world.task.metadata.annotations if key.endswith(("action", "action-option"))]


def test_a_rollback_has_no_fresh_retry() -> None:
    """It only goes on."""
    world = world_of({"name": "stop", "rollback": {"obshell": {"path": "/api/v1/ob/start"}}})
    world.fail("stop", BROKEN)
    world.command("rollback")
    world.fail("stop", Failed(FailureReason.CONNECTION_FAILED, "away"))

    world.command("retry", "fresh")

    assert last_action(world)[0] is ActionResult.REJECTED
    assert "is for a retry forward" in last_action(world)[1]


def test_a_rollback_that_obshell_refuses_leaves_the_task_where_it_was() -> None:
    """Failed, forward, with every command; retry lets obshell go on with the same task."""
    world = world_of({"name": "first"}, {"name": "stop", "rollback": BY_OBSHELL})
    world.succeed("first")
    world.fail("stop", BROKEN)
    world.command("rollback")
    world.fail("stop", REFUSED)

    status = world.status
    assert (status.phase, status.direction, status.reason) == (Phase.FAILED, Direction.FORWARD, Reason.SUBTASK_FAILED)
    assert status.allowed_actions == (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP, Verb.SKIP_STEP)
    assert "the rollback of subtask" in (status.message or "")
    assert status.failed_subtask is not None
    assert status.failed_subtask.direction is Direction.FORWARD
    world.command("retry")
    again = running_attempts(world.task)[0]
    assert (again.id.direction, again.previous_external) == (Direction.FORWARD, "11")


def test_of_a_parallel_step_the_others_are_as_they_were() -> None:
    """One that had nothing to undo is not undone any more; retry runs only what had failed."""
    subtasks = [
        {"name": "a", "obshell": OBSHELL},
        {"name": "b", "obshell": OBSHELL},
        {"name": "c", "obshell": OBSHELL, "rollback": BY_OBSHELL},
    ]
    world = World(a_task().with_steps({"name": "stop", "parallel": subtasks}))
    world.run()
    world.succeed("a")
    world.fail("b", Failed(FailureReason.HTTP_STATUS, "500"))
    world.fail("c", BROKEN)
    world.command("rollback")
    world.fail("c", REFUSED)
    world.command("retry")

    assert [attempt.id.subtask for attempt in running_attempts(world.task)] == ["b", "c"]
    assert {attempt.id.direction for attempt in running_attempts(world.task)} == {Direction.FORWARD}


def test_a_rollback_that_has_undone_something_stays_one() -> None:
    """Nobody can go forward from the middle of it."""
    world = world_of(
        {"name": "first", "rollback": BY_OBSHELL},
        {"name": "second", "rollback": {"obshell": {"path": "/api/v1/ob/start"}}},
    )
    world.fail("first", BROKEN)
    world.command("skip-step")
    world.fail("second", BROKEN)
    world.command("rollback")
    world.succeed("second")
    world.fail("first", REFUSED)

    assert (world.status.direction, world.status.reason) == (Direction.ROLLBACK, Reason.ROLLBACK_FAILED)


def test_a_rollback_that_may_work_later_stays_one() -> None:
    """An agent that was away is no refusal."""
    world = world_of({"name": "stop", "rollback": BY_OBSHELL})
    world.fail("stop", BROKEN)
    world.command("rollback")
    world.fail("stop", Failed(FailureReason.CONNECTION_FAILED, "away"))

    assert (world.status.direction, world.status.reason) == (Direction.ROLLBACK, Reason.ROLLBACK_FAILED)


def test_a_rollback_of_what_has_succeeded_in_obshell_is_refused_before_anything_is_undone() -> None:
    """Obshell rolls back only what failed: the command changes nothing, is not offered, and the message names the step."""
    world = world_of({"name": "first", "rollback": BY_OBSHELL}, {"name": "second", "rollback": {"obshell": {"path": "/api/v1/ob/start"}}})
    world.executors.end("first", Succeeded("done", external="11"))
    world.run()
    world.fail("second", BROKEN)
    offered = world.status.allowed_actions

    world.command("rollback")

    assert offered == (Verb.RETRY, Verb.SKIP, Verb.SKIP_STEP)
    assert last_action(world)[0] is ActionResult.REJECTED
    assert 'step "first" can be undone by obshell only' in last_action(world)[1]
    assert (world.phase, world.status.direction) == (Phase.FAILED, Direction.FORWARD)
    world.command("retry")
    assert world.phase is Phase.RUNNING


def test_a_step_that_started_nothing_in_obshell_is_no_hindrance() -> None:
    """Without a task there, its undo has nothing to do; nor has that of a step that only looked."""
    look = {"name": "look", "obshell": {"method": "GET", "path": "/api/v1/task/dag/2123"}, "rollback": BY_OBSHELL}
    world = world_of({"name": "first", "rollback": BY_OBSHELL}, look, {"name": "last"})
    world.succeed("first")
    world.executors.end("look", Succeeded("done", external="2123"))
    world.run()
    world.fail("last", BROKEN)

    assert Verb.ROLLBACK in world.status.allowed_actions


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (Left.HOLDING, "obshell task 11 of subtask 'stop' still keeps obshell's maintenance until it is retried, rolled back or passed"),
        (None, "obshell task 11 of subtask 'stop' may still be at work or keep obshell's maintenance"),
        (Left.RELEASED, None),
    ],
)
@pytest.mark.parametrize("verb", ["skip", "skip-step"])
def test_skip_says_what_obshell_still_holds(verb: str, left: Left | None, told: str | None) -> None:
    """Whoever gives up here has to know that obshell has not."""
    world = world_of({"name": "stop"}, {"name": "next"})
    world.fail("stop", Failed(FailureReason.OBSHELL_TASK_FAILED, "broken", external="11", left=left))

    world.command(verb)

    message = last_action(world)[1]
    assert (told in message) if told else ("obshell" not in message)
    if verb == "skip" and told:
        assert told in (world.status.message or "")


def test_what_the_search_for_a_lost_attempt_brought_is_told() -> None:
    """The message of an interrupted attempt is the executor's."""
    world = world_of({"name": "stop"})
    world.executors.end("stop", Lost("looked everywhere"))
    world.run()

    assert world.subtask("stop").message == "looked everywhere"


def test_the_stage_shows_beside_the_step() -> None:
    """In stepSummary, which kubectl shows; currentStep stays the name. Short attempts are not worth the write."""
    world = world_of({"name": "stop"})
    world.executors.look("stop", Running("is running: 3/11", external="11", stage="3/11 Start observer"))
    world.run()
    early = world.status.step_summary
    world.wait(11)
    late = world.status
    world.succeed("stop")

    assert early == "stop"
    assert (late.step_summary, late.current_step) == ("stop 3/11 Start observer", "stop")
    assert world.status.step_summary is None


def test_what_happened_elsewhere_since_is_told_while_a_person_is_awaited() -> None:
    """In the message, once; it changes with what is seen, and is written only then."""
    world = world_of({"name": "stop"})
    world.fail("stop", BROKEN)
    failed = world.status.message
    writes = []
    for remark in (None, "", "passed: action=skip-step", "passed: action=skip-step", None, "retried", ""):
        world.remarks = {"stop": remark}
        world.run()
        writes.append((world.status.message or "").removeprefix(failed or ""))

    assert writes == [
        "",
        "",
        "; since then: passed: action=skip-step",
        "; since then: passed: action=skip-step",
        "; since then: passed: action=skip-step",
        "; since then: retried",
        "",
    ]
    assert world.phase is Phase.FAILED


@pytest.mark.parametrize(
    ("forbid", "told"),
    [
        ([], "passed: action=skip-step goes on with the next step, action=retry starts the operation again"),
        (["Retry"], "passed: action=skip-step goes on with the next step"),
        (["SkipStep"], "passed: action=retry starts the operation again"),
        (["Retry", "SkipStep"], "passed"),
    ],
)
def test_a_hint_at_what_happened_elsewhere_names_only_commands_that_are_accepted(forbid: list[str], told: str) -> None:
    """A step may refuse some."""
    world = world_of({"name": "stop", "forbid": forbid})
    world.fail("stop", BROKEN)
    world.remarks = {"stop": "passed: action=skip-step goes on with the next step, action=retry starts the operation again"}
    world.run()

    assert (world.status.message or "").partition(SINCE)[2] == told


def test_only_what_failed_attempts_have_left_is_looked_after() -> None:
    """Not what succeeded, nor what started nothing elsewhere."""
    subtasks = [{"name": name, "obshell": OBSHELL} for name in ("a", "b", "c")]
    world = World(a_task().with_steps({"name": "stop", "parallel": subtasks}))
    world.run()
    world.executors.end("a", Succeeded("done", external="11"))
    world.fail("b", Failed(FailureReason.HTTP_STATUS, "500"))
    world.fail("c", BROKEN)

    assert [(attempt.id.subtask, attempt.external, attempt.external_mark) for attempt in left_attempts(world.task)] == [("c", "11", "m@1")]
