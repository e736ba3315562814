"""Owns which commands are accepted, and what an accepted one makes of the status. API.md section 5."""

import json
from datetime import datetime
from typing import assert_never

from obtask import names
from obtask.model.answered import HandledCommand, LastAction
from obtask.model.command import Command
from obtask.model.contract import ActionResult, Direction, Forbidden, Option, Phase, SubtaskPhase, Verb
from obtask.model.limits import (
    HISTORY_BYTES,
    HISTORY_ENTRIES,
    HISTORY_REASON_CHARACTERS,
    HISTORY_USER_CHARACTERS,
    HISTORY_VERB_CHARACTERS,
    one_line,
    stored_bytes,
)
from obtask.model.reasons import Reason
from obtask.model.spec import TaskSpec
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.rules import messages
from obtask.rules.approval import approved, awaiting_approval, not_a_member
from obtask.rules.elsewhere import irreversible, left_behind


def allowed_actions(spec: TaskSpec | None, status: TaskStatus) -> tuple[Verb, ...]:
    """Return exactly the commands that would be accepted now. ``spec`` is None when it cannot be read."""
    if spec is None:
        return tuple(verb for verb in _by_phase(status) if not verb.goes_on)
    possible = _by_phase(status)
    if status.phase is Phase.RUNNING and not status.cancelling and awaiting_approval(spec, status) is not None:
        possible = (Verb.APPROVE, *possible)
    allowed = tuple(verb for verb in possible if forbidding_step(spec, status, verb) is None)
    hopeless = Verb.ROLLBACK in allowed and status.direction is Direction.FORWARD and irreversible(spec, status) is not None
    return tuple(verb for verb in allowed if verb is not Verb.ROLLBACK) if hopeless else allowed


def _by_phase(status: TaskStatus) -> tuple[Verb, ...]:
    match status.phase:
        case Phase.PENDING | Phase.WAITING | Phase.RUNNING | Phase.ROLLING_BACK:
            return (Verb.CANCEL,)
        case Phase.FAILED if status.direction is Direction.FORWARD:
            return (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP, Verb.SKIP_STEP)
        case Phase.FAILED:
            return (Verb.RETRY, Verb.ROLLBACK, Verb.SKIP)
        case Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.SKIPPED | Phase.CANCELLED | Phase.REJECTED:
            return ()
        case never:
            assert_never(never)


def forbidding_step(spec: TaskSpec, status: TaskStatus, verb: Verb) -> str | None:
    """Return the name of the step that takes the verb away now, or None."""
    if verb.forbidden is None:
        return None
    if verb is Verb.ROLLBACK:
        started = {step.name for step in status.steps if step.started_at is not None}
        return _forbids(spec, started, verb.forbidden)
    return _forbids(spec, {status.current_step}, verb.forbidden)


def _forbids(spec: TaskSpec, among: set[str] | set[str | None], what: Forbidden) -> str | None:
    return next((step.name for step in spec.steps if step.name in among and what in step.forbid), None)


def refusal(spec: TaskSpec | None, status: TaskStatus, command: Command, *, groups_proven: bool = False) -> str | None:
    """Return why the command is refused, or None if it is accepted.

    ``groups_proven``: the groups of whoever gave it were stamped by a policy of the API server.
    """
    if command.fault is not None:
        return command.fault
    if command.verb not in set(Verb):
        return f'unknown command "{command.verb}"'
    verb = Verb(command.verb)
    allowed = allowed_actions(spec, status)
    if verb is Verb.APPROVE and verb in allowed and spec is not None and (approval := awaiting_approval(spec, status)) is not None:
        return not_a_member(approval, status.current_step, command.approver_group, proven=groups_proven)
    if verb in allowed:
        backward = command.option is not None and status.direction is Direction.ROLLBACK
        return (
            f"{names.ACTION_OPTION_ANNOTATION}={command.option} is for a retry forward, and the task is rolling back" if backward else None
        )
    if verb in _by_phase(status):
        step = forbidding_step(spec, status, verb) if spec is not None else None
        why = f'step "{step}" forbids {verb}' if step else _why_not(spec, status, verb)
        return f"{why}; {messages.allowed_now(allowed)}"
    return messages.not_allowed(verb, status.phase, allowed)


def _why_not(spec: TaskSpec | None, status: TaskStatus, verb: Verb) -> str:
    if spec is None:
        return f"{verb} needs a spec that this version can read"
    return f"{verb} would change nothing: {irreversible(spec, status)}"


def answered(status: TaskStatus, command: Command, result: ActionResult, message: str, now: datetime) -> TaskStatus:
    """Return the status with the command recorded as handled; nothing else changes."""
    last = LastAction(
        verb=command.verb,
        result=result,
        message=one_line(message),
        requested_at=command.requested_at,
        handled_at=now,
        requested_by=command.requested_by,
        reason=command.reason,
        id=command.id,
    )
    return status.model_copy(update={"last_action": last, "history": remembered(status.history, last)})


