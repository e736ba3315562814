"""People's commands on the real API server, and steps of several subtasks."""

import pytest
from tests.scenario.apiserver import Body
from tests.scenario.operators import OperatorProcess
from tests.scenario.tasks import TaskClient

BROKEN: Body = {"sql": {"statements": ["select * from missing_table"]}}


def wait_of(name: str, seconds: int = 0, **more: object) -> Body:
    """Return a step or subtask that waits."""
    return {"name": name, "wait": {"seconds": seconds}, **more}


def failed_task(tasks: TaskClient, name: str, connection: str, **step: object) -> Body:
    """Make a task whose second of three steps fails; return its status."""
    steps = [wait_of("one"), {"name": "two", **BROKEN, **step}, wait_of("three")]
    tasks.create(name, connection={"secretName": connection}, steps=steps)
    return tasks.wait_phase(name, "Failed")


@pytest.mark.usefixtures("operator")
def test_both_annotation_keys_and_a_reason(tasks: TaskClient, connection: str) -> None:
    """The prefixed key works like the short one; the reason is recorded; all three annotations are taken off."""
    failed_task(tasks, "x", connection)

    answer = tasks.command("x", "skip-step", **{"task.oceanbase.com/action": "skip-step", "task.oceanbase.com/action-reason": "known"})

    assert (answer["result"], answer["verb"], answer["reason"]) == ("Accepted", "skip-step", "known")
    status = tasks.wait_phase("x", "Succeeded")
    assert [step["phase"] for step in status["steps"]] == ["Succeeded", "Skipped", "Succeeded"]
    left = set(tasks.get("x")["metadata"].get("annotations", {}))
    assert not left & {"action", "task.oceanbase.com/action", "task.oceanbase.com/action-reason"}


@pytest.mark.usefixtures("operator")
def test_commands_that_are_refused_change_nothing(tasks: TaskClient, connection: str) -> None:
    """Two different verbs at once, an unknown one, a forbidden one: each is answered with what would be accepted."""
    before = failed_task(tasks, "x", connection, forbid=["SkipStep"])
    assert before["allowedActions"] == ["retry", "rollback", "skip"]

    twofold = tasks.command("x", "retry", **{"task.oceanbase.com/action": "skip"})
    unknown = tasks.command("x", "explode")
    forbidden = tasks.command("x", "skip-step")

    assert [answer["result"] for answer in (twofold, unknown, forbidden)] == ["Rejected"] * 3
    assert "two different commands" in twofold["message"]
    assert "retry, rollback, skip, skip-step, cancel" in unknown["message"]
    assert 'step "two" forbids skip-step' in forbidden["message"]
    after = tasks.status("x")
    assert {key: value for key, value in after.items() if key != "lastAction"} == before


@pytest.mark.usefixtures("operator")
def test_a_finished_task_answers_but_never_changes(tasks: TaskClient) -> None:
    """A command on a finished task is taken off and refused; the same command can be given again at once."""
    tasks.create("done", steps=[wait_of("one")])
    before = tasks.wait_phase("done", "Succeeded")

    first = tasks.command("done", "retry")
    second = tasks.command("done", "retry")

    assert [first["result"], second["result"]] == ["Rejected", "Rejected"]
    after = tasks.status("done")
    assert {key: value for key, value in after.items() if key != "lastAction"} == before


@pytest.mark.usefixtures("operator")
def test_a_rollback_that_fails_keeps_the_lock_and_goes_on_with_retry(tasks: TaskClient, connection: str) -> None:
    """RollbackFailed waits for a person; retry goes on undoing and never forward."""
    undo = {"sql": {"statements": ["insert into undone values (1)"]}}
    steps = [wait_of("one", rollback=undo), {"name": "two", **BROKEN}]
    tasks.create("x", maintenance="Global", connection={"secretName": connection}, steps=steps)
    tasks.wait_phase("x", "Failed")

    tasks.command("x", "rollback")
    body = tasks.wait("x", lambda task: task["status"].get("reason") == "RollbackFailed", "a failed rollback")

    status = body["status"]
    assert (status["phase"], status["direction"], status["lock"]["scope"]) == ("Failed", "Rollback", "Global")
    assert status["allowedActions"] == ["retry", "rollback", "skip"]
    assert status["failedSubtask"]["direction"] == "Rollback"
    mend = {"name": "mend", "sql": {"statements": ["create table undone (a int)"]}}
    tasks.create("mend", connection={"secretName": connection}, steps=[mend])
    tasks.wait_phase("mend", "Succeeded")
    tasks.command("x", "retry")
    status = tasks.wait_phase("x", "RolledBack")
    assert [step["phase"] for step in status["steps"]] == ["RolledBack", "RolledBack"]
    assert "lock" not in status


def test_a_command_given_while_no_operator_runs_is_carried_out_once(
    tasks: TaskClient, connection: str, operator_process: OperatorProcess
) -> None:
    """The annotation waits for the operator; after it is carried out, a restart does not carry it out again."""
    operator_process.start()
    failed_task(tasks, "x", connection)
    operator_process.kill()

    tasks.annotate("x", "action=retry")
    operator_process.start()

    body = tasks.wait("x", lambda task: task["status"].get("lastAction") and task["status"]["phase"] == "Failed", "the second failure")
    assert body["status"]["steps"][1]["subtasks"][0]["attempts"] == 2
    assert operator_process.stop() == 0
    operator_process.start()
    tasks.command("x", "unknown-verb")
    assert tasks.status("x")["steps"][1]["subtasks"][0]["attempts"] == 2


@pytest.mark.usefixtures("operator")
def test_subtasks_run_together_and_only_the_failed_ones_again(tasks: TaskClient, connection: str) -> None:
    """All subtasks end before the step does; retry keeps those that succeeded."""
    sleep = {"sql": {"statements": ["select sleep(1)"]}}
    subtasks = [{"name": f"s{number}", **sleep} for number in range(8)] + [{"name": "bad", **BROKEN}, {"name": "worse", **BROKEN}]
    tasks.create("many", connection={"secretName": connection}, steps=[{"name": "all", "parallel": subtasks}])

    status = tasks.wait_phase("many", "Failed")

    assert status["failedSubtasks"] == 2
    assert {sub["phase"] for sub in status["steps"][0]["subtasks"][:8]} == {"Succeeded"}
    starts = {sub["startedAt"] for sub in status["steps"][0]["subtasks"]}
    assert len(starts) == 1
    tasks.command("many", "retry")
    body = tasks.wait("many", lambda task: task["status"]["phase"] == "Failed" and task["status"]["failedSubtask"]["attempt"] == 2)
    assert [sub["attempts"] for sub in body["status"]["steps"][0]["subtasks"]] == [1] * 8 + [2, 2]


@pytest.mark.usefixtures("operator")
def test_events_tell_the_story(tasks: TaskClient, connection: str) -> None:
    """Failure, commands and the end are Events of the task, each with a reason in one word."""
    failed_task(tasks, "x", connection)
    tasks.command("x", "nonsense")
    tasks.command("x", "skip")

    events = tasks.wait_events("x", "SubtaskFailed", "ActionRejected", "ActionAccepted", "SkippedByUser")

    assert events["SubtaskFailed"]["type"] == "Warning"
    assert events["ActionRejected"]["type"] == "Warning"
    assert events["ActionAccepted"]["message"].startswith("skip: ")
