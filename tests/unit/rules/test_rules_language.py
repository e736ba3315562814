"""Steps that pass values on, decide, loop and ask: `outputs`, `when`, `forEach`, `approve`. API.md sections 2 and 2.2."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import START, a_task
from tests.support.world import World

from obtask.model.attempt import Succeeded
from obtask.model.contract import Phase, SubtaskPhase, Verb
from obtask.model.limits import FOR_EACH_ITEMS, OUTPUT_BYTES, STORED_VALUES_BYTES
from obtask.model.reasons import FailureReason, Reason
from obtask.model.task import InvalidSpec
from obtask.rules.decision import Evaluate, Record

GIVEN = ("servers", "free", "old", "wanted", "many", "deep", "big", "missing")
FIND = {"name": "find", "sql": {"statements": ["SELECT 1"], "outputs": dict.fromkeys(GIVEN, "rows")}}


def looping(items: str = "steps.find.outputs.servers", **options: Any) -> World:
    """Return a running task whose second step loops over what its first has found."""
    each = {"items": items, "subtask": {"wait": {"seconds": 5}, "rollback": {"wait": {"seconds": 5}}}} | options
    world = World(a_task().with_steps(FIND, {"name": "restart", "forEach": each}).step("after"))
    world.run()
    return world


def deciding(when: str, **step: Any) -> World:
    """Return a running task whose second step depends on what its first gives."""
    return_to = {"name": "shrink", "when": when, "wait": {"seconds": 5}} | step
    world = World(a_task().with_steps(FIND, return_to).step("after"))
    world.run()
    return world


def test_outputs_are_stored_with_the_success_and_never_change() -> None:
    """A later step sees them, an undo of the own step, too; a retry of another step leaves them."""
    undo = {"sql": {"statements": ["SELECT ${{ steps.find.outputs.old }}"]}}
    world = World(
        a_task().with_steps(FIND | {"rollback": undo}, {"name": "use", "sql": {"statements": ["SELECT ${{ steps.find.outputs.old }}"]}})
    )
    world.run()
    world.succeed("find", old="8G")
    assert world.subtask("find").outputs == {"old": "8G"}

    found = {"outputs": {"old": "8G"}, "subtasks": {"find": {"outputs": {"old": "8G"}}}}
    assert world.executors.running[0].variables == {"steps": {"find": found}}
    world.fail("use")
    world.command("retry")
    world.fail("use")
    world.command("rollback")

    undoing = world.executors.running[0]
    assert (undoing.id.subtask, undoing.variables["steps"]["find"]["outputs"]) == ("find", {"old": "8G"})
    assert world.subtask("find").outputs == {"old": "8G"}


def test_outputs_for_which_there_is_no_room_fail_the_subtask() -> None:
    """All values of a task together have a limit; what would exceed it is not stored."""
    steps = [{"name": f"s{index}", "sql": {"statements": ["SELECT 1"], "outputs": {"x": "rows"}}} for index in range(20)]
    world = World(a_task().with_steps(*steps))
    world.run()
    big = "x" * (OUTPUT_BYTES - 16)
    stored = 0
    while world.phase is Phase.RUNNING:
        world.succeed(world.live[0], x=big)
        stored += 1

    assert world.phase is Phase.FAILED
    assert (stored - 1) * len(big) <= STORED_VALUES_BYTES < stored * len(big) + 100 * stored
    assert world.status.failed_subtask is not None
    assert world.status.failed_subtask.reason is FailureReason.INVALID_EXPRESSION
    assert "at most 65536" in world.status.failed_subtask.message


def test_outputs_that_come_at_the_same_time_have_one_limit() -> None:
    """Subtasks that end in one look share the room: those that find none left fail."""
    parts = [{"name": f"p{index}", "sql": {"statements": ["SELECT 1"], "outputs": {"x": "rows"}}} for index in range(64)]
    world = World(a_task().with_steps({"name": "all", "parallel": parts}))
    world.run()
    for index in range(64):
        world.executors.end(f"p{index}", Succeeded(outputs={"x": "x" * (OUTPUT_BYTES - 16)}))

    world.run()

    kept = [sub for sub in world.step("all").subtasks if sub.outputs is not None]
    assert world.phase is Phase.FAILED
    assert 0 < len(kept) * OUTPUT_BYTES <= STORED_VALUES_BYTES


@pytest.mark.parametrize(("free", "begun"), [(8, True), (2, False)])
def test_when_decides_whether_a_step_is_done(free: int, *, begun: bool) -> None:
    """A step that is not wanted is Skipped, with a word; the next one begins in the same write."""
    world = deciding("steps.find.outputs.free > 4")
    before = len(world.stored)

    world.succeed("find", free=free)

    assert len(world.stored) == before + 1
    assert world.live == (["shrink"] if begun else ["after"])
    shrink = world.step("shrink")
    assert shrink.phase is (SubtaskPhase.RUNNING if begun else SubtaskPhase.SKIPPED)
    assert begun or (shrink.subtasks[0].message, shrink.started_at, shrink.subtasks[0].attempts) == ("not needed", None, 0)


def test_path_of_a_value_needs_no_evaluation() -> None:
    """It is known at once, so that a task whose first step depends on a parameter costs no write more."""
    world = deciding("steps.find.outputs.wanted")

    world.succeed("find", wanted=True)

    assert world.live == ["shrink"]
    assert not any(isinstance(intent, Evaluate) for intent in world.intents)


@pytest.mark.parametrize("when", ["steps.find.outputs.missing > 4", "steps.find.outputs.servers", "steps.find.outputs.free"])
def test_condition_without_an_answer_fails_the_step_and_is_asked_again(when: str) -> None:
    """Nothing of the step begins; retry asks again, skip-step goes on without the step, rollback has nothing to undo in it."""
    world = World(a_task().with_steps(FIND).parallel("both", "a", "b", when=when).step("after"))
    world.run()
    world.succeed("find", free=1, servers=[])

    assert (world.phase, world.live) == (Phase.FAILED, [])
    failed = world.status.failed_subtask
    assert failed is not None
    assert (failed.step, failed.attempt, failed.reason) == ("both", 0, FailureReason.INVALID_EXPRESSION)
    assert failed.message.startswith("when: ")

    world.command("retry")
    assert (world.phase, world.live) == (Phase.FAILED, [])
    world.command("skip-step")
    assert (world.phase, world.live) == (Phase.RUNNING, ["after"])
    assert world.step("both").phase is SubtaskPhase.SKIPPED


def test_loop_has_a_subtask_for_each_item() -> None:
    """They are in the status from the moment the step begins, each with its item, and run at the same time."""
    world = looping()

    world.succeed("find", servers=[{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}])

    assert world.live == ["restart-0", "restart-1"]
    assert [sub.name for sub in world.step("restart").subtasks] == ["restart-0", "restart-1"]
    assert [sub.item for sub in world.step("restart").subtasks] == [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]
    world.succeed("restart-1", "restart-0")
    assert world.live == ["after"]


def test_empty_loop_succeeds_at_once() -> None:
    """There is nothing to do."""
    world = looping()

    world.succeed("find", servers=[])

    assert (world.live, world.step("restart").phase, world.step("restart").subtasks) == (["after"], SubtaskPhase.SUCCEEDED, ())


def test_empty_loop_counts_as_begun() -> None:
    """It says when that was, and what it forbids is forbidden from then on."""
    each = {"items": "steps.find.outputs.servers", "subtask": {"wait": {"seconds": 5}}}
    world = World(a_task().with_steps(FIND, {"name": "restart", "forEach": each, "forbid": ["Rollback"]}).step("after"))
    world.run()
    world.succeed("find", servers=[])
    world.fail("after")

    step = world.step("restart")
    assert (step.started_at, step.finished_at) == (START, START)
    assert Verb.ROLLBACK not in world.status.allowed_actions


def test_empty_loop_is_rolled_back_with_the_steps_around_it() -> None:
    """Nothing of it is left to undo."""
    world = looping()
    world.succeed("find", servers=[])
    world.fail("after")

    world.command("rollback")

    assert (world.phase, world.step("restart").phase) == (Phase.ROLLED_BACK, SubtaskPhase.ROLLED_BACK)


def test_loop_in_order_stops_at_a_failure_and_goes_on_with_it() -> None:
    """The rest stays Pending; retry runs the failed one again, then the rest; the list is not evaluated again."""
    world = looping(maxParallel=1)
    world.succeed("find", servers=["a", "b", "c"])
    assert world.live == ["restart-0"]
    world.succeed("restart-0")
    assert world.live == ["restart-1"]
    world.fail("restart-1")

    assert (world.phase, [sub.phase.value for sub in world.step("restart").subtasks]) == (Phase.FAILED, ["Succeeded", "Failed", "Pending"])
    world.intents.clear()
    world.command("retry")
    assert world.live == ["restart-1"]
    world.succeed("restart-1")
    assert world.live == ["restart-2"]
    world.succeed("restart-2")
    assert world.live == ["after"]
    assert not any(isinstance(intent, Evaluate) for intent in world.intents)


def test_loop_in_order_is_undone_backwards() -> None:
    """From the last item that was begun to the first, one at a time."""
    world = looping(maxParallel=1)
    world.succeed("find", servers=["a", "b", "c"])
    world.succeed("restart-0")
    world.fail("restart-1")

    world.command("rollback")

    assert world.live == ["-restart-1"]
    world.succeed("restart-1")
    assert world.live == ["-restart-0"]
    world.succeed("restart-0")
    assert world.phase is Phase.ROLLED_BACK


def test_undo_that_fails_in_order_stops_those_before_it() -> None:
    """They wait until a person has the undo tried again."""
    world = looping(maxParallel=1)
    world.succeed("find", servers=["a", "b"])
    world.succeed("restart-0")
    world.fail("restart-1")
    world.command("rollback")
    world.fail("restart-1")

    assert (world.phase, world.status.reason, world.live) == (Phase.FAILED, Reason.ROLLBACK_FAILED, [])
    world.command("retry")
    assert world.live == ["-restart-1"]
    world.succeed("restart-1")
    assert world.live == ["-restart-0"]


def test_loop_runs_no_more_than_allowed_at_a_time() -> None:
    """With two at a time a failure does not stop the others: all end before the step ends."""
    world = looping(maxParallel=2)
    world.succeed("find", servers=["a", "b", "c"])
    assert world.live == ["restart-0", "restart-1"]
    world.fail("restart-0")
    assert world.live == ["restart-1", "restart-2"]
    world.succeed("restart-1", "restart-2")
    assert world.phase is Phase.FAILED


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ("free", "must be a list"),
        ("missing", "there is no missing"),
        ("many", f"at most {FOR_EACH_ITEMS}"),
        ("deep", "item 0 is no text, number, boolean or null, nor a list or map of these"),
        ("big", "item 0 takes"),
    ],
)
def test_list_that_cannot_be_looped_over_fails_the_step(items: str, why: str) -> None:
    """With its reason; a retry evaluates it again, and skip-step goes on."""
    world = looping(f"steps.find.outputs.{items}")
    outputs: dict[str, Any] = {"free": 3, "many": list(range(FOR_EACH_ITEMS + 1)), "deep": [[{"a": 1}]], "big": ["x" * (OUTPUT_BYTES + 1)]}

    world.succeed("find", **outputs)

    assert (world.phase, world.live) == (Phase.FAILED, [])
    failed = world.status.failed_subtask
    assert failed is not None
    assert (failed.step, failed.subtask, failed.reason) == ("restart", "restart", FailureReason.INVALID_EXPRESSION)
    assert why in failed.message
    world.command("retry")
    assert world.phase is Phase.FAILED
    world.command("skip-step")
    assert world.live == ["after"]


def test_items_survive_a_crash_whole_though_they_are_shown_cut() -> None:
    """Long items are shown by their beginnings; what the subtasks work with is the item itself, also after a restart."""
    long = "x" * 1000
    subtask = {"sql": {"statements": ["SELECT ${{ item }}, ${{ index }}"]}}
    each = {"items": "steps.find.outputs.servers", "maxParallel": 1, "subtask": subtask}
    world = World(a_task().with_steps(FIND, {"name": "restart", "forEach": each}))
    world.run()
    world.succeed("find", servers=["short", long, None])
    world.crash()
    world.run()
    world.command("retry")
    world.succeed("restart-0")

    assert (len(str(world.subtask("restart-1").item)) < 100, world.executors.running[0].variables) == (True, {"item": long, "index": 1})
    world.succeed("restart-1")
    assert world.executors.running[0].variables == {"item": None, "index": 2}


def test_draining_operator_opens_no_loop() -> None:
    """A step whose items are not known is not taken for done by an operator that is stopping."""
    world = looping()
    world.draining = True

    world.succeed("find", servers=["a"])

    assert (world.phase, world.step("restart").phase, world.step("restart").subtasks) == (Phase.RUNNING, SubtaskPhase.PENDING, ())
    world.crash()
    world.run()
    assert world.live == ["restart-0"]


def approving(**fields: Any) -> World:
    """Return a task that awaits approval in its second step."""
    world = World(a_task().step("check", undo=True).with_steps({"name": "ask", "approve": {"message": "Really?"} | fields}).step("go"))
    world.run()
    world.succeed("check")
    return world


def test_task_awaits_approval() -> None:
    """The phase stays Running; the reason says so, and approve is allowed first."""
    world = approving()

    status = world.status
    assert (status.phase, status.reason, status.allowed_actions) == (Phase.RUNNING, Reason.AWAITING_APPROVAL, (Verb.APPROVE, Verb.CANCEL))
    assert status.message == 'step 2/3 "ask": awaiting approval: Really?'
    assert (world.subtask("ask").message, world.subtask("ask").changed) == ("awaiting approval: Really?", False)
    assert world.executors.running[0].deadline is None


def test_question_with_values_is_shown_as_soon_as_they_are_known() -> None:
    """Other progress may be held back for a while; the question is not, and that its values are being evaluated is not shown."""
    world = approving(message="Drop ${{ task.name }}?")
    world.progress_at = world.now + timedelta(seconds=15)
    shown = [world.subtask("ask").message]

    for said in ("its values are being evaluated", "awaiting approval: Drop it?"):
        world.executors.say("ask", said)
        world.run()
        shown.append(world.subtask("ask").message)

    assert shown == ["awaiting approval", "awaiting approval", "awaiting approval: Drop it?"]
    assert world.status.message == 'step 2/3 "ask": awaiting approval: Drop it?'


def test_approval_lets_the_task_go_on() -> None:
    """The step succeeds, the next one begins in the same write, and the history has who it was."""
    world = approving()

    world.command("approve")

    assert (world.live, world.step("ask").phase, world.status.reason) == (["go"], SubtaskPhase.SUCCEEDED, Reason.EXECUTING)
    assert world.status.last_action is not None
    assert (world.status.last_action.verb, world.status.last_action.result.value) == ("approve", "Accepted")
    assert [entry.verb for entry in world.status.history] == ["approve"]


@pytest.mark.parametrize("moment", ["before", "after", "cancelled"])
def test_approval_at_another_time_is_refused(moment: str) -> None:
    """It is given once, for the step that asks."""
    world = approving()
    if moment == "after":
        world.command("approve")
    if moment == "cancelled":
        world.executors.stops_at_once = False
        world.command("cancel")
    if moment == "before":
        world = World(a_task().step("check").with_steps({"name": "ask", "approve": {}}))
        world.run()
    stored = world.status.steps

    world.command("approve")

    assert world.status.last_action is not None
    assert world.status.last_action.result.value == "Rejected"
    assert world.status.steps == stored


def test_cancel_while_approval_is_awaited_stops_the_task_for_a_person() -> None:
    """Nothing was changed by the step, and rolling back undoes the steps before it."""
    world = approving()

    world.command("cancel")

    assert (world.phase, world.status.reason) == (Phase.FAILED, Reason.SUBTASK_CANCELLED)
    world.command("rollback")
    assert world.live == ["-check"]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([{"name": "a", "sql": {"statements": ["SELECT ${{ steps.b.outputs.x }}"]}}], 'there is no step "b"'),
        ([{"name": "a", "sql": {"statements": ["SELECT ${{ steps.a.outputs.x }}"], "outputs": {"x": "1"}}}], "is not earlier"),
        ([FIND, {"name": "b", "wait": {"seconds": 1}, "when": "steps.find.outputs.nothing == 1"}], 'has no output "nothing"'),
        ([FIND, {"name": "b", "wait": {"seconds": 1}, "when": "params.x"}], "there is no variable params"),
        ([{"name": "a", "sql": {"statements": ["SELECT ${{ item }}"]}}], "there is no variable item"),
        ([{"name": "a", "sql": {"statements": ["SELECT ${{ 1 "]}}], "has no }}"),
        ([{"name": "a", "http": {"url": "http://${{ task.nam"}}], "has no }}"),
        ([{"name": "a", "forEach": {"items": "steps.x.outputs.y", "subtask": {"wait": {"seconds": 1}}}}], 'there is no step "x"'),
    ],
)
def test_reference_that_leads_nowhere_is_rejected_before_a_lock(steps: list[Any], why: str) -> None:
    """The message names the field and what is wrong."""
    world = World(a_task().with_steps(*steps))

    world.run()

    assert (world.phase, world.status.reason, world.holds_lease) == (Phase.REJECTED, Reason.INVALID_SPEC, False)
    assert why in (world.status.message or "")
    assert "spec.steps[" in (world.status.message or "")


def test_undo_may_refer_to_its_own_step() -> None:
    """A rollback sees what its step gave."""
    undo = {"sql": {"statements": ["SELECT ${{ steps.find.outputs.free }}"]}}
    world = World(a_task().with_steps(FIND | {"rollback": undo}))
    world.run()
    assert world.phase is Phase.RUNNING


@pytest.mark.parametrize(
    "step",
    [
        {"name": "x", "parallel": [{"name": "a", "approve": {}}]},
        {"name": "x", "forEach": {"items": "[1]", "subtask": {"approve": {}}}},
        {"name": "x", "wait": {"seconds": 1}, "rollback": {"approve": {}}},
        {"name": "x", "approve": {}, "rollback": {"wait": {"seconds": 1}}},
        {"name": "x" * 61, "forEach": {"items": "[1]", "subtask": {"wait": {"seconds": 1}}}},
        {"name": "x", "forEach": {"items": "[1]", "subtask": {"wait": {"seconds": 1}}}, "rollback": {"wait": {"seconds": 1}}},
        {"name": "x", "forEach": {"items": "[1]", "subtask": {"wait": {"seconds": 1}}}, "wait": {"seconds": 1}},
        {"name": "x", "job": {"image": "x", "podTemplate": {"spec": {"serviceAccountName": "${{ task.name }}"}}}},
        {"name": "x", "resource": {"patch": {"apiVersion": "v1", "kind": "${{ task.name }}", "name": "x", "patch": {}}}},
        {"name": "x", "sql": {"statements": ["x"], "connection": {"secretName": "s", "port": "80"}}},
        {"name": "x", "sql": {"statements": ["x"], "outputs": {"a-b": "1"}}},
        {"name": "x", "sql": {"statements": ["x"], "outputs": {f"a{index}": "1" for index in range(17)}}},
    ],
)
def test_what_makes_no_sense_is_refused(step: dict[str, Any]) -> None:
    """The models refuse what the API server refuses."""
    assert isinstance(a_task().with_steps(step).build().spec, InvalidSpec)


def test_record_that_begins_a_loop_starts_its_attempts() -> None:
    """The list, the subtasks and their first attempts are one write."""
    world = looping()
    world.intents.clear()

    world.succeed("find", servers=["a"])

    records = [intent for intent in world.intents if isinstance(intent, Record)]
    assert [[attempt.id.subtask for attempt in record.start] for record in records] == [["restart-0"]]


def test_loop_that_only_obshell_could_undo_allows_no_rollback() -> None:
    """An agent rolls back only what has failed: what succeeded in a loop is looked at, too."""
    undoable = {"obshell": {"path": "/api/v1/ob/stop"}, "rollback": {"obshell": {"operator": "Rollback"}}}
    world = World(a_task().with_steps({"name": "stop", "forEach": {"items": "['a']", "subtask": undoable}}).step("after"))
    world.run()
    world.executors.end("stop-0", Succeeded("done", external="1234"))
    world.run()

    world.fail("after")

    assert Verb.ROLLBACK not in world.status.allowed_actions
