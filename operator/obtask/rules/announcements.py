"""Owns which changes of a task are worth an Event, and what it says."""

from dataclasses import dataclass
from typing import assert_never

from obtask.model.contract import ActionResult, Phase, Stage
from obtask.model.reasons import EventReason, Reason
from obtask.model.status import TaskStatus
from obtask.rules.decision import Record


@dataclass(frozen=True, slots=True)
class Announcement:
    """One Event to post."""

    warning: bool
    reason: str
    message: str


def event(reason: EventReason, message: str) -> Announcement:
    """Return the Event with this reason."""
    return Announcement(reason.warning, reason.value, message)


def released(scope: str, lease: str) -> Announcement:
    """Return the Event of a task that has given a lock back which others wait for."""
    return event(EventReason.LOCK_RELEASED, f"{scope} lock given back (Lease {lease})")


def left_elsewhere(left: str) -> Announcement:
    """Return the Event of a task that is deleted while something is left of it elsewhere."""
    return event(EventReason.LEFT_BEHIND, f"deleted: {left}")


def announcements(before: TaskStatus, record: Record) -> list[Announcement]:
    """Return the Events for one stored change of status. A task that never waits and never fails gets a single one, at its end."""
    after = record.status
    found = []
    action = after.last_action
    if action is not None and (before.last_action is None or before.last_action.id != action.id):
        refused = action.result is ActionResult.REJECTED
        asker = f" by {action.requested_by}" if action.requested_by else ""
        text = f"{action.verb}{asker}: {action.message}"
        found.append(event(EventReason.ACTION_REJECTED if refused else EventReason.ACTION_ACCEPTED, text))
    if after.phase is Phase.WAITING and before.phase is not Phase.WAITING:
        found.append(event(EventReason.LOCK_WAITING, after.message or ""))
    lock = record.took or after.lock
    if before.phase is Phase.WAITING and lock is not None:
        found.append(event(EventReason.LOCK_ACQUIRED, f"{lock.scope} lock taken (Lease {lock.lease})"))
    ended = after.phase is not before.phase and is_announced(after.phase)
    if ended or (after.reason is Reason.LOCK_LOST and before.reason is not Reason.LOCK_LOST):
        reason = (after.reason or after.phase).value
        found.append(Announcement(is_warning(after.phase) or after.reason is Reason.LOCK_LOST, reason, after.message or ""))
    return found


def is_announced(phase: Phase) -> bool:
    """Return whether a task that comes into this phase has an Event, whose reason is that of the task."""
    match phase.stage:
        case Stage.STOPPED | Stage.FINISHED:
            return True
        case Stage.IN_LINE | Stage.WORKING:
            return False
        case never:
            assert_never(never)


def is_warning(phase: Phase) -> bool:
    """Return whether that Event is a warning."""
    match phase:
        case Phase.FAILED | Phase.REJECTED:
            return True
        case Phase.PENDING | Phase.WAITING | Phase.RUNNING | Phase.ROLLING_BACK:
            return False
        case Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.SKIPPED | Phase.CANCELLED:
            return False
        case never:
            assert_never(never)
