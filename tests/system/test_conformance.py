"""What every action promises, whatever it does: started once, stopped for real, told, kept secret, undone. API.md sections 2, 5, 6."""

import base64
import gzip
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.apiserver import Body
from tests.support.gateway import Gateway, pass_all
from tests.support.kubectl import Kubectl
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import TaskClient
from tests.support.verdicts import Fate, Strike
from tests.system.cases import CASES, EVERY, WORKING, Surroundings
from tests.system.kinds import Kind, TargetKind, Wait
from tests.system.scene import happens

from obtask.logs.store import unpacked
from obtask.settings import Settings

READABLE_AFTER = 3.5  # seconds: what API.md section 6 says, and some for the test itself
every_kind = pytest.mark.parametrize("kind", EVERY, indirect=True)
every_working_kind = pytest.mark.parametrize("kind", WORKING, indirect=True)


@pytest.fixture
def kind(request: pytest.FixtureRequest, tasks: TaskClient, kubectl: Kubectl, tmp_path: Path) -> Iterator[Kind]:
    """Return a kind of action with its surroundings."""
    with ExitStack() as stack:
        yield CASES[request.param](Surroundings(tasks, kubectl, tmp_path, request, stack))


def create(tasks: TaskClient, kind: Kind, *actions: Body, **more: Any) -> None:
    """Create the task "main" with a step for each action."""
    steps = [{"name": f"s{number}", "timeoutSeconds": 60, **action, **more} for number, action in enumerate(actions)]
    tasks.create("main", maintenance="Global", **kind.spec, steps=steps)


NOBODY = {"http": {"url": "http://127.0.0.1:9/"}}  # fails at once


def only(status: Body) -> Body:
    """Return the status of the first subtask."""
    found: Body = status["steps"][0]["subtasks"][0]
    return found


@every_kind
@pytest.mark.usefixtures("operator")
def test_success(tasks: TaskClient, kind: Kind) -> None:
    """The target did the work once; the attempt is recorded with its times and its log."""
    kind.finish()
    create(tasks, kind, kind.lasting())

    subtask = only(tasks.wait_let_go("main", "Succeeded"))

    assert (subtask["phase"], subtask["attempts"], kind.begun()) == ("Succeeded", 1, 1)
    assert subtask["startedAt"] <= subtask["finishedAt"]
    assert kind.trace in tasks.log(subtask)


def go_on(tasks: TaskClient, kind: Kind, moment: str) -> tuple[int, int]:
    """Be the person after the operator was killed; return how many attempts were recorded, and how often the work was begun."""
    if moment in kind.outlives:
        kind.under_way(tasks, "main")
        kind.finish()
    else:
        failed = tasks.wait_phase("main", "Failed")["failedSubtask"]
        assert failed["reason"] == "Interrupted"
        kind.finish()
        tasks.command("main", "retry")
    return only(tasks.wait_let_go("main", "Succeeded"))["attempts"], kind.begun()


@every_working_kind
def test_killed_when_the_attempt_was_started(
    tasks: TaskClient, kind: TargetKind, operator_process: OperatorProcess, settings: Settings
) -> None:
    """What lives outside of the operator goes on as the same attempt; what lived in it is Interrupted, and repeated only by a person."""
    operator_process.start()
    create(tasks, kind, kind.lasting())
    kind.under_way(tasks, "main")
    operator_process.kill()
    assert kind.begun() == 1

    with operator_thread(settings):
        ended = go_on(tasks, kind, "started")

    assert ended == ((1, 1) if "started" in kind.outlives else (2, 2))


@every_working_kind
def test_killed_when_the_attempt_was_recorded(
    tasks: TaskClient, kind: TargetKind, gateway: Gateway, settings: Settings, tmp_path: Path
) -> None:
    """The record comes before the work. The next operator starts it if that is harmless, and else asks a person; it is done once."""
    victim = OperatorProcess(gateway.kubeconfig, tasks.namespace, tmp_path / "victim.log")

    def rule(_: str, path: str) -> Fate | Strike:
        return Strike(victim.strike, applied=True) if "/obtasks/main/status" in path else Fate.PASS

    gateway.rule = rule
    victim.start()
    create(tasks, kind, kind.lasting())
    happens(lambda: not victim.alive, "the death of the operator")
    victim.kill()
    gateway.rule = pass_all
    assert (only(tasks.status("main"))["attempts"], kind.begun()) == (1, 0)

    with operator_thread(settings):
        ended = go_on(tasks, kind, "recorded")

    assert ended == ((1, 1) if "recorded" in kind.outlives else (2, 1))


