"""Owns the order of one obshell attempt: start an operation, or take up what the attempt before left; then follow to the end."""

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from obtask.executors.base import Log
from obtask.executors.obshell.answers import Answer, Fault, FaultKind
from obtask.executors.obshell.client import Session
from obtask.executors.obshell.dag import Dag, Operator, State, read_dag
from obtask.executors.obshell.speech import SAFE, Miss, Speech, Tools, shortened
from obtask.masking.body import masked, secrets_of
from obtask.model.actions import HttpMethod, ObshellAction
from obtask.model.attempt import Attempt, Failed, Outcome, Succeeded
from obtask.model.status import FailureReason

LONGEST_POST_SECONDS = 600.0  # as the SDK has it
LONGEST_LOOK_SECONDS = 10.0
ANSWER_GRACE_SECONDS = 10.0  # for the answer that tells which task a cancelled attempt has started
GONE_AFTER = 10  # misses in a row: an agent whose database is away may not know its own tasks for a moment
SLOWER_AFTER = 60  # looks
SLOWER = 5


T = TypeVar("T")


class Watcher(Protocol):
    """Who is told how the attempt goes, and tells it to stop."""

    stop: asyncio.Event

    def tell(self, progress: str, external: str | None = None) -> None:
        """Take note of what the attempt is doing, and of what it has started."""


