"""Commands by annotation: taken off, carried out exactly once, answered in status.lastAction and an Event. API.md section 5."""

import json
from functools import partial

import pytest
from tests.support.apiserver import Body
from tests.support.operators import operator_thread
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step
from tests.system.scene import Scene

from devcluster.errors import DevClusterError

NOWHERE = {"secretName": "missing"}
SLEEPY = "select sleep(300)"
PREFIXED = "task.oceanbase.com/action"
REASON = "task.oceanbase.com/action-reason"


def annotations(task: Body) -> set[str]:
    """Return the command annotations that are still there."""
    return {"action", PREFIXED, REASON} & set(task["metadata"].get("annotations", {}))


def without_answer(task: Body) -> Body:
    """Return a status without what answers a command."""
    return {key: value for key, value in task["status"].items() if key not in {"lastAction", "history"}}


@pytest.mark.usefixtures("operator")
def test_the_history_has_every_command(tasks: TaskClient) -> None:
    """Accepted or refused, in their order; the last one is lastAction, too."""
    tasks.create("busy", steps=[wait_step("long", 3600)])
    tasks.wait_phase("busy", "Running")
    tasks.command("busy", "skip")
    tasks.annotate("busy", "action=cancel", f"{REASON}=because I can")
    status = tasks.wait_phase("busy", "Failed")
    tasks.command("busy", "skip")

    told = tasks.wait_let_go("busy", "Skipped")["history"]

    assert [(entry["verb"], entry["result"], entry.get("reason")) for entry in told] == [
        ("skip", "Rejected", None),
        ("cancel", "Accepted", "because I can"),
        ("skip", "Accepted", None),
    ]
    assert told[1]["handledAt"] == status["lastAction"]["handledAt"]
    assert told[1]["requestedAt"] <= told[1]["handledAt"] <= told[2]["requestedAt"]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["action=retry"], "retry is not allowed while Running; allowed now: cancel"),
        ([f"{PREFIXED}=rollback"], "rollback is not allowed while Running; allowed now: cancel"),
        (["action=skip", f"{PREFIXED}=skip"], "skip is not allowed while Running; allowed now: cancel"),
        (["action=cancel", f"{PREFIXED}=skip"], "two different commands at once"),
        (["action=restart"], 'unknown command "restart"'),
        (["action=Cancel"], 'unknown command "Cancel"'),
        (["action="], 'unknown command ""'),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_a_refused_command_changes_nothing(tasks: TaskClient, given: list[str], says: str) -> None:
    """It is taken off like any other, answered with the reason, told in a Warning Event, and nothing else changes."""
    tasks.create("busy", steps=[wait_step("long", 3600)])
    before = tasks.wait("busy", lambda task: task["status"]["phase"] == "Running")

    tasks.annotate("busy", *given, f"{REASON}=because I can")

    answer = tasks.answer("busy")
    assert answer["result"] == "Rejected"
    assert says in answer["message"]
    assert answer["reason"] == "because I can"
    assert answer["requestedAt"] <= answer["handledAt"]
    after = tasks.get("busy")
    assert not annotations(after)
    assert without_answer(after) == without_answer(before)
    event = tasks.wait_events("busy", "ActionRejected")["ActionRejected"]
    assert event["type"] == "Warning"
    assert says in event["message"]


@pytest.mark.usefixtures("operator")
def test_a_command_for_a_finished_task_is_refused(tasks: TaskClient) -> None:
    """A finished task answers and otherwise stays as it is; no finalizer comes back."""
    tasks.create("done", steps=[wait_step("go")])
    tasks.wait_let_go("done", "Succeeded")
    before = tasks.get("done")

    for verb in ("retry", "retry", "cancel"):
        answer = tasks.command("done", verb)
        assert answer["result"] == "Rejected"
        assert answer["verb"] == verb
        assert "no command is allowed now" in answer["message"]

    after = tasks.get("done")
    assert without_answer(after) == without_answer(before)
    assert not annotations(after)
    assert not after["metadata"].get("finalizers")


