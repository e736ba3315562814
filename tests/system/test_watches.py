"""What the watches cost in memory, and what they say: nothing for objects that do not change, and nothing while all is well."""

import gc
from collections import Counter
from pathlib import Path

from tests.support.chart.installed import eventually
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import TaskClient, wait_step

from devcluster.controlplane import ControlPlane
from obtask.settings import Settings

TASKS = 8


def kept_by_kopf() -> Counter[str]:
    """Return what kopf has in memory for objects: its records and their queues of events, by type."""
    return Counter(name for each in gc.get_objects() if (name := type(each).__name__) in {"ResourceMemory", "Stream"})


def test_kopf_keeps_nothing_of_finished_tasks(tasks: TaskClient, settings: Settings) -> None:
    """Neither of those that it ran nor of those that were there before: ten thousand of them would take tens of megabytes."""
    gc.collect()
    before = kept_by_kopf()
    with operator_thread(settings):
        for number in range(TASKS):
            tasks.create(f"first-{number}", steps=[wait_step("go")])
        for number in range(TASKS):
            tasks.wait_let_go(f"first-{number}", "Succeeded")

        eventually(lambda: kept_by_kopf() <= before, "kopf forgets the tasks that it heard of")
    with operator_thread(settings):
        tasks.create("second", steps=[wait_step("go")])
        tasks.wait_let_go("second", "Succeeded")

        eventually(lambda: kept_by_kopf() <= before, "kopf forgets the tasks that it listed")


def test_kopf_says_nothing_while_all_is_well(control_plane: ControlPlane, tasks: TaskClient, tmp_path: Path) -> None:
    """A warning in every log teaches people to overlook warnings."""
    operator = OperatorProcess(control_plane.operator_kubeconfig, tasks.namespace, tmp_path / "operator.log")
    operator.start()
    tasks.create("one", steps=[wait_step("go")])
    tasks.wait_let_go("one", "Succeeded")
    operator.stop()

    assert "kopf." not in operator.log.read_text()
