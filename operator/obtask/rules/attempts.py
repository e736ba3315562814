"""Owns the life of one subtask: starting an attempt, and what its end makes of the subtask."""

from datetime import datetime, timedelta

from obtask.model.actions import AWAITING, ApproveAction, WaitAction
from obtask.model.attempt import NOTHING_KEPT, AttemptState, Failed, Lost, Running, Succeeded
from obtask.model.base import rfc3339
from obtask.model.contract import Direction, Interrupted, SubtaskPhase
from obtask.model.kubernetes_actions import JobAction
from obtask.model.limits import NONCE_DIGESTS, STAGE_CHARACTERS, one_line
from obtask.model.reasons import FailureReason
from obtask.model.status import Failure, SubtaskStatus
from obtask.rules import elsewhere
from obtask.rules.observation import ObservedAttempt
from obtask.rules.owned import job_name
from obtask.rules.subtask_context import SubtaskContext, direction_of, live

PROGRESS_SHOWN_AFTER = timedelta(seconds=5)
PROGRESS_SHOWN_EVERY = timedelta(seconds=15)


def begin(context: SubtaskContext, status: SubtaskStatus, now: datetime) -> SubtaskStatus:
    """Return the subtask with its next attempt forward; its rollback comes first if the step says so."""
    undo_first = context.step.undo_before_retry and has_changed(status) and context.subtask.rollback is not None and not _is_undone(status)
    return begin_undo(context, status, now, undoing=False) if undo_first else _begin_forward(context, status, now)


def has_changed(status: SubtaskStatus) -> bool:
    """Return whether there may be something to undo; operators that did not record it are believed to have changed something."""
    return status.attempts > 0 and status.changed is not False


def _is_undone(status: SubtaskStatus) -> bool:
    # Its last attempt was undone by an operator that was stopping, and left the next one to others.
    return status.phase is SubtaskPhase.PENDING and status.next_attempt_at is not None


def _begin_forward(context: SubtaskContext, status: SubtaskStatus, now: datetime) -> SubtaskStatus:
    touches = not isinstance(context.subtask.action, ApproveAction)
    change: dict[str, object] = {"phase": SubtaskPhase.RUNNING, "attempts": status.attempts + 1, "changed": touches}
    return _over_at_once(context, _begin(context, status, now, change | {"changed_before": has_changed(status)}), now, undoing=False)


def begin_undo(context: SubtaskContext, status: SubtaskStatus, now: datetime, *, undoing: bool = True) -> SubtaskStatus:
    """Return the subtask with its next attempt to undo it; ``undoing``: the whole task is being rolled back."""
    change: dict[str, object] = {"phase": SubtaskPhase.ROLLING_BACK, "rollback_attempts": status.rollback_attempts + 1}
    return _over_at_once(context, _begin(context, status, now, change), now, undoing=undoing)


def _over_at_once(context: SubtaskContext, begun: SubtaskStatus, now: datetime, *, undoing: bool) -> SubtaskStatus:
    """Return the subtask after an attempt that has nothing to wait for: it needs no executor, and no write of its own."""
    action = context.attempt(begun).action
    if not isinstance(action, WaitAction) or action.seconds:
        return begun
    report = ObservedAttempt(Succeeded("waited 0 s"), log_tail=f"{rfc3339(now)} waited 0 s\n")
    return settle(context, begun, report, now, undoing=undoing, stopping=False)


def _begin(context: SubtaskContext, status: SubtaskStatus, now: datetime, change: dict[str, object]) -> SubtaskStatus:
    fresh = {"runner": context.runner, "started_at": now, "finished_at": None, "message": None, "failure": None, "next_attempt_at": None}
    fresh |= {"log_tail": None, "log_ref": None}
    fresh |= elsewhere.begun(context.subtask, status, undoes=change["phase"] is SubtaskPhase.ROLLING_BACK)
    begun = status.model_copy(update=fresh | change)
    attempt = context.attempt(begun)
    job = job_name(attempt.task, attempt.id) if isinstance(attempt.action, JobAction) else None
    digests = (context.nonces.digest(attempt.id),) if context.nonces is not None else ()
    kept = NOTHING_KEPT if status.attempts == 0 and context.subtask.is_restored else status.kept
    text = one_line(_at_first(attempt.action), room=context.room) if isinstance(attempt.action, ApproveAction) else None
    return begun.model_copy(update={"job": job, "nonce_digests": digests, "kept": kept, "message": text})


