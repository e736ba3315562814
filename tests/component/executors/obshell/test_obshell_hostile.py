"""An obshell agent that means harm costs its own step: little memory, no time of others, and an end with a reason."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from tests.support.attempts import SECRET_NAME, PlainLog, alone, attempt, evaluated, wall_clock
from tests.support.hostile.agent import AGENTS
from tests.support.hostile.targets import running
from tests.support.local import LOCAL
from tests.support.strain import strain

from obtask.executors.connections.connection import AgentConnection
from obtask.executors.obshell.dag import MOST_LINES, MOST_SUBTASKS, read_dag
from obtask.executors.obshell.executor import Obshell
from obtask.executors.obshell.target import ObshellTools
from obtask.executors.obshell.wire import Client
from obtask.model.actions import ObshellAction
from obtask.model.attempt import Failed, Running
from obtask.shares import Pace, Slots


class OneAgent:
    """The connection Secret of one agent. Implements ``AgentSource``."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:
        """Return it."""
        assert (namespace, secret_name) == ("prod", SECRET_NAME)
        return AgentConnection(self._url, "hunter2")

    async def value(self, namespace: str, secret_name: str, key: str, to: Sequence[str]) -> str | Failed:
        """Nobody asks for one."""
        raise NotImplementedError


class ShortLog(PlainLog):
    """A log that keeps the beginning only, as the real one is bounded."""

    def write(self, text: str, at: str | None = None) -> None:
        """Keep the text if there are few."""
        if len(self.lines) < 100:
            super().write(text[:1000], at)


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Run the agents in a process of their own."""
    with running() as found:
        yield found


@pytest.mark.parametrize("name", AGENTS)
async def test_fifty_looks_at_every_one_of_them(name: str, ports: dict[str, int]) -> None:
    """However often it is looked at, what is remembered stays small, and the loop is held for milliseconds."""
    rung = asyncio.Event()
    client, pace = Client(clock=wall_clock, hosts=LOCAL), Pace(1000, burst=1000)
    tools = ObshellTools(OneAgent(ports[name]), client, wall_clock, alone, Slots(8), pace, evaluated, poll_seconds=0.01, stop_seconds=1)
    executor, log = Obshell(tools, on_news=lambda _: rung.set()), ShortLog()
    one = attempt(ObshellAction(path="/api/v1/ob/start"), seconds=3)

    async with strain() as cost:
        await executor.start(one, log)
        async with asyncio.timeout(40):
            while isinstance(seen := await executor.observe(one, log), Running):
                rung.clear()
                await rung.wait()

    assert isinstance(seen, Failed)
    assert "unexpected" not in seen.message
    assert len(seen.message) < 2048
    assert "hunter2" not in log.text
    assert cost.mebibytes < 64
    assert cost.held_seconds < 0.25


def test_a_dag_is_read_up_to_a_size() -> None:
    """Of more subtasks and lines than any task of obshell has the first ones are looked at, and it is known that there are more."""
    base = {"id": "1", "state": "RUNNING", "operator": "RUN", "stage": 1, "max_stage": 1}
    wide = read_dag({**base, "nodes": [{"sub_tasks": [{}] * 3000}] * 2000})
    long = read_dag({**base, "nodes": [{"sub_tasks": [{"task_logs": ["x"] * 9000}] * 5}]})

    assert wide is not None
    assert long is not None
    assert (wide.cut, long.cut) == (True, True)
    assert sum(1 for _ in wide.subtasks()) <= MOST_SUBTASKS
    assert sum(len(sub.logs) for sub in long.subtasks()) == MOST_LINES
    assert len({sub.position for sub in wide.subtasks()}) == sum(1 for _ in wide.subtasks())


@pytest.mark.parametrize("value", [None, True, 1e308, 10**4000, "x" * 10**6, [], {}, [[]] * 1000])
def test_fields_of_another_type(value: object) -> None:
    """Whatever is in them, a DAG is read or it is not, and what people are told of it is short."""
    sub = {"id": value, "name": value, "state": "FAILED", "execute_agent": value, "task_logs": [value]}
    other = {"execute_agent": {"ip": value, "port": value}, "task_logs": value}
    nodes = [{"name": value, "state": value, "sub_tasks": [sub, other]}]
    dag = {"id": "1", "state": "FAILED", "operator": "RUN", "stage": value, "max_stage": value, "name": value, "nodes": nodes}

    found = read_dag(dag)

    assert found is not None
    assert len(found.failure()) < 1000
    assert len(found.progress) < 1000
