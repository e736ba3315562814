"""An API server that is away, loses answers or refuses for a while costs time and nothing else. API.md section 4; DESIGN "One turn"."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.scenario.gateway import WRITING, Fate, Gateway, Refuse, Rule, pass_all
from tests.scenario.history import History
from tests.scenario.journal import Journal
from tests.scenario.operators import OperatorProcess, operator_thread
from tests.scenario.tasks import FAILING, WAIT_SECONDS, TaskClient, sql_step, wait_step

from obtask.settings import Settings

NOWHERE = {"secretName": "missing"}
RECOVERY_SECONDS = 10


@pytest.fixture
def behind(settings: Settings, gateway: Gateway) -> Settings:
    """Return the settings of an operator that reaches the API server through the gateway."""
    return replace(settings, kubeconfig=str(gateway.kubeconfig))


@pytest.fixture
def sql(connection: str) -> dict[str, object]:
    """Return the part of a spec that tells where SQL goes."""
    return {"connection": {"secretName": connection}}


def happens(condition: Callable[[], object], what: str) -> None:
    """Wait until something can be seen outside of the API server."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


def test_everything_goes_on_after_an_outage(
    tasks: TaskClient, behind: Settings, gateway: Gateway, sql: dict[str, object], request: pytest.FixtureRequest
) -> None:
    """Tasks that run, wait, fail, are made, commanded or deleted while the API server is away end as if it had been there."""
    journal: Journal = request.getfixturevalue("journal")
    history: History = request.getfixturevalue("history")
    with operator_thread(behind):
        tasks.create(
            "runs",
            maintenance="Global",
            **sql,
            steps=[sql_step("a", journal.note, "select sleep(1.5)", journal.note), sql_step("b", journal.note)],
        )
        tasks.create("fails", **sql, steps=[sql_step("a", "select sleep(1)", FAILING)])
        tasks.create("stays", cluster="stays", maintenance="Global", **sql, steps=[sql_step("a", "select sleep(300)")])
        tasks.create("naps", steps=[wait_step("a", 1), wait_step("b")])
        tasks.create("failed", connection=NOWHERE, steps=[sql_step("a", "select 1")])
        tasks.create("leaves", cluster="leaves", maintenance="Global", **sql, steps=[sql_step("a", "select sleep(299)")])
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
    assert not history.problems()
    assert recovery < RECOVERY_SECONDS


def every_other_time(fate: Fate | Refuse) -> Rule:
    """Return a rule by which each write meets its fate at the first try, and passes at the second."""
    seen: Counter[str] = Counter()

    def rule(method: str, path: str) -> Fate | Refuse:
        if method not in WRITING:
            return Fate.PASS
        key = f"{method} {path}"
        seen[key] += 1
        return fate if seen[key] % 2 else Fate.PASS

    return rule


@pytest.mark.parametrize("fate", [Fate.DROP, Fate.LOSE, Refuse(409), Refuse(429), Refuse(500)], ids=str)
def test_every_write_fails_once(
    tasks: TaskClient, behind: Settings, gateway: Gateway, sql: dict[str, object], request: pytest.FixtureRequest, fate: Fate | Refuse
) -> None:
    """Whether a write was carried out or not when its answer was lost: each attempt is started once, and nothing is Interrupted."""
    journal: Journal = request.getfixturevalue("journal")
    history: History = request.getfixturevalue("history")
    gateway.rule = every_other_time(fate)
    undo = {"sql": {"statements": [journal.note]}}
    with operator_thread(behind):
        tasks.create(
            "first", maintenance="Global", **sql, steps=[sql_step("a", journal.note, rollback=undo), sql_step("b", journal.note, FAILING)]
        )
        assert tasks.wait_phase("first", "Failed")["failedSubtask"]["reason"] == "SqlError"
        tasks.create("second", maintenance="Global", **sql, steps=[sql_step("a", journal.note), wait_step("b")])
        assert tasks.command("first", "rollback")["result"] == "Accepted"
        ends = [tasks.wait_let_go(name) for name in ("first", "second")]

    assert [status["phase"] for status in ends] == ["RolledBack", "Succeeded"]
    assert [(entry.task, entry.step, entry.direction, entry.attempt) for entry in journal.entries()] == [
        ("first", "a", "Forward", 1),
        ("first", "b", "Forward", 1),
        ("first", "a", "Rollback", 1),
        ("second", "a", "Forward", 1),
    ]
    assert not history.problems()
    assert not tasks.holders()


@contextmanager
def cut_again_and_again(gateway: Gateway) -> Iterator[None]:
    """Break all connections every 50 ms as long as the block lasts."""
    stop = threading.Event()

    def cut() -> None:
        while not stop.wait(0.05):
            gateway.cut()

    thread = threading.Thread(target=cut, name="scissors")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_connections_that_break_again_and_again(
    tasks: TaskClient, behind: Settings, gateway: Gateway, sql: dict[str, object], request: pytest.FixtureRequest
) -> None:
    """Requests cut anywhere, for seconds: every attempt runs once, every lock stays single, everything ends."""
    journal: Journal = request.getfixturevalue("journal")
    history: History = request.getfixturevalue("history")
    names = [f"t{number}" for number in range(6)]
    with operator_thread(behind):
        with cut_again_and_again(gateway):
            for name in names:
                tasks.create(name, maintenance="Global", **sql, steps=[sql_step("a", journal.note), sql_step("b", journal.note)])
            happens(lambda: len(journal.entries()) > 4, "the second task")
        for name in names:
            tasks.wait_let_go(name)

    assert {tasks.status(name)["phase"] for name in names} == {"Succeeded"}
    assert sorted((entry.task, entry.step, entry.attempt) for entry in journal.entries()) == [
        (name, step, 1) for name in names for step in "ab"
    ]
    assert not history.problems()


def test_asked_to_stop_during_an_outage(
    tasks: TaskClient, gateway: Gateway, journal: Journal, sql: dict[str, object], tmp_path: Path
) -> None:
    """The operator ends with 0 although it can record nothing; the next one finds the attempt Interrupted."""
    operator = OperatorProcess(gateway.kubeconfig, tasks.namespace, tmp_path / "operator.log", OBTASK_GRACE_SECONDS="1")
    operator.start()
    try:
        tasks.create("runs", **sql, steps=[sql_step("a", journal.note, "select sleep(300)")])
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
