"""Owns the order of one obshell attempt: start an operation or continue an earlier one, then follow it to its end."""

import json
from dataclasses import replace
from datetime import datetime

from obtask.executors.connections.body import SecretBody
from obtask.executors.evaluation.evaluator import first_fault
from obtask.executors.obshell.answers import AgentAnswer, AgentFault, AgentFaultKind, Miss
from obtask.executors.obshell.busy import Busy, DagInTheWay
from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import Dag, DagOperator, State, read_dag
from obtask.executors.obshell.deadline import LONGEST_POST_SECONDS
from obtask.executors.obshell.ending import give_up, ids_elsewhere, look_elsewhere, succeeded, told_elsewhere, verdict
from obtask.executors.obshell.login import AgentLogin
from obtask.executors.obshell.marks import is_same, mark_of
from obtask.executors.obshell.search import EARLIER, Found, started_since
from obtask.executors.obshell.takeup import GONE_AFTER, Begun, TakeUp, TakeUpAgain
from obtask.executors.obshell.words import shortened
from obtask.model.actions import only_looks
from obtask.model.attempt import Failed, Lost, Outcome, Succeeded
from obtask.model.reasons import FailureReason

ANSWER_GRACE_SECONDS = 4.0  # for the answer that tells which task a cancelled attempt has started
SEARCH_SECONDS = 2.0
TRIES = 10
SLOWER_AFTER = 60  # looks
SLOWER = 5
SLOWEST = 30
REFUSALS = range(400, 500)
_BY_A_PERSON = frozenset({DagOperator.ROLLBACK, DagOperator.PASS})


