"""Owns waiting until a live object is as wanted: woken by its changes, reporting its state meanwhile."""

from contextlib import aclosing
from dataclasses import replace

from obtask import names
from obtask.executors.resource.objects import Target
from obtask.executors.resource.target import ResourceConversation
from obtask.executors.resource.words import shown, version_of
from obtask.executors.until import Arrived, Judge, tell
from obtask.kube.api import ApiError, Json
from obtask.model.attempt import Failed
from obtask.model.kubernetes_actions import ResourceUntil
from obtask.model.limits import one_line
from obtask.rules.expressions import short


async def until_holds(
    conversation: ResourceConversation, target: Target, until: ResourceUntil, judge: Judge, *, task: str = ""
) -> str | Failed:
    """Return what was seen when ``expect`` held, or why that cannot come. ``task`` is the uid of the one that waits."""
    conversation.log.write(f"watching until {short(until.expect)}")
    conversation.report(f"waiting until {short(until.expect)}")
    before = ""
    async with aclosing(conversation.follow(target, until.max_interval_seconds)) as states:
        async for live in states:
            if isinstance(live, ApiError):
                return conversation.failed(live, target)
            seen = version_of(live) if target.is_secret else shown(live, until.expect)
            found = await judge.look(until, {"object": live}, seen)
            if isinstance(found, Arrived):
                return seen
            if isinstance(found, Failed):
                return replace(found, message=one_line(found.message))
            noted = "; ".join(filter(None, (deadlock(live, task), f"{seen} ({found.note})" if found.note else seen)))
            if noted != before:
                conversation.log.write(f"not yet: {noted}")
            tell(conversation.report, until, noted, found.text, one_line)
            before = noted
            del live
    raise AssertionError("an object is followed until it is refused")


def deadlock(live: Json, task: str) -> str:
    """Return that the object is a task that waits for the one with this uid, which waits for it; nothing if it is none."""
    group = str(live.get("apiVersion")).partition("/")[0]
    status = live.get("status")
    blockers = status.get("blockedBy") if isinstance(status, dict) else None
    if (group, live.get("kind")) != (names.GROUP, names.KIND) or not isinstance(blockers, list):
        return ""
    if not any(isinstance(one, dict) and one.get("uid") == task for one in blockers):
        return ""
    return "the two tasks wait for each other: that one waits for the lock of this one, which would have to end first"


async def until_gone(conversation: ResourceConversation, target: Target) -> Failed | None:
    """Return when the object is gone, or why that cannot be told."""
    async with aclosing(conversation.follow(target)) as states:
        async for live in states:
            if isinstance(live, ApiError):
                return None if live.missing else conversation.failed(live, target)
            held = ", ".join(live["metadata"].get("finalizers") or ["nothing that it names"])
            conversation.report(f"waiting until {target} is gone; held by {held}")
            del live
    raise AssertionError("an object is followed until it is refused")
