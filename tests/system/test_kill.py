"""An operator that is killed or stopped, at any moment, leaves nothing that the next one cannot take up. API.md sections 2 and 4."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.apiserver import OBTASKS, Body
from tests.support.gateway import Gateway, is_write, pass_all
from tests.support.journal import Journal
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import FAILING, FINISHED, WAIT_SECONDS, TaskClient, sql_step, wait_step
from tests.support.verdicts import Fate
from tests.system.scene import Scene

SLEEPY = "select sleep(300)"


@pytest.fixture
def victim(gateway: Gateway, namespace: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    """Return an operator that reaches the API server through the gateway, not started yet."""
    process = OperatorProcess(gateway.kubeconfig, namespace, tmp_path / "operator.log", OBTASK_GRACE_SECONDS="1")
    yield process
    process.kill()


def strike_at(victim: OperatorProcess, number: int, fate: Fate) -> Callable[[str, str], Fate]:
    """Return a rule that kills the operator at its n-th write, Events aside, before or after the API server carries it out."""
    count = 0

    def rule(method: str, path: str) -> Fate:
        nonlocal count
        if not is_write(method, path) or "/events" in path:
            return Fate.PASS
        count += 1
        if count < number:
            return Fate.PASS
        victim.strike()
        return fate if count == number else Fate.DROP

    return rule


def attend(tasks: TaskClient, name: str, *, until: Callable[[], bool]) -> None:
    """Do what a person would do about a task that is to be rolled back: retry what was interrupted, roll back what failed."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not until():
        body = tasks.get(name)
        assert time.monotonic() < deadline, json.dumps(body.get("status"), indent=1)
        status = body.get("status", {})
        if status.get("phase") == "Failed" and not _asked(body):
            again = status["failedSubtask"]["reason"] == "Interrupted" or status["direction"] == "Rollback"
            change = {"metadata": {"annotations": {"action": "retry" if again else "rollback"}}}
            tasks.api.send("PATCH", f"{OBTASKS.format(tasks.namespace)}/{name}", change)
        time.sleep(0.01)


def _asked(task: Body) -> bool:
    annotations = task["metadata"].get("annotations", {})
    noted = json.loads(annotations.get("task.oceanbase.com/accepted-command", "{}"))
    return "action" in annotations or noted.get("id") != task["status"].get("lastAction", {}).get("id")


def _let_go(tasks: TaskClient, name: str) -> bool:
    body = tasks.get(name)
    return body.get("status", {}).get("phase") in FINISHED and not body["metadata"].get("finalizers")


# Finalizer on; Lease; two steps; their failure; the command; two undos; the end; Lease; finalizer off.
WRITES = 11


@pytest.mark.parametrize("fate", [Fate.DROP, Fate.LOSE])
@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_killed_at_any_write(scene: Scene, gateway: Gateway, victim: OperatorProcess, number: int, fate: Fate) -> None:
    """Two steps, a failure and its rollback: killed before or after any write, the task ends RolledBack and no attempt ran twice."""
    tasks, journal = scene.tasks, scene.journal
    undo = {"sql": {"statements": [journal.note]}}
    gateway.rule = strike_at(victim, number, fate)
    victim.start()
    scene.create("main", sql_step("one", journal.note, rollback=undo), sql_step("two", journal.note, FAILING, rollback=undo))
    attend(tasks, "main", until=lambda: not victim.alive)
    gateway.rule = pass_all
    tasks.create("next", maintenance="Tenant", tenant="t", steps=[wait_step("go")])

    with operator_thread(scene.settings):
        attend(tasks, "main", until=lambda: _let_go(tasks, "main"))
        tasks.wait_let_go("next", "Succeeded")

    assert tasks.status("main")["phase"] == "RolledBack"
    assert not tasks.holders()
    assert not journal.twice()
    assert not scene.history.problems()
    assert {entry.step for entry in journal.entries() if entry.direction == "Rollback"} == {"one", "two"}
    assert scene.history.starts() == ["main", "next"]


def test_killed_while_a_statement_runs(scene: Scene, operator_process: OperatorProcess) -> None:
    """Nobody knows how far the statement got: the task is Failed with reason Interrupted, keeps its lock, and retry runs it again."""
    tasks, journal = scene.tasks, scene.journal
    operator_process.start()
    scene.create("cut", sql_step("s", journal.note, SLEEPY), sql_step("after", "select 1"))
    scene.create("waiter", wait_and_note(journal))
    scene.written(1)
    tasks.wait_phase("waiter", "Waiting")
    operator_process.kill()
    before = tasks.status("cut")

    operator_process.start()

    status = tasks.wait_phase("cut", "Failed")
    assert status["lock"] == before["lock"]
    assert status["startedAt"] == before["startedAt"]
    assert status["failedSubtask"]["reason"] == "Interrupted"
    assert [entry.attempt for entry in journal.entries("cut")] == [1]
    assert tasks.status("waiter")["phase"] == "Waiting"
    tasks.command("cut", "retry")
    scene.written(2)
    tasks.delete("cut")
    tasks.wait_gone("cut")
    tasks.wait_let_go("waiter", "Succeeded")
    assert not scene.history.problems()
    assert operator_process.stop() == 0


