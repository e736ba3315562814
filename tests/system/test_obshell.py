"""obshell steps through the whole operator, on the real API server and a fake agent that speaks the real protocol."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support.agent.agent import Answered, FakeAgent, Operation
from tests.support.agent.dags import Node, Step
from tests.support.apiserver import Body
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import TaskClient
from tests.system.scene import happens

from obtask.settings import Settings

STOP = "/api/v1/ob/stop"


def stages(*steps: Step) -> Callable[[], list[Node]]:
    """Return an operation whose DAG has a stage for each step."""
    return lambda: [Node(f"Stage {step.name}", [replace(step, written=[])]) for step in steps]


@pytest.fixture
def agent(tasks: TaskClient) -> Iterator[FakeAgent]:
    """Return an agent whose stop operation has two stages, and for which there is a Secret."""
    with FakeAgent(operations={("POST", STOP): stages(Step("prepare"), Step("kill"))}).running() as running:
        tasks.create_secret("obshell", url=running.url, password=running.password)
        yield running


def create(tasks: TaskClient, name: str, **step: Any) -> Body:
    """Create a task of one obshell step."""
    obshell = {"path": STOP, "body": {"force": True, "rootPassword": "s3cret-of-the-body"}}
    full = {"name": "stop", "obshell": obshell, **step}
    return tasks.create(name, maintenance="Global", connection={"secretName": "obshell"}, steps=[full])


def only(status: Body) -> Body:
    """Return the status of the only subtask."""
    found: Body = status["steps"][0]["subtasks"][0]
    return found


def recorded(task: Body) -> bool:
    """Return whether the id of the DAG is in the status."""
    return bool(task.get("status", {}).get("steps")) and "external" in only(task["status"])


def test_success_with_progress(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """The stage of the DAG shows while it runs; the log has what the subtasks said, without secrets."""
    agent.operations["POST", STOP] = stages(
        Step("prepare"), Step("kill", held=True, logs=(f"using {agent.password}", "s3cret-of-the-body"))
    )
    with operator_thread(settings):
        create(tasks, "ok")
        shown = tasks.wait("ok", lambda task: recorded(task) and "2/2" in only(task["status"]).get("message", ""))
        agent.release()
        status = tasks.wait_let_go("ok", "Succeeded")

    assert only(shown["status"])["message"] == 'obshell task 11 "Operation 1" is running: 2/2 "Stage kill"'
    assert only(status)["message"] == 'obshell task 11 "Operation 1" succeeded'
    assert "prepare (10.0.0.1:2886): doing prepare" in only(status)["logTail"]
    assert agent.password not in str(status)
    assert "s3cret-of-the-body" not in str(status)


def test_a_failed_dag_is_retried_by_obshell(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """The failed subtask and its log show; `action=retry` becomes RETRY of the same DAG."""
    agent.operations["POST", STOP] = stages(Step("prepare"), Step("kill", fails=1))
    with operator_thread(settings):
        create(tasks, "again")
        failed = tasks.wait_phase("again", "Failed")
        tasks.command("again", "retry")
        status = tasks.wait_let_go("again", "Succeeded")

    assert (failed["failedSubtask"]["reason"], "code" in failed["failedSubtask"]) == ("ObshellTaskFailed", False)
    assert 'subtask "kill" on 10.0.0.1:2886: ERROR: kill broke' in failed["failedSubtask"]["message"]
    assert "kill (10.0.0.1:2886): ERROR: kill broke" in failed["failedSubtask"]["logTail"]
    assert (only(status)["attempts"], only(status)["external"]) == (2, "11")
    assert (agent.starts(), agent.operated()) == ([STOP], ["RETRY"])


def test_rollback_by_obshell(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """A step with the rollback operator is undone by obshell itself."""
    agent.operations["POST", STOP] = stages(Step("prepare"), Step("kill", fails=1))
    with operator_thread(settings):
        create(tasks, "back", rollback={"obshell": {"operator": "Rollback"}})
        tasks.wait_phase("back", "Failed")
        tasks.command("back", "rollback")
        status = tasks.wait_let_go("back", "RolledBack")

    assert only(status)["message"] == 'obshell task 11 "Operation 1" is rolled back'
    assert agent.operated() == ["ROLLBACK"]


def test_cancel_and_skip(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """`action=cancel` becomes CANCEL of the DAG; `action=skip` then touches nothing in obshell."""
    agent.operations["POST", STOP] = stages(Step("prepare"), Step("kill", held=True))
    with operator_thread(settings):
        create(tasks, "cut")
        tasks.wait("cut", recorded)
        tasks.command("cut", "cancel")
        status = tasks.wait_phase("cut", "Failed")
        tasks.command("cut", "skip")
        tasks.wait_let_go("cut", "Skipped")

    assert (status["reason"], status["failedSubtask"]["reason"]) == ("SubtaskCancelled", "Cancelled")
    assert "obshell has cancelled its task" in status["failedSubtask"]["message"]
    assert (agent.dag().state, agent.dag().operator, agent.operated()) == ("FAILED", "CANCEL", ["CANCEL"])


def test_a_deleted_task_cancels_its_dag(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """Deleting an unfinished task stops what it runs in obshell, too."""
    agent.operations["POST", STOP] = stages(Step("kill", held=True))
    with operator_thread(settings):
        create(tasks, "gone")
        tasks.wait("gone", recorded)
        tasks.delete("gone")
        tasks.wait_gone("gone")

    assert agent.operated() == ["CANCEL"]


def test_a_killed_operator_is_followed_by_one_that_goes_on(
    tasks: TaskClient, agent: FakeAgent, operator_process: OperatorProcess, settings: Settings
) -> None:
    """The new operator follows the same DAG to its end: no second POST, one attempt, the whole log."""
    agent.operations["POST", STOP] = stages(Step("prepare"), Step("kill", held=True))
    operator_process.start()
    create(tasks, "killed")
    tasks.wait("killed", recorded)
    operator_process.kill()
    agent.release()

    with operator_thread(settings):
        status = tasks.wait_let_go("killed", "Succeeded")

    assert agent.starts() == [STOP]
    assert only(status)["attempts"] == 1
    assert "prepare (10.0.0.1:2886): doing prepare" in tasks.log(only(status))
    assert "kill (10.0.0.1:2886): doing kill" in tasks.log(only(status))


def test_killed_before_the_id_is_known_it_is_interrupted(
    tasks: TaskClient, agent: FakeAgent, operator_process: OperatorProcess, settings: Settings
) -> None:
    """Nobody knows whether the POST started something: a person decides; it is not sent again by itself."""
    agent.faults.append(("POST", STOP, Answered(drop=True)))
    agent.operations["POST", STOP] = stages(Step("kill"))
    operator_process.start()
    with agent.lock:  # so long it answers nothing
        create(tasks, "lost", autoRetry={"limit": 3})
        tasks.wait_phase("lost", "Running")
        happens(lambda: only(tasks.status("lost")).get("attempts") == 1, "the attempt")
        operator_process.kill()

    with operator_thread(settings):
        status = tasks.wait_phase("lost", "Failed")

    assert status["failedSubtask"]["reason"] == "Interrupted"
    assert len(agent.starts()) <= 1


def test_a_secret_of_another_type_is_forbidden(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """Only a connection Secret is ever sent to a host of the author's choice."""
    tasks.create_secret("plain", kind="Opaque", url=agent.url, password="not-for-you")  # noqa: S106 - of a test
    step = {"name": "stop", "obshell": {"path": STOP, "connection": {"secretName": "plain"}}}
    with operator_thread(settings):
        tasks.create("thief", steps=[step])
        status = tasks.wait_phase("thief", "Failed")

    assert status["failedSubtask"]["reason"] == "Forbidden"
    assert agent.asked == []


