"""Owns waiting for a live object to be as wanted: woken by its changes, and telling what it looks like meanwhile."""

from contextlib import aclosing
from dataclasses import replace

from obtask.executors.resource.conversation import Conversation
from obtask.executors.resource.seen import shown, version_of
from obtask.executors.resource.target import Target
from obtask.executors.waiting import Arrived, Judge, short, tell
from obtask.kube.api import Refusal
from obtask.model.attempt import Failed
from obtask.model.kubernetes_actions import ResourceUntil
from obtask.model.limits import one_line


async def until_holds(conversation: Conversation, target: Target, until: ResourceUntil, judge: Judge) -> str | Failed:
    """Return what was seen when ``expect`` held, or why that cannot come."""
    conversation.log.write(f"watching until {short(until.expect)}")
    conversation.report(f"waiting until {short(until.expect)}")
    before = ""
    async with aclosing(conversation.follow(target, until.max_interval_seconds)) as states:
        async for live in states:
            if isinstance(live, Refusal):
                return conversation.failed(live, target)
            seen = version_of(live) if target.is_secret else shown(live, until.expect)
            found = await judge.look(until, {"object": live}, seen)
            if isinstance(found, Arrived):
                return seen
            if isinstance(found, Failed):
                return replace(found, message=one_line(found.message))
            noted = f"{seen} ({found.note})" if found.note else seen
            if noted != before:
                conversation.log.write(f"not yet: {noted}")
            tell(conversation.report, until, noted, found.text, one_line)
            before = noted
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
