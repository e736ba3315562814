"""Owns what the end of a task (DAG) of obshell makes of the attempt."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from obtask.executors.obshell import others
from obtask.executors.obshell.context import Context
from obtask.executors.obshell.dag import Dag, Operator, State
from obtask.model.attempt import Failed, Outcome
from obtask.model.limits import one_line
from obtask.model.status import FailureReason, Left
from obtask.rules.expressions import ExpressionFault, Vocabulary

SHOWN_EXPRESSION = 160
EXPECT_GRACE_SECONDS = 2.0  # for what the attempt ended with in time
QUESTION_SECONDS = 2.0
MORE_SECONDS = 6.0  # for all that is asked about a failure, when the end itself is known
LOCAL_TASKS = ("2", "3")

_SUCCESS = {
    Operator.ROLLBACK: "is rolled back",
    Operator.CANCEL: "is cancelled",
    Operator.PASS: "is passed: what was left of it was not executed",
}
_OTHERWISE = {
    Operator.ROLLBACK: "was rolled back in obshell",
    Operator.PASS: "was passed in obshell: what was left of it was not executed",
}


async def judge(context: Context, dag: Dag) -> Outcome:
    """Return the outcome by a DAG that has ended."""
    if context.purpose.reached(dag):
        return await succeeded(context, f"{dag.title} {_SUCCESS.get(dag.operator, 'succeeded')}", context.speech.last_data)
    if dag.state is State.FAILED:
        return await _failed(context, dag)
    told = _OTHERWISE.get(dag.operator, "went on in obshell")
    return context.failed(FailureReason.OBSHELL_TASK_FAILED, f"{dag.title} {told}")


async def succeeded(context: Context, message: str, data: Any) -> Outcome:
    """Return a success, if the answer is what the step expects."""
    expected = context.action.expect
    if expected is None:
        return context.succeeded(message)
    asking = context.tools.expressions.holds(context.attempt.namespace, Vocabulary.OBSHELL, expected, {"data": data})
    holds = await context.time.unless_over(asking, EXPECT_GRACE_SECONDS)
    shown = one_line(expected, SHOWN_EXPRESSION)
    if holds is None:
        why = context.time.over or FailureReason.TIMEOUT
        return context.failed(why, f"{context.time.cause(why)}: {message}, but expect was not evaluated in time: {shown}")
    if isinstance(holds, ExpressionFault):
        text = f"{message}, but expect cannot be evaluated: {holds.message}: {shown}"
        return replace(context.failed(FailureReason.INVALID_EXPRESSION, text), permanent=holds.is_final())
    if not holds:
        return context.failed(FailureReason.EXPECTATION_NOT_MET, f"{message}, but expect does not hold: {shown}")
    return context.succeeded(message)


async def _failed(context: Context, dag: Dag) -> Failed:
    text, left = dag.failure(context.script.shown), None
    with suppress(TimeoutError):
        async with asyncio.timeout(_seconds(context, MORE_SECONDS)):
            if not dag.nodes and (words := await context.speech.last_words(dag.id, _seconds(context, MORE_SECONDS))):
                text = f"{text}: {words}"
            left = await what_is_left(context, dag)
            elsewhere = await others.look_at(context, others.ids_of(dag), _seconds(context, QUESTION_SECONDS))
            others.write(context, [other for other in elsewhere if other.state is not State.SUCCEED])
            text += others.told(elsewhere)
    return context.failed(FailureReason.OBSHELL_TASK_FAILED, text, left=left)


async def what_is_left(context: Context, dag: Dag) -> Left | None:
    """Return whether a DAG that failed keeps others out of obshell; None where nobody can tell: some let go when they fail."""
    if dag.maintenance == 0 or not dag.ended:
        return None
    if not dag.keeps_others_out:
        return Left.RELEASED
    if not dag.id.startswith(LOCAL_TASKS):
        return None
    kept = await context.speech.under_maintenance(_seconds(context, QUESTION_SECONDS))
    return None if kept is None else Left.HOLDING if kept else Left.RELEASED


def _seconds(context: Context, wanted: float) -> float:
    return context.time.within(wanted) if context.time.over is None else context.time.stopping(wanted)
