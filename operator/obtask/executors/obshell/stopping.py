"""Owns the end of an attempt that was cancelled or has no more time: obshell cancels its task, and what came of that is told."""

import asyncio

from obtask.executors.obshell import others
from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import Dag, Operator, State
from obtask.executors.obshell.ending import judge, what_is_left
from obtask.executors.obshell.marks import is_same
from obtask.model.attempt import Outcome
from obtask.model.status import FailureReason

LOOK_SECONDS = 2.5
CANCEL_SECONDS = 4.0
SHOWN_STAGES = 3


async def give_up(context: Context, dag: str, why: FailureReason, seen: str, mark: str | None) -> Outcome:
    """Let obshell cancel a DAG, and wait a little for its end; what had ended before counts as it ended. ``seen``: what it did last."""
    cause = context.time.cause(why)
    context.watcher.tell(f"stopping: {seen}")
    found = await context.speech.look(dag, context.time.stopping(LOOK_SECONDS))
    if isinstance(found, Dag):
        if not is_same(mark, found):
            return context.failed(why, f"{cause}: {seen}; nothing was cancelled: another task has its id now, {found.title}")
        if found.ended:
            context.note_end(found)
            return await judge(context, found)
        seen = found.progress
    if not context.purpose.may_cancel:
        return context.failed(why, f"{cause}: {seen}; the obshell task goes on: this step does not cancel it")
    refused = await context.speech.operate(dag, Operator.CANCEL, context.time.stopping(CANCEL_SECONDS))
    while True:
        found = await context.speech.look(dag, context.time.stopping(LOOK_SECONDS))
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
    if (dag.state, dag.operator) != (State.FAILED, Operator.CANCEL):
        return await judge(context, dag)
    elsewhere = await others.look_at(context, others.ids_of(dag), context.time.stopping(LOOK_SECONDS))
    others.write(context, elsewhere)
    told = f"{dag.title} was stopped at {dag.position}{_done_before(dag)}; obshell has cancelled its task{others.told(elsewhere)}"
    return context.failed(why, f"{context.time.cause(why)}: {told}", left=await what_is_left(context, dag))


def _done_before(dag: Dag) -> str:
    """Return which stages are done: what they did stays done."""
    done = [f'"{node.name}"' for node in dag.nodes if node.state == State.SUCCEED]
    if not done:
        return ""
    more = f"{len(done) - SHOWN_STAGES} others and " if len(done) > SHOWN_STAGES else ""
    return f" after {more}{', '.join(done[-SHOWN_STAGES:])}"
