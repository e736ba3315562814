"""Owns one attempt's conversation with its agent: the Secret, connecting, asking, commanding DAGs, and the log of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from obtask.executors.connections.connection import AgentConnection, AgentSource
from obtask.executors.connections.overrides import agent_target, hosts_of
from obtask.executors.evaluation.evaluator import Expressions
from obtask.executors.obshell.answers import NO_SLOT, AgentAnswer, AgentFault, AgentFaultKind, Miss, NotDone, last_words
from obtask.executors.obshell.dag import Dag, DagOperator, read_dag, read_dags, short_line
from obtask.executors.obshell.login import AgentLogin
from obtask.executors.obshell.wire import ASK_SECONDS, Client
from obtask.executors.obshell.words import Transcript
from obtask.model.attempt import Attempt, Failed
from obtask.model.connections import AgentRef
from obtask.model.contract import HttpMethod
from obtask.shares import Pace, Slot, Slots

NOT_FOUND, SERVER_ERROR = 404, 500
EASY_BYTES = 128 * 1024
KEY_WARNING = "warning: the agent's key is taken on trust over http://; give its public-key, or https:// with ca.crt, in the Secret"
CLUSTER_TASK = "1"  # what the id of a task of the cluster begins with
DATABASE_AVAILABLE = 3  # of obState: running, with a connection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObshellTools:
    """What every attempt needs. ``confirmed`` is awaited before every change: it returns while no other operator can have taken over."""

    source: AgentSource
    client: Client
    clock: Callable[[], datetime]
    confirmed: Callable[[], Awaitable[None]]
    slots: Slots
    pace: Pace
    expressions: Expressions
    poll_seconds: float = 1.0
    look_seconds: float = 10.0
    stop_seconds: float = 8.0


class ObshellConversation:
    """One attempt's conversation with its agent. Before every change the Secret and the agent's key are read again.

    No call takes longer than the seconds it is given, however an agent behaves.
    """

    def __init__(self, attempt: Attempt, ref: AgentRef, tools: ObshellTools, script: Transcript, set_by_body: tuple[str, ...] = ()) -> None:
        self._attempt = attempt
        self._ref = ref
        self._tools = tools
        self._client = tools.client.of(attempt.namespace)
        self._script = script
        self.set_by_body = set_by_body
        self.slot = Slot(tools.slots, attempt.namespace)
        self._login: AgentLogin | None = None
        self._details = True
        self._sent_to: str | None = None  # where the attempt's own request went
        self._only: str | None = None
        self.keeps_data = False
        self.stopping: Callable[[], bool] = lambda: False  # while it stops, no question waits for its turn
        self.last_data: Any = None  # of the DAG looked at last, if it is kept

    @property
    def effort(self) -> int:
        """By how much to lengthen the pause before the next look, because the last answer was large."""
        return self._client.last_size // EASY_BYTES

    @property
    def agent_now(self) -> datetime:
        """The agent's clock, to the second, as far as its answers tell."""
        return self._tools.clock() + self._client.ahead

    def forget(self) -> None:
        """Release the last answer."""
        self.last_data = None
        self._client.forget()

    async def take_slot(self) -> None:
        """Wait for a slot, unless there is one."""
        if not self.slot.held:
            await self.slot.take()

    async def open(self) -> Failed | AgentFault | AgentLogin:
        """Read the Secret and ask the agent for its key, in a slot."""
        held = self.slot.held
        await self.take_slot()
        try:
            return await self._open()
        finally:
            if not held:
                self.slot.give_back()

    async def hosts(self) -> tuple[str, ...] | Failed:
        """Return the hosts of the agents that the attempt may talk to."""
        target = await self._target()
        return target if isinstance(target, Failed) else hosts_of(target)

    async def _target(self) -> AgentConnection | Failed:
        found = await self._tools.source.agent(self._attempt.namespace, self._ref.secret_name)
        return found if isinstance(found, Failed) else agent_target(self._ref, found)

    async def _open(self) -> Failed | AgentFault | AgentLogin:
        target = await self._target()
        if isinstance(target, Failed):
            return target
        self._script.hide(target.password, target.agent_password, target.client_key)
        if self._only is not None:
            if self._only not in (target.url, *target.others):
                return AgentFault(AgentFaultKind.NOT_SENT, f"the Secret does not name {self._only} any more")
            target = replace(target, url=self._only, others=())
        opened = await self._client.open(target, self.set_by_body)
        if isinstance(opened, AgentLogin):
            self._login = opened
            if opened.target.url.startswith("http:") and target.public_key is None:
                self._script.once(KEY_WARNING)
        return opened

    async def request(self, login: AgentLogin, method: HttpMethod, path: str, body: Any, seconds: float) -> AgentFault | AgentAnswer:
        """Send the attempt's own request, once."""
        self._sent_to = login.target.url
        return self._without_secrets(await self._client.send(login, method.value, path, body=body, seconds=seconds))

    async def may_have_got_it(self) -> tuple[str, ...]:
        """Return the URLs of the agents that may have got the attempt's request: each lists only the tasks that it has started itself."""
        if self._sent_to is not None:
            return (self._sent_to,)
        target = await self._target()
        return () if isinstance(target, Failed) else (target.url, *target.others)

    @contextmanager
    def only(self, url: str | None) -> Iterator[None]:
        """Within the block, ask only the agent at this URL, and from then on as long as it answers; None: any."""
        self._only = url
        if url is not None and self._login is not None and self._login.target.url != url:
            self._login = None
        try:
            yield
        finally:
            self._only = None

    async def stay_with(self, url: str | None) -> None:
        """Ask the agent at this URL from now on, as long as it answers; None: whichever does."""
        with self.only(url):
            if self._login is None:
                await self.open()

    def _without_secrets(self, answer: AgentAnswer | AgentFault) -> AgentAnswer | AgentFault:
        """Return the answer with secrets masked. It has to be done before the text is cut: half a secret is not recognised."""
        if isinstance(answer, AgentFault) or not answer.message:
            return answer
        return replace(answer, message=self._script.shown(answer.message))

    async def operate(self, dag: str, operator: DagOperator, seconds: float = ASK_SECONDS) -> NotDone | None:
        """Send an operator (RETRY, ROLLBACK, CANCEL) for a DAG, once; return why it was not accepted, or None if it was."""
        sending = False

        async def ask() -> NotDone | None:
            nonlocal sending
            await self.take_slot()
            login = await self.open()
            if not isinstance(login, AgentLogin):
                return NotDone(f"{operator} was not sent: {login.message}")
            await self._tools.confirmed()
            self._script.write(f"obshell task {dag}: sending {operator}")
            sending = True
            answer = await self._client.send(login, "POST", path_of(dag), body={"operator": operator.value})
            self._client.forget()
            return self._done(operator, self._without_secrets(answer))

        try:
            async with asyncio.timeout(seconds):
                refused = await ask()
        except TimeoutError:
            waited = "the agent did not answer" if self.slot.held else NO_SLOT
            refused = NotDone(f"{operator} {'may or may not have arrived' if sending else 'was not sent'}: {waited}", uncertain=sending)
        finally:
            self.slot.give_back()
        if refused is not None:
            self._script.write(refused.message)
        return refused

    def _done(self, operator: DagOperator, answer: AgentAnswer | AgentFault) -> NotDone | None:
        if isinstance(answer, AgentFault):
            unsent = answer.kind is AgentFaultKind.NOT_SENT
            sent = "was not sent" if unsent else "may or may not have arrived"
            return NotDone(f"{operator} {sent}: {answer.message}", uncertain=not unsent)
        if answer.accepted:
            return None
        if answer.busy:
            return NotDone(f"obshell is busy and did not accept {operator}: {answer.refusal}", busy=answer)
        return NotDone(f"obshell does not allow {operator}: {answer.refusal}", disallowed=answer.is_final, refused=not answer.may_pass)

    async def ask(self, path: str, query: Mapping[str, str], seconds: float = ASK_SECONDS) -> AgentAnswer | AgentFault | Miss:
        """Return the answer to a GET. After a fault the next call reads the Secret and the agent's key again."""
        if not self.stopping():
            await self._tools.pace.turn(self._attempt.namespace)
        try:
            async with asyncio.timeout(seconds):
                await self.take_slot()
                login = self._login or await self.open()
                if not isinstance(login, AgentLogin):
                    return Miss(login.message)
                answer = await self._client.send(login, "GET", path, query=dict(query), seconds=seconds)
        except TimeoutError:
            self._login = None
            return Miss(f"the agent did not answer within {seconds:.3g} s" if self.slot.held else NO_SLOT)
        finally:
            self.slot.give_back()
        if not isinstance(answer, AgentAnswer) or not answer.accepted:
            self._login = None
        return self._without_secrets(answer)

    async def look(self, dag: str, seconds: float = ASK_SECONDS) -> Dag | Miss:
        """Return what the agent says of a DAG now."""
        answer = await self.ask(path_of(dag), {"show_details": str(self._details)}, seconds)
        if isinstance(answer, Miss):
            return answer
        if isinstance(answer, AgentAnswer) and answer.accepted:
            found = read_dag(answer.data)
            self.last_data = answer.data if self.keeps_data and found is not None and found.ended else None
            if self.last_data is None:
                self._client.forget()
            return found if found is not None and found.id == dag else Miss("the answer does not describe that task")
        if isinstance(answer, AgentAnswer):
            return await self._missed(dag, answer, seconds)
        if answer.kind is AgentFaultKind.TOO_LONG and self._details:
            self._details = False
            self._script.write(f"{answer.message}: going on without the logs of its subtasks")
        return Miss(answer.message)

    async def _missed(self, dag: str, answer: AgentAnswer, seconds: float) -> Miss:
        gone = answer.unknown_task
        if gone and dag.startswith(CLUSTER_TASK):
            # Tasks of the cluster are kept in OceanBase: an agent whose database is away knows none of them.
            state = (await self._status(seconds)).get("obState")
            gone = not isinstance(state, int) or state >= DATABASE_AVAILABLE
        away = answer.status >= SERVER_ERROR or (answer.status == NOT_FOUND and not gone)
        return Miss(f"obshell refused: {answer.refusal}", gone, away, wrong_password=answer.wrong_password, answered=True)

    async def last_words(self, dag: str, seconds: float = ASK_SECONDS) -> str | None:
        """Return the last line of an error in the logs of a DAG that are too long to be read."""
        if self._details:
            return None
        answer = await self.ask(path_of(dag), {"show_details": "True"}, seconds)
        found = last_words(answer.end) if isinstance(answer, AgentFault) else None
        return short_line(self._script.shown(found)) if found else None

    async def dags(self, path: str, seconds: float = ASK_SECONDS) -> list[Dag] | Miss:
        """Return the DAGs of a list of obshell, without their details."""
        answer = await self.ask(f"/api/v1/task/{path}", {"show_details": "False"}, seconds)
        if isinstance(answer, AgentAnswer) and answer.accepted:
            return await self._read(partial(read_dags, answer.data))
        if isinstance(answer, AgentAnswer):
            return Miss(answer.refusal, answered=True)
        return answer if isinstance(answer, Miss) else Miss(answer.message)

    async def _read(self, reading: Callable[[], T]) -> T:
        """Return what reading the last answer brings; its room is free then."""
        try:
            return await self._client.reading(reading)
        finally:
            self._client.forget()

    async def owner_of(self, node: str, seconds: float = ASK_SECONDS) -> Dag | Miss:
        """Return the unfinished task that has this node."""
        answer = await self.ask("/api/v1/task/dag/unfinish", {"show_details": "True"}, seconds)
        if not isinstance(answer, AgentAnswer) or not answer.accepted:
            return answer if isinstance(answer, Miss) else Miss(answer.refusal if isinstance(answer, AgentAnswer) else answer.message)
        dags = await self._read(partial(read_dags, answer.data))
        owners = [dag for dag in dags if any(one.id == node for one in dag.nodes)]
        more = ", as far as they are looked at: there are too many" if any(dag.cut for dag in dags) else ""
        return owners[0] if owners else Miss(f"no unfinished task has such a node{more}", answered=True)

    async def last_maintenance(self, seconds: float = ASK_SECONDS) -> Dag | None:
        """Return the last task that the agent was under maintenance for, if it tells."""
        answer = await self.ask("/api/v1/task/dag/maintain/agent", {"show_details": "False"}, seconds)
        return await self._read(partial(read_dag, answer.data)) if isinstance(answer, AgentAnswer) and answer.accepted else None

    async def under_maintenance(self, seconds: float = ASK_SECONDS) -> bool | None:
        """Return whether the agent says that it is under maintenance, if it tells."""
        told = (await self._status(seconds)).get("underMaintenance")
        return told if isinstance(told, bool) else None

    async def _status(self, seconds: float) -> dict[str, Any]:
        answer = await self.ask("/api/v1/status", {}, seconds)
        self._client.forget()
        return answer.data if isinstance(answer, AgentAnswer) and isinstance(answer.data, dict) else {}


def path_of(dag: str) -> str:
    """Return the path of a DAG."""
    return f"/api/v1/task/dag/{dag}"
