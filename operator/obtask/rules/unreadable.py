"""Owns what to do with a task whose status this version cannot read: tell people, obey skip and deletion, and change nothing else. Pure.

A newer operator may have written it, and it may hold a lock: whatever it says stays, until a person gives the task up.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from obtask import names
from obtask.model.command import Command, given_command, noted_command
from obtask.model.contract import ActionResult, Phase, Verb
from obtask.model.limits import one_line
from obtask.model.reasons import EventReason, Reason
from obtask.model.status import TaskStatus
from obtask.model.task import FINISHED, Unreadable
from obtask.rules.announcements import Announcement, event
from obtask.rules.commands import answered
from obtask.rules.conditions import with_conditions
from obtask.rules.decision import RemoveFinalizer, Rest, TakeCommand
from obtask.rules.leaving import ended_by_deletion, others

# Where a message begins so, the chart's policy lets skip pass.
UNREADABLE: Final = "this version of the operator cannot read the status"


@dataclass(frozen=True, slots=True)
class Amend:
    """Change these fields of the status and leave the others; should the API server refuse that, store ``instead``, if it is given."""

    change: dict[str, Any]
    said: Announcement
    instead: TaskStatus | None = None

    @property
    def ends(self) -> bool:
        """Whether the task is over by that."""
        return "phase" in self.change


def care(task: Unreadable, now: datetime) -> RemoveFinalizer | TakeCommand | Amend | Rest:
    """Return what to do next."""
    leaving = task.metadata.deletion_timestamp is not None
    if leaving and task.phase not in FINISHED and others(task.metadata.finalizers):
        return _ended(task, ended_by_deletion(None, task.metadata.finalizers, now, f"nothing was undone; {_still_running(task)}"), now)
    if (leaving or task.phase in FINISHED) and names.FINALIZER in task.metadata.finalizers:
        return RemoveFinalizer()
    if leaving and not task.metadata.finalizers:
        return Rest()
    noted = noted_command(task.metadata.annotations)
    if noted is not None and noted.id != task.handled:
        return _obey(task, noted, now)
    given = given_command(task.metadata.annotations, resource_version=task.metadata.resource_version, now=now)
    if given is not None:
        return TakeCommand(given)
    if task.phase in FINISHED:
        return Rest()
    text = what_to_type(task)
    if task.message.startswith(text):
        return Rest()
    before = f"; before, it said: {task.message}" if task.message else ""
    return Amend({"message": one_line(text + before)}, event(EventReason.STATUS_UNREADABLE, text))


def what_to_type(task: Unreadable) -> str:
    """Return why the task stands still, and what a person can do about it."""
    where = f"obtask {task.metadata.name} -n {task.metadata.namespace}"
    text = f"{UNREADABLE} ({one_line(task.fault, 160)}): install a newer one, or give the task up"
    return one_line(f"{text}: kubectl annotate {where} action=skip")


def _still_running(task: Unreadable) -> str:
    # What ran in an operator that is gone is known from the status only.
    jobs = f"kubectl get jobs -n {task.metadata.namespace} -l {names.TASK_UID_LABEL}={task.metadata.uid}"
    return f"nothing of it runs in this operator any more, but what an earlier one began elsewhere may go on: {jobs}"


def _obey(task: Unreadable, command: Command, now: datetime) -> Amend:
    over = task.phase in FINISHED
    if command.fault is not None or command.verb != Verb.SKIP or over:
        allowed = "no command is allowed now" if over else f"allowed now: {Verb.SKIP}"
        text = command.fault or f"{command.verb} needs a status that this version can read; {allowed}"
        said = event(EventReason.ACTION_REJECTED, f"{command.verb}: {text}")
        return Amend(_fields(answered(TaskStatus(), command, ActionResult.REJECTED, text, now), "last_action"), said)
    change = {
        "phase": Phase.SKIPPED,
        "reason": Reason.SKIPPED_BY_USER,
        "message": one_line(f"skipped: nothing was executed or undone by that; {_still_running(task)}"),
        "finished_at": now,
    }
    said = event(EventReason.ACTION_ACCEPTED, "skip: task skipped")
    return _ended(task, change, now, answered(TaskStatus(), command, ActionResult.ACCEPTED, "task skipped", now), said)


def _ended(
    task: Unreadable, change: dict[str, object], now: datetime, before: TaskStatus | None = None, said: Announcement | None = None
) -> Amend:
    skipped = (before or TaskStatus()).model_copy(update=change | {"allowed_actions": ()})
    whole = with_conditions(skipped, task.metadata, now)
    fields = ["phase", "reason", "message", "finished_at", "conditions", "observed_generation"]
    kept = _fields(whole, *fields, *(["last_action"] if before is not None else []))
    left_out = dict.fromkeys(("lock", "cancelling", "blockedBy", "blockedByCount", "blockedBySummary")) | {"allowedActions": list[str]()}
    told = said or Announcement(warning=False, reason=Reason.SKIPPED_BY_USER.value, message=whole.message or "")
    return Amend(kept | left_out, told, instead=whole)


def _fields(status: TaskStatus, *fields: str) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(fields))
