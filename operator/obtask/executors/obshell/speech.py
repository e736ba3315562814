"""Owns what one attempt says to its agent: reading the Secret, opening, asking, operating, and the log of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from obtask.executors.base import Log
from obtask.executors.connections import AgentSource
from obtask.executors.obshell.answers import Answer, Fault, FaultKind
from obtask.executors.obshell.client import ASK_SECONDS, Client, Session
from obtask.executors.obshell.dag import MOST_LINES, MOST_SUBTASKS, Dag, Operator, read_dag
from obtask.executors.overrides import agent_target
from obtask.model.actions import AgentRef, HttpMethod
from obtask.model.attempt import Attempt, Failed
from obtask.model.limits import one_line
from obtask.shares import Pace, Slot, Slots

NO_SLOT = "waiting for a free slot in the operator"
BAD_REQUEST = 400
EASY_BYTES = 128 * 1024
KEY_WARNING = "warning: the agent's key is taken on trust over http://; give its public-key, or https:// with ca.crt, in the Secret"
NOT_FOUND = 404
SAFE = frozenset({HttpMethod.GET, HttpMethod.HEAD})


@dataclass(frozen=True, slots=True)
class Tools:
    """What every attempt needs. ``confirmed`` is awaited before whatever changes something: no other operator can have taken over."""

    source: AgentSource
    client: Client
    clock: Callable[[], datetime]
    confirmed: Callable[[], Awaitable[None]]
    slots: Slots
    pace: Pace
    poll_seconds: float = 1.0
    stop_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a DAG cannot be seen just now; ``gone``: the agent does not know it."""

    message: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class NotDone:
    """Why an operator was not carried out; ``disallowed``: obshell does not allow it for that task, now or later."""

    message: str
    disallowed: bool = False


class Speech:
    """One attempt's words with its agent. A fresh key and the Secret as it is now go before whatever changes something."""

    def __init__(self, attempt: Attempt, ref: AgentRef, tools: Tools, log: Log) -> None:
        self._attempt = attempt
        self._ref = ref
        self._tools = tools
        self._client = tools.client.of(attempt.namespace)
        self._log = log
        self.slot = Slot(tools.slots, attempt.namespace)
        self._session: Session | None = None
        self._details = True
        self._written: dict[int, tuple[str, int]] = {}  # of the DAG looked at last, by the place of the subtask
        self._written_of = ""
        self._told: set[str] = set()

    @property
    def effort(self) -> int:
        """How many times longer than usual to wait before the next look, since reading what the last one brought took long."""
        return self._client.last_size // EASY_BYTES

    async def open(self) -> Failed | Fault | Session:
        """Read the Secret and ask the agent for its key, in a slot."""
        async with self._in_slot():
            return await self._open()

    @asynccontextmanager
    async def _in_slot(self) -> AsyncGenerator[None]:
        held = self.slot.held
        if not held:
            await self.slot.take()
        try:
            yield
        finally:
            if not held:
                self.slot.give_back()

    async def _open(self) -> Failed | Fault | Session:
        found = await self._tools.source.agent(self._attempt.namespace, self._ref.secret_name)
        target = found if isinstance(found, Failed) else agent_target(self._ref, found)
        if isinstance(target, Failed):
            return target
        for secret in (target.password, target.agent_password, target.client_key):
            if secret:
                self._log.hide(secret)
        opened = await self._client.open(target)
        if isinstance(opened, Session):
            self._session = opened
            if opened.target.url.startswith("http:") and target.public_key is None:
                self._tell_once(KEY_WARNING)
        return opened

    async def request(self, session: Session, method: HttpMethod, path: str, body: Any, seconds: float) -> Fault | Answer:
        """Send the attempt's own request, once."""
        return await self._client.send(session, method.value, path, body=body, seconds=seconds)

    async def operate(self, dag: str, operator: Operator) -> NotDone | None:
        """Ask for something to be done with a DAG, once; return why it is not done, or None if it is."""
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await self.slot.take()
        except TimeoutError:
            return NotDone(f"{operator} was not sent: {NO_SLOT}")
        try:
            return await self._operate(dag, operator)
        finally:
            self.slot.give_back()

    async def _operate(self, dag: str, operator: Operator) -> NotDone | None:
        session = await self.open()
        if not isinstance(session, Session):
            return NotDone(f"{operator} was not sent: {session.message}")
        await self._tools.confirmed()
        self._log.write(f"obshell task {dag}: sending {operator}")
        answer = await self._client.send(session, "POST", _path(dag), body={"operator": operator.value})
        if isinstance(answer, Fault):
            sent = "was not sent" if answer.kind is FaultKind.NOT_SENT else "may or may not have arrived"
            refused = NotDone(f"{operator} {sent}: {answer.message}")
        elif answer.accepted:
            return None
        else:
            refused = NotDone(f"obshell does not allow {operator}: {answer.refusal}", _for_good(answer))
        self._log.write(refused.message)
        return refused

    async def look(self, dag: str, seconds: float = ASK_SECONDS) -> Dag | Miss:
        """Return what the agent says of a DAG now; after a miss the next look begins afresh, with the Secret as it is then."""
        try:
            async with asyncio.timeout(seconds):
                await self._tools.pace.turn(self._attempt.namespace)
                await self.slot.take()
        except TimeoutError:
            return Miss(NO_SLOT)
        try:
            return await self._look(dag, seconds)
        finally:
            self.slot.give_back()

    async def _look(self, dag: str, seconds: float) -> Dag | Miss:
        session = self._session or await self.open()
        if not isinstance(session, Session):
            return Miss(session.message)
        query = {"show_details": str(self._details)}
        answer = await self._client.send(session, "GET", _path(dag), query=query, seconds=seconds)
        if isinstance(answer, Answer) and answer.accepted:
            found = read_dag(answer.data)
            self._client.forget()
            return found if found is not None and found.id == dag else Miss("the answer does not describe that task")
        self._session = None
        if isinstance(answer, Answer):
            return Miss(f"obshell refused: {answer.refusal}", gone=answer.status == NOT_FOUND)
        if answer.kind is FaultKind.TOO_LONG and self._details:
            self._details = False
            self._log.write(f"{answer.message}: going on without the logs of its subtasks")
        return Miss(answer.message)

    def write_news(self, dag: Dag, *, silently: bool = False) -> None:
        """Write the lines of the subtasks' logs that are new."""
        if dag.id != self._written_of:
            self._written, self._written_of = {}, dag.id
        if dag.cut:
            self._tell_once(f"obshell tells more than is looked at: of up to {MOST_SUBTASKS} subtasks, {MOST_LINES} lines")
        for sub in dag.subtasks():
            who = f"{sub.id} {sub.name} {sub.agent}"
            before, known = self._written.get(sub.place, (who, 0))
            if before != who:
                known = 0
            self._written[sub.place] = who, max(known, len(sub.logs))
            for line in () if silently else sub.logs[known:]:
                self._log.write(f"{sub.name} ({sub.agent}): {line.rstrip()}")

    def _tell_once(self, text: str) -> None:
        """Write what would be the same at every look."""
        if text not in self._told:
            self._told.add(text)
            self._log.write(text)


def _for_good(answer: Answer) -> bool:
    # Refusals of operators have status 400; one means only that the task is not in the state for it just now.
    return answer.error == "Task.Expired" or (answer.status == BAD_REQUEST and not (answer.error or "").endswith("NotFailedDag"))


def _path(dag: str) -> str:
    return f"/api/v1/task/dag/{dag}"


def shortened(text: str) -> str:
    """Return a body as the log shows it."""
    return one_line(text, 2000)