@pytest.mark.usefixtures("operator")
def test_the_same_command_again_and_again(scene: Scene) -> None:
    """No --overwrite is ever needed; every retry is one more attempt, of the failed step only."""
    scene.create("stubborn", sql_step("first", scene.journal.note), sql_step("second", scene.journal.note, FAILING))
    scene.tasks.wait_phase("stubborn", "Failed")

    for attempt in (2, 3, 4):
        answer = scene.tasks.command("stubborn", "retry", **{REASON: f"try {attempt}"})
        assert (answer["result"], answer["reason"]) == ("Accepted", f"try {attempt}")
        failed = scene.tasks.wait("stubborn", partial(_failed, attempt))["status"]["failedSubtask"]
        assert failed["attempt"] == attempt

    assert [(entry.step, entry.attempt) for entry in scene.journal.entries()] == [
        ("first", 1),
        *(("second", attempt) for attempt in (1, 2, 3, 4)),
    ]
    events = [event for event in scene.tasks.events("stubborn") if event["reason"] == "ActionAccepted"]
    assert len(events) == 3


def _failed(attempt: int, task: Body) -> bool:
    return bool(task["status"]["phase"] == "Failed" and task["status"]["failedSubtask"]["attempt"] == attempt)


def test_a_command_given_while_no_operator_runs(scene: Scene) -> None:
    """It waits in the annotation, kubectl refuses a second one, and the next operator carries it out once."""
    with operator_thread(scene.settings):
        scene.create("later", sql_step("s", scene.journal.note, FAILING))
        scene.tasks.wait_phase("later", "Failed")
    scene.tasks.annotate("later", "action=retry")
    with pytest.raises(DevClusterError, match="--overwrite"):
        scene.tasks.annotate("later", "action=skip")

    for _ in range(2):
        with operator_thread(scene.settings):
            scene.tasks.wait("later", partial(_failed, 2))
            scene.tasks.create("marker", steps=[wait_step("go")])
            scene.tasks.wait_let_go("marker", "Succeeded")
            scene.tasks.delete("marker")
            scene.tasks.wait_gone("marker")

    assert [entry.attempt for entry in scene.journal.entries()] == [1, 2]
    assert not annotations(scene.tasks.get("later"))


@pytest.mark.usefixtures("operator")
def test_skip_step_goes_on_with_the_next(scene: Scene) -> None:
    """Only what failed becomes Skipped; the rest of the task runs and it ends Succeeded."""
    parallel = {"name": "both", "parallel": [sql_step("good", scene.journal.note), sql_step("bad", FAILING)]}
    scene.create("lenient", parallel, sql_step("after", scene.journal.note))
    assert scene.tasks.wait_phase("lenient", "Failed")["progress"] == "0/2"

    assert scene.tasks.command("lenient", "skip-step")["result"] == "Accepted"

    status = scene.tasks.wait_let_go("lenient", "Succeeded")
    assert [step["phase"] for step in status["steps"]] == ["Skipped", "Succeeded"]
    assert [sub["phase"] for sub in status["steps"][0]["subtasks"]] == ["Succeeded", "Skipped"]
    assert status["progress"] == "2/2"
    assert [entry.subtask for entry in scene.journal.entries()] == ["good", "after"]


@pytest.mark.usefixtures("operator")
def test_skip_touches_nothing(scene: Scene) -> None:
    """The whole task is given up: steps stay as they were, no undo runs, the lock is free, the last failure stays to be read."""
    undo = {"sql": {"statements": [scene.journal.note]}}
    scene.create("given-up", sql_step("one", "select 1", rollback=undo), sql_step("two", FAILING, rollback=undo), wait_step("three"))
    before = scene.tasks.wait_phase("given-up", "Failed")
    assert before["allowedActions"] == ["retry", "rollback", "skip", "skip-step"]

    scene.tasks.command("given-up", "skip")

    status = scene.tasks.wait_let_go("given-up", "Skipped")
    assert (status["reason"], status["allowedActions"]) == ("SkippedByUser", [])
    assert status["steps"] == before["steps"]
    assert status["failedSubtask"] == before["failedSubtask"]
    assert not scene.journal.entries()
    assert not scene.tasks.holders()


