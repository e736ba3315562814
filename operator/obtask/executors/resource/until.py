"""Owns waiting for a live object to be as wanted: woken by its changes, and telling what it looks like meanwhile."""

from contextlib import aclosing

from obtask.executors.evaluation.evaluator import Holds
from obtask.executors.resource.conversation import Conversation
from obtask.executors.resource.seen import shown, version_of
from obtask.executors.resource.target import Target
from obtask.kube.api import Json, Refusal
from obtask.model.attempt import Failed
from obtask.model.limits import one_line
from obtask.model.status import FailureReason
from obtask.rules.expressions import ExpressionFault, Vocabulary

SHOWN_EXPRESSION = 160


async def until_holds(conversation: Conversation, target: Target, expression: str, holds: Holds) -> str | Failed:
    """Return what was seen when the expression held, or why that cannot come."""
    wanted = one_line(expression, SHOWN_EXPRESSION)
    conversation.log.write(f"watching until {wanted}")
    conversation.report(f"waiting until {wanted}")
    before = ""
    async with aclosing(conversation.follow(target)) as states:
        async for live in states:
            if isinstance(live, Refusal):
                return conversation.failed(live, target)
            seen, arrived = await _look(target, live, expression, holds)
            if arrived is True:
                return seen
            if isinstance(arrived, ExpressionFault):
                return Failed(FailureReason.INVALID_EXPRESSION, one_line(f"until.expect: {arrived.message}: {wanted}"), permanent=True)
            if seen != before:
                conversation.log.write(f"not yet: {seen}")
                conversation.report(f"waiting until {wanted}: last saw {seen}")
            before = seen
            del live
    raise AssertionError("an object is followed until it is refused")


async def until_gone(conversation: Conversation, target: Target) -> Failed | None:
    """Return when the object is gone, or why that cannot be told."""
    async with aclosing(conversation.follow(target)) as states:
        async for live in states:
            if isinstance(live, Refusal):
                return None if live.missing else conversation.failed(live, target)
            held = ", ".join(live["metadata"].get("finalizers") or ["nothing that it names"])
            conversation.report(f"waiting until {target} is gone; held by {held}")
            del live
    raise AssertionError("an object is followed until it is refused")


async def _look(target: Target, live: Json, expression: str, holds: Holds) -> tuple[str, bool | ExpressionFault]:
    """Return what is seen, and whether that is what is wanted, or why it never can be. A field that is not there yet is no mistake."""
    seen = version_of(live) if target.is_secret else shown(live, expression)
    answer = await holds(Vocabulary.RESOURCE, expression, {"object": live})
    if isinstance(answer, ExpressionFault) and answer.exceeded:
        return seen, answer
    if isinstance(answer, ExpressionFault):
        return (seen if target.is_secret else f"{seen} ({answer.message})"), False
    return seen, answer