class Run:
    """One attempt while it runs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._busy = Busy(context)
        self._awaits_slot = False
        self._refused = False  # a request that was refused because obshell was busy may have changed something
        self._owner: str | None = None  # the task that the node belongs to which the path names

    async def carry_out(self) -> Outcome:
        """Carry the attempt out from its beginning."""
        context = self._context
        context.watcher.tell("connecting")
        attempt = context.attempt
        asking = first_fault(context.tools.expressions, attempt.namespace, context.action, attempt.variables)
        invalid = await context.time.unless_over(asking)
        if invalid is not None:
            return replace(invalid, untouched=True)
        begun = await self._begin()
        return begun if isinstance(begun, Succeeded | Failed) else await self.follow(begun.dag, begun.mark)

    async def recover(self) -> Outcome | Lost:
        """Take over the attempt of an operator that is gone, if the agent tells what it has started."""
        context, attempt = self._context, self._context.attempt
        if only_looks(context.action):
            context.log.write("going on: the operator that began this attempt is gone, and asking again does no harm")
            return await self.carry_out()
        context.watcher.tell("looking for what was started before the operator was gone")
        found: Begun | Found | None = None
        for _ in range(TRIES):
            found = await context.time.unless_over(self._look_for(attempt.started_at, may_have_waited=self._busy.waits))
            if isinstance(found, Begun):
                return await self.follow(found.dag, found.mark)
            if found is None or found.answered:
                break
            await context.time.pause(context.tools.poll_seconds)
        told = found.told if isinstance(found, Found) else "there was no time to look for it"
        return Lost(f"the operator stopped in the middle; nobody knows how far the attempt got: {told}")

    async def follow(self, dag: str, mark: str | None = None) -> Outcome:
        """Follow a DAG to its end."""
        context = self._context
        context.conversation.forget()  # it named the DAG, and is no longer needed
        if context.action.body_from:
            await context.time.unless_over(context.body())  # the body may set the password that the next request needs
        context.watcher.tell(f"following obshell task {dag}", external=dag, mark=mark)
        seen, misses, looks, refused = f"obshell task {dag}", 0, 0, 0
        while (why := context.time.over) is None:
            looks += 1
            found = await context.time.unless_over(context.conversation.look(dag, context.time.within(context.tools.look_seconds)))
            if isinstance(found, Dag) and not is_same(mark, found):
                found = Miss(f"its id is that of another task now, {found.title}", gone=True)
            if isinstance(found, Dag):
                misses, refused, seen, mark = 0, 0, found.progress, mark_of(found)
                if found.ended:
                    context.note_end(found)
                    return await verdict(context, found)
                await self._show(found, looks)
            elif found is not None:
                misses = misses + 1 if found.gone else 0
                refused = refused + 1 if found.wrong_password else 0
                if misses >= GONE_AFTER:
                    text = f"obshell does not know task {dag} any more: how it ended is unknown"
                    return context.failed(FailureReason.NOT_FOUND, text)
                context.watcher.tell(f"{found.message}; asking again; last seen: {seen}")
            del found  # it may be large, and the pause long
            slower = max(SLOWER if looks > SLOWER_AFTER else 1, context.conversation.effort, min(2**refused, SLOWEST) if refused else 1)
            await context.time.pause(context.tools.poll_seconds * slower)
        return await give_up(context, dag, why, seen, mark)

    async def _show(self, dag: Dag, looks: int) -> None:
        self._context.script.news(dag)
        ids = ids_elsewhere(dag) if looks % SLOWER == 0 else ()
        elsewhere = await self._context.time.unless_over(look_elsewhere(self._context, ids, SEARCH_SECONDS)) if ids else None
        also = told_elsewhere(elsewhere) if elsewhere else ""
        self._context.watcher.tell(dag.progress + also, stage=dag.stage_name)

    async def _begin(self) -> Outcome | Begun:
        attempt, purpose, taking_up = self._context.attempt, self._context.purpose, TakeUp(self._context, self._busy)
        if self._context.action.operator is not None:
            return await taking_up.undo(attempt.previous_external)
        if purpose.takes_up and attempt.previous_external is not None and not attempt.fresh:
            taken = await taking_up.retry(attempt.previous_external)
            if not isinstance(taken, TakeUpAgain):
                return taken
            self._context.log.write(f"{taken.why}: starting the operation again")
        elif attempt.fresh and attempt.previous_external is not None:
            self._context.log.write(
                f"starting the operation again, as it was asked for: obshell task {attempt.previous_external} is left as it is"
            )
        try:
            return await self._start()
        finally:
            self._context.conversation.slot.give_back()

    async def _start(self) -> Outcome | Begun:
        """Send the attempt's request; again, when obshell was busy and refused it."""
        context, action = self._context, self._context.action
        request = f"{action.method} {action.path}"
        context.log.write(
            f"{request}{'' if context.shown_body is None else ' ' + shortened(json.dumps(context.shown_body, ensure_ascii=False))}"
        )
        made = await context.time.unless_over(context.body())
        if not isinstance(made, SecretBody):
            return self._not_sent(request, made)
        if context.purpose.node is not None and (unknown := await self._find_owner(context.purpose.node)) is not None:
            return unknown
        while True:
            login = await self._ready()
            if not isinstance(login, AgentLogin):
                return self._not_sent(request, login)
            context.watcher.tell(f"waiting for the answer to {request}")
            sent_at = context.tools.clock()
            sending = context.conversation.request(
                login, action.method, action.path or "/", made.body, context.time.within(LONGEST_POST_SECONDS)
            )
            answer = await context.time.unless_over(sending, ANSWER_GRACE_SECONDS)
            if not isinstance(answer, AgentAnswer):
                return await self._unanswered(request, answer, sent_at)
            if not answer.busy:
                return await self._answered(request, answer)
            self._refused = True
            found = await context.time.unless_over(self._busy.look(answer)) or DagInTheWay()
            if not self._busy.waits or self._busy.is_own(found):
                text = f"{request}: obshell refused: {answer.refusal}; in the way: {found.told()}"
                return context.failed(FailureReason.HTTP_STATUS, text, str(answer.status))
            await self._busy.wait(request, answer, found)
            if (why := context.time.over) is not None:
                text = f"{context.time.cause(why)}: {request} was refused while obshell is busy: waited for {found.told()}"
                return context.failed(why, text)

    async def _find_owner(self, node: str) -> Failed | None:
        """Find the task whose node the path names, so that it can be followed; return why nothing is sent, if there is none."""
        context = self._context
        while True:
            found = await context.time.unless_over(context.conversation.owner_of(node, context.time.within(context.tools.look_seconds)))
            if not (isinstance(found, Miss) and found.unasked):
                break
            context.watcher.tell(found.message)
        if isinstance(found, Dag):
            self._owner = found.id
            return None
        told = found.message if found is not None else "there was no time to look for it"
        why = context.time.over or FailureReason.NOT_FOUND
        return context.failed(why, f"nothing was sent: the task of node {node} is not known: {told}", untouched=True)

    async def _answered(self, request: str, answer: AgentAnswer) -> Outcome | Begun:
        context = self._context
        if not answer.accepted:
            text = f"{request}: obshell refused: {answer.refusal}"
            end = context.failed(
                FailureReason.HTTP_STATUS, text, str(answer.status), untouched=answer.status in REFUSALS and not self._refused
            )
            # A wrong password stays wrong, and repeated tries lock an account.
            return replace(end, permanent=True) if answer.wrong_password else end
        dag = read_dag(answer.data)
        if dag is not None:
            stages = f"has {dag.max_stage} stages" if dag.state is not State.SUCCEED else "is done"
            context.log.write(f"HTTP {answer.status}: {dag.title} {stages}")
            return Begun(dag.id, mark_of(dag))
        named = context.purpose.dag or self._owner
        if named is not None:
            return Begun(named)
        if answer.data is not None:
            context.log.write(f"HTTP {answer.status}: {context.shown_data(answer.data)}")
        return await succeeded(context, f"accepted with HTTP {answer.status}; no obshell task was started", answer.data)

    async def _ready(self) -> AgentLogin | AgentFault | Failed | None:
        """Connect, and make sure that no other operator has taken over; None if there was no time for it."""

        async def ready() -> AgentLogin | AgentFault | Failed:
            self._awaits_slot = True
            await self._context.conversation.take_slot()
            self._awaits_slot = False
            login = await self._context.conversation.open()
            if not only_looks(self._context.action) and isinstance(login, AgentLogin):
                await self._context.tools.confirmed()
            return login

        login = await self._context.time.unless_over(ready())
        return login if self._context.time.over is None else None

    def _not_sent(self, request: str, why_not: AgentFault | Failed | None) -> Failed:
        context = self._context
        why = context.time.over
        if why is not None:
            waited = ": it waited for a free slot in the operator all the time" if self._awaits_slot else ""
            return context.failed(why, f"{context.time.cause(why)}: {request} was not sent{waited}", untouched=not self._refused)
        if isinstance(why_not, Failed):
            return context.failed(why_not.reason, why_not.message, why_not.code, untouched=not self._refused)
        forbidden = why_not is not None and why_not.kind is AgentFaultKind.FORBIDDEN
        reason = FailureReason.FORBIDDEN if forbidden else FailureReason.CONNECTION_FAILED
        told = why_not.message if why_not else "no connection"
        return context.failed(reason, f"{request} was not sent: {told}", untouched=not self._refused)

    async def _unanswered(self, request: str, fault: AgentFault | None, sent_at: datetime) -> Outcome | Begun:
        if fault is not None and fault.kind in {AgentFaultKind.FORBIDDEN, AgentFaultKind.NOT_SENT}:
            return self._not_sent(request, fault)
        context = self._context
        if only_looks(context.action) and fault is not None:
            return context.failed(FailureReason.CONNECTION_FAILED, f"{request}: {fault.message}")
        # Interrupted is never repeated without a person: the operation may be running.
        reason = context.time.over or FailureReason.INTERRUPTED
        told = f": {fault.message}" if fault else ""
        looking = self._look_for(sent_at)
        found = await (looking if context.time.over is not None else context.time.unless_over(looking))
        if isinstance(found, Begun):
            return found
        found = found or Found(None, "there was no time to look for what it has started")
        if fault is None:
            cause = context.time.cause(reason)
            return context.failed(reason, f"{cause} while waiting for the answer to {request}: its outcome is unknown; {found.told}")
        return context.failed(reason, f"the outcome of {request} is unknown{told}; {found.told}")

    async def _look_for(self, since: datetime, *, may_have_waited: bool = False) -> Begun | Found:
        """Look for what the attempt's request may have started; return that, or what was found instead."""
        context, before = self._context, self._context.attempt.previous_external
        if before is not None and not context.attempt.fresh and (context.purpose.takes_up or context.action.operator is not None):
            seen = await context.conversation.look(before, self._seconds())
            if isinstance(seen, Dag) and is_same(context.attempt.previous_mark, seen) and self._goes_on(seen, since):
                context.log.write(f"going on with {seen.title}: {seen.state} {seen.position}")
                return Begun(before, mark_of(seen))
        if context.action.operator is not None:
            return Found(None, f"obshell task {before} does not show that it was commanded")
        named = context.purpose.dag or self._owner
        if named is not None:
            return Begun(named)
        found = await started_since(context, since, self._seconds(), may_have_waited=may_have_waited)
        context.log.write(found.told)
        return Begun(found.dag.id, mark_of(found.dag)) if found.dag is not None else found

    def _goes_on(self, dag: Dag, since: datetime) -> bool:
        """Return whether a DAG that had failed shows that it was commanded after ``since``."""
        if dag.state is State.SUCCEED and dag.operator in _BY_A_PERSON and self._context.action.operator is None:
            return False  # then the operation is started again, and never this DAG
        by_agent = since + (self._context.conversation.agent_now - self._context.tools.clock())
        return dag.state is not State.FAILED or (dag.started_at is not None and dag.started_at >= by_agent - EARLIER)

    def _seconds(self) -> float:
        time = self._context.time
        return time.within(self._context.tools.look_seconds) if time.over is None else time.stopping(SEARCH_SECONDS)
