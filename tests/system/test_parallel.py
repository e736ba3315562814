"""Steps of several subtasks: all at once, all to their end, and only the failed ones again. API.md sections 2 and 5."""

from functools import partial

import pytest
from tests.support.apiserver import Body
from tests.support.tasks import FAILING, sql_step, wait_step
from tests.system.scene import Scene

pytestmark = pytest.mark.usefixtures("operator")


def parallel(name: str, *subtasks: Body) -> Body:
    """Return a step of several subtasks."""
    return {"name": name, "parallel": list(subtasks)}


def phases(step: Body) -> dict[str, str]:
    """Return the phases of a step's subtasks."""
    return {sub["name"]: sub["phase"] for sub in step["subtasks"]}


def _failed(attempt: int, task: Body) -> bool:
    return bool(task["status"]["phase"] == "Failed" and task["status"]["failedSubtask"]["attempt"] == attempt)


def test_all_end_before_the_step_ends(scene: Scene) -> None:
    """Subtasks run at the same time; if some fail, the others go on to their end; then the first failure and their number are shown."""
    slow = sql_step("slow", "select sleep(1)", scene.journal.note)
    scene.create(
        "mixed", parallel("p", sql_step("bad", FAILING), slow, sql_step("worse", "selekt"), wait_step("nap", 1)), wait_step("next")
    )

    running = scene.tasks.wait("mixed", lambda task: "Failed" in str(task["status"].get("steps")))["status"]
    assert running["phase"] == "Running"
    status = scene.tasks.wait_phase("mixed", "Failed")

    step = status["steps"][0]
    assert phases(step) == {"bad": "Failed", "slow": "Succeeded", "worse": "Failed", "nap": "Succeeded"}
    assert len({sub["startedAt"] for sub in step["subtasks"]}) == 1
    assert status["failedSubtasks"] == 2
    assert status["failedSubtask"]["subtask"] in {"bad", "worse"}
    assert [entry.subtask for entry in scene.journal.entries()] == ["slow"]
    assert status["steps"][1]["phase"] == "Pending"
    assert status["progress"] == "0/2"


def test_retry_runs_only_the_failed_ones_again(scene: Scene) -> None:
    """What succeeded is kept, over several retries, until everything is done."""
    gates = [f"{scene.journal.table}_gate{number}" for number in (0, 1)]
    subtasks = [
        sql_step("good", scene.journal.note),
        *(sql_step(f"bad{i}", scene.journal.note, f"select * from {gate}") for i, gate in enumerate(gates)),
    ]
    scene.create("again", parallel("p", *subtasks))
    assert scene.tasks.wait("again", partial(_failed, 1))["status"]["failedSubtasks"] == 2

    scene.journal.run(f"create table {gates[0]} (a int)")
    scene.tasks.command("again", "retry")
    assert scene.tasks.wait("again", partial(_failed, 2))["status"]["failedSubtasks"] == 1
    scene.journal.run(f"create table {gates[1]} (a int)")
    scene.tasks.command("again", "retry")

    status = scene.tasks.wait_let_go("again", "Succeeded")
    assert [sub["attempts"] for sub in status["steps"][0]["subtasks"]] == [1, 2, 3]
    assert sorted((entry.subtask, entry.attempt) for entry in scene.journal.entries()) == [
        ("bad0", 1),
        ("bad0", 2),
        ("bad1", 1),
        ("bad1", 2),
        ("bad1", 3),
        ("good", 1),
    ]
    for gate in gates:
        scene.journal.run(f"drop table {gate}")


def test_rollback_undoes_the_subtasks_of_a_step_together(scene: Scene) -> None:
    """Every subtask that was started is undone, the failed ones too; one without an undo is recorded; then the step before."""
    undo = {"sql": {"statements": [scene.journal.note]}}
    step = parallel("two", sql_step("a", "select 1", rollback=undo), sql_step("b", FAILING, rollback=undo), wait_step("c"))
    scene.create("back", sql_step("one", "select 1", rollback=undo), step)
    scene.tasks.wait_phase("back", "Failed")

    scene.tasks.command("back", "rollback")

    status = scene.tasks.wait_let_go("back", "RolledBack")
    assert phases(status["steps"][1]) == dict.fromkeys("abc", "RolledBack")
    assert "nothing to undo" in status["steps"][1]["subtasks"][2]["message"]
    done = [entry.subtask for entry in scene.journal.entries()]
    assert sorted(done[:2]) == ["a", "b"]
    assert done[2:] == ["one"]
    assert {entry.direction for entry in scene.journal.entries()} == {"Rollback"}


def test_sixty_four_subtasks(scene: Scene) -> None:
    """The largest step: all at once, each once; a cancel stops them all."""
    subtasks = [sql_step(f"s{number}", scene.journal.note) for number in range(64)]
    # A server of this size has no threads left for anybody else when 64 statements sleep in it.
    sleeping = [sql_step(f"s{number}", "select sleep(300)") for number in range(4)]
    waiting = [wait_step(f"s{number}", 300) for number in range(4, 64)]
    scene.create("wide", parallel("p", *subtasks), parallel("q", *sleeping, *waiting))
    scene.tasks.wait("wide", lambda task: task["status"].get("currentStep") == "q", seconds=60)
    assert len(scene.journal.entries()) == 64
    assert not scene.journal.twice()

    scene.tasks.command("wide", "cancel")

    status = scene.tasks.wait_phase("wide", "Failed", seconds=60)
    assert set(phases(status["steps"][0]).values()) == {"Succeeded"}
    assert set(phases(status["steps"][1]).values()) == {"Failed"}
    assert status["failedSubtasks"] == 64
    assert status["reason"] == "SubtaskCancelled"
    assert ("select sleep(300)",) not in scene.journal.run("select info from information_schema.processlist")