def _at_first(action: ApproveAction) -> str:
    """Return what is awaited as long as the values in it are not known."""
    return AWAITING if action.written else action.awaited


def settle(
    context: SubtaskContext,
    status: SubtaskStatus,
    report: ObservedAttempt,
    now: datetime,
    *,
    undoing: bool,
    stopping: bool,
    draining: bool = False,
    progress_at: datetime | None = None,
) -> SubtaskStatus:
    """Return what the subtask becomes by what is seen of its live attempt.

    ``undoing``: the task is being rolled back. ``stopping``: nothing new may start, an end is a cancel.
    ``draining``: nothing new may start here; another operator goes on. ``progress_at``: not before this other progress is shown.
    """
    status = _with_references(status, report.state)
    match report.state:
        case Running() as running:
            shown = _shown(context, status, running, now, progress_at)
            return status if shown is None else _with_progress(context, status, shown, running.stage)
        case Succeeded(message=message):
            ended = _end(context, status, report, now, message)
            if status.phase is SubtaskPhase.RUNNING:
                outputs = dict(report.state.outputs) or None
                return ended.model_copy(update={"phase": SubtaskPhase.SUCCEEDED, "outputs": outputs})
            ended = ended.model_copy(update=elsewhere.undone())
            if undoing:
                return ended.model_copy(update={"phase": SubtaskPhase.ROLLED_BACK})
            ended = ended.model_copy(update={"changed": False})
            if stopping:
                return _cancelled(ended, Direction.FORWARD, now, UNDONE)
            if draining:
                return ended.model_copy(update={"phase": SubtaskPhase.PENDING, "next_attempt_at": now})
            return _begin_forward(context, ended, now)
        case Failed() as failed:
            return _failed(context, status, report, failed, now, may_retry=not stopping)
        case Lost(message=message):
            left_to_others = draining and not stopping and context.step.interrupted is Interrupted.RERUN
            return status if left_to_others else _lost(context, status, report, now, message, undoing=undoing, stopping=stopping)


def _with_references(status: SubtaskStatus, seen: AttemptState) -> SubtaskStatus:
    """Return the subtask with what the executor needs to have on record."""
    change = elsewhere.known(status, seen)
    digest = seen.nonce_digest if isinstance(seen, Running) else None
    if digest is not None and digest not in status.nonce_digests:
        # Whoever recorded the attempt may still make what the older ones prove.
        change["nonce_digests"] = (digest, *status.nonce_digests)[:NONCE_DIGESTS]
    kept = seen.kept if isinstance(seen, Running) else None
    if kept is not None and status.kept in {None, NOTHING_KEPT}:
        change["kept"] = kept
    return status.model_copy(update=change) if change else status


def _shown(context: SubtaskContext, status: SubtaskStatus, seen: Running, now: datetime, progress_at: datetime | None) -> str | None:
    """Return what is worth a write of what an attempt says of itself; None: nothing."""
    if not seen.message or status.started_at is None:
        return None
    if isinstance(context.subtask.action, ApproveAction):
        # A person cannot answer before the question is there; it changes once, when its values are known.
        return seen.message if seen.message.startswith(AWAITING) else None
    brief = now - status.started_at < PROGRESS_SHOWN_AFTER
    held_back = status.message is not None and progress_at is not None and now < progress_at
    return None if brief or held_back else seen.message


def _with_progress(context: SubtaskContext, status: SubtaskStatus, message: str, stage: str | None) -> SubtaskStatus:
    stage = one_line(stage, STAGE_CHARACTERS) if stage else None
    return status.model_copy(update={"message": one_line(message, room=context.room), "stage": stage})