def remembered(history: tuple[HandledCommand, ...], last: LastAction) -> tuple[HandledCommand, ...]:
    """Return the history with one more command; the oldest give way, so that it stays in its bounds (API.md section 3)."""
    entry = HandledCommand(
        verb=one_line(last.verb, HISTORY_VERB_CHARACTERS),
        requested_by=one_line(last.requested_by, HISTORY_USER_CHARACTERS) if last.requested_by else None,
        requested_at=last.requested_at,
        handled_at=last.handled_at,
        result=last.result,
        reason=one_line(last.reason, HISTORY_REASON_CHARACTERS) if last.reason else None,
    )
    kept = (*history, entry)[-HISTORY_ENTRIES:]
    while stored_bytes(json.dumps([one.dump() for one in kept], ensure_ascii=False)) > HISTORY_BYTES:
        kept = kept[1:]
    return kept


def needs_lock_again(status: TaskStatus, verb: Verb) -> bool:
    """Return whether the command makes a task work on that has lost its lock."""
    return status.reason is Reason.LOCK_LOST and verb.goes_on


def carry_out(status: TaskStatus, verb: Verb, now: datetime, option: str | None = None) -> tuple[TaskStatus, str]:
    """Return the status that an accepted command leads to, before any attempt is started, and what was done."""
    match verb:
        case Verb.RETRY:
            return _retry(status, fresh=option == Option.FRESH)
        case Verb.ROLLBACK:
            return _roll_back(status), "rolling back"
        case Verb.SKIP:
            change = {"phase": Phase.SKIPPED, "reason": Reason.SKIPPED_BY_USER, "finished_at": now, "lock": None}
            also = f"; {left}" if (left := left_behind(status)) else ""
            text = one_line(f"skipped: nothing was executed or undone by that{also}")
            return status.model_copy(update=change | {"message": text}), f"task skipped{also}"
        case Verb.SKIP_STEP:
            also = f"; {left}" if (left := left_behind(status)) else ""
            return _resume(status, SubtaskPhase.SKIPPED), f'failed subtasks of step "{status.current_step}" skipped{also}'
        case Verb.CANCEL:
            return _cancel(status, now)
        case Verb.APPROVE:
            return approved(status, now), f'step "{status.current_step}" approved'
        case never:
            assert_never(never)


def _retry(status: TaskStatus, *, fresh: bool) -> tuple[TaskStatus, str]:
    if status.direction is Direction.ROLLBACK:
        return _roll_back(status), "going on with the rollback"
    afresh = ", started afresh" if fresh else ""
    return _resume(status, SubtaskPhase.PENDING, fresh=fresh), f'running step "{status.current_step}" again{afresh}'


GOING_ON = {"failed_subtask": None, "failed_subtasks": None, "cancelling": False, "message": None}


def _resume(status: TaskStatus, phase: SubtaskPhase, *, fresh: bool = False) -> TaskStatus:
    steps = tuple(_revive(step, phase, fresh=fresh) if step.name == status.current_step else step for step in status.steps)
    return status.model_copy(update=GOING_ON | {"phase": Phase.RUNNING, "reason": Reason.EXECUTING, "steps": steps})


def _revive(step: StepStatus, phase: SubtaskPhase, *, fresh: bool) -> StepStatus:
    return step.model_copy(
        update={
            "phase": SubtaskPhase.RUNNING if step.started_at is not None else SubtaskPhase.PENDING,
            "finished_at": None,
            "subtasks": tuple(_revived(subtask, phase, fresh=fresh) if subtask.phase.open else subtask for subtask in step.subtasks),
        }
    )


def _revived(subtask: SubtaskStatus, phase: SubtaskPhase, *, fresh: bool) -> SubtaskStatus:
    tail = None if subtask.log_ref else subtask.log_tail
    return subtask.model_copy(update={"phase": phase, "auto_retries": 0, "next_attempt_at": None, "log_tail": tail, "fresh": fresh})


def _roll_back(status: TaskStatus) -> TaskStatus:
    steps = tuple(_reset_retries(step) for step in status.steps)
    change = {"phase": Phase.ROLLING_BACK, "direction": Direction.ROLLBACK, "reason": Reason.EXECUTING, "steps": steps}
    return status.model_copy(update=GOING_ON | change)


def _reset_retries(step: StepStatus) -> StepStatus:
    reset = {"auto_retries": 0, "next_attempt_at": None}
    return step.model_copy(update={"subtasks": tuple(subtask.model_copy(update=reset) for subtask in step.subtasks)})


def _cancel(status: TaskStatus, now: datetime) -> tuple[TaskStatus, str]:
    if status.phase.in_line:
        change = {"phase": Phase.CANCELLED, "reason": Reason.CANCELLED_BY_USER, "finished_at": now}
        return status.model_copy(update=change | {"message": "cancelled before its first step started"}), "task cancelled"
    return status.model_copy(update={"cancelling": True}), "stopping the running subtasks"