class Run:
    """One attempt on its way."""

    def __init__(self, attempt: Attempt, action: ObshellAction, speech: Speech, *, tools: Tools, log: Log, watcher: Watcher) -> None:
        self._attempt = attempt
        self._action = action
        self._tools = tools
        self._log = log
        self._watcher = watcher
        self._speech = speech
        for secret in secrets_of(action.body):
            log.hide(secret)

    async def carry_out(self) -> Outcome:
        """Go from the beginning to the end."""
        self._watcher.tell("connecting")
        before = self._attempt.previous_external
        if self._action.operator is not None:
            begun = await self._undo(before)
        else:
            begun = await (self._take_up(before) if before else self._start(self._action.path or "/"))
        return begun if isinstance(begun, Succeeded | Failed) else await self.follow(begun)

    async def follow(self, dag: str) -> Outcome:
        """Go with a DAG to its end."""
        self._watcher.tell(f"following obshell task {dag}", dag)
        seen, misses, looks = f"obshell task {dag}", 0, 0
        while (why := self._over()) is None:
            looks += 1
            found = await self._speech.look(dag, self._within(LONGEST_LOOK_SECONDS))
            if isinstance(found, Dag):
                misses, seen = 0, found.progress
                self._speech.write_news(found)
                if found.ended:
                    return self._judge(found)
                self._watcher.tell(found.progress)
                del found  # it may be large, and the pause long
            else:
                misses = misses + 1 if found.gone else 0
                if misses >= GONE_AFTER:
                    return self._failed(FailureReason.NOT_FOUND, f"obshell does not know task {dag} any more: how it ended is unknown")
                self._watcher.tell(f"{found.message}; asking again; last seen: {seen}")
            await self._pause(self._tools.poll_seconds * max(SLOWER if looks > SLOWER_AFTER else 1, self._speech.effort))
        return await self._give_up(dag, why, seen)

    async def _start(self, path: str) -> Outcome | str:
        try:
            return await self._request(path)
        finally:
            self._speech.slot.give_back()

    async def _request(self, path: str) -> Outcome | str:
        method, body = self._action.method, self._action.body
        self._log.write(f"{method} {path}{'' if body is None else ' ' + shortened(json.dumps(masked(body), ensure_ascii=False))}")
        session = await self._ready(method)
        if (why := self._over()) is not None:
            waited = "" if self._speech.slot.held else ": it waited for a free slot in the operator all the time"
            return self._failed(why, f"{self._cause(why)}: {method} {path} was not sent{waited}")
        if isinstance(session, Failed):
            self._log.write(f"failed: {session.message}")
            return session
        if not isinstance(session, Session):
            told = session.message if session else "no connection"
            forbidden = session is not None and session.kind is FaultKind.FORBIDDEN
            reason = FailureReason.FORBIDDEN if forbidden else FailureReason.CONNECTION_FAILED
            return self._failed(reason, f"{method} {path} was not sent: {told}")
        self._watcher.tell(f"waiting for the answer to {method} {path}")
        sending = self._speech.request(session, method, path, body, self._within(LONGEST_POST_SECONDS))
        answer = await self._unless_stopped(sending, ANSWER_GRACE_SECONDS)
        if not isinstance(answer, Answer):
            return self._unanswered(f"{method} {path}", answer)
        if not answer.accepted:
            return self._failed(FailureReason.HTTP_STATUS, f"{method} {path}: obshell refused: {answer.refusal}", str(answer.status))
        dag = read_dag(answer.data)
        if dag is None:
            return self._succeeded(f"accepted with HTTP {answer.status}; no obshell task was started")
        self._log.write(f"HTTP {answer.status}: {dag.title} has {dag.max_stage} stages")
        return dag.id

    async def _ready(self, method: HttpMethod) -> Session | Fault | Failed | None:
        """Connect, and make sure that nobody else has taken over; None if there was no time for it."""

        async def ready() -> Session | Fault | Failed:
            await self._speech.slot.take()
            session = await self._speech.open()
            if method not in SAFE and isinstance(session, Session):
                await self._tools.confirmed()
            return session

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0, self._left())):
                return await self._unless_stopped(ready(), 0)
        return None

    async def _unless_stopped(self, work: Coroutine[Any, Any, T], grace: float) -> T | None:
        """Return the result; None if the attempt was cancelled and it did not come within the grace."""
        sending = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._watcher.stop.wait())
        both: list[asyncio.Future[Any]] = [sending, stopping]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({sending}, timeout=grace)
            return sending.result() if sending.done() else None
        finally:
            sending.cancel()
            stopping.cancel()

    def _unanswered(self, request: str, fault: Fault | None) -> Failed:
        if fault is None:
            return self._failed(FailureReason.CANCELLED, f"cancelled while waiting for the answer to {request}: its outcome is unknown")
        if fault.kind is FaultKind.FORBIDDEN:
            return self._failed(FailureReason.FORBIDDEN, f"{request} was not sent: {fault.message}")
        if fault.kind is FaultKind.NOT_SENT:
            return self._failed(FailureReason.CONNECTION_FAILED, f"{request} was not sent: {fault.message}")
        if self._action.method in SAFE:
            return self._failed(FailureReason.CONNECTION_FAILED, f"{request}: {fault.message}")
        # Interrupted is never tried again without a person: whatever it should start may run already.
        reason = self._over() or FailureReason.INTERRUPTED
        return self._failed(reason, f"the outcome of {request} is unknown: {fault.message}")

    async def _take_up(self, before: str) -> Outcome | str:
        """Let obshell retry the DAG of the attempt before, where that helps; start the operation again where it does not."""
        found = await self._rest(before)
        if isinstance(found, Failed):
            return found
        if isinstance(found, Miss):
            return await self._again(f"obshell does not know task {before} any more")
        match found.state, found.operator:
            case State.SUCCEED, Operator.ROLLBACK:
                return await self._again(f"{found.title} was rolled back")
            case State.SUCCEED, Operator.PASS:
                return await self._again(f"{found.title} was passed in obshell")
            case State.FAILED, Operator.ROLLBACK:
                text = f"{found.failure()}; a retry there would leave out what is undone: finish that rollback in obshell first"
                return self._failed(FailureReason.OBSHELL_TASK_FAILED, text)
            case State.FAILED, _:
                self._speech.write_news(found, silently=True)
                refused = await self._speech.operate(before, Operator.RETRY)
                if refused is None:
                    return before
                if refused.disallowed:
                    return await self._again(refused.message)
                return self._failed(FailureReason.OBSHELL_TASK_FAILED, f"{found.title}: {refused.message}")
        return before

    async def _again(self, why: str) -> Outcome | str:
        self._log.write(f"{why}: starting the operation again")
        return await self._start(self._action.path or "/")

    async def _undo(self, before: str | None) -> Outcome | str:
        if before is None:
            return self._succeeded("no obshell task of this step is known: nothing to roll back in obshell")
        found = await self._rest(before)
        if isinstance(found, Failed):
            return found
        if isinstance(found, Miss):
            return self._failed(FailureReason.NOT_FOUND, f"obshell does not know task {before} any more")
        if found.state is State.SUCCEED and found.operator is Operator.ROLLBACK:
            return self._succeeded(f"{found.title} is rolled back already")
        self._speech.write_news(found, silently=True)
        refused = await self._speech.operate(before, Operator.ROLLBACK)
        if refused is None:
            return before
        return self._failed(FailureReason.OBSHELL_TASK_FAILED, f"{found.title}: {refused.message}")

    async def _rest(self, dag: str) -> Dag | Miss | Failed:
        """Return a DAG as the attempt before left it, once it does what was asked of it last, such as its cancellation."""
        while (why := self._over()) is None:
            found = await self._speech.look(dag, self._within(LONGEST_LOOK_SECONDS))
            if isinstance(found, Miss):
                return found if found.gone else self._failed(FailureReason.CONNECTION_FAILED, f"obshell task {dag}: {found.message}")
            forward = found.operator in {Operator.RUN, Operator.RETRY} and self._action.operator is None
            if found.ended or forward:
                return found
            self._watcher.tell(found.progress)
            await self._pause(self._tools.poll_seconds)
        return self._failed(why, f"waited for {dag} to come to rest")

    async def _give_up(self, dag: str, why: FailureReason, seen: str) -> Outcome:
        """Let obshell cancel the DAG, and wait for its end; what had ended before counts as it ended."""
        end = self._tools.clock().timestamp() + self._tools.stop_seconds
        self._watcher.tell(f"stopping: {seen}")
        found = await self._speech.look(dag, LONGEST_LOOK_SECONDS)
        if isinstance(found, Dag) and found.ended:
            self._speech.write_news(found)
            return self._judge(found)
        refused = await self._speech.operate(dag, Operator.CANCEL)
        while True:
            found = await self._speech.look(dag, LONGEST_LOOK_SECONDS)
            if isinstance(found, Dag):
                self._speech.write_news(found)
                if found.ended:
                    break
            if refused is not None or self._tools.clock().timestamp() >= end:
                rest = refused.message if refused else "it was told to cancel it and has not yet"
                return self._failed(why, f"{self._cause(why)}: {seen}; the obshell task goes on: {rest}")
            await asyncio.sleep(self._tools.poll_seconds)
        if found.state is State.FAILED and found.operator is Operator.CANCEL:
            return self._failed(why, f"{self._cause(why)}: {seen}; obshell has cancelled its task")
        return self._judge(found)

    def _judge(self, dag: Dag) -> Outcome:
        wanted = {Operator.RUN, Operator.RETRY} if self._action.operator is None else {Operator.ROLLBACK}
        if dag.state is State.SUCCEED and dag.operator in wanted:
            done = "is rolled back" if dag.operator is Operator.ROLLBACK else "succeeded"
            return self._succeeded(f"{dag.title} {done}")
        if dag.state is State.FAILED:
            return self._failed(FailureReason.OBSHELL_TASK_FAILED, dag.failure())
        told = {
            Operator.ROLLBACK: "was rolled back in obshell",
            Operator.PASS: "was passed in obshell: what was left of it was not executed",
        }
        return self._failed(FailureReason.OBSHELL_TASK_FAILED, f"{dag.title} {told.get(dag.operator, 'went on in obshell')}")

    def _over(self) -> FailureReason | None:
        """Return why the attempt must stop, if it must."""
        if self._watcher.stop.is_set():
            return FailureReason.CANCELLED
        return FailureReason.TIMEOUT if self._left() <= 0 else None

    def _cause(self, why: FailureReason) -> str:
        if why is FailureReason.CANCELLED or self._attempt.deadline is None:
            return "cancelled"
        return f"did not end within {(self._attempt.deadline - self._attempt.started_at).total_seconds():g} s"

    def _left(self) -> float:
        deadline = self._attempt.deadline
        return LONGEST_POST_SECONDS if deadline is None else (deadline - self._tools.clock()).total_seconds()

    def _within(self, seconds: float) -> float:
        return max(0.1, min(seconds, self._left()))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._within(seconds)):
                await self._watcher.stop.wait()

    def _succeeded(self, message: str) -> Succeeded:
        self._log.write(f"succeeded: {message}")
        return Succeeded(message)

    def _failed(self, reason: FailureReason, message: str, code: str | None = None) -> Failed:
        self._log.write(f"failed: {message}")
        return Failed(reason, message, code)