@every_kind
@pytest.mark.usefixtures("operator")
def test_cancel(tasks: TaskClient, kind: Kind) -> None:
    """Nothing works any more; the attempt is Cancelled, its log is kept, and the task waits for a person."""
    create(tasks, kind, kind.lasting())
    kind.under_way(tasks, "main")

    assert tasks.command("main", "cancel")["result"] == "Accepted"

    status = tasks.wait_phase("main", "Failed")
    assert (status["reason"], status["failedSubtask"]["reason"]) == ("SubtaskCancelled", "Cancelled")
    assert kind.trace in tasks.log(only(status))
    assert "cancel" in tasks.log(only(status)).lower()
    happens(lambda: not kind.works(), "the end of the work")
    assert kind.begun() == 1


@every_kind
@pytest.mark.usefixtures("operator")
def test_timeout(tasks: TaskClient, kind: Kind) -> None:
    """When the step's time is over nothing works any more; the reason is Timeout, the message tells the time, the log is kept."""
    create(tasks, kind, kind.lasting(), timeoutSeconds=kind.seconds)

    status = tasks.wait_phase("main", "Failed")

    assert status["failedSubtask"]["reason"] == "Timeout"
    assert f"did not end within {kind.seconds} s" in status["failedSubtask"]["message"]
    assert kind.trace in tasks.log(only(status))
    happens(lambda: not kind.works(), "the end of the work")


@every_working_kind
@pytest.mark.usefixtures("operator")
def test_failure_and_retry(tasks: TaskClient, kind: TargetKind) -> None:
    """A failure has a reason, perhaps a code, and one line for people; once its cause is gone, retry is another attempt, and succeeds."""
    create(tasks, kind, kind.broken())
    failed = tasks.wait_phase("main", "Failed")["failedSubtask"]
    assert (failed["reason"], failed.get("code")) == kind.failure
    assert failed["message"]
    assert len(failed["message"].splitlines()) == 1

    kind.mend()
    tasks.command("main", "retry")

    assert only(tasks.wait_let_go("main", "Succeeded"))["attempts"] == 2


def shown(tasks: TaskClient) -> str:
    """Return all that the operator made of the task: status, Events, ConfigMaps with logs unpacked, Leases."""
    task = tasks.get("main")
    del task["spec"]
    kept = tasks.config_maps("main")
    logs = [gzip.decompress(base64.b64decode(octets)).decode() for one in kept for octets in one.get("binaryData", {}).values()]
    return json.dumps([task, tasks.events("main"), kept, logs, tasks.leases()], ensure_ascii=False)


@every_working_kind
def test_secrets(tasks: TaskClient, kind: TargetKind, operator_process: OperatorProcess) -> None:
    """A value from a Secret that the target repeats is in no status, Event, ConfigMap, Lease or log of the operator, coded or not."""
    operator_process.start()
    create(tasks, kind, kind.telling(), timeoutSeconds=kind.seconds)
    tasks.wait_phase("main", "Failed")
    tasks.wait_events("main", "SubtaskFailed")
    assert operator_process.stop() == 0

    told = shown(tasks) + operator_process.log.read_text()

    codings = (kind.secret, json.dumps(kind.secret)[1:-1], base64.b64encode(kind.secret.encode()).decode().rstrip("="))
    assert not [coding for coding in codings if coding in told]


@every_working_kind
@pytest.mark.usefixtures("operator")
def test_rollback(tasks: TaskClient, kind: TargetKind) -> None:
    """After the failure of a later step the target undoes the earlier one, once; the task ends RolledBack, with the log of the undo."""
    kind.finish()
    create(tasks, kind, {**kind.lasting(), "rollback": kind.undo()}, kind.broken())
    tasks.wait_phase("main", "Failed")
    assert kind.begun() == 1

    tasks.command("main", "rollback")

    status = tasks.wait_let_go("main", "RolledBack")
    assert [step["phase"] for step in status["steps"]] == ["RolledBack", "RolledBack"]
    assert kind.undone() == 1
    assert tasks.log(only(status))


