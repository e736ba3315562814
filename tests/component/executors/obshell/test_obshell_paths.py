"""A step whose path is that of a DAG: with GET it follows and never commands, with POST it is followed until it has done what was asked."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.component.executors.obshell_bench import STOP, bench_for, dag_is, follow_up, operation, stages
from tests.support.agent.agent import DAG_PATH, FakeAgent, Operation
from tests.support.agent.dags import NO_MAINTENANCE, Step
from tests.support.attempts import attempt

from obtask.model.actions import ObshellAction
from obtask.model.attempt import Attempt, Failed, Succeeded
from obtask.model.reasons import FailureReason


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent where somebody has started a DAG of two stages that hangs in its second."""
    with FakeAgent().running() as running:
        running.start(Operation(stages(Step("prepare"), Step("kill", held=True, fails=1)), "Restart seekdb"))
        yield running


def looking(**more: object) -> Attempt:
    """Return an attempt that follows the DAG."""
    return attempt(operation(f"{DAG_PATH}11", method="GET"), **more)  # type: ignore[arg-type] # arguments of attempt


def commanding(operator: str) -> Attempt:
    """Return an attempt that commands the DAG."""
    return attempt(operation(f"{DAG_PATH}11", body={"operator": operator}))


async def test_get_follows_and_a_cancel_does_not_command(agent: FakeAgent) -> None:
    """The step ends, and the DAG of somebody else goes on."""
    on, one = bench_for(agent), looking()
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")

    await on.executor.cancel(one)
    end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert "the obshell task goes on: this step does not cancel it" in end.message
    assert agent.operated() == []


async def test_get_with_a_timeout_does_not_command(agent: FakeAgent) -> None:
    """Nor does the deadline."""
    end = await bench_for(agent).run(looking(seconds=0.5))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.TIMEOUT
    assert agent.operated() == []


async def test_get_of_a_failed_dag_never_leads_to_a_retry(agent: FakeAgent) -> None:
    """The next attempt looks again; a rollback by obshell has nothing to undo."""
    agent.release()
    on, one = bench_for(agent), looking()
    failed = await on.run(one)

    again = await on.run(follow_up(one, "11"))
    undo = attempt(ObshellAction.model_validate({"operator": "Rollback"}), number=3)
    undone = await on.run(replace(undo, previous_external="11", counterpart=one.action))

    assert isinstance(failed, Failed)
    assert isinstance(again, Failed)
    assert isinstance(undone, Succeeded)
    assert agent.operated() == []


@pytest.mark.parametrize(
    ("operator", "told"),
    [("RETRY", "succeeded"), ("rollback", "is rolled back"), ("PASS", "is passed: what was left of it was not executed")],
)
async def test_a_command_is_followed_to_its_end(agent: FakeAgent, operator: str, told: str) -> None:
    """The step succeeds when obshell has done it, not when it has taken the order."""
    agent.release()
    await dag_is(agent, "FAILED")
    on = bench_for(agent)

    end = await on.run(commanding(operator))

    assert end == Succeeded(f'obshell task 11 "Restart seekdb" {told}', external="11")
    assert agent.operated() == [operator.upper()]
    assert agent.dag().state == "SUCCEED"


async def test_a_cancelled_dag_is_what_a_cancel_wants(agent: FakeAgent) -> None:
    """It ends FAILED, which is a success here."""
    end = await bench_for(agent).run(commanding("CANCEL"))

    assert end == Succeeded('obshell task 11 "Restart seekdb" is cancelled', external="11")


async def test_a_command_that_fails(agent: FakeAgent) -> None:
    """A rollback that does not come to its end is told as what it is."""
    agent.dag().nodes[0].steps[0].rollback_fails = True
    agent.release()
    await dag_is(agent, "FAILED")

    end = await bench_for(agent).run(commanding("ROLLBACK"))

    assert isinstance(end, Failed)
    assert "could not be rolled back at 1/2" in end.message


async def test_a_command_that_obshell_refuses(agent: FakeAgent) -> None:
    """The refusal is the end."""
    end = await bench_for(agent).run(commanding("RETRY"))

    assert isinstance(end, Failed)
    assert "RetryNotFailedDag" in end.message
    assert STOP not in end.message


async def test_a_passed_node_is_followed_to_the_end_of_its_task(agent: FakeAgent) -> None:
    """Obshell goes on with the next node: the step ends when that has, not when the order is taken."""
    dag = agent.start(Operation(stages(Step("one", fails=1), Step("two")), "Initialize cluster", NO_MAINTENANCE))
    await dag_is(agent, "FAILED", dag.number)

    end = await bench_for(agent).run(attempt(operation(f"/api/v1/task/node/{dag.node_id(0)}", body={"operator": "pass"})))

    assert end == Succeeded(f'obshell task {dag.id} "Initialize cluster" succeeded', external=dag.id)


async def test_a_step_that_passes_a_node_never_cancels_the_task(agent: FakeAgent) -> None:
    """The task is somebody else's: it goes on."""
    dag = agent.start(Operation(stages(Step("one", fails=1), Step("two", held=True)), "Initialize cluster", NO_MAINTENANCE))
    await dag_is(agent, "FAILED", dag.number)
    on, one = bench_for(agent), attempt(operation(f"/api/v1/task/node/{dag.node_id(0)}", body={"operator": "pass"}))
    await on.executor.start(one, on.log)
    await on.until_running(one, "is running")

    await on.executor.cancel(one)
    end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert "the obshell task goes on: this step does not cancel it" in end.message
    assert agent.operated() == []


async def test_a_node_that_nobody_knows_is_not_commanded(agent: FakeAgent) -> None:
    """Its task could not be followed."""
    end = await bench_for(agent).run(attempt(operation("/api/v1/task/node/1999", body={"operator": "pass"})))

    assert isinstance(end, Failed)
    assert "nothing was sent: the task of node 1999 is not known" in end.message
    assert agent.sent("POST") == []
