"""The agent's database is away: the agent says of every task that it is not found, which does not mean that it is gone."""

from collections.abc import Iterator

import pytest
from tests.component.executors.obshell_bench import STOP, bench_for, follow_up, operation, stages
from tests.support.agent.agent import FakeAgent
from tests.support.agent.dags import Step
from tests.support.attempts import attempt, until

from obtask.executors.obshell.answers import AgentAnswer
from obtask.model.attempt import Failed, Running, Succeeded

AWAY = "dial tcp 10.0.0.1:2881: connect: connection refused"


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent whose stop operation hangs in its second stage."""
    with FakeAgent(operations={("POST", STOP): stages(Step("prepare"), Step("kill", held=True))}).running() as running:
        yield running


async def looked_at_often(agent: FakeAgent, times: int = 25) -> None:
    """Wait until the agent was asked so often."""
    before = len(agent.sent("GET"))
    await until(lambda: len(agent.sent("GET")) > before + times)


@pytest.mark.parametrize("why", [AWAY, "an error that nobody knows"])
async def test_following_goes_on(agent: FakeAgent, why: str) -> None:
    """However long it takes; what the agent says of its database counts where its message does not."""
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")
    agent.away = why

    await looked_at_often(agent)
    seen = await on.executor.observe(one, on.log)
    agent.away = None
    agent.release()

    assert isinstance(seen, Running)
    assert "asking again" in (seen.message or "")
    assert isinstance(await on.end_of(one), Succeeded)
    assert agent.starts() == [STOP]


async def test_a_retry_waits_for_the_database(agent: FakeAgent) -> None:
    """It does not start the operation again."""
    agent.operations["POST", STOP] = stages(Step("kill", fails=1))
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    agent.away = AWAY
    second = follow_up(one, "11")
    await on.executor.start(second, on.log)

    await looked_at_often(agent)
    agent.away = None

    assert isinstance(await on.end_of(second), Succeeded)
    assert (agent.starts(), agent.operated()) == ([STOP], ["RETRY"])


async def test_a_task_that_is_gone_is_gone(agent: FakeAgent) -> None:
    """The agent has its database, and says it several times over: then the operation starts again."""
    agent.operations["POST", STOP] = stages(Step("kill"))
    on = bench_for(agent)

    end = await on.run(follow_up(attempt(operation()), "19"))

    assert end == Succeeded('obshell task 11 "Operation 1" succeeded', external="11")
    assert "obshell does not know task 19 any more: starting the operation again" in on.log.text
    assert len([asked for asked in agent.sent("GET") if asked.path.endswith("/19")]) >= 10


async def test_a_task_of_the_agent_itself_needs_no_database(agent: FakeAgent) -> None:
    """Local tasks are kept by the agent."""
    agent.kind = "20167772161028860"
    agent.away = AWAY
    agent.release()
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")
    agent.release()

    assert isinstance(await on.end_of(one), Succeeded)


@pytest.mark.parametrize(
    ("message", "unknown"),
    [
        ("Task not found: record not found", True),
        ("task not found", True),
        ("Task not found: dag id not match", True),
        ("told: Task.NotFound", True),
        ("Task not found: dial tcp 10.0.0.1:2881: i/o timeout", False),
        ("Task not found: Error 1045 (42000): Access denied for user", False),
        ("Task not found: invalid connection", False),
        ("Task not found: driver: bad connection", False),
        ("Task not found: unexpected EOF", False),
        ("Task not found: Error 4012 (HY000): Timeout", False),
    ],
)
def test_which_answers_mean_that_a_task_is_unknown(message: str, unknown: bool) -> None:
    """Not found means what it says, unless the database is the reason."""
    assert AgentAnswer(404, error="Task.NotFound", message=message).unknown_task is unknown


async def test_an_outage_that_outlasts_the_step_is_a_timeout(agent: FakeAgent) -> None:
    """Not a failure that says the task is gone."""
    on, one = bench_for(agent), attempt(operation(), seconds=2)
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")
    agent.away = AWAY

    end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert end.reason.value == "Timeout"
