"""The life of a task on the real API server and a real SQL server."""

import pytest
from tests.support.tasks import TaskClient, wait_step

pytestmark = pytest.mark.usefixtures("operator")

FAILING = {"sql": {"statements": ["select * from missing_table"]}}


def test_steps_run_in_order_to_the_end(tasks: TaskClient) -> None:
    """A task of two steps ends Succeeded, with progress, times, conditions and no finalizer."""
    tasks.create("two", maintenance="Global", steps=[wait_step("one"), wait_step("two")])

    body = tasks.wait("two", lambda task: task["status"]["phase"] == "Succeeded" and not task["metadata"].get("finalizers"))

    status = body["status"]
    assert status["progress"] == "2/2"
    assert status["reason"] == "Completed"
    assert status["allowedActions"] == []
    assert "lock" not in status
    assert [step["phase"] for step in status["steps"]] == ["Succeeded", "Succeeded"]
    assert status["startedAt"] <= status["finishedAt"]
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions == {"Finished": "True", "Ready": "True", "Reconciling": "False", "Stalled": "False", "LockHeld": "False"}


def test_a_failed_task_keeps_its_lock_until_it_is_skipped(tasks: TaskClient, connection: str) -> None:
    """A second task waits behind a Failed one, is told what to type, and runs once the first is skipped."""
    tasks.create("first", maintenance="Global", connection={"secretName": connection}, steps=[{"name": "break", **FAILING}])
    failed = tasks.wait_phase("first", "Failed")
    assert failed["lock"]["scope"] == "Global"
    assert failed["failedSubtask"]["code"] == "1146"
    assert failed["message"].startswith('step 1/1 "break": subtask "break" failed: ')
    assert failed["allowedActions"] == ["retry", "rollback", "skip", "skip-step"]
    tasks.create("second", maintenance="Tenant", tenant="t", steps=[wait_step("go")])
    waiting = tasks.wait_phase("second", "Waiting")
    assert waiting["blockedBy"][0]["name"] == "first"
    assert waiting["blockedBy"][0]["phase"] == "Failed"
    assert "kubectl annotate obtask first" in waiting["message"]

    answer = tasks.command("first", "skip")

    assert answer["result"] == "Accepted"
    assert tasks.wait_phase("first", "Skipped")["failedSubtask"]["step"] == "break"
    assert tasks.wait_phase("second", "Succeeded")["progress"] == "1/1"


def test_retry_runs_the_failed_step_again(tasks: TaskClient, connection: str) -> None:
    """After the cause is mended, retry runs only the failed step again and then the rest."""
    steps = [
        {"name": "table", "sql": {"statements": ["create table if not exists retry_log (what varchar(20))"]}},
        {"name": "note", "sql": {"statements": ["insert into retry_log values ('noted')"]}},
        {"name": "needs", "sql": {"statements": ["select * from retry_needed"]}},
        {
            "name": "check",
            "sql": {"statements": ["select count(*) as n from retry_log"], "expect": "rows[0].n == 1"},
        },
    ]
    tasks.create("again", connection={"secretName": connection}, steps=steps)
    tasks.wait_phase("again", "Failed")
    table = {"name": "t", "sql": {"statements": ["create table retry_needed (a int)"]}}
    tasks.create("mend", connection={"secretName": connection}, steps=[table])
    tasks.wait_phase("mend", "Succeeded")

    tasks.command("again", "retry")

    status = tasks.wait_phase("again", "Succeeded")
    assert [step["subtasks"][0]["attempts"] for step in status["steps"]] == [1, 1, 2, 1]
    assert "failedSubtask" not in status


def test_rollback_undoes_in_reverse_order(tasks: TaskClient, connection: str) -> None:
    """Rollback runs the undo of the failed step and of the steps before it, last first, and ends RolledBack."""

    def noted(name: str, *, fail: bool = False) -> dict[str, object]:
        first = "select * from missing_table" if fail else f"insert into undo_log (what) values ('do {name}')"
        undo = {"sql": {"statements": [f"insert into undo_log (what) values ('undo {name}')"]}}
        return {"name": name, "sql": {"statements": [first]}, "rollback": undo}

    table = {"name": "table", "sql": {"statements": ["create table undo_log (id int auto_increment primary key, what varchar(20))"]}}
    tasks.create("undone", connection={"secretName": connection}, steps=[table, noted("a"), noted("b"), noted("c", fail=True), noted("d")])
    tasks.wait_phase("undone", "Failed")

    tasks.command("undone", "rollback")

    status = tasks.wait_phase("undone", "RolledBack")
    assert [step["phase"] for step in status["steps"]] == ["RolledBack"] * 4 + ["Pending"]
    order = "['do a', 'do b', 'undo c', 'undo b', 'undo a']"
    query = {"statements": ["select what from undo_log order by id"], "expect": f"rows.map(r, r.what) == {order}"}
    tasks.create("order", connection={"secretName": connection}, steps=[{"name": "q", "sql": query}])
    assert tasks.wait_phase("order", "Succeeded", "Failed")["phase"] == "Succeeded"


def test_a_command_is_taken_off_even_when_it_is_refused(tasks: TaskClient) -> None:
    """A verb that is not allowed leaves no annotation behind and changes nothing but lastAction."""
    tasks.create("slow", steps=[wait_step("long", 3600)])
    tasks.wait_phase("slow", "Running")

    answer = tasks.command("slow", "retry")

    assert answer["result"] == "Rejected"
    assert "allowed now: cancel" in answer["message"]
    body = tasks.get("slow")
    assert "action" not in body["metadata"].get("annotations", {})
    assert body["status"]["phase"] == "Running"


def test_cancel_stops_a_running_statement(tasks: TaskClient, connection: str) -> None:
    """Cancel ends a long statement at once; the task waits for a person."""
    tasks.create("sleepy", connection={"secretName": connection}, steps=[{"name": "s", "sql": {"statements": ["select sleep(600)"]}}])
    tasks.wait_phase("sleepy", "Running")

    tasks.command("sleepy", "cancel")

    status = tasks.wait_phase("sleepy", "Failed")
    assert status["reason"] == "SubtaskCancelled"
    assert status["failedSubtask"]["reason"] == "Cancelled"


def test_an_expression_that_does_not_compile_is_rejected_before_any_lock(tasks: TaskClient, connection: str) -> None:
    """A CEL error ends the task Rejected with the field and the error."""
    sql = {"statements": ["select 1 as a"], "expect": "rowz.size() == 1"}
    tasks.create("typo", maintenance="Global", connection={"secretName": connection}, steps=[{"name": "q", "sql": sql}])

    status = tasks.wait_phase("typo", "Rejected")

    assert status["reason"] == "InvalidSpec"
    assert "spec.steps[0].sql.expect" in status["message"]
    assert "rowz" in status["message"]
    assert "startedAt" not in status


def test_a_finished_task_is_deleted_when_its_time_is_over(tasks: TaskClient) -> None:
    """With ttlSecondsAfterFinished the task goes away by itself after its end."""
    tasks.create("brief", ttlSecondsAfterFinished=1, steps=[wait_step("go")])

    tasks.kubectl("wait", "--for=delete", "obtask/brief", "--timeout=30s")

    assert tasks.kubectl("get", "obtasks", "-o", "name") == ""
