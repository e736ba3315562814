"""obshell is busy with a task of its own: the attempt says with which one, waits for it or not, and goes on by itself (API.md 2.1)."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.component.executors.obshell_bench import STOP, bench_for, dag_is, follow_up, operation, stages
from tests.support.agent.agent import Answered, FakeAgent, Operation
from tests.support.agent.dags import TENANT, Step
from tests.support.attempts import attempt

from obtask.model.actions import ObshellAction
from obtask.model.attempt import Failed, Running, Succeeded
from obtask.model.reasons import FailureReason

INITIALIZE = Operation(stages(Step("prepare"), Step("boot", held=True, fails=1)), "Initialize cluster")


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent with an operation under maintenance, where somebody has started another one that hangs."""
    with FakeAgent(operations={("POST", STOP): Operation(stages(Step("kill")), "Stop OB")}).running() as running:
        running.start(INITIALIZE)
        yield running


async def test_it_waits_and_goes_on_by_itself(agent: FakeAgent) -> None:
    """The message has the task, the stage and since when; nobody has to do anything when it has ended."""
    agent.dag().nodes[1].steps[0].fails = 0
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)

    seen = await on.until_running(one, '2/2 "Stage boot"')
    agent.release()
    end = await on.end_of(one)

    assert isinstance(seen, Running)
    assert (seen.message or "").startswith('waiting for obshell task 11 "Initialize cluster" (RUNNING 2/2 "Stage boot" since 20')
    assert seen.stage == "waits for obshell 2/2 Stage boot"
    assert seen.external is None
    assert end == Succeeded('obshell task 12 "Stop OB" succeeded', external="12")


async def test_of_one_that_has_failed_it_says_what_to_do(agent: FakeAgent) -> None:
    """It keeps obshell's maintenance until a person acts there; then the attempt goes on."""
    agent.release()
    await dag_is(agent, "FAILED")
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)

    seen = await on.until_running(one, "FAILED 2/2")
    with agent.lock:
        agent.dag().operate("PASS")
    end = await on.end_of(one)

    assert "keeps obshell's maintenance until it is retried, rolled back or passed in obshell" in (seen.message or "")
    assert isinstance(end, Succeeded)


async def test_it_waits_no_longer_than_the_step_may_take(agent: FakeAgent) -> None:
    """Nothing was started, and the message says what was in the way."""
    end = await bench_for(agent).run(attempt(operation(), seconds=0.6))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.TIMEOUT
    assert 'was refused while obshell is busy: waited for obshell task 11 "Initialize cluster"' in end.message
    assert len(agent.dags) == 1


async def test_a_cancel_ends_the_waiting(agent: FakeAgent) -> None:
    """Nothing is cancelled in obshell: what runs there is somebody else's."""
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "waiting for obshell task 11")

    await on.executor.cancel(one)
    end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED
    assert agent.operated() == []


async def test_who_does_not_want_to_wait_is_told_who_is_in_the_way(agent: FakeAgent) -> None:
    """`whenBusy: Fail`: the refusal names the task."""
    end = await bench_for(agent).run(attempt(operation(whenBusy="Fail")))

    assert isinstance(end, Failed)
    assert (end.reason, end.code) == (FailureReason.HTTP_STATUS, "500")
    assert "Agent.UnderMaintenance" in end.message
    assert 'in the way: obshell task 11 "Initialize cluster" (RUNNING' in end.message
    assert agent.starts() == [STOP]


async def test_a_retry_waits_as_well(agent: FakeAgent) -> None:
    """The step's own DAG has let go of obshell when it failed, and somebody has started another one since."""
    agent.release()
    await dag_is(agent, "FAILED")
    with agent.lock:
        agent.dag().operate("PASS")
    agent.operations["POST", STOP] = Operation(stages(Step("kill", fails=1)), "Stop OB", lets_go=True)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    blocker = agent.start(Operation(stages(Step("boot", held=True)), "Restart seekdb"))
    second = follow_up(one, "12")
    await on.executor.start(second, on.log)

    seen = await on.until_running(second, f"waiting for obshell task {blocker.id}")
    agent.release()
    end = await on.end_of(second)

    assert '"Restart seekdb"' in (seen.message or "")
    assert end == Succeeded('obshell task 12 "Stop OB" succeeded', external="12")


async def test_it_does_not_wait_for_what_its_own_step_has_left(agent: FakeAgent) -> None:
    """Started afresh while the failed DAG keeps obshell: nobody else can end that, so it is told at once."""
    agent.make_again()
    agent.operations["POST", STOP] = Operation(stages(Step("kill", fails=1)), "Stop OB")
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    end = await on.run(replace(follow_up(one, "11"), fresh=True))

    assert isinstance(end, Failed)
    assert 'in the way: obshell task 11 "Stop OB" (FAILED 1/1' in end.message


async def test_a_rollback_waits_as_well(agent: FakeAgent) -> None:
    """An undo by obshell is refused while it is busy, too."""
    agent.release()
    await dag_is(agent, "FAILED")
    with agent.lock:
        agent.dag().operate("PASS")
    agent.operations["POST", STOP] = Operation(stages(Step("kill", fails=1)), "Stop OB", lets_go=True)
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    agent.start(Operation(stages(Step("boot", held=True)), "Restart seekdb"))
    undo = attempt(ObshellAction.model_validate({"operator": "Rollback"}), number=2)
    undo = replace(undo, previous_external="12")
    await on.executor.start(undo, on.log)
    await on.until_running(undo, "waiting for obshell task 13")
    agent.release()

    assert await on.end_of(undo) == Succeeded('obshell task 12 "Stop OB" is rolled back', external="12")


async def test_a_task_of_another_tenant_is_not_in_the_way(agent: FakeAgent) -> None:
    """A refusal about a tenant is about that tenant's tasks; every other refusal may be about any."""
    agent.dag().maintenance, agent.dag().key = TENANT, "other"
    mine = agent.start(replace(INITIALIZE, name="Drop tenant", maintenance=TENANT))
    mine.key = "orders"
    refusal = Answered(500, error="OB.Tenant.UnderMaintenance", message="tenant orders is under maintenance")
    agent.operations["POST", STOP] = refusal

    about_tenant = await bench_for(agent).run(attempt(operation(whenBusy="Fail")))
    agent.operations["POST", STOP] = replace(refusal, error="OB.Cluster.UnderMaintenance")
    about_cluster = await bench_for(agent).run(attempt(operation(whenBusy="Fail")))

    assert isinstance(about_tenant, Failed)
    assert isinstance(about_cluster, Failed)
    assert 'in the way: obshell task 12 "Drop tenant"' in about_tenant.message
    assert "obshell task 11" in about_cluster.message
    assert "obshell task 12" in about_cluster.message


async def test_not_being_under_maintenance_is_no_reason_to_wait(agent: FakeAgent) -> None:
    """The error of the opposite has nearly the same name."""
    agent.operations["POST", STOP] = Answered(400, error="Agent.NotUnderMaintenance")

    end = await bench_for(agent).run(attempt(operation()))

    assert isinstance(end, Failed)
    assert end.code == "400"
