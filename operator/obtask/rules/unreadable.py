"""Decide what to do with a task whose status this version cannot read: tell people, obey skip and deletion, and change nothing else. Pure.

A newer operator may have written it, and it may hold a lock: whatever it says stays, until a person gives the task up.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from obtask import names
from obtask.model.command import Command, given_command, noted_command
from obtask.model.limits import one_line
from obtask.model.status import ActionResult, Phase, Reason, TaskStatus, Verb
from obtask.model.task import FINISHED, Unreadable
from obtask.rules.announcements import Announcement
from obtask.rules.commands import answered
from obtask.rules.conditions import with_conditions
from obtask.rules.decision import LetGo, Rest, TakeCommand

# Where a message begins so, the chart's policy lets skip pass.
UNREADABLE: Final = "this version of the operator cannot read the status"


@dataclass(frozen=True, slots=True)
class Amend:
    """Change these fields of the status and leave the others; should the API server refuse that, store ``instead``, if it is given."""

    change: dict[str, Any]
    said: Announcement
    instead: TaskStatus | None = None


def care(task: Unreadable, now: datetime) -> LetGo | TakeCommand | Amend | Rest:
    """Return what to do next."""
    guarded = names.FINALIZER in task.metadata.finalizers
    if task.metadata.deletion_timestamp is not None or task.phase in FINISHED:
        return LetGo() if guarded else Rest()
    noted = noted_command(task.metadata.annotations)
    if noted is not None and noted.id != task.handled:
        return _obey(task, noted, now)
    given = given_command(task.metadata.annotations, resource_version=task.metadata.resource_version, now=now)
    if given is not None:
        return TakeCommand(given)
    text = what_to_type(task)
    if task.message.startswith(text):
        return Rest()
    before = f"; before, it said: {task.message}" if task.message else ""
    return Amend({"message": one_line(text + before)}, Announcement(warning=True, reason="StatusUnreadable", message=text))


def what_to_type(task: Unreadable) -> str:
    """Return why the task stands still, and what a person can do about it."""
    where = f"obtask {task.metadata.name} -n {task.metadata.namespace}"
    text = f"{UNREADABLE} ({one_line(task.fault, 160)}): install a newer one, or give the task up"
    return one_line(f"{text}: kubectl annotate {where} action=skip")


def _obey(task: Unreadable, command: Command, now: datetime) -> Amend:
    if command.fault is not None or command.verb != Verb.SKIP:
        text = command.fault or f"{command.verb} needs a status that this version can read; allowed now: {Verb.SKIP}"
        said = Announcement(warning=True, reason="ActionRejected", message=f"{command.verb}: {text}")
        return Amend(_fields(answered(TaskStatus(), command, ActionResult.REJECTED, text, now), "last_action"), said)
    skipped = TaskStatus(
        phase=Phase.SKIPPED,
        reason=Reason.SKIPPED_BY_USER,
        message="skipped: nothing was executed or undone by that",
        finished_at=now,
        allowed_actions=(),
    )
    whole = with_conditions(answered(skipped, command, ActionResult.ACCEPTED, "task skipped", now), task.metadata, now)
    change = _fields(whole, "phase", "reason", "message", "finished_at", "last_action", "conditions", "observed_generation")
    left_out = dict.fromkeys(("lock", "cancelling", "blockedBy", "blockedByCount", "blockedBySummary")) | {"allowedActions": list[str]()}
    said = Announcement(warning=False, reason="ActionAccepted", message="skip: task skipped")
    return Amend(change | left_out, said, instead=whole)


def _fields(status: TaskStatus, *fields: str) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(fields))
