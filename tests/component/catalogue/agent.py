"""Owns the obshell agent of the played cluster: what it is asked for is carried out by the rules of `server/*.yaml`."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from tests.component.catalogue.relay import HangUp, Refuse
from tests.component.catalogue.stage import Stage
from tests.support.agent.agent import Answered, FakeAgent, Operation
from tests.support.agent.dags import NO_MAINTENANCE, Node, Step, wall_clock

ANSWER_SECONDS = 10


class _Operations(dict[tuple[str, str], Callable[[], list[Node]] | Operation | Answered]):
    """What the agent can do, as it is asked for: the rules say it. Called in a thread of the agent's server."""

    def __init__(self, stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._stage = stage
        self._loop = loop
        self.agent: FakeAgent | None = None

    def has_obproxy(self) -> bool:
        """Return whether an OBProxy is managed."""
        asking = self._stage.ask("SELECT 1 FROM oceanbase.OBPROXY")
        return bool(asyncio.run_coroutine_threadsafe(asking, self._loop).result(ANSWER_SECONDS))

    def get(self, key: tuple[str, str], default: Any = None) -> Any:
        """Carry a request out; return the task that it starts, or what is answered."""
        method, path = key
        assert self.agent is not None
        body = self.agent.asked[-1].body
        text = f"{method} {path}" + (f" {json.dumps(body)}" if body else "")
        asking = self._stage.requested(text, changing=method != "GET")
        verdict, data = asyncio.run_coroutine_threadsafe(asking, self._loop).result(ANSWER_SECONDS)
        operation = Operation(lambda: [Node("Carry out", [Step("Carry out")])], name=f"{method} {path}", maintenance=NO_MAINTENANCE)
        match verdict:
            case Refuse():
                return default if verdict.code == 404 else Answered(verdict.code, error=verdict.message)
            case HangUp():
                if data is None:
                    self.agent.start(operation)
                return Answered(drop=True)
            case _:
                return Answered(data=data) if data is not None else operation


class PlayedAgent(FakeAgent):
    """An agent whose time is that of the operator under test."""

    def __init__(self, operations: _Operations) -> None:
        super().__init__(operations=operations)
        self._managed = operations.has_obproxy
        self.time: Callable[[], datetime] = wall_clock

    def seconds(self) -> float:
        """The time by which requests expire."""
        return math.floor(self.time().timestamp())

    def has_obproxy(self) -> bool:
        """Return whether the played cluster has one; called in a thread of the agent's server."""
        return self._managed()

    def now(self) -> datetime:
        """The time of day as the agent has it."""
        return self.time()


@contextmanager
def played_agent(stage: Stage) -> Iterator[PlayedAgent]:
    """Run the agent until the block ends. Needs a running event loop, which must not be blocked meanwhile."""
    operations = _Operations(stage, asyncio.get_running_loop())
    agent = operations.agent = PlayedAgent(operations=operations)
    with agent.running():
        yield agent
