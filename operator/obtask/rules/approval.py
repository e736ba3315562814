"""Owns approvals: whether a task awaits one, and what one makes of the status. API.md section 5. Pure."""

from datetime import datetime

from obtask.model.actions import ApproveAction
from obtask.model.base import rfc3339
from obtask.model.contract import SubtaskPhase
from obtask.model.spec import TaskSpec
from obtask.model.status import TaskStatus
from obtask.rules import progress
from obtask.rules.subtask_context import live

APPROVED = "approved"


def awaiting_approval(spec: TaskSpec, status: TaskStatus) -> ApproveAction | None:
    """Return the approval that the current step of a task awaits, or None."""
    step = progress.current(status)
    if step is None or not any(live(sub) for sub in step.subtasks):
        return None
    return spec.by_name[step.name].approve


def not_a_member(approval: ApproveAction, step: str | None, approver: str | None, *, proven: bool) -> str | None:
    """Return why an approval of a step is refused for the groups that it asks for, or None.

    ``approver``: the step and the group that a policy of the API server has stamped, as STEP/GROUP. ``proven``: that such a policy was at
    work when the command was noted; without it, anybody may have written the stamp.
    """
    if not approval.groups:
        return None
    asked = f'approving step "{step}" needs one of the groups {", ".join(approval.groups)}'
    if not proven:
        return f"{asked}, and only the chart's admission policies tell who is in them: they are not at work, or were not when it was noted"
    of, _, group = (approver or "").partition("/")
    if not group:
        return f"{asked}; whoever gave the command is in none of them"
    if of != step:
        return f'{asked}; the approval was given for step "{of}"'
    return None if group in approval.groups else f"{asked}, not {group}"


def approved(status: TaskStatus, now: datetime) -> TaskStatus:
    """Return the status with the approval given that its current step awaits; the log of the attempt says so as well."""
    said = {"message": APPROVED, "log_tail": f"{rfc3339(now)} {APPROVED}"}
    change = {"phase": SubtaskPhase.SUCCEEDED, "finished_at": now, "nonce_digests": (), "changed": False, **said}
    step = progress.find_step(status, status.current_step or "")
    subtasks = tuple(sub.model_copy(update=change) if live(sub) else sub for sub in step.subtasks)
    return progress.replace_step(status, step.model_copy(update={"subtasks": subtasks}))