def _lost(
    context: SubtaskContext,
    status: SubtaskStatus,
    report: ObservedAttempt,
    now: datetime,
    why: str | None,
    *,
    undoing: bool,
    stopping: bool,
) -> SubtaskStatus:
    if stopping:
        return abandon(_end(context, status, report, now, None), now)
    if context.step.interrupted is Interrupted.RERUN:
        if status.phase is SubtaskPhase.ROLLING_BACK:
            return begin_undo(context, status, now, undoing=undoing)
        return begin(context, status, now)
    failed = Failed(FailureReason.INTERRUPTED, why or "the operator stopped in the middle; nobody knows how far the attempt got")
    return _failed(context, status, report, failed, now, may_retry=False)


def _failed(
    context: SubtaskContext, status: SubtaskStatus, report: ObservedAttempt, failed: Failed, now: datetime, *, may_retry: bool
) -> SubtaskStatus:
    message = one_line(failed.message, room=context.room)
    refused = failed.refused and status.phase is SubtaskPhase.ROLLING_BACK
    failure = Failure(reason=failed.reason, code=failed.code, direction=direction_of(status), refused=refused)
    ended = _end(context, status, report, now, message).model_copy(update={"phase": SubtaskPhase.FAILED, "failure": failure})
    retry = context.step.auto_retry
    hopeless = failed.permanent or refused or (not failed.reason.repeated and not failed.passing)
    if not may_retry or retry is None or status.auto_retries >= retry.limit or hopeless:
        return ended
    pause = min(retry.backoff_seconds * 2**status.auto_retries, retry.max_backoff_seconds)
    at = now + timedelta(seconds=pause)
    text = f"automatic retry {status.auto_retries + 1} of {retry.limit} at {at:%Y-%m-%dT%H:%M:%SZ}{AFTER}{message}"
    change = {"auto_retries": status.auto_retries + 1, "next_attempt_at": at, "message": one_line(text, room=context.room)}
    return ended.model_copy(update=change)


# Nothing more is looked for that was made for the attempt; the largest task has no room for what nobody needs.
_NO_LONGER_LIVE: dict[str, object] = {"nonce_digests": (), "changed_before": False}
AFTER = " after: "
UNDONE = "cancelled before the next attempt; the last one is undone"


def awaits_retry(status: SubtaskStatus) -> bool:
    """Return whether the subtask failed and is to be tried again without a person."""
    return status.next_attempt_at is not None and not live(status)


def undo_failed(status: SubtaskStatus) -> bool:
    """Return whether the last thing that happened to the subtask was a failed attempt to undo it."""
    failure = status.failure
    return status.phase is SubtaskPhase.FAILED and failure is not None and failure.direction is Direction.ROLLBACK


def give_up_retry(status: SubtaskStatus, now: datetime) -> SubtaskStatus:
    """Return the subtask without its awaited next attempt: it says why it failed, no longer when it is tried again."""
    if _is_undone(status):
        return _cancelled(status, Direction.FORWARD, now, UNDONE).model_copy(update={"next_attempt_at": None})
    return status.model_copy(update={"next_attempt_at": None, "message": (status.message or "").partition(AFTER)[2]})


def abandon(status: SubtaskStatus, now: datetime) -> SubtaskStatus:
    """Return the subtask as cancelled without a word from its live attempt."""
    return _cancelled(status, direction_of(status), now, "cancelled; nobody knows how far the attempt got")


def _cancelled(status: SubtaskStatus, direction: Direction, now: datetime, message: str) -> SubtaskStatus:
    failure = Failure(reason=FailureReason.CANCELLED, direction=direction)
    change = {"phase": SubtaskPhase.FAILED, "failure": failure, "message": message, "finished_at": now}
    return status.model_copy(update=change | _NO_LONGER_LIVE)


def _end(context: SubtaskContext, status: SubtaskStatus, report: ObservedAttempt, now: datetime, message: str | None) -> SubtaskStatus:
    text = one_line(message, room=context.room) if message else None
    change: dict[str, object] = {"finished_at": now, "message": text, "log_tail": report.log_tail, "log_ref": report.log_ref}
    untouched = isinstance(report.state, Succeeded | Failed) and report.state.untouched
    if untouched and status.phase is SubtaskPhase.RUNNING and status.changed and not status.changed_before:
        change["changed"] = False
    change |= elsewhere.ended(report.state)
    return status.model_copy(update=change | _NO_LONGER_LIVE)
