"""Makes obshell executors that reach a fake agent, and the attempts they carry out."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tests.support.agent.agent import FakeAgent
from tests.support.agent.dags import Node, Step
from tests.support.attempts import SECRET_NAME, Bells, PlainLog, alone, attempt, evaluated, until, wall_clock
from tests.support.local import LOCAL

from obtask.executors.connections.connection import AgentConnection
from obtask.executors.network.large_answers import LargeAnswers
from obtask.executors.obshell.executor import Obshell
from obtask.executors.obshell.target import ObshellTools
from obtask.executors.obshell.wire import Client
from obtask.model.actions import ObshellAction
from obtask.model.attempt import Attempt, Failed, Lost, Outcome, Running
from obtask.model.reasons import FailureReason
from obtask.shares import Pace, Slots

STOP = "/api/v1/ob/stop"


@dataclass(slots=True)
class AgentSecrets:
    """The connection Secret of one agent; every other name is not found. Implements ``AgentSource``."""

    of: FakeAgent
    password: str | None = None
    values: dict[tuple[str, str], str] = field(default_factory=dict)

    async def agent(self, namespace: str, secret_name: str) -> AgentConnection | Failed:
        """Return the connection of that name."""
        if (namespace, secret_name) != ("prod", SECRET_NAME):
            return Failed(FailureReason.NOT_FOUND, f"Secret {secret_name} not found")
        return AgentConnection(self.of.url, self.of.password if self.password is None else self.password)

    async def value(self, namespace: str, secret_name: str, key: str, to: Sequence[str]) -> str | Failed:  # noqa: ARG002 - the protocol\'s arguments
        """Return a value of the Secret of that name."""
        assert namespace == "prod"
        found = self.values.get((secret_name, key))
        return Failed(FailureReason.NOT_FOUND, f'Secret "{secret_name}" has no key "{key}"') if found is None else found


@dataclass(slots=True)
class ObshellBench:
    """An executor, and what it reports to."""

    secrets: AgentSecrets
    log: PlainLog = field(default_factory=PlainLog)
    bells: Bells = field(default_factory=Bells)
    clock: Callable[[], datetime] = wall_clock
    confirmed: Callable[[], Awaitable[None]] = alone
    slots: Slots = field(default_factory=lambda: Slots(8))
    large: LargeAnswers = field(default_factory=LargeAnswers)
    poll_seconds: float = 0.02
    executor: Obshell = field(init=False)

    def __post_init__(self) -> None:
        """Make the executor."""
        client, pace = Client(clock=wall_clock, hosts=LOCAL, large=self.large), Pace(1000, burst=1000)
        tools = ObshellTools(
            self.secrets, client, self.clock, self.confirmed, self.slots, pace, evaluated, self.poll_seconds, stop_seconds=5
        )
        self.executor = Obshell(tools, on_news=self.bells)

    async def run(self, one: Attempt) -> Outcome | Lost:
        """Carry an attempt out and return its end."""
        await self.executor.start(one, self.log)
        return await self.end_of(one)

    async def end_of(self, one: Attempt) -> Outcome | Lost:
        """Wait for the end of an attempt and return it."""
        async with asyncio.timeout(20):
            while isinstance(seen := await self.executor.observe(one, self.log), Running):
                await self.bells.wait()
        return seen

    async def until_running(self, one: Attempt, text: str) -> Running:
        """Wait until an attempt says that it is doing this."""
        async with asyncio.timeout(20):
            while True:
                seen = await self.executor.observe(one, self.log)
                assert isinstance(seen, Running), seen
                if text in (seen.message or ""):
                    return seen
                await self.bells.wait()


def bench_for(agent: FakeAgent, password: str | None = None) -> ObshellBench:
    """Return an executor whose Secret names this agent."""
    return ObshellBench(AgentSecrets(agent, password))


def operation(path: str = STOP, **fields: object) -> ObshellAction:
    """Return an obshell action."""
    return ObshellAction.model_validate({"path": path, **fields})


def follow_up(before: Attempt, external: str | None) -> Attempt:
    """Return the attempt after one that had started this."""
    return replace(attempt(before.action, number=before.id.number + 1), previous_external=external)


def stages(*steps: Step) -> Callable[[], list[Node]]:
    """Return an operation whose DAG has a stage for each step."""
    return lambda: [Node(f"Stage {step.name}", [replace(step, written=[])]) for step in steps]


async def dag_is(agent: FakeAgent, state: str, number: int = 1) -> None:
    """Wait until a DAG is in this state."""
    await until(lambda: agent.dag(number).state == state)
