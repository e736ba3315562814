"""What a task costs the API server: at most N + 6 write requests for N steps that need not wait for the lock (DESIGN)."""

import pytest
from tests.support.apiserver import Body
from tests.support.audit import tally, writes
from tests.support.operators import operator_thread
from tests.support.tasks import TaskClient, sql_step, wait_step

from obtask.settings import Settings


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("kind", ["wait", "sql"])
def test_a_task_costs_few_writes(tasks: TaskClient, settings: Settings, connection: str, kind: str, count: int) -> None:
    """Finalizer on and off, Lease taken and given back, one status write per step and one for the end, one Event: N + 6."""
    names = [f"s{number}" for number in range(count)]
    steps = [wait_step(name) if kind == "wait" else sql_step(name, "select 1") for name in names]
    with operator_thread(settings):
        tasks.create("cheap", maintenance="Global", connection={"secretName": connection}, steps=steps)
        tasks.wait_let_go("cheap", "Succeeded")

    found = writes(tasks.cluster, tasks.namespace)

    assert len(found) <= count + 6, tally(found)
    assert not tasks.holders()
    assert [event["reason"] for event in tasks.events("cheap")] == ["Completed"]


@pytest.mark.parametrize(
    "step",
    [
        {"name": "a", "when": "1 + 1 == 2", "wait": {"seconds": 1}},
        {"name": "a", "forEach": {"items": "[1, 2].filter(one, one > 1)", "subtask": {"wait": {"seconds": 1}}}},
    ],
)
def test_what_the_first_step_asks_costs_no_write(tasks: TaskClient, settings: Settings, step: Body) -> None:
    """It is asked while the task has its lock already, and recorded together with that."""
    with operator_thread(settings):
        # The first evaluation starts a process, which takes longer than a task waits for an answer.
        tasks.create("warm", cluster="other", steps=[step])
        tasks.wait_let_go("warm", "Succeeded")
        before = len(writes(tasks.cluster, tasks.namespace))
        tasks.create("cheap", maintenance="Global", steps=[step])
        tasks.wait_let_go("cheap", "Succeeded")

    found = writes(tasks.cluster, tasks.namespace)[before:]

    assert len(found) <= 1 + 6, tally(found)


def test_many_tasks_at_once_cost_no_more(tasks: TaskClient, settings: Settings, connection: str) -> None:
    """Twelve tasks of three steps that take some time, each with a lock of its own, stay within the budget together."""
    steps = [sql_step("a", "select sleep(0.2)"), wait_step("b", 1), sql_step("c", "select sleep(0.1)", "select 1")]
    names = [f"task-{number}" for number in range(12)]
    with operator_thread(settings):
        for name in names:
            tasks.create(name, cluster=name, maintenance="Global", connection={"secretName": connection}, steps=steps)
        for name in names:
            tasks.wait_let_go(name, "Succeeded")

    found = writes(tasks.cluster, tasks.namespace)

    assert len(found) <= len(names) * (len(steps) + 6), tally(found)


def test_waiting_costs_two_writes_and_two_events(tasks: TaskClient, settings: Settings) -> None:
    """A task that waits for its lock is shown as Waiting once, with the Events LockWaiting and LockAcquired: N + 6 + 3."""
    with operator_thread(settings):
        tasks.create("first", maintenance="Global", steps=[wait_step("go", 3600)])
        tasks.wait_phase("first", "Running")
        before = len(writes(tasks.cluster, tasks.namespace))
        tasks.create("second", maintenance="Tenant", tenant="t", steps=[wait_step("go")])
        tasks.wait_phase("second", "Waiting")
        tasks.delete("first")
        tasks.wait_let_go("second", "Succeeded")

    found = writes(tasks.cluster, tasks.namespace)[before:]

    rest_of_first = 2  # the finalizer and the Lease
    assert len(found) <= rest_of_first + 1 + 6 + 3, tally(found)
    assert [event["reason"] for event in tasks.events("second")] == ["LockWaiting", "LockAcquired", "Completed"]