def stored_log(tasks: TaskClient, direction: str, attempt: int) -> str:
    """Return what can be read of the log of an attempt of the first step; nothing if there is no log yet."""
    for stored in tasks.config_maps("main"):
        notes = {key.removeprefix("task.oceanbase.com/"): value for key, value in stored["metadata"]["annotations"].items()}
        if (notes["step"], notes["direction"], notes["attempt"]) == ("s0", direction, str(attempt)):
            return unpacked(stored) or ""
    return ""


@every_kind
@pytest.mark.parametrize("direction", ["Forward", "Rollback"])
@pytest.mark.usefixtures("operator")
def test_a_log_can_be_read_while_its_attempt_runs_and_after_the_next_one(tasks: TaskClient, kind: Kind, direction: str) -> None:
    """It is there 3 s after the work was begun; that of a cancelled attempt stays, whatever comes after it."""
    if direction == "Forward":
        create(tasks, kind, kind.lasting())
    else:
        create(tasks, kind, {**kind.brief(), "rollback": kind.lasting()}, NOBODY)
        tasks.wait_phase("main", "Failed")
        tasks.command("main", "rollback")
    happens(lambda: kind.works() or isinstance(kind, Wait), "the work")
    began = time.monotonic()

    happens(lambda: kind.trace in stored_log(tasks, direction, 1), "the log of the running attempt")
    assert time.monotonic() - began < READABLE_AFTER

    tasks.command("main", "cancel")
    tasks.wait_phase("main", "Failed")
    kind.finish()
    tasks.command("main", "retry")
    key = "attempts" if direction == "Forward" else "rollbackAttempts"
    tasks.wait("main", lambda task: only(task["status"])[key] == 2)
    if not isinstance(kind, Wait):  # whose next attempt takes as long
        tasks.wait_phase("main", "Succeeded", "RolledBack")
    log = stored_log(tasks, direction, 1)
    assert kind.trace in log
    assert "cancel" in log.lower()


@every_working_kind
@pytest.mark.usefixtures("operator")
def test_a_failed_attempt_to_undo_leaves_its_log(tasks: TaskClient, kind: TargetKind) -> None:
    """It is there when the next one has succeeded, and says why it failed."""
    create(tasks, kind, {**kind.brief(), "rollback": kind.broken()}, NOBODY)
    tasks.wait_phase("main", "Failed")
    tasks.command("main", "rollback")
    failed = tasks.wait("main", lambda task: task["status"]["reason"] == "RollbackFailed")["status"]["failedSubtask"]
    kind.mend()

    tasks.command("main", "retry")

    tasks.wait_let_go("main", "RolledBack")
    assert failed["message"] in stored_log(tasks, "Rollback", 1)


@every_working_kind
@pytest.mark.usefixtures("operator")
def test_what_reached_no_target_is_not_undone(tasks: TaskClient, kind: TargetKind) -> None:
    """The status says that nothing was changed, and a rollback leaves the target alone."""
    create(tasks, kind, {**kind.refused(), "rollback": kind.undo()})
    assert only(tasks.wait_phase("main", "Failed"))["changed"] is False

    tasks.command("main", "rollback")

    undone = only(tasks.wait_let_go("main", "RolledBack"))
    assert (undone["phase"], undone["message"]) == ("RolledBack", "nothing to undo: it changed nothing")
    assert "rollbackAttempts" not in undone
    assert kind.begun() == 0


@every_working_kind
@pytest.mark.usefixtures("operator")
def test_what_was_cut_in_the_middle_is_undone(tasks: TaskClient, kind: TargetKind) -> None:
    """A cancelled attempt may have changed its target: the status says so from its start on."""
    create(tasks, kind, {**kind.lasting(), "rollback": kind.undo()})
    kind.under_way(tasks, "main")
    assert only(tasks.status("main"))["changed"] is True
    tasks.command("main", "cancel")
    assert only(tasks.wait_phase("main", "Failed"))["changed"] is True

    tasks.command("main", "rollback")

    assert only(tasks.wait_let_go("main", "RolledBack"))["rollbackAttempts"] == 1
    assert kind.undone() == 1
