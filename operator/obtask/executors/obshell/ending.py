"""Owns the end of an obshell attempt: what its DAG's end means, stopping it, and what it has left on other agents."""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from obtask.executors.evaluation.scope import together
from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import MOST_SUB_DAGS, Dag, DagOperator, State, agent_of
from obtask.executors.obshell.marks import is_same
from obtask.executors.obshell.words import Transcript
from obtask.executors.outputs import Giving
from obtask.model.attempt import Failed, Outcome
from obtask.model.contract import Left
from obtask.model.reasons import FailureReason
from obtask.rules.expressions import ExpressionFault, Vocabulary, short

EXPECT_GRACE_SECONDS = 2.0  # for what the attempt ended with in time
QUESTION_SECONDS = 2.0
MORE_SECONDS = 6.0  # for all that is asked about a failure, when the end itself is known
LOCAL_TASKS = ("2", "3")

_SUCCESS = {
    DagOperator.ROLLBACK: "is rolled back",
    DagOperator.CANCEL: "is cancelled",
    DagOperator.PASS: "is passed: what was left of it was not executed",
}
_OTHERWISE = {
    DagOperator.ROLLBACK: "was rolled back in obshell",
    DagOperator.PASS: "was passed in obshell: what was left of it was not executed",
}
STOP_LOOK_SECONDS = 2.5
CANCEL_SECONDS = 4.0
SHOWN_STAGES = 3
MOST_LOOKED_AT = 8
SHOWN = 3

# So its subtasks tell of what they wait for elsewhere.
_REMOTE = re.compile(r"remote task (?P<id>[23][0-9]{16,55}) ")


async def verdict(context: Context, dag: Dag) -> Outcome:
    """Return the outcome by a DAG that has ended."""
    if context.purpose.reached(dag):
        return await succeeded(context, f"{dag.title} {_SUCCESS.get(dag.operator, 'succeeded')}", context.conversation.last_data)
    if dag.state is State.FAILED:
        return await _failed(context, dag)
    told = _OTHERWISE.get(dag.operator, "went on in obshell")
    return context.failed(FailureReason.OBSHELL_TASK_FAILED, f"{dag.title} {told}")


async def succeeded(context: Context, message: str, data: Any) -> Outcome:
    """Return a success, if the answer is what the step expects."""
    unmet = await _unmet(context, message, data)
    if unmet is not None:
        return unmet
    giving = Giving(context.tools.expressions, context.attempt.namespace, Vocabulary.OBSHELL, context.attempt.variables)
    outputs = await giving.values(context.action.outputs, {"data": data})
    if isinstance(outputs, Failed):
        return replace(context.failed(outputs.reason, f"{message}, but {outputs.message}"), permanent=outputs.permanent)
    return replace(context.succeeded(message), outputs=outputs)


async def _unmet(context: Context, message: str, data: Any) -> Failed | None:
    """Return why the answer is not what the step expects, or None."""
    expected = context.action.expect
    if expected is None:
        return None
    variables = together(context.attempt.variables, {"data": data})
    asking = context.tools.expressions.holds(context.attempt.namespace, Vocabulary.OBSHELL, expected, variables)
    holds = await context.time.unless_over(asking, EXPECT_GRACE_SECONDS)
    shown = short(expected)
    if holds is None:
        why = context.time.over or FailureReason.TIMEOUT
        return context.failed(why, f"{context.time.cause(why)}: {message}, but expect was not evaluated in time: {shown}")
    if isinstance(holds, ExpressionFault):
        text = f"{message}, but expect cannot be evaluated: {holds.message}: {shown}"
        return replace(context.failed(FailureReason.INVALID_EXPRESSION, text), permanent=holds.is_final())
    if not holds:
        return context.failed(FailureReason.EXPECTATION_NOT_MET, f"{message}, but expect does not hold: {shown}")
    return None


async def _failed(context: Context, dag: Dag) -> Failed:
    text, left = dag.failure(context.script.shown), None
    with suppress(TimeoutError):
        async with asyncio.timeout(_seconds(context, MORE_SECONDS)):
            if not dag.nodes and (words := await context.conversation.last_words(dag.id, _seconds(context, MORE_SECONDS))):
                text = f"{text}: {words}"
            left = await what_is_left(context, dag)
            elsewhere = await look_elsewhere(context, ids_elsewhere(dag), _seconds(context, QUESTION_SECONDS))
            write_elsewhere(context, [other for other in elsewhere if other.state is not State.SUCCEED])
            text += told_elsewhere(elsewhere)
    return context.failed(FailureReason.OBSHELL_TASK_FAILED, text, left=left)


