"""An API server that is away, loses answers or refuses for a while costs time and nothing else. API.md section 4; DESIGN "One turn"."""

import time
from collections import Counter
from pathlib import Path

import pytest
from tests.support.gateway import Gateway, Rule, is_write, pass_all
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import FAILING, sql_step, wait_step
from tests.support.verdicts import Fate, Refuse
from tests.system.scene import Scene, happens

from obtask.settings import Settings

SLEEPY = "select sleep(300)"
NOWHERE = {"secretName": "missing"}
RECOVERY_SECONDS = 10
CUT_EVERY_SECONDS = 0.15


@pytest.fixture
def behind(scene: Scene, gateway: Gateway) -> Settings:
    """Return the settings of an operator that reaches the API server through the gateway."""
    return scene.settings.model_copy(update={"kubeconfig": str(gateway.kubeconfig)})


def test_everything_goes_on_after_an_outage(scene: Scene, gateway: Gateway, behind: Settings) -> None:
    """Tasks that run, wait, fail, are made, commanded or deleted while the API server is away end as if it had been there."""
    tasks, journal = scene.tasks, scene.journal
    with operator_thread(behind):
        scene.create("runs", sql_step("a", journal.note, "select sleep(1.5)", journal.note), sql_step("b", journal.note))
        scene.create("fails", sql_step("a", "select sleep(1)", FAILING), maintenance="None")
        scene.create("stays", sql_step("a", "select sleep(300)"), cluster="stays")
        tasks.create("naps", steps=[wait_step("a", 1), wait_step("b")])
        tasks.create("failed", connection=NOWHERE, steps=[sql_step("a", "select 1")])
        scene.create("leaves", sql_step("a", "select sleep(299)"), cluster="leaves")
        for name in ("runs", "fails", "stays", "naps", "leaves"):
            tasks.wait_phase(name, "Running")
        tasks.create("waits", maintenance="Tenant", tenant="t", steps=[wait_step("a")])
        tasks.wait_phase("waits", "Waiting")
        tasks.wait_phase("failed", "Failed")
        happens(journal.entries, "the first statement")

        gateway.shut()
        happens(lambda: len(journal.entries()) > 1, "the end of the statement during the outage")
        tasks.create("new", steps=[wait_step("a")])
        tasks.annotate("failed", "action=skip")
        tasks.delete("leaves")
        gateway.open()
        began = time.monotonic()

        ends = {name: tasks.wait_let_go(name)["phase"] for name in ("runs", "naps", "waits", "new", "failed")}
        tasks.wait_gone("leaves")
        broken = tasks.wait_phase("fails", "Failed")
        recovery = time.monotonic() - began
        assert ends == {"runs": "Succeeded", "naps": "Succeeded", "waits": "Succeeded", "new": "Succeeded", "failed": "Skipped"}
        assert broken["failedSubtask"]["code"] == "1146"
        assert tasks.status("stays")["phase"] == "Running"
        assert not journal.run("select id from information_schema.processlist where info = 'select sleep(299)'")
    assert [step["subtasks"][0]["attempts"] for step in tasks.status("runs")["steps"]] == [1, 1]
    assert [entry.step for entry in journal.entries()] == ["a", "a", "b"]
    assert not scene.history.problems()
    assert recovery < RECOVERY_SECONDS


def now_and_then(fate: Fate | Refuse) -> Rule:
    """Return a rule by which the first, fourth, seventh … write to the same object meets its fate.

    Two in a row pass: aiohttp sends a PUT again by itself when its connection broke, and that one is refused if the first was carried out.
    """
    seen: Counter[str] = Counter()

    def rule(method: str, path: str) -> Fate | Refuse:
        if not is_write(method, path):
            return Fate.PASS
        key = f"{method} {path}"
        seen[key] += 1
        return fate if seen[key] % 3 == 1 else Fate.PASS

    return rule


@pytest.mark.parametrize("fate", [Fate.DROP, Fate.LOSE, Refuse(409), Refuse(429), Refuse(500)], ids=str)
def test_writes_that_fail(scene: Scene, gateway: Gateway, behind: Settings, fate: Fate | Refuse) -> None:
    """Whether a write was carried out or not when its answer was lost: each attempt is started once, and nothing is Interrupted."""
    tasks, journal = scene.tasks, scene.journal
    gateway.rule = now_and_then(fate)
    undo = {"sql": {"statements": [journal.note]}}
    with operator_thread(behind):
        scene.create("first", sql_step("a", journal.note, rollback=undo), sql_step("b", journal.note, FAILING))
        assert tasks.wait_phase("first", "Failed")["failedSubtask"]["reason"] == "SqlError"
        scene.create("second", sql_step("a", journal.note), wait_step("b"))
        assert tasks.command("first", "rollback")["result"] == "Accepted"
        ends = [tasks.wait_let_go(name) for name in ("first", "second")]

    assert [status["phase"] for status in ends] == ["RolledBack", "Succeeded"]
    assert [(entry.task, entry.step, entry.direction, entry.attempt) for entry in journal.entries()] == [
        ("first", "a", "Forward", 1),
        ("first", "b", "Forward", 1),
        ("first", "a", "Rollback", 1),
        ("second", "a", "Forward", 1),
    ]
    assert not scene.history.problems()
    assert not tasks.holders()


def test_connections_that_break_again_and_again(scene: Scene, gateway: Gateway, behind: Settings) -> None:
    """Requests cut anywhere, for seconds: every attempt runs once, every lock stays single, everything ends."""
    tasks, journal = scene.tasks, scene.journal
    names = [f"t{number}" for number in range(6)]
    with operator_thread(behind):
        for name in names:
            scene.create(name, sql_step("a", journal.note), sql_step("b", journal.note))
        for _ in range(20):
            gateway.cut()
            time.sleep(CUT_EVERY_SECONDS)
        for name in names:
            tasks.wait_let_go(name)

    assert {tasks.status(name)["phase"] for name in names} == {"Succeeded"}
    assert sorted((entry.task, entry.step, entry.attempt) for entry in journal.entries()) == [
        (name, step, 1) for name in names for step in "ab"
    ]
    assert not scene.history.problems()


def test_asked_to_stop_during_an_outage(scene: Scene, gateway: Gateway, tmp_path: Path) -> None:
    """The operator ends with 0 although it can record nothing; the next one finds the attempt Interrupted."""
    tasks, journal = scene.tasks, scene.journal
    operator = OperatorProcess(gateway.kubeconfig, tasks.namespace, tmp_path / "operator.log", OBTASK_GRACE_SECONDS="1")
    operator.start()
    try:
        scene.create("runs", sql_step("a", journal.note, SLEEPY))
        happens(journal.entries, "the statement")
        gateway.shut()
        began = time.monotonic()

        assert operator.stop() == 0
        assert time.monotonic() - began < 20
        assert "Traceback" not in operator.log.read_text()
    finally:
        operator.kill()
        gateway.open()
    operator.start()
    assert tasks.wait_phase("runs", "Failed")["failedSubtask"]["reason"] == "Interrupted"
    operator.kill()
    gateway.rule = pass_all