def wait_and_note(journal: Journal) -> Body:
    """Return a step that writes into the journal under its own task's name."""
    return sql_step("note", journal.note)


def test_killed_while_a_statement_runs_that_may_run_again(scene: Scene, operator_process: OperatorProcess) -> None:
    """With ``interrupted: Rerun`` the next operator starts another attempt by itself, with the next number, under the same lock."""
    tasks, journal = scene.tasks, scene.journal
    operator_process.start()
    scene.create("again", sql_step("s", journal.note, "select sleep(1)", interrupted="Rerun"), wait_step("long", 2))
    scene.written(1)
    operator_process.kill()

    operator_process.start()

    # A wait goes on where it was, after any number of restarts.
    tasks.wait("again", lambda task: task["status"].get("currentStep") == "long")
    operator_process.kill()
    operator_process.start()
    status = tasks.wait_let_go("again", "Succeeded")
    assert [step["subtasks"][0]["attempts"] for step in status["steps"]] == [2, 1]
    first, second = journal.entries()
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.token == second.token
    assert not scene.history.problems()


def test_asked_to_stop_it_records_what_ends_in_time(scene: Scene, operator_process: OperatorProcess) -> None:
    """SIGTERM lets a short statement end and stores its end; the next step is left to the next operator. The exit code is 0."""
    tasks, journal = scene.tasks, scene.journal
    operator_process.start()
    steps = [sql_step("one", journal.note, "select sleep(1)"), sql_step("two", journal.note)]
    scene.create("short", *steps)
    scene.create("parallel", {"name": "p", "parallel": [*steps, wait_step("w", 2)]}, maintenance="None")
    scene.written(1)
    tasks.wait_phase("parallel", "Running")
    operator_process.ask()
    tasks.create("late", maintenance="None", steps=[sql_step("s", "select 1")], connection={"secretName": scene.connection})

    assert operator_process.wait() == 0

    status = tasks.status("short")
    assert (status["phase"], status["steps"][0]["subtasks"][0]["phase"]) == ("Running", "Succeeded")
    assert "two" not in {entry.step for entry in journal.entries("short")}
    with operator_thread(scene.settings):
        done = {name: tasks.wait_let_go(name) for name in ("short", "parallel", "late")}
    assert {name: status["phase"] for name, status in done.items()} == dict.fromkeys(done, "Succeeded")
    assert [sub["attempts"] for status in done.values() for step in status["steps"] for sub in step["subtasks"]] == [1] * 6
    assert not journal.twice()
    assert not scene.history.problems()


def test_asked_to_stop_it_does_not_wait_for_a_long_statement(scene: Scene, victim: OperatorProcess) -> None:
    """What does not end within the grace period is stopped on the server and is Interrupted; the operator still exits with 0."""
    victim.start()
    scene.create("long", sql_step("s", scene.journal.note, SLEEPY))
    scene.written(1)
    began = time.monotonic()

    assert victim.stop() == 0

    assert time.monotonic() - began < 20
    assert not scene.journal.run(f"select id from information_schema.processlist where info = '{SLEEPY}'")
    with operator_thread(scene.settings.model_copy(update={"runner": "next"})):
        status = scene.tasks.wait_phase("long", "Failed")
    assert status["failedSubtask"]["reason"] == "Interrupted"
    assert "Traceback" not in victim.log.read_text()


def test_two_operators_at_once_grant_no_lock_twice(scene: Scene) -> None:
    """Two operators that both work, as in the moment when one takes over, keep every lock single and lose no task."""
    names = [f"t{number:02}" for number in range(12)]
    with (
        operator_thread(scene.settings.model_copy(update={"runner": "one"})),
        operator_thread(scene.settings.model_copy(update={"runner": "two"})),
    ):
        for number, name in enumerate(names):
            scope = {"maintenance": "Global"} if number % 3 == 0 else {"maintenance": "Tenant", "tenant": f"t{number % 2}"}
            scene.tasks.create(name, **scope, steps=[wait_step("a"), wait_step("b")])
        for name in names:
            scene.tasks.wait_let_go(name, "Succeeded")

    assert not scene.history.problems()
    assert not scene.tasks.holders()
