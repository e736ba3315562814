"""What a person does in obshell about a failed DAG is noticed while the task waits for a person."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.component.executors.obshell_bench import STOP, ObshellBench, bench_for, dag_is, operation, stages
from tests.support.agent.agent import DAG_PATH, FakeAgent
from tests.support.agent.dags import Step
from tests.support.attempts import attempt, until

from obtask.executors.obshell import afterwards
from obtask.model.attempt import Attempt, Failed


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent whose operation fails in its second stage."""
    with FakeAgent(operations={("POST", STOP): stages(Step("prepare"), Step("kill", fails=1))}).running() as running:
        yield running


async def failed(on: ObshellBench) -> Attempt:
    """Let an attempt fail; return it as the status knows it."""
    one = attempt(operation())
    end = await on.run(one)
    assert isinstance(end, Failed)
    return replace(one, external=end.external, external_mark=end.external_mark)


async def remark(on: ObshellBench, one: Attempt) -> str:
    """Return the first word about it."""
    looks, told = afterwards.Afterwards(on.executor._tools), [""]

    def known() -> bool:
        now = looks.remark(one)
        told[0] = now or ""
        return now is not None

    await until(known)
    await looks.stop()
    return told[0]


async def test_nothing_has_happened(agent: FakeAgent) -> None:
    """Then there is nothing to say, and nothing is sent."""
    on = bench_for(agent)

    assert await remark(on, await failed(on)) == ""
    assert agent.operated() == []


@pytest.mark.parametrize(
    ("operator", "state", "told"),
    [
        ("PASS", "SUCCEED", "was passed in obshell: action=skip-step goes on with the next step"),
        ("ROLLBACK", "SUCCEED", "was rolled back in obshell: action=retry starts the operation again"),
        ("RETRY", "SUCCEED", "has succeeded in obshell: action=retry takes that over and starts nothing"),
    ],
)
async def test_what_a_person_did_is_told_with_what_to_type(agent: FakeAgent, operator: str, state: str, told: str) -> None:
    """By the state and the operator of the DAG as it is now."""
    on = bench_for(agent)
    one = await failed(on)
    with agent.lock:
        agent.dag().operate(operator)
    await dag_is(agent, state)

    assert told in await remark(on, one)


async def test_one_that_was_retried_and_works(agent: FakeAgent) -> None:
    """The step can be taken up while it does."""
    on = bench_for(agent)
    one = await failed(on)
    with agent.lock:
        agent.dag().nodes[1].steps[0].held = True
        agent.dag().operate("RETRY")
    await dag_is(agent, "RUNNING")

    assert "is at work in obshell: action=retry follows it, and starts nothing" in await remark(on, one)


async def test_one_that_was_retried_in_vain(agent: FakeAgent) -> None:
    """It has failed again, which is not what the task knows."""
    on = bench_for(agent)
    one = await failed(on)
    with agent.lock:
        agent.dag().nodes[1].steps[0].fails = 1
        agent.dag().operate("RETRY")
    await dag_is(agent, "RUNNING")
    await dag_is(agent, "FAILED")

    assert "has ended as failed in obshell, at 2/2" in await remark(on, one)


async def test_one_that_is_gone(agent: FakeAgent) -> None:
    """An agent that was made again knows nothing of it, or has another one of its id."""
    on = bench_for(agent)
    one = await failed(on)
    agent.make_again()
    agent.operations["POST", STOP] = stages(Step("other"))
    await on.run(attempt(operation(), number=3))

    assert "the id of its obshell task is that of" in await remark(on, one)


async def test_one_that_the_step_only_follows(agent: FakeAgent) -> None:
    """It is somebody else's anyway."""
    on = bench_for(agent)
    one = await failed(on)
    with agent.lock:
        agent.dag().operate("PASS")

    assert await remark(on, replace(one, action=operation(f"{DAG_PATH}11", method="GET"))) == ""
