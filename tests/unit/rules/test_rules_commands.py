"""How commands are taken, answered and carried out exactly once. API.md section 5."""

import json
from datetime import timedelta

import pytest
from tests.support.builders import START, a_blocker, a_mended_task, a_task
from tests.support.world import Crash, World

from obtask import names
from obtask.model.answered import LastAction
from obtask.model.contract import ActionResult, Phase
from obtask.model.status import TaskStatus
from obtask.rules.decision import Record, Rest, TakeCommand


def failed_one() -> World:
    """Return a task that failed at its first step."""
    world = World(a_mended_task())
    world.run()
    world.fail("check")
    return world


def last(world: World) -> LastAction:
    """Return the last action."""
    assert world.status.last_action is not None
    return world.status.last_action


def without_action(status: TaskStatus) -> TaskStatus:
    """Return all of the status but what it says of commands."""
    return status.model_copy(update={"last_action": None, "history": ()})


@pytest.mark.parametrize("key", ["action", "_action"])
def test_either_key_gives_a_command(key: str) -> None:
    """Both `action` and `task.oceanbase.com/action` give a command, and are taken off."""
    world = failed_one()

    world.api.annotate(**{key: "retry", "_action_reason": "fixed"})
    world.run()

    assert (last(world).verb, last(world).result, last(world).reason) == ("retry", ActionResult.ACCEPTED, "fixed")
    assert set(world.annotations) == {names.ACCEPTED_COMMAND_ANNOTATION}


def test_the_answer_names_who_asked() -> None:
    """What the admission policy wrote down goes into the answer, and the annotation with the command."""
    world = failed_one()

    world.api.annotate(action="retry", _requested_by="alice")
    world.run()

    assert last(world).requested_by == "alice"
    assert set(world.annotations) == {names.ACCEPTED_COMMAND_ANNOTATION}


def test_both_keys_with_the_same_verb_are_one_command() -> None:
    """The same verb twice is no contradiction."""
    world = failed_one()

    world.api.annotate(action="retry", _action="retry")
    world.run()

    assert (last(world).result, world.phase) == (ActionResult.ACCEPTED, Phase.RUNNING)


@pytest.mark.parametrize(
    ("annotations", "verb", "message"),
    [
        pytest.param(
            {"action": "restart"}, "restart", 'unknown command "restart": use one of retry, rollback, skip, skip-step, cancel', id="unknown"
        ),
        pytest.param({"action": "Retry"}, "Retry", 'unknown command "Retry"', id="case-matters"),
        pytest.param({"action": ""}, "", 'unknown command ""', id="empty"),
        pytest.param({"action": "x" * 5000}, "x" * 63, 'unknown command "xxx', id="very-long"),
        pytest.param(
            {"action": "retry", "_action": "skip"},
            "retry",
            "two different commands at once: action=retry and task.oceanbase.com/action=skip",
            id="two-verbs",
        ),
        pytest.param(
            {"action": "cancel"}, "cancel", "cancel is not allowed while Failed; allowed now: retry, rollback, skip", id="not-now"
        ),
    ],
)
def test_refused_command_changes_nothing_else(annotations: dict[str, str], verb: str, message: str) -> None:
    """A command that cannot be accepted is taken off and answered with the reason; nothing else changes."""
    world = failed_one()
    before, started = world.status, len(world.executors.started)
    world.later(60)

    world.api.annotate(**annotations)
    world.run()

    assert (last(world).verb, last(world).result) == (verb, ActionResult.REJECTED)
    assert last(world).message.startswith(message)
    assert without_action(world.status) == without_action(before)
    assert len(world.executors.started) == started
    assert set(world.annotations) == {names.ACCEPTED_COMMAND_ANNOTATION}


