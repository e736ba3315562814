"""Finished tasks are deleted after a time, or when there are too many. API.md section 2."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry
from tests.support.apiserver import OBTASKS
from tests.support.operators import OperatorProcess, operator_thread
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step
from tests.system.scene import happens

from devcluster.controlplane import ControlPlane
from obtask.cache.finished import FinishedTasks
from obtask.engine.cleaning import Cleaner
from obtask.kube.client import connect
from obtask.kube.tasks import Tasks
from obtask.metrics import Metrics
from obtask.rules.retention import Retention
from obtask.runtime.process import now
from obtask.settings import Settings

FINISHED = "1970-01-01T00:{:02}:00Z"
PHASES = ("Succeeded", "RolledBack", "Skipped", "Cancelled", "Rejected")


def there(tasks: TaskClient) -> set[str]:
    """Return the names of the tasks of the namespace."""
    return {task["metadata"]["name"] for task in tasks.api.get(OBTASKS.format(tasks.namespace))["items"]}


def finish(tasks: TaskClient, *numbers: int, at: datetime | None = None, **spec: object) -> None:
    """Have tasks that finished long ago, one in each minute, as an operator before has left them."""
    for number in numbers:
        name = f"task-{number:02}"
        tasks.create(name, steps=[wait_step("s")], **spec)
        body = tasks.get(name)
        body["status"] |= {"phase": PHASES[number % len(PHASES)], "finishedAt": at.isoformat() if at else FINISHED.format(number)}
        tasks.api.send("PUT", f"{OBTASKS.format(tasks.namespace)}/{name}/status", body)


def names(*numbers: int) -> set[str]:
    """Return the names of such tasks."""
    return {f"task-{number:02}" for number in numbers}


def settled(tasks: TaskClient, *left: int, more: frozenset[str] = frozenset()) -> None:
    """Wait until exactly these are left."""
    happens(lambda: there(tasks) <= names(*left) | more, "the last deletion")
    assert there(tasks) == names(*left) | more


def test_only_the_newest_are_kept(tasks: TaskClient, settings: Settings, connection: str) -> None:
    """Whatever their end was; a Failed task is not finished, keeps its lock and stays; a new one pushes the oldest out."""
    finish(tasks, *range(8))
    with operator_thread(settings.model_copy(update={"history_limit": 3})):
        tasks.create("failed", maintenance="Global", connection={"secretName": connection}, steps=[sql_step("s", FAILING)])
        tasks.wait_phase("failed", "Failed")
        settled(tasks, 5, 6, 7, more=frozenset({"failed"}))

        tasks.create("new", steps=[wait_step("s")])
        tasks.wait_gone("task-05")

        assert there(tasks) == names(6, 7) | {"failed", "new"}
        assert tasks.status("failed")["phase"] == "Failed"


def test_logs_go_with_their_task(tasks: TaskClient, settings: Settings, connection: str) -> None:
    """ConfigMaps and Jobs belong to the task, and Kubernetes collects them."""
    noisy = [f"select {number}, '{'x' * 200}'" for number in range(60)]
    with operator_thread(settings):
        tasks.create("noisy", connection={"secretName": connection}, steps=[sql_step("s", *noisy)])
        tasks.wait_let_go("noisy", "Succeeded")
    assert tasks.config_maps("noisy")

    with operator_thread(settings.model_copy(update={"history_limit": 0})):
        tasks.wait_gone("noisy")

    happens(lambda: not tasks.config_maps("noisy"), "the end of the log")


def test_a_limit_that_is_lowered_holds_after_a_restart(control_plane: ControlPlane, tasks: TaskClient, tmp_path: Path) -> None:
    """Killed in the middle of deleting, the next operator deletes the rest, and not one more."""
    finish(tasks, *range(30))

    @contextmanager
    def operator(limit: int) -> Iterator[OperatorProcess]:
        process = OperatorProcess(
            control_plane.operator_kubeconfig, tasks.namespace, tmp_path / "log", OBTASK_HISTORY_LIMIT=str(limit), OBTASK_GRACE_SECONDS="1"
        )
        process.start()
        yield process
        process.kill()

    with operator(20) as first:
        happens(lambda: len(there(tasks)) < 28, "the first deletions")
        first.kill()
        assert len(there(tasks)) >= 20
        first.start()
        settled(tasks, *range(10, 30))
    with operator(5):
        settled(tasks, *range(25, 30))


def test_each_namespace_has_its_own_limit(control_plane: ControlPlane, tasks: TaskClient, settings: Settings) -> None:
    """Many in one do not push out those of another."""
    with ExitStack() as stack:
        others = [TaskClient(control_plane, stack.enter_context(_namespace(tasks, number))) for number in range(4)]
        for count, other in enumerate(others, 1):
            finish(other, *range(count))
        finish(tasks, *range(6))
        everywhere = (tasks.namespace, *(other.namespace for other in others))
        with operator_thread(settings.model_copy(update={"namespaces": everywhere, "history_limit": 2})):
            settled(tasks, 4, 5)
            for other, left in zip(others, ((0,), (0, 1), (1, 2), (2, 3)), strict=True):
                settled(other, *left)


def test_a_time_for_all_and_times_of_their_own(tasks: TaskClient, settings: Settings) -> None:
    """The operator's time concerns tasks that say none: a longer one of their own keeps them."""
    finish(tasks, 1, 2)
    finish(tasks, 3, at=datetime.now(UTC) - timedelta(hours=2), ttlSecondsAfterFinished=86400)
    with operator_thread(settings.model_copy(update={"ttl_seconds_after_finished": 3600})):
        tasks.create("young", steps=[wait_step("s")])
        tasks.wait_let_go("young", "Succeeded")
        settled(tasks, 3, more=frozenset({"young"}))


async def test_a_namesake_or_a_task_that_has_changed_is_left_alone(tasks: TaskClient, control_plane: ControlPlane) -> None:
    """What is deleted is exactly what was judged; the watches tell of what is there instead."""
    finish(tasks, 0, 1, 2)
    finished = FinishedTasks(wanted=True)
    for number in range(3):
        finished.see(tasks.get(f"task-{number:02}"))
    tasks.annotate("task-00", "note=changed")
    tasks.delete("task-01")
    finish(tasks, 1)
    api = await connect(str(control_plane.operator_kubeconfig))
    try:
        more = await Cleaner(Tasks(api), finished, Retention(history_limit=0), Metrics(CollectorRegistry()), now).clean()
    finally:
        await api.close()

    assert not more
    assert there(tasks) == names(0, 1)
    assert finished.surplus(Retention(history_limit=0), now() + timedelta(days=365)) == []


@contextmanager
def _namespace(tasks: TaskClient, number: int) -> Iterator[str]:
    name = f"{tasks.namespace}-{number}"
    tasks.api.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    tasks.kubectl("delete", "namespace", name, "--wait=false")


def test_deletions_are_counted_and_logged(control_plane: ControlPlane, tasks: TaskClient, tmp_path: Path) -> None:
    """One line for each task in the log says what and why."""
    finish(tasks, 0, 1)
    process = OperatorProcess(control_plane.operator_kubeconfig, tasks.namespace, tmp_path / "log", OBTASK_HISTORY_LIMIT="1")
    process.start()
    settled(tasks, 1)
    process.stop()

    said = re.findall(r"INFO.*cleaning: (.*)", process.log.read_text())
    why = "its namespace has more finished tasks than the history limit keeps"
    assert said == [f"{tasks.namespace}/task-00: deleted, finished at 1970-01-01T00:00:00+00:00: {why}"]
