"""Limits of an obshell attempt are limits: whatever an agent does, it ends within ten seconds of its timeout or cancel."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.component.executors.obshell_bench import STOP, ObshellBench, bench_for, follow_up, operation, stages
from tests.support.agent.agent import DAG_PATH, Answered, FakeAgent, Operation
from tests.support.agent.dags import Step
from tests.support.attempts import attempt, evaluated, until

from obtask.executors.obshell.answers import AgentAnswer
from obtask.executors.obshell.context import Context, context_of
from obtask.executors.obshell.dag import MOST_SUBTASKS
from obtask.executors.obshell.executor import _Followed
from obtask.executors.obshell.login import AgentLogin
from obtask.executors.obshell.target import ObshellConversation
from obtask.executors.obshell.wire import Client
from obtask.model.attempt import Failed, Succeeded
from obtask.model.reasons import FailureReason
from obtask.shares import Pace, Slots


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


class Stuck:
    """Expressions of which no condition is ever evaluated. Implements ``Expressions``."""

    def __getattr__(self, name: str) -> Any:
        """Take the rest from one that works."""
        return getattr(evaluated, name)

    async def holds(self, *_: object) -> bool:
        """Take for ever."""
        await asyncio.Event().wait()
        return True


@pytest.mark.parametrize("cancelled", [True, False])
async def test_an_expectation_that_takes_for_ever(agent: FakeAgent, *, cancelled: bool) -> None:
    """It is bounded by the deadline and by a cancel, as everything is."""
    agent.operations["GET", "/api/v1/tenants"] = Answered(data=[])
    on = bench_for(agent)
    on.executor._tools = replace(on.executor._tools, expressions=Stuck())
    one = attempt(operation("/api/v1/tenants", method="GET", expect="data == []"), seconds=60 if cancelled else 1)
    async with within(10):
        await on.executor.start(one, on.log)
        await until(lambda: "HTTP 200" in on.log.text)
        if cancelled:
            await on.executor.cancel(one)
        end = await on.end_of(one)

    assert isinstance(end, Failed)
    assert end.reason is (FailureReason.CANCELLED if cancelled else FailureReason.TIMEOUT)
    assert "no obshell task was started, but expect was not evaluated in time" in end.message


async def test_waiting_for_a_turn_is_no_silence_of_the_agent(agent: FakeAgent) -> None:
    """The seconds are for the agent's answer: a namespace that follows many tasks looks at each of them less often."""
    on = bench_for(agent)
    on.executor._tools = replace(on.executor._tools, pace=Pace(1, burst=1))
    looks = speech_of(on)
    await looks.open()
    await looks.ask("/api/v1/status", {}, 0.9)

    assert isinstance(await looks.ask("/api/v1/status", {}, 0.9), AgentAnswer)


async def test_whoever_stops_waits_for_no_turn(agent: FakeAgent) -> None:
    """Its seconds are counted."""
    on = bench_for(agent)
    on.executor._tools = replace(on.executor._tools, pace=Pace(0.01, burst=1))
    await on.executor._tools.pace.turn("prod")
    conversation = speech_of(on, stopping=True)

    async with within(10):
        assert isinstance(await conversation.ask("/api/v1/status", {}, 5), AgentAnswer)


@pytest.mark.parametrize("path", [STOP, "/api/v1/task/node/1190"])
async def test_without_a_slot_it_is_asked_again(agent: FakeAgent, path: str) -> None:
    """What an attempt takes up, or whose task a node is, is asked for as soon as there is a slot."""
    on, slots = bench_for(agent), Slots(1)
    on.executor._tools = replace(on.executor._tools, slots=slots, look_seconds=0.3)
    agent.start(Operation(stages(Step("kill", fails=1)), "Stop OB"))
    await until(lambda: agent.dag().state == "FAILED")
    one = follow_up(attempt(operation(path, body={"operator": "PASS"})), "11")
    async with slots.of("prod"):
        await on.executor.start(one, on.log)
        await on.until_running(one, "waiting for a free slot in the operator")

    assert isinstance(await on.end_of(one), Succeeded)


def speech_of(on: ObshellBench, *, stopping: bool = False) -> ObshellConversation:
    """Return the words of an attempt with its agent."""
    entry = _Followed(lambda: None)
    context = context_of(attempt(operation()), on.log, entry, on.executor._tools)
    assert isinstance(context, Context)
    if stopping:
        entry.stop.set()
    return context.conversation


async def test_a_long_list_is_read_beside_the_event_loop(agent: FakeAgent) -> None:
    """Of all its tasks together no more is looked at than of one, and everybody else goes on meanwhile."""
    dag = {"id": "11", "state": "READY", "operator": "RUN", "stage": 0, "nodes": [{"sub_tasks": [{}] * 9}]}
    agent.faults.append(("GET", f"{DAG_PATH}unfinish", Answered(data=[dag] * 5_000)))
    conversation, loop_of = speech_of(bench_for(agent)), threading.get_ident()
    assert isinstance(await conversation.open(), AgentLogin)
    conversation._client = Spied(conversation._client)  # type: ignore[assignment] # it is one but for what is spied on

    found = await conversation.dags("dag/unfinish")

    assert isinstance(found, list)
    assert sum(1 + len(node.subtasks) for one in found for node in one.nodes) == MOST_SUBTASKS
    assert found[-1].cut
    assert loop_of not in conversation._client.read_in  # type: ignore[attr-defined] # of the spy


class Spied:
    """A client that tells in which threads large answers were read."""

    def __init__(self, client: Client) -> None:
        self.client, self.read_in = client, set[int]()

    def __getattr__(self, name: str) -> Any:
        """Be the client."""
        return getattr(self.client, name)

    async def reading(self, work: Callable[[], Any]) -> Any:
        """Take note of the thread."""

        def noted() -> Any:
            self.read_in.add(threading.get_ident())
            return work()

        return await self.client.reading(noted)


async def test_a_deeply_nested_answer_is_not_shown(agent: FakeAgent, caplog: pytest.LogCaptureFixture) -> None:
    """Where reading it would be too deep, the success counts all the same."""
    agent.operations["GET", "/api/v1/x"] = Answered(raw=b'{"successful":true,"data":' + b"[" * 900 + b"]" * 900 + b"}")
    on = bench_for(agent)

    end = await on.run(attempt(operation("/api/v1/x", method="GET")))

    assert isinstance(end, Succeeded)
    assert "a deeply nested answer" in on.log.text
    assert caplog.text == ""