@pytest.mark.parametrize("verb", ["retry", "rollback", "skip", "skip-step", "cancel", "restart"])
def test_command_on_a_finished_task_changes_only_the_last_action(verb: str) -> None:
    """A finished task answers, and otherwise stays as it is for ever."""
    world = World(a_task())
    world.run()
    world.succeed("only")
    before = world.status
    world.later(60)

    world.command(verb)

    assert (last(world).verb, last(world).result) == (verb, ActionResult.REJECTED)
    assert without_action(world.status) == without_action(before)
    assert world.task.metadata.finalizers == ()


def test_reason_without_a_command_is_no_command() -> None:
    """The reason alone asks for nothing."""
    world = failed_one()
    stored = len(world.stored)

    world.api.annotate(_action_reason="just so")

    assert world.run() == Rest()
    assert len(world.stored) == stored


@pytest.mark.parametrize("verb", ["retry", "rollback"])
def test_same_command_again_is_a_new_command(verb: str) -> None:
    """A command that is given again after it was carried out is carried out again."""
    world = failed_one()

    for count in (1, 2, 3):
        world.command(verb)
        assert (last(world).result, len(world.executors.started)) == (ActionResult.ACCEPTED, 1 + count)
        world.fail("check")


def test_times_of_a_command() -> None:
    """The field requestedAt is when the annotation was seen, handledAt when the command was answered."""
    world = failed_one()
    world.api.annotate(action="retry")
    assert isinstance(world.reconcile(), TakeCommand)
    world.later(7)

    world.run()

    assert (last(world).requested_at, last(world).handled_at) == (START, START + timedelta(seconds=7))


def test_long_reason_is_cut() -> None:
    """The reason that a person gives is kept up to 512 characters."""
    world = failed_one()

    world.api.annotate(action="retry", _action_reason="r" * 5000)
    world.run()

    assert last(world).reason == "r" * 512


@pytest.mark.parametrize("crash", [None, Crash.BEFORE_WRITE, Crash.AFTER_WRITE])
@pytest.mark.parametrize("reconcile", [0, 1])
def test_command_is_carried_out_exactly_once(reconcile: int, crash: Crash | None) -> None:
    """Whenever the operator dies, while it takes the annotation or while it records the answer, the command is carried out once."""
    world = failed_one()
    world.api.annotate(action="retry")
    for _ in range(reconcile):
        world.reconcile()

    world.reconcile(crash)
    world.run()

    # An attempt that was recorded but perhaps not started counts: nobody knows of it.
    assert world.subtask("check").attempts == 2
    assert [status.last_action.result for status in world.stored if status.last_action is not None] == (
        [ActionResult.ACCEPTED, ActionResult.ACCEPTED] if (reconcile, crash) == (1, Crash.AFTER_WRITE) else [ActionResult.ACCEPTED]
    )
    assert not {names.ACTION_ANNOTATION, names.GROUP_ACTION_ANNOTATION} & set(world.annotations)


def test_annotation_is_taken_and_noted_in_one_write() -> None:
    """The annotation goes and the note comes in the same write: no moment in which the command is lost or there twice."""
    world = failed_one()
    world.api.annotate(action="skip", _action_reason="later")

    world.reconcile()

    note = json.loads(world.annotations[names.ACCEPTED_COMMAND_ANNOTATION])
    assert set(world.annotations) == {names.ACCEPTED_COMMAND_ANNOTATION}
    assert (note["verb"], note["reason"], world.phase) == ("skip", "later", Phase.FAILED)


def test_second_command_waits_for_the_first() -> None:
    """A command that is given while another is at hand is handled after it, and both are answered."""
    world = failed_one()
    world.api.annotate(action="retry")
    world.reconcile()
    world.api.annotate(action="cancel")

    world.run()

    answers = [status.last_action for status in world.stored if status.last_action is not None]
    assert [(answer.verb, answer.result) for answer in answers[:2]] == [("retry", ActionResult.ACCEPTED), ("cancel", ActionResult.ACCEPTED)]
    assert world.phase is Phase.FAILED


