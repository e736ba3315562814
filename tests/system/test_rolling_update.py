"""A rolling update with a hundred tasks in the middle of their steps. docs/design/architecture.md."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.support.apiserver import OBTASKS, Body
from tests.support.journal import Journal
from tests.support.node import Node
from tests.support.operators import OperatorProcess
from tests.support.tasks import sql_step, wait_step
from tests.system.scene import Scene, happens

from devcluster.controlplane import ControlPlane
from obtask.runtime.leader import LEASE_NAME, LEASE_SECONDS

logger = logging.getLogger(__name__)

GRACE_SECONDS = 8
AFTER_GRACE_SECONDS = 25  # what the chart adds to it for the Pod

Pair = tuple[OperatorProcess, OperatorProcess]


@pytest.fixture
def pair(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> Iterator[Pair]:
    """Return the operator before and the operator after the update, not started yet."""
    before, after = (
        OperatorProcess(
            control_plane.operator_kubeconfig,
            namespace,
            tmp_path / f"{name}.log",
            OBTASK_LEADER_NAMESPACE=namespace,
            OBTASK_GRACE_SECONDS=str(GRACE_SECONDS),
            HOSTNAME=name,
        )
        for name in ("before", "after")
    )
    yield before, after
    before.kill()
    after.kill()


@pytest.fixture
def node(scene: Scene) -> Iterator[Node]:
    """Return a node that runs the pods of the test's namespace."""
    with Node(scene.tasks.cluster, scene.tasks.namespace).running() as running:
        yield running


class Gate:
    """What tasks wait for in the middle of a step until the test opens it: a row for statements, a file for pods."""

    def __init__(self, journal: Journal, folder: Path) -> None:
        self._journal = journal
        self._table = f"gate_{journal.table}"
        self._file = folder / "open"
        journal.run(f"create table {self._table} (number int)")

    def open_for_statements(self) -> None:
        """Let statements end."""
        self._journal.run(f"insert into {self._table} values (1)")

    def open_for_pods(self) -> None:
        """Let pods end."""
        self._file.touch()

    def steps(self) -> dict[str, tuple[int, list[Body]]]:
        """Return how many tasks there are of each kind, and their steps."""
        note = self._journal.note
        last = sql_step("last", note)
        until = {"query": f"select count(*) as n from {self._table}", "expect": "rows[0].n == 1", "intervalSeconds": 1}
        script = f"echo begun; while [ ! -e {self._file} ]; do sleep 0.5; done"
        return {
            "endless": (10, [sql_step("endless", note, "select sleep(300)"), last]),
            "short": (30, [{"name": "short", "sql": {"statements": [note], "until": until}}, last]),
            "job": (20, [{"name": "job", "job": {"image": "node/any", "command": ["sh", "-c", script]}}, last]),
            "wait": (40, [wait_step("wait", 25), last]),
        }


@pytest.fixture
def gate(scene: Scene, tmp_path: Path) -> Iterator[Gate]:
    """Return a gate that is shut."""
    found = Gate(scene.journal, tmp_path)
    yield found
    found.open_for_pods()
    scene.journal.run(f"drop table gate_{scene.journal.table}")


def phases(scene: Scene) -> Counter[str]:
    """Return how many tasks are in each phase."""
    found = scene.tasks.api.get(OBTASKS.format(scene.tasks.namespace))["items"]
    return Counter(task.get("status", {}).get("phase", "Pending") for task in found)


def create(scene: Scene, steps: Mapping[str, list[Body]]) -> None:
    """Create tasks in one go, each with a lock of its own."""
    connection = {"secretName": scene.connection}
    items = [
        scene.tasks.manifest(name, maintenance="Tenant", tenant=name, connection=connection, steps=each) for name, each in steps.items()
    ]
    scene.tasks.kubectl("create", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": items})


def holder(lease: Body) -> str:
    """Return the host that leads; nothing if nobody does."""
    return str(lease.get("spec", {}).get("holderIdentity") or "").partition(".")[0]


@pytest.mark.usefixtures("node")
def test_a_rolling_update_loses_nothing_and_starts_nothing_twice(scene: Scene, pair: Pair, gate: Gate) -> None:
    """The next operator stands by before the one before it ends; what cannot end in its grace is Interrupted, the rest goes on."""
    tasks, journal = scene.tasks, scene.journal
    before, after = pair
    before.start()
    plan = gate.steps()
    names = {kind: [f"{kind}-{number}" for number in range(count)] for kind, (count, _) in plan.items()}
    create(scene, {name: plan[kind][1] for kind in plan for name in names[kind]})
    happens(lambda: phases(scene).total() == phases(scene)["Running"] + phases(scene)["Succeeded"] == 100, "a hundred running tasks")
    happens(lambda: len(journal.entries()) >= 40, "their statements")
    after.start()

    asked_at = time.monotonic()
    before.ask()
    gate.open_for_statements()
    tasks.wait_lease(LEASE_NAME, lambda lease: not holder(lease), "the resignation")
    resigned_at = time.monotonic()
    tasks.wait_lease(LEASE_NAME, lambda lease: holder(lease) == "after", "the other one's leadership")
    taken_at = time.monotonic()
    code = before.wait()
    ended_at = time.monotonic()

    gate.open_for_pods()

    logger.info("SIGTERM to resignation: %.2f s", resigned_at - asked_at)
    logger.info("resignation to the next leader: %.2f s", taken_at - resigned_at)
    logger.info("SIGTERM to the end of the process: %.2f s", ended_at - asked_at)
    assert code == 0
    assert taken_at - resigned_at < LEASE_SECONDS
    assert ended_at - asked_at < GRACE_SECONDS + AFTER_GRACE_SECONDS
    for name in (*names["wait"], *names["job"], *names["short"]):
        status = tasks.wait_let_go(name, "Succeeded", "Failed")
        assert (status["phase"], {step["subtasks"][0]["attempts"] for step in status["steps"]}) == ("Succeeded", {1}), name
    for name in names["endless"]:
        status = tasks.wait_phase(name, "Failed")
        assert status["failedSubtask"]["reason"] == "Interrupted"
        assert status["lock"]
    assert not journal.twice()
    assert {entry.attempt for entry in journal.entries()} == {1}
    done = Counter((entry.task, entry.step) for entry in journal.entries())
    lasts = [(name, "last") for kind in ("wait", "job", "short") for name in names[kind]]
    assert done == Counter([*lasts, *((name, kind) for kind in ("short", "endless") for name in names[kind])])
    assert not scene.history.problems()
    assert after.stop() == 0
