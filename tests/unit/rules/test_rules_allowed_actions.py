"""Which commands are allowed when, and what `forbid` takes away."""

import pytest
from tests.support.builders import START, a_blocker, a_task
from tests.support.world import World

from obtask.model.command import Command
from obtask.model.contract import ActionResult, Direction, Forbidden, Phase, Verb
from obtask.model.status import TaskStatus
from obtask.rules import commands

FAILED_FORWARD = (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP, Verb.SKIP_STEP)


@pytest.mark.parametrize(
    ("phase", "direction", "allowed"),
    [
        (Phase.PENDING, Direction.FORWARD, (Verb.CANCEL,)),
        (Phase.WAITING, Direction.FORWARD, (Verb.CANCEL,)),
        (Phase.RUNNING, Direction.FORWARD, (Verb.CANCEL,)),
        (Phase.ROLLING_BACK, Direction.ROLLBACK, (Verb.CANCEL,)),
        (Phase.FAILED, Direction.FORWARD, FAILED_FORWARD),
        (Phase.FAILED, Direction.ROLLBACK, (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP)),
        *((phase, Direction.FORWARD, ()) for phase in Phase if phase.finished),
    ],
)
def test_allowed_actions_by_phase(phase: Phase, direction: Direction, allowed: tuple[Verb, ...]) -> None:
    """Each phase and direction has its commands, and exactly those are accepted."""
    plan = a_task().build().plan
    status = TaskStatus(phase=phase, direction=direction)

    assert commands.allowed_actions(plan, status) == allowed
    for verb in Verb:
        command = Command(id="1", verb=verb, requested_at=START)
        assert (commands.refusal(plan, status, command) is None) == (verb in allowed)


def test_new_task_may_be_cancelled() -> None:
    """A status that nobody has written yet says so."""
    assert TaskStatus().allowed_actions == (Verb.CANCEL,)


FORBIDS = [
    (Forbidden.RETRY, Verb.RETRY),
    (Forbidden.ROLLBACK, Verb.ROLLBACK),
    (Forbidden.SKIP, Verb.SKIP),
    (Forbidden.SKIP_STEP, Verb.SKIP_STEP),
]


@pytest.mark.parametrize(("forbid", "verb"), FORBIDS)
def test_forbid_takes_a_verb_away_while_failed(forbid: Forbidden, verb: Verb) -> None:
    """A forbidden verb is not offered while its step is the failed one, and the refusal names the step."""
    world = World(a_task().step("load", forbid=[forbid]))
    world.run()
    world.fail("load")
    expected = tuple(other for other in FAILED_FORWARD if other is not verb)
    assert world.status.allowed_actions == expected

    world.command(verb)

    last = world.status.last_action
    assert last is not None
    assert (last.result, world.phase) == (ActionResult.REJECTED, Phase.FAILED)
    assert last.message == f'step "load" forbids {verb}; allowed now: {", ".join(expected)}'


def test_forbid_cancel() -> None:
    """Cancel is not offered while a step that forbids it runs, and comes back with the next step."""
    world = World(a_task().step("load", forbid=["Cancel"]).step("next"))
    world.run()
    assert not world.status.allowed_actions

    world.command("cancel")
    last = world.status.last_action
    assert last is not None
    assert (last.result, last.message) == (ActionResult.REJECTED, 'step "load" forbids cancel; no command is allowed now')
    assert world.live == ["load"]

    world.succeed("load")
    assert world.status.allowed_actions == (Verb.CANCEL,)


def test_forbid_cancel_holds_while_undoing_the_step() -> None:
    """The step that is being undone is the current one: it may forbid a cancel."""
    world = World(a_task().step("first", undo=True).step("load", undo=True, forbid=["Cancel"]))
    world.run()
    world.succeed("first")
    world.fail("load")
    world.command("rollback")
    assert not world.status.allowed_actions

    world.succeed("load")

    assert (world.phase, world.status.allowed_actions) == (Phase.ROLLING_BACK, (Verb.CANCEL,))


@pytest.mark.parametrize("state", ["pending", "waiting"])
def test_forbid_cancel_does_not_hold_before_the_start(state: str) -> None:
    """No step is current before the task starts: it can be cancelled."""
    world = World(a_task().step("load", forbid=["Cancel"]))
    if state == "waiting":
        world.in_the_way = (a_blocker("freeze"),)
        world.run()

    world.command("cancel")

    assert world.phase is Phase.CANCELLED


@pytest.mark.parametrize(("forbid", "verb"), [pair for pair in FORBIDS if pair[0] is not Forbidden.ROLLBACK])
def test_forbid_of_another_step_does_not_matter(forbid: Forbidden, verb: Verb) -> None:
    """What a step that is done, or not yet started, forbids does not hold for the current one."""
    world = World(a_task().step("before", forbid=[forbid]).step("load").step("after", forbid=[forbid]))
    world.run()
    world.succeed("before")

    world.fail("load")

    assert verb in world.status.allowed_actions


@pytest.mark.parametrize(
    ("failing", "allowed"),
    [pytest.param("before", True, id="not-started-yet"), pytest.param("load", False, id="failed"), pytest.param("after", False, id="done")],
)
def test_rollback_is_forbidden_once_the_step_was_started(failing: str, allowed: bool) -> None:
    """A step that cannot be undone forbids the rollback of the whole task from its start on, also when it is long done."""
    world = World(a_task().step("before").step("load", forbid=["Rollback"]).step("after"))
    world.run()
    for name in ("before", "load", "after"):
        if name == failing:
            world.fail(name)
            break
        world.succeed(name)

    assert (Verb.ROLLBACK in world.status.allowed_actions) is allowed

    world.command("rollback")
    last = world.status.last_action
    assert last is not None
    assert last.message == ("rolling back" if allowed else 'step "load" forbids rollback; allowed now: retry, skip, skip-step')


def test_forbid_retry_holds_for_the_rollback_of_the_step() -> None:
    """While the rollback of a step that forbids Retry has failed, rollback is the way on."""
    world = World(a_task().step("load", undo=True, forbid=["Retry"]))
    world.run()
    world.fail("load")
    world.command("rollback")
    world.fail("load")

    assert world.status.allowed_actions == (Verb.ROLLBACK, Verb.SKIP)


def test_everything_forbidden() -> None:
    """A step may forbid everything; then a person can only delete the task."""
    world = World(a_task().step("load", forbid=list(Forbidden)))
    world.run()
    world.fail("load")

    world.command("skip")

    assert not world.status.allowed_actions
    assert world.status.last_action is not None
    assert world.status.last_action.message == 'step "load" forbids skip; no command is allowed now'
