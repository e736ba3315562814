"""Cancel, timeouts and the end of the operator: what becomes of the task in obshell."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from tests.component.executors.obshell_bench import STOP, AgentSecrets, ObshellBench, bench_for, dag_is, follow_up, operation, stages
from tests.support.agent.agent import Answered, FakeAgent
from tests.support.agent.dags import Step
from tests.support.attempts import SetClock, attempt, until, wall_clock

from obtask.model.attempt import Failed, Running, Succeeded
from obtask.model.reasons import FailureReason


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent whose stop operation hangs in its second stage."""
    with FakeAgent(operations={("POST", STOP): stages(Step("prepare"), Step("kill", held=True))}).running() as running:
        yield running


async def test_cancel_lets_obshell_cancel_its_dag(agent: FakeAgent) -> None:
    """The attempt ends when the DAG has."""
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")

    await on.executor.cancel(one)
    await on.executor.cancel(one)
    end = await on.end_of(one)

    text = 'cancelled: obshell task 11 "Operation 1" was stopped at 2/2 "Stage kill" after "Stage prepare"; obshell has cancelled its task'
    assert end == Failed(FailureReason.CANCELLED, text, external="11")
    assert (agent.operated(), agent.dag().state) == (["CANCEL"], "FAILED")
    assert "kill (10.0.0.1:2886): ERROR: sub task cancelled" in on.log.lines


async def test_cancel_that_obshell_does_not_allow(agent: FakeAgent) -> None:
    """The attempt ends all the same, and says that the obshell task goes on."""
    agent.operations["POST", STOP] = stages(Step("kill", held=True, can_cancel=False))
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "1/1")

    await on.executor.cancel(one)
    end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED
    assert "the obshell task goes on: obshell does not allow CANCEL: HTTP 400: Task.Dag.Operator.CancelNotAllowed" in end.message
    assert agent.dag().operator == "RUN"


async def test_cancel_after_the_end_changes_nothing(agent: FakeAgent) -> None:
    """What has succeeded has succeeded."""
    agent.operations["POST", STOP] = stages(Step("kill"))
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "following")
    await dag_is(agent, "SUCCEED")

    await on.executor.cancel(one)

    assert isinstance(await on.end_of(one), Succeeded)
    assert agent.operated() == []


async def test_cancel_while_the_post_is_not_answered(agent: FakeAgent) -> None:
    """The answer tells which DAG there is to cancel."""
    on, one = bench_for(agent), attempt(operation())
    with agent.lock:  # so long it answers nothing
        await on.executor.start(one, on.log)
        await on.until_running(one, "waiting for the answer to POST /api/v1/ob/stop")
        await on.executor.cancel(one)

    end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED
    assert end.external == "11"
    assert agent.operated() == ["CANCEL"]


async def test_a_timeout_lets_obshell_cancel_its_dag(agent: FakeAgent) -> None:
    """The reason is Timeout, the message has what was last seen, the log is kept."""
    clock = SetClock(wall_clock())
    on = ObshellBench(AgentSecrets(agent), clock=clock)
    one = attempt(operation(), seconds=60, started_at=clock.now)
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")

    clock.forward(60)
    end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.TIMEOUT
    assert end.message.startswith("did not end within 60 s: obshell task 11")
    assert end.message.endswith("obshell has cancelled its task")
    assert agent.operated() == ["CANCEL"]
    assert "prepare (10.0.0.1:2886): doing prepare" in on.log.lines


async def test_an_operator_that_stops_leaves_the_dag_alone(agent: FakeAgent) -> None:
    """It starts nothing any more, and what it follows is left running for the next one."""
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")

    await on.executor.stop(5)
    await on.executor.start(attempt(operation(), number=2), on.log)

    seen = await on.executor.observe(one, on.log)
    assert isinstance(seen, Running)
    assert seen.external == "11"
    assert (agent.operated(), agent.starts(), agent.dag().operator) == ([], [STOP], "RUN")


async def test_an_operator_that_stops_during_the_post_leaves_it_to_the_next(agent: FakeAgent) -> None:
    """Without an answer within the grace period nobody here knows which DAG was started: the next operator looks for it."""
    silence = threading.Event()
    agent.faults.append(("POST", STOP, Answered(silent=silence)))
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await until(agent.starts)

    await on.executor.stop(0.05)
    silence.set()

    assert await on.executor.observe(one, on.log) == Running()


async def test_a_forgotten_attempt_is_not_followed(agent: FakeAgent) -> None:
    """Nothing is left running here, and nothing was cancelled in obshell."""
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")

    on.executor.forget(one.id)
    await until(lambda: not on.executor._live)

    assert agent.operated() == []


async def test_nothing_is_sent_that_was_cancelled_before(agent: FakeAgent) -> None:
    """A request waits until no other operator can have taken over; cancelled meanwhile, it is not sent. Looks do not wait."""
    asked, sure = asyncio.Event(), asyncio.Event()

    async def confirmed() -> None:
        asked.set()
        await sure.wait()

    on = ObshellBench(AgentSecrets(agent), confirmed=confirmed)
    one = attempt(operation())
    await on.executor.start(one, on.log)
    await asked.wait()
    await on.executor.cancel(one)
    end = await on.end_of(one)

    assert end == Failed(FailureReason.CANCELLED, "cancelled: POST /api/v1/ob/stop was not sent", untouched=True)
    agent.operations["GET", "/api/v1/tenants"] = Answered(data=None)
    looked = await on.run(attempt(operation("/api/v1/tenants", method="GET"), number=2))
    assert isinstance(looked, Succeeded)
    assert agent.starts() == []


async def test_an_attempt_without_time_left_sends_nothing(agent: FakeAgent) -> None:
    """Its deadline has passed before it could connect."""
    clock = SetClock(wall_clock())
    one = attempt(operation(), seconds=60, started_at=clock.now)
    clock.forward(61)

    end = await ObshellBench(AgentSecrets(agent), clock=clock).run(one)

    assert end == Failed(FailureReason.TIMEOUT, "did not end within 60 s: POST /api/v1/ob/stop was not sent", untouched=True)
    assert agent.asked == []


async def test_after_a_cancel_that_was_not_allowed_the_next_attempt_goes_on(agent: FakeAgent) -> None:
    """The obshell task went on by itself: it is followed, and nothing is sent."""
    agent.operations["POST", STOP] = stages(Step("kill", held=True, can_cancel=False))
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "1/1")
    await on.executor.cancel(one)
    await on.end_of(one)
    agent.release()

    end = await on.run(follow_up(one, "11"))

    assert end == Succeeded('obshell task 11 "Operation 1" succeeded', external="11")
    assert (agent.starts(), agent.operated()) == ([STOP], ["CANCEL"])
