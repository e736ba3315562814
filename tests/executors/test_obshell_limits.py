"""Limits of an obshell attempt are limits: whatever an agent does, it ends within ten seconds of its timeout or cancel."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import pytest
from tests.executors.attempts import attempt, until
from tests.executors.obshell_bench import STOP, bench_for, follow_up, operation, stages
from tests.obshell_agent.agent import DAG_PATH, Answered, FakeAgent
from tests.obshell_agent.dags import Step

from obtask.model.attempt import Failed, Succeeded
from obtask.model.status import FailureReason


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    """Return an agent whose stop operation hangs in its second stage; whatever was frozen is let go at the end."""
    with FakeAgent(operations={("POST", STOP): stages(Step("prepare"), Step("kill", held=True))}).running() as running:
        yield running
        thaw(running)


def freeze(agent: FakeAgent) -> None:
    """Let the agent take requests and answer none."""
    with agent.lock:
        agent.frozen = threading.Event()


def thaw(agent: FakeAgent) -> None:
    """Let it answer again."""
    with agent.lock:
        if agent.frozen is not None:
            agent.frozen.set()
            agent.frozen = None


@asynccontextmanager
async def within(seconds: float) -> AsyncGenerator[None]:
    """Take no longer than that."""
    async with asyncio.timeout(seconds):
        yield


async def test_a_cancel_of_a_frozen_agent(agent: FakeAgent) -> None:
    """The look that hangs is given up at once; the message says that the obshell task goes on."""
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")
    freeze(agent)

    await on.executor.cancel(one)
    async with within(9):
        end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED
    assert "the obshell task goes on: CANCEL was not sent" in end.message
    assert end.external == "11"


async def test_a_timeout_with_a_frozen_agent(agent: FakeAgent) -> None:
    """The same for the deadline; the next attempt goes on with the same DAG, and sends nothing."""
    on, one = bench_for(agent), attempt(operation(), seconds=1)
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")
    freeze(agent)

    async with within(10):
        end = await on.end_of(one)
    thaw(agent)
    agent.release()
    again = await on.run(follow_up(one, "11"))

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.TIMEOUT
    assert isinstance(again, Succeeded)
    assert agent.starts() == [STOP]


async def test_a_cancel_while_the_next_attempt_waits_for_a_frozen_agent(agent: FakeAgent) -> None:
    """Taking up what was left is no longer than its limits, either."""
    on, one = bench_for(agent), attempt(operation())
    await on.executor.start(one, on.log)
    await on.until_running(one, "2/2")
    on.executor.forget(one.id)
    freeze(agent)
    second = follow_up(one, "11")

    await on.executor.start(second, on.log)
    await on.executor.cancel(second)
    async with within(9):
        end = await on.end_of(second)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED


async def test_a_cancel_while_the_request_is_not_answered(agent: FakeAgent) -> None:
    """The answer, and the search for what was started, share the same few seconds."""
    on, one = bench_for(agent), attempt(operation())
    freeze(agent)
    await on.executor.start(one, on.log)

    await on.executor.cancel(one)
    async with within(9):
        end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert end.reason is FailureReason.CANCELLED


async def test_a_cancel_while_retry_is_not_answered(agent: FakeAgent) -> None:
    """The agent freezes between the look and the RETRY."""
    agent.operations["POST", STOP] = stages(Step("kill", fails=1))
    on, one = bench_for(agent), attempt(operation())
    await on.run(one)
    second, hanging = follow_up(one, "11"), threading.Event()
    with agent.lock:
        agent.faults.append(("POST", DAG_PATH, Answered(silent=hanging)))
    await on.executor.start(second, on.log)
    await until(agent.operated)

    await on.executor.cancel(second)
    async with within(9):
        end = await on.end_of(second)
    hanging.set()

    assert isinstance(end, Failed)
    assert agent.operated() == ["RETRY"]


async def test_the_message_of_a_cancel_has_what_obshell_did(agent: FakeAgent) -> None:
    """Not where it was when it was last looked at: what is done stays done, and the DAG ended further on."""
    on, one = bench_for(agent), attempt(operation())
    with agent.lock:
        await on.executor.start(one, on.log)
    await on.until_running(one, "following")
    await on.executor.cancel(one)

    end = await on.end_of(one)

    assert isinstance(end, Failed)
    dag = agent.dag()
    assert f"was stopped at {dag.stage}/2" in end.message