def test_a_busy_obshell_is_waited_for(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """The subtask says which task of obshell is in the way, STEP how far that is; the step goes on by itself when it ends."""
    agent.operations["POST", STOP] = Operation(stages(Step("kill")), "Stop OB")
    agent.start(Operation(stages(Step("stop"), Step("start", held=True)), "Restart seekdb"))
    with operator_thread(settings):
        create(tasks, "waits")
        shown = tasks.wait("waits", lambda task: "waits for obshell" in task.get("status", {}).get("stepSummary", ""))
        agent.release()
        status = tasks.wait_let_go("waits", "Succeeded")

    assert only(shown["status"])["message"].startswith('waiting for obshell task 11 "Restart seekdb" (RUNNING 2/2 "Stage start" since ')
    assert shown["status"]["stepSummary"] == "stop waits for obshell 2/2 Stage start"
    assert shown["status"]["currentStep"] == "stop"
    assert only(status)["external"] == "12"


def test_a_dag_that_was_passed_in_obshell_is_noticed(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """While the task waits for a person, its message says so and what to type."""
    agent.operations["POST", STOP] = stages(Step("kill", fails=1))
    with operator_thread(settings):
        create(tasks, "passed")
        tasks.wait_phase("passed", "Failed")
        with agent.lock:
            agent.dag().operate("PASS")
        told = tasks.wait("passed", lambda task: "was passed in obshell" in task["status"].get("message", ""))
        tasks.command("passed", "skip-step")
        tasks.wait_let_go("passed", "Succeeded")

    assert "action=skip-step goes on with the next step" in told["status"]["message"]
    assert told["status"]["phase"] == "Failed"
    assert agent.starts() == [STOP]


def test_a_retry_started_afresh(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """The option is taken off with the command; the DAG that failed is not gone on with."""
    agent.operations["POST", STOP] = stages(Step("kill", fails=1))
    with operator_thread(settings):
        create(tasks, "fresh")
        tasks.wait_phase("fresh", "Failed")
        agent.operations["POST", STOP] = stages(Step("kill"))
        tasks.annotate("fresh", "action=retry", "task.oceanbase.com/action-option=fresh")
        status = tasks.wait_let_go("fresh", "Succeeded")

    assert (only(status)["external"], agent.starts(), agent.operated()) == ("12", [STOP, STOP], [])
    assert "started afresh" in status["lastAction"]["message"]
    assert "task.oceanbase.com/action-option" not in tasks.get("fresh")["metadata"].get("annotations", {})


def test_a_deleted_task_says_what_obshell_still_holds(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """Nobody else will: the Event names the obshell task, and what ends it."""
    agent.kind = "20167772161028860"
    agent.operations["POST", STOP] = Operation(stages(Step("kill", fails=1)), "Initialize cluster")
    with operator_thread(settings):
        create(tasks, "left")
        tasks.wait_phase("left", "Failed")
        tasks.delete("left")
        tasks.wait_gone("left")
        happens(lambda: "LeftBehind" in {event["reason"] for event in tasks.events("left")}, "the Event")

    told = next(event for event in tasks.events("left") if event["reason"] == "LeftBehind")
    assert "obshell task 201677721610288601 of subtask 'stop' still keeps obshell's maintenance until it is" in told["message"]


def test_a_cancel_is_done_in_ten_seconds(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """Whatever the agent does: here it takes requests, and answers none."""
    agent.operations["POST", STOP] = stages(Step("kill", held=True))
    with operator_thread(settings):
        create(tasks, "frozen")
        tasks.wait("frozen", recorded)
        agent.frozen = threading.Event()
        began = time.monotonic()
        tasks.command("frozen", "cancel")
        status = tasks.wait_phase("frozen", "Failed")
        taken = time.monotonic() - began
        agent.frozen.set()
        agent.frozen = None

    assert taken < 10
    assert "the obshell task goes on: CANCEL was not sent" in status["failedSubtask"]["message"]


def test_a_rollback_that_obshell_refuses_changes_nothing(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """The task stands where it stood: retry lets obshell go on with the same DAG."""
    agent.operations["POST", STOP] = stages(Step("prepare", can_rollback=False), Step("kill", fails=1))
    with operator_thread(settings):
        create(tasks, "stays", rollback={"obshell": {"operator": "Rollback"}})
        tasks.wait_phase("stays", "Failed")
        tasks.command("stays", "rollback")
        tasks.wait("stays", lambda task: "was refused" in task["status"].get("message", "") and task["status"]["phase"] == "Failed")
        refused = tasks.status("stays")
        tasks.command("stays", "retry")
        tasks.wait_let_go("stays", "Succeeded")

    assert (refused["direction"], refused["reason"]) == ("Forward", "SubtaskFailed")
    assert refused["allowedActions"] == ["retry", "rollback", "skip", "skip-step"]
    assert "RollbackNotAllowed" in refused["message"]
    assert agent.operated() == ["ROLLBACK", "RETRY"]


def test_a_rollback_of_what_succeeded_in_obshell_is_not_offered(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """Obshell rolls back only what failed: nothing is undone before that is known."""
    agent.operations["POST", "/api/v1/ob/start"] = Answered(400, error="OB.No")
    first = {"name": "first", "obshell": {"path": STOP}, "rollback": {"obshell": {"operator": "Rollback"}}}
    second = {"name": "second", "obshell": {"path": "/api/v1/ob/start"}}
    with operator_thread(settings):
        tasks.create("kept", maintenance="Global", connection={"secretName": "obshell"}, steps=[first, second])
        failed = tasks.wait_phase("kept", "Failed")
        answer = tasks.command("kept", "rollback")
        agent.operations["POST", "/api/v1/ob/start"] = stages(Step("start"))
        tasks.command("kept", "retry")
        tasks.wait_let_go("kept", "Succeeded")

    assert failed["allowedActions"] == ["retry", "skip", "skip-step"]
    assert answer["result"] == "Rejected"
    assert 'step "first" can be undone by obshell only' in answer["message"]
    assert agent.operated() == []


def test_skip_says_that_obshell_is_still_locked(tasks: TaskClient, agent: FakeAgent, settings: Settings) -> None:
    """The next task is told by which of obshell's tasks, and goes on when a person has passed it there."""
    agent.kind = "20167772161028860"
    agent.operations["POST", STOP] = Operation(stages(Step("kill", fails=1)), "Initialize cluster")
    with operator_thread(settings):
        create(tasks, "first")
        tasks.wait_phase("first", "Failed")
        tasks.command("first", "skip")
        skipped = tasks.wait_let_go("first", "Skipped")
        agent.operations["POST", STOP] = Operation(stages(Step("kill")), "Initialize cluster")
        create(tasks, "second")
        told = tasks.wait("second", lambda task: "waiting for obshell task" in str(task.get("status", {}).get("steps")))
        with agent.lock:
            agent.dag().operate("PASS")
        tasks.wait_let_go("second", "Succeeded")

    assert "still keeps obshell's maintenance until it is retried, rolled back or passed in obshell" in skipped["message"]
    assert '"Initialize cluster" (FAILED 1/1' in only(told["status"])["message"]
