"""Owns which changes of a task are worth an Event, and what it says."""

from dataclasses import dataclass

from obtask.model.answered import ActionResult
from obtask.model.status import Phase, Reason, TaskStatus
from obtask.rules.decision import Record


@dataclass(frozen=True, slots=True)
class Announcement:
    """One Event to post."""

    warning: bool
    reason: str
    message: str


WARNING_PHASES = frozenset({Phase.FAILED, Phase.REJECTED})
SILENT_PHASES = frozenset({Phase.PENDING, Phase.RUNNING, Phase.ROLLING_BACK, Phase.WAITING})


def released(scope: str, lease: str) -> Announcement:
    """Return the Event of a task that has given a lock back which others wait for."""
    return Announcement(warning=False, reason="LockReleased", message=f"{scope} lock given back (Lease {lease})")


def left_elsewhere(left: str) -> Announcement:
    """Return the Event of a task that is deleted while something is left of it elsewhere."""
    return Announcement(warning=True, reason="LeftBehind", message=f"deleted: {left}")


def announcements(before: TaskStatus, record: Record) -> list[Announcement]:
    """Return the Events for one stored change of status. A task that never waits and never fails gets a single one, at its end."""
    after = record.status
    found = []
    action = after.last_action
    if action is not None and (before.last_action is None or before.last_action.id != action.id):
        refused = action.result is ActionResult.REJECTED
        asker = f" by {action.requested_by}" if action.requested_by else ""
        text = f"{action.verb}{asker}: {action.message}"
        found.append(Announcement(refused, "ActionRejected" if refused else "ActionAccepted", text))
    if after.phase is Phase.WAITING and before.phase is not Phase.WAITING:
        found.append(Announcement(warning=False, reason="LockWaiting", message=after.message or ""))
    lock = record.took or after.lock
    if before.phase is Phase.WAITING and lock is not None:
        found.append(Announcement(warning=False, reason="LockAcquired", message=f"{lock.scope} lock taken (Lease {lock.lease})"))
    ended = after.phase is not before.phase and after.phase not in SILENT_PHASES
    if ended or (after.reason is Reason.LOCK_LOST and before.reason is not Reason.LOCK_LOST):
        reason = (after.reason or after.phase).value
        found.append(Announcement(after.phase in WARNING_PHASES or after.reason is Reason.LOCK_LOST, reason, after.message or ""))
    return found