async def what_is_left(context: Context, dag: Dag) -> Left | None:
    """Return whether a failed DAG still keeps obshell locked; None if that is not known: some release the lock when they fail."""
    if dag.maintenance == 0 or not dag.ended:
        return None
    if not dag.keeps_others_out:
        return Left.RELEASED
    if not dag.id.startswith(LOCAL_TASKS):
        return None
    kept = await context.conversation.under_maintenance(_seconds(context, QUESTION_SECONDS))
    return None if kept is None else Left.HOLDING if kept else Left.RELEASED


def _seconds(context: Context, wanted: float) -> float:
    return context.time.within(wanted) if context.time.over is None else context.time.stopping(wanted)


async def give_up(context: Context, dag: str, why: FailureReason, seen: str, mark: str | None) -> Outcome:
    """Let obshell cancel a DAG, and wait a little for its end; what had ended before counts as it ended. ``seen``: what it did last."""
    cause = context.time.cause(why)
    context.watcher.tell(f"stopping: {seen}")
    found = await context.conversation.look(dag, context.time.stopping(STOP_LOOK_SECONDS))
    if isinstance(found, Dag):
        if not is_same(mark, found):
            return context.failed(why, f"{cause}: {seen}; nothing was cancelled: another task has its id now, {found.title}")
        if found.ended:
            context.note_end(found)
            return await verdict(context, found)
        seen = found.progress
    if not context.purpose.may_cancel:
        return context.failed(why, f"{cause}: {seen}; the obshell task goes on: this step does not cancel it")
    refused = await context.conversation.operate(dag, DagOperator.CANCEL, context.time.stopping(CANCEL_SECONDS))
    while True:
        found = await context.conversation.look(dag, context.time.stopping(STOP_LOOK_SECONDS))
        if isinstance(found, Dag):
            if found.ended:
                break
            seen = found.progress
            context.script.news(found)
        if refused is not None or context.time.stopped:
            rest = refused.message if refused else "it was told to cancel it and has not yet"
            return context.failed(why, f"{cause}: {seen}; the obshell task goes on: {rest}")
        await asyncio.sleep(context.tools.poll_seconds)
    return await _ended(context, found, why)


async def _ended(context: Context, dag: Dag, why: FailureReason) -> Outcome:
    context.note_end(dag)
    if (dag.state, dag.operator) != (State.FAILED, DagOperator.CANCEL):
        return await verdict(context, dag)
    elsewhere = await look_elsewhere(context, ids_elsewhere(dag), context.time.stopping(STOP_LOOK_SECONDS))
    write_elsewhere(context, elsewhere)
    told = f"{dag.title} was stopped at {dag.position}{_done_before(dag)}; obshell has cancelled its task{told_elsewhere(elsewhere)}"
    return context.failed(why, f"{context.time.cause(why)}: {told}", left=await what_is_left(context, dag))


def _done_before(dag: Dag) -> str:
    """Return which stages are done: what they did stays done."""
    done = [f'"{node.name}"' for node in dag.nodes if node.state == State.SUCCEED]
    if not done:
        return ""
    more = f"{len(done) - SHOWN_STAGES} others and " if len(done) > SHOWN_STAGES else ""
    return f" after {more}{', '.join(done[-SHOWN_STAGES:])}"


def ids_elsewhere(dag: Dag) -> tuple[str, ...]:
    """Return the ids of the tasks that a DAG names as started on other agents, the first 64 of them."""
    told = (found["id"] for sub in dag.subtasks() for line in sub.logs for found in _REMOTE.finditer(line[:1024]))
    return tuple(dict.fromkeys(one for one in (*dag.sub_dags, *told) if one != dag.id))[:MOST_SUB_DAGS]


async def look_elsewhere(context: Context, ids: Iterable[str], seconds: float) -> list[Dag]:
    """Return the current state of these tasks, as far as their agents answer; of many, only the last 8 are looked at."""
    found = []
    for one in list(ids)[-MOST_LOOKED_AT:]:
        seen = await context.conversation.look(one, seconds)
        if isinstance(seen, Dag):
            found.append(seen)
    return found


def told_elsewhere(dags: Iterable[Dag]) -> str:
    """Return what people have to know of those that are not done, to be put behind a message; nothing if all are."""
    undone = [dag for dag in dags if dag.state is not State.SUCCEED]
    if not undone:
        return ""
    more = f" and {len(undone) - SHOWN} more" if len(undone) > SHOWN else ""
    return "; on other agents: " + "; ".join(map(_told_of, undone[:SHOWN])) + more


def _told_of(dag: Dag) -> str:
    where = agent_of(dag.id)
    after = " and may keep that agent's maintenance" if dag.state is State.FAILED else " and goes on"
    return f"{dag.title}{f' of {where}' if where else ''} is {dag.state} {dag.position}{after}"


def write_elsewhere(context: Context, dags: Iterable[Dag]) -> None:
    """Write how far they are, and what they say."""
    for dag in dags:
        context.log.write(f"{dag.title} of {agent_of(dag.id) or 'another agent'}: {dag.state} {dag.position}")
        Transcript(context.log).end(dag)