@pytest.mark.parametrize("note", ["", "{", "[]", '{"verb": "retry"}', '{"id": 1}'])
def test_note_that_cannot_be_read_is_ignored(note: str) -> None:
    """A note that somebody else scribbled does no harm."""
    world = failed_one()

    world.api.annotate(_accepted_command=note)

    assert world.run() == Rest()


def test_note_with_an_unknown_verb_is_refused() -> None:
    """A command that another version noted and this one does not know is answered."""
    world = failed_one()
    note = {"id": "7", "verb": "teleport", "requestedAt": START.isoformat()}

    world.api.annotate(_accepted_command=json.dumps(note))
    world.run()

    assert (last(world).verb, last(world).result, last(world).message) == ("teleport", ActionResult.REJECTED, 'unknown command "teleport"')
    assert world.phase is Phase.FAILED


@pytest.mark.parametrize(("verb", "option"), [("retry", "slowly"), ("skip", "fresh")])
def test_note_with_an_option_of_another_version_is_refused(verb: str, option: str) -> None:
    """A newer operator noted it before it was replaced by this one: whoever gave the command is told."""
    world = failed_one()
    note = {"id": "7", "verb": verb, "option": option, "requestedAt": START.isoformat()}

    world.api.annotate(_accepted_command=json.dumps(note))
    world.run()

    assert (last(world).verb, last(world).result) == (verb, ActionResult.REJECTED)
    assert f"task.oceanbase.com/action-option={option}" in last(world).message
    assert world.phase is Phase.FAILED


def test_command_on_a_waiting_task() -> None:
    """A waiting task that refuses a command goes on waiting."""
    world = World(a_task())
    world.in_the_way = (a_blocker("freeze"),)
    world.run()

    world.command("retry")

    assert (world.phase, last(world).message) == (Phase.WAITING, "retry is not allowed while Waiting; allowed now: cancel")
    assert world.status.blocked_by_count == 1


def test_command_comes_before_what_has_happened() -> None:
    """A cancel that was given before the last subtask ended is handled first: no further step starts."""
    world = World(a_mended_task())
    world.run()
    world.api.annotate(action="cancel")
    world.reconcile()

    world.succeed("check")

    assert (world.phase, world.live) == (Phase.FAILED, [])


def test_refused_command_costs_one_status_write() -> None:
    """Nobody can keep the API server busy with nonsense: one annotation, one patch, one answer."""
    world = failed_one()
    stored, reconciles = len(world.stored), len(world.intents)

    world.command("nonsense")

    assert len(world.stored) == stored + 1
    assert [type(intent) for intent in world.intents[reconciles:]] == [TakeCommand, Record, Rest]


def test_history_tells_every_command_and_what_became_of_it() -> None:
    """Accepted and refused ones alike, in their order, with who asked and why."""
    world = failed_one()
    world.command("restart")
    world.api.annotate(action="retry", _action_reason="disk is back", _action_requested_by="alice")
    world.run()

    told = [(entry.verb, entry.result, entry.reason) for entry in world.status.history]
    assert told == [("restart", ActionResult.REJECTED, None), ("retry", ActionResult.ACCEPTED, "disk is back")]
    assert world.status.history[-1].handled_at == last(world).handled_at
    assert world.status.history[-1].requested_by == last(world).requested_by


@pytest.mark.parametrize("text", ["x", "长" * 600, "\u202e" * 600, '"<&' * 300])
def test_history_keeps_the_newest_in_its_bounds(text: str) -> None:
    """At most 20 commands and 6 KiB as stored, whatever people write."""
    world = failed_one()
    for number in range(25):
        world.api.annotate(action=f"no-{number}", _action_reason=text)
        world.run()

    kept = world.status.history
    assert kept[-1].verb == "no-24"
    assert [entry.verb for entry in kept] == [f"no-{number}" for number in range(25 - len(kept), 25)]
    assert len(kept) == 20 or text != "x"
    assert len(json.dumps(world.status.dump()["history"], ensure_ascii=False).encode()) <= 6 * 1024