@pytest.mark.usefixtures("operator")
def test_cancel(scene: Scene) -> None:
    """A waiting task ends Cancelled; a running one is stopped and Failed, keeps its lock, and can be retried."""
    scene.create("holder", wait_step("long", 3600, rollback={"sql": {"statements": [SLEEPY]}}), wait_step("next"))
    scene.tasks.wait_phase("holder", "Running")
    scene.create("waiter", wait_step("go"))
    assert scene.tasks.wait_phase("waiter", "Waiting")["allowedActions"] == ["cancel"]
    assert scene.tasks.command("waiter", "cancel")["result"] == "Accepted"
    waiter = scene.tasks.wait_let_go("waiter")
    assert (waiter["phase"], waiter["reason"]) == ("Cancelled", "CancelledByUser")
    assert "startedAt" not in waiter
    assert "blockedBy" not in waiter

    scene.tasks.command("holder", "cancel")
    stopped = scene.tasks.wait_phase("holder", "Failed")
    assert (stopped["reason"], stopped["failedSubtask"]["reason"]) == ("SubtaskCancelled", "Cancelled")
    assert scene.tasks.holders() == {"holder"}
    scene.tasks.command("holder", "retry")
    again = scene.tasks.wait_phase("holder", "Running")
    assert again["steps"][0]["subtasks"][0]["attempts"] == 2
    assert "failedSubtask" not in again

    scene.tasks.command("holder", "cancel")
    scene.tasks.wait_phase("holder", "Failed")
    scene.tasks.command("holder", "rollback")
    assert scene.tasks.wait_phase("holder", "RollingBack")["allowedActions"] == ["cancel"]
    scene.tasks.command("holder", "cancel")
    undoing = scene.tasks.wait_phase("holder", "Failed")
    assert (undoing["direction"], undoing["failedSubtask"]["direction"]) == ("Rollback", "Rollback")
    assert undoing["failedSubtask"]["reason"] == "Cancelled"
    assert undoing["allowedActions"] == ["retry", "rollback", "skip"]
    refused = scene.tasks.command("holder", "skip-step")
    assert refused["result"] == "Rejected"
    assert not scene.history.problems()


@pytest.mark.usefixtures("operator")
def test_forbidden_commands_name_the_step(tasks: TaskClient) -> None:
    """A step takes verbs away while it is the current one, Rollback for as long as it was started; the message names it."""
    first = wait_step("first", forbid=["Rollback"])
    second = sql_step("second", "select 1", forbid=["Retry", "Skip"])
    tasks.create("strict", connection=NOWHERE, steps=[first, second])
    assert tasks.wait_phase("strict", "Failed")["allowedActions"] == ["skip-step"]
    for verb, step in (("retry", "second"), ("skip", "second"), ("rollback", "first")):
        answer = tasks.command("strict", verb)
        assert answer["result"] == "Rejected"
        assert f'step "{step}"' in answer["message"]
    assert tasks.command("strict", "skip-step")["result"] == "Accepted"
    tasks.wait_let_go("strict", "Succeeded")

    tasks.create("endless", steps=[wait_step("s", 3600, forbid=["Cancel"])])
    assert tasks.wait_phase("endless", "Running")["allowedActions"] == []
    answer = tasks.command("endless", "cancel")
    assert (answer["result"], 'step "s"' in answer["message"]) == ("Rejected", True)
    assert tasks.status("endless")["phase"] == "Running"


@pytest.mark.usefixtures("operator")
def test_a_rollback_that_fails_goes_on_by_retry(scene: Scene) -> None:
    """RollbackFailed keeps the lock; retry goes on undoing, from the step whose undo failed, and never forward."""
    table = f"{scene.journal.table}_gate"
    note = {"sql": {"statements": [scene.journal.note]}}
    gated = {"sql": {"statements": [scene.journal.note, f"select * from {table}"]}}
    steps = [
        sql_step("one", "select 1", rollback=note),
        sql_step("two", "select 1", rollback=gated),
        sql_step("three", FAILING, rollback=note),
    ]
    scene.create("undone", *steps, sql_step("never", scene.journal.note))
    scene.tasks.wait_phase("undone", "Failed")

    scene.tasks.command("undone", "rollback")

    stuck = scene.tasks.wait("undone", lambda task: task["status"].get("reason") == "RollbackFailed")["status"]
    assert (stuck["phase"], stuck["direction"], stuck["progress"]) == ("Failed", "Rollback", "2/4")
    assert (stuck["failedSubtask"]["step"], stuck["failedSubtask"]["code"]) == ("two", "1146")
    assert scene.tasks.holders() == {"undone"}
    scene.tasks.wait_events("undone", "RollbackFailed")
    scene.journal.run(f"create table {table} (a int)")
    scene.tasks.command("undone", "retry")
    status = scene.tasks.wait_let_go("undone", "RolledBack")
    assert [step["phase"] for step in status["steps"]] == ["RolledBack"] * 3 + ["Pending"]
    assert [(entry.step, entry.direction, entry.attempt) for entry in scene.journal.entries()] == [
        ("three", "Rollback", 1),
        ("two", "Rollback", 1),
        ("two", "Rollback", 2),
        ("one", "Rollback", 1),
    ]
    scene.journal.run(f"drop table {table}")
    assert not scene.history.problems()


