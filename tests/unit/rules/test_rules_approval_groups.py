"""Approvals that only members of certain groups may give: what the operator believes of a stamp. API.md section 5."""

import pytest
from tests.support.builders import a_task
from tests.support.world import World

from obtask import names
from obtask.model.answered import LastAction
from obtask.model.command import Command, noted_command
from obtask.model.contract import ActionResult, Phase, SubtaskPhase
from obtask.rules.decision import Record, Rest, TakeCommand


def awaiting(*groups: str, proven: bool = True) -> World:
    """Return a task that awaits the approval of somebody in these groups; whether the policies are at work."""
    world = World(a_task().with_steps({"name": "ask", "approve": {"groups": list(groups)}}).step("go"))
    world.groups_proven = proven
    world.run()
    return world


def approve(world: World, stamp: str | None) -> LastAction:
    """Give the command with a stamp; return the answer."""
    world.api.annotate(action="approve", **({"_approver_group": stamp} if stamp is not None else {}))
    world.run()
    assert world.status.last_action is not None
    return world.status.last_action


@pytest.mark.parametrize("stamp", ["ask/dba", "ask/team/b"])
def test_a_member_of_a_group_approves(stamp: str) -> None:
    """One group is enough; its name may have slashes. The stamp is taken off with the command."""
    world = awaiting("dba", "team/b")

    assert approve(world, stamp).result is ActionResult.ACCEPTED
    assert (world.live, world.step("ask").phase) == (["go"], SubtaskPhase.SUCCEEDED)
    assert set(world.annotations) == {names.ACCEPTED_COMMAND_ANNOTATION}


@pytest.mark.parametrize(
    ("stamp", "proven", "words"),
    [
        (None, True, "whoever gave the command is in none of them"),
        ("", True, "is in none of them"),
        ("dba", True, "is in none of them"),
        ("ask/", True, "is in none of them"),
        ("ask/interns", True, "not interns"),
        ("earlier/dba", True, 'was given for step "earlier"'),
        ("/dba", True, 'was given for step ""'),
        (None, False, "admission policies"),
        ("ask/dba", False, "admission policies"),
    ],
)
def test_everybody_else_is_refused(stamp: str | None, proven: bool, words: str) -> None:
    """Without a stamp, with one of another group or step, and with any where no policy is at work; the message says what is asked."""
    world = awaiting("dba", "sre", proven=proven)

    answer = approve(world, stamp)

    assert answer.result is ActionResult.REJECTED
    assert answer.message.startswith('approving step "ask" needs one of the groups dba, sre')
    assert words in answer.message
    assert (world.phase, world.step("ask").phase) == (Phase.RUNNING, SubtaskPhase.RUNNING)


def test_an_approval_is_given_once() -> None:
    """The same stamp does not approve what comes later."""
    world = awaiting("dba")
    approve(world, "ask/dba")

    assert approve(world, "ask/dba").result is ActionResult.REJECTED


def test_a_step_without_groups_needs_no_stamp() -> None:
    """Whoever may give the command."""
    world = awaiting(proven=False)

    assert approve(world, None).result is ActionResult.ACCEPTED


@pytest.mark.parametrize("proven", [True, False])
def test_an_approval_that_another_operator_noted_is_noted_again(*, proven: bool) -> None:
    """Only the answer to a note tells whether the policies are at work: it need not be given again. The next command is left alone."""
    world = awaiting("dba")
    world.api.annotate(action="approve", _approver_group="ask/dba")
    assert world.reconcile() == TakeCommand(given := noted(world))
    world.crash()
    world.groups_proven = None
    world.api.annotate(action="cancel")

    again = world.reconcile()

    assert isinstance(again, TakeCommand)
    assert (again.again, again.command) == (True, given.model_copy(update={"id": again.command.id}))
    assert again.command.id != given.id
    assert world.annotations[names.ACTION_ANNOTATION] == "cancel"
    world.groups_proven = proven
    world.reconcile()
    assert world.status.last_action is not None
    assert world.status.last_action.result is (ActionResult.ACCEPTED if proven else ActionResult.REJECTED)


def noted(world: World) -> Command:
    """Return the command that is noted."""
    command = noted_command(world.task.metadata.annotations)
    assert command is not None
    return command


@pytest.mark.parametrize("stamp", [None, "earlier/dba"])
def test_what_no_proof_would_help_is_refused_at_once(stamp: str | None) -> None:
    """It costs no second note."""
    world = awaiting("dba")
    world.groups_proven = None

    approve(world, stamp)

    assert [type(intent) for intent in world.intents[-3:]] == [TakeCommand, Record, Rest]
