"""Two operators at work at the same time: nothing is done twice, and neither takes the other for dead. API.md section 4."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from tests.support.apiserver import Body
from tests.support.operators import OperatorProcess
from tests.support.tasks import sql_step
from tests.system.scene import Scene

from devcluster.controlplane import ControlPlane
from obtask.runtime.leader import LEASE_NAME

SCOPES: tuple[Body, ...] = (
    {"maintenance": "Global"},
    {"maintenance": "Tenant", "tenant": "a"},
    {"maintenance": "Tenant", "tenant": "b"},
    {"maintenance": "None"},
)
Pair = tuple[OperatorProcess, OperatorProcess]


@pytest.fixture
def pair(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Pair]:
    """Return two operators without leader election, both at work."""
    one, two = (
        OperatorProcess(control_plane.operator_kubeconfig, namespace, tmp_path / f"{name}.log", OBTASK_GRACE_SECONDS="1")
        for name in ("one", "two")
    )
    one.start()
    two.start()
    yield one, two
    one.kill()
    two.kill()


@pytest.fixture
def leaders(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Pair]:
    """Return two operators that stand for election, not started yet."""
    one, two = (
        OperatorProcess(control_plane.operator_kubeconfig, namespace, tmp_path / f"{name}.log", OBTASK_LEADER_NAMESPACE=namespace)
        for name in ("one", "two")
    )
    yield one, two
    one.kill()
    two.kill()


def runner_of(status: Body) -> str:
    """Return the operator that recorded the attempt of a task's first subtask."""
    return str(status["steps"][0]["subtasks"][0]["runner"])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.usefixtures("pair")
def test_random_tasks_are_executed_once(scene: Scene, seed: int) -> None:
    """Every statement arrives at the SQL server once, by its first attempt, and no two conflicting tasks ever hold a lock."""
    tasks, journal = scene.tasks, scene.journal
    choice = Random(seed)  # noqa: S311 - a test, not a secret
    names = [f"task-{number}" for number in range(16)]
    for name in names:
        steps = [sql_step(f"step-{number}", journal.note, f"select sleep({choice.random() / 4:.2f})") for number in range(2)]
        scene.create(name, *steps, **choice.choice(SCOPES))

    for name in names:
        tasks.wait_let_go(name, "Succeeded", seconds=90)

    assert not journal.twice()
    executed = sorted((entry.task, entry.step, entry.attempt) for entry in journal.entries())
    assert executed == sorted((name, f"step-{number}", 1) for name in names for number in range(2))
    assert not scene.history.problems()
    tasks.wait_free()


@pytest.mark.usefixtures("pair")
def test_a_command_is_carried_out_once(scene: Scene) -> None:
    """A retry that both of them see starts one attempt; a cancel reaches the statement, whoever runs it."""
    tasks, journal = scene.tasks, scene.journal
    scene.create("main", sql_step("s", journal.note, "select sleep(300)"))
    for attempt in (1, 2, 3):
        scene.written(attempt)
        assert tasks.command("main", "cancel")["result"] == "Accepted"
        assert tasks.wait_phase("main", "Failed")["failedSubtask"]["reason"] == "Cancelled"
        assert tasks.command("main", "retry")["result"] == "Accepted"

    scene.written(4)
    assert [entry.attempt for entry in journal.entries()] == [1, 2, 3, 4]
    tasks.delete("main")
    tasks.wait_gone("main")
    assert not scene.history.problems()


def test_the_attempts_of_the_one_that_is_killed_are_interrupted(scene: Scene, pair: Pair) -> None:
    """The survivor soon takes over what the other one ran, and leaves its own attempts alone."""
    tasks, journal = scene.tasks, scene.journal
    names = [f"task-{number}" for number in range(4)]
    for name in names:
        scene.create(name, sql_step("s", journal.note, "select sleep(300)"), maintenance="None")
    of = {name: runner_of(tasks.wait_phase(name, "Running")) for name in names}
    victim = next(operator for operator in pair if f".{operator.pid}." in of[names[0]])
    killed = [name for name in names if of[name] == of[names[0]]]

    victim.kill()

    for name in killed:
        assert tasks.wait_phase(name, "Failed")["failedSubtask"]["reason"] == "Interrupted"
    assert all(tasks.status(name)["phase"] == "Running" for name in names if name not in killed)
    assert not journal.twice()


@pytest.mark.parametrize("interrupted", ["Fail", "Rerun"])
def test_a_leader_that_stood_still_does_no_harm(scene: Scene, leaders: Pair, interrupted: str) -> None:
    """Its Lease runs out, the standby takes over; when it goes on it sends no further statement, and ends."""
    tasks, journal = scene.tasks, scene.journal
    first, second = leaders
    first.start()
    tasks.wait_lease(LEASE_NAME, lambda lease: lease.get("spec", {}).get("holderIdentity"), "the first one's leadership")
    second.start()
    scene.create("main", sql_step("s", journal.note, "select sleep(1)", journal.note, interrupted=interrupted))
    scene.written()

    first.pause()
    if interrupted == "Fail":
        assert tasks.wait_phase("main", "Failed", seconds=60)["failedSubtask"]["reason"] == "Interrupted"
    else:
        tasks.wait_phase("main", "Succeeded", seconds=60)
    first.resume()

    assert first.wait() != 0
    assert [entry.attempt for entry in journal.entries()] == ([1] if interrupted == "Fail" else [1, 2, 2])
    assert not scene.history.problems()
    assert second.stop() == 0