@pytest.mark.usefixtures("operator")
def test_automatic_retry_and_undo_before_retry(scene: Scene) -> None:
    """A failure is repeated without a person, its undo first if the step says so; while it is awaited the task stays Running."""
    table = f"{scene.journal.table}_gate"
    undo = {"sql": {"statements": [scene.journal.note]}}
    retry = {"limit": 3, "backoffSeconds": 1}
    step = sql_step("s", scene.journal.note, f"select * from {table}", rollback=undo, autoRetry=retry, undoBeforeRetry=True)
    scene.create("patient", step)
    awaited = scene.tasks.wait("patient", lambda task: "nextAttemptAt" in json.dumps(task["status"]))["status"]
    assert awaited["phase"] == "Running"
    assert "automatic retry 1 of 3 at " in awaited["message"]

    scene.journal.run(f"create table {table} (a int)")

    status = scene.tasks.wait_let_go("patient", "Succeeded")
    assert status["steps"][0]["subtasks"][0]["attempts"] == 2
    assert [(entry.direction, entry.attempt) for entry in scene.journal.entries()] == [("Forward", 1), ("Rollback", 1), ("Forward", 2)]
    scene.journal.run(f"drop table {table}")


@pytest.mark.usefixtures("operator")
def test_commands_do_not_disturb_running_steps(scene: Scene) -> None:
    """Refused commands and other edits in a row, in the middle of many short statements: every attempt runs once and its end is seen."""
    scene.create("calm", *[sql_step(f"s{number}", scene.journal.note, "select sleep(0.05)") for number in range(15)])
    scene.tasks.wait_phase("calm", "Running")
    answers = 0
    while scene.tasks.status("calm")["phase"] == "Running":
        assert scene.tasks.command("calm", "retry")["result"] == "Rejected"
        answers += 1
        scene.tasks.kubectl("label", "obtask", "calm", f"touched=number-{answers}", "--overwrite")

    status = scene.tasks.wait_let_go("calm", "Succeeded")
    assert [step["subtasks"][0]["attempts"] for step in status["steps"]] == [1] * 15
    assert not scene.journal.twice()
    assert answers > 2


@pytest.mark.usefixtures("operator")
def test_events_tell_the_story(tasks: TaskClient) -> None:
    """Kubectl get events shows what happened to a task, with its reasons; trouble is a Warning."""
    tasks.create("troubled", maintenance="Global", connection=NOWHERE, steps=[sql_step("s", "select 1")])
    tasks.wait_phase("troubled", "Failed")
    tasks.create("patient", maintenance="Global", steps=[wait_step("go")])
    tasks.wait_phase("patient", "Waiting")
    tasks.command("troubled", "skip", **{REASON: "enough"})
    tasks.wait_let_go("patient", "Succeeded")
    tasks.wait_events("troubled", "SubtaskFailed", "ActionAccepted", "SkippedByUser")
    tasks.wait_events("patient", "LockWaiting", "LockAcquired", "Completed")

    shown = tasks.kubectl("get", "events", "--field-selector", "involvedObject.name=troubled", "--sort-by=.metadata.creationTimestamp")
    assert "obtask/troubled" in shown
    assert [line.split()[1] for line in shown.splitlines()[1:] if "SubtaskFailed" in line] == ["Warning"]
    assert 'Secret "missing" not found' in shown
    told = {event["reason"]: event for event in tasks.events("patient")}
    assert {event["type"] for event in told.values()} == {"Normal"}
    assert "troubled" in told["LockWaiting"]["message"]
    uid = tasks.get("patient")["metadata"]["uid"]
    assert {event["involvedObject"]["uid"] for event in told.values()} == {uid}
    assert {event["reportingComponent"] for event in told.values()} == {"obtask-operator"}
