"""Owns how a task moves on: forward step by step, and back from the failed step to the first."""

from datetime import datetime

from obtask.model.actions import tells_progress, until_of
from obtask.model.attempt import Attempt, Running
from obtask.model.contract import Direction, Phase, SubtaskPhase
from obtask.model.reasons import Reason
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.model.task import Task
from obtask.rules import progress
from obtask.rules.approval import awaiting_approval
from obtask.rules.attempts import PROGRESS_SHOWN_AFTER, PROGRESS_SHOWN_EVERY, abandon, awaits_retry, give_up_retry
from obtask.rules.decision import Evaluate, Intent, Record, Rest, Stop
from obtask.rules.observation import Observation
from obtask.rules.step_at_work import StepAtWork, entered, settled
from obtask.rules.subtask_context import live
from obtask.rules.turning_back import turned_back


def advance(task: Task, observed: Observation, status: TaskStatus, before: TaskStatus | None = None) -> Intent:
    """Return what to do with a task in phase Running or RollingBack; ``before`` is what is stored, if not ``status``."""
    stored = before or status
    stopping = status.cancelling or status.reason is Reason.LOCK_LOST
    undoing = status.phase is Phase.ROLLING_BACK
    stage = settled(task, observed, status, undoing=undoing, stopping=stopping)
    moved = progress.replace_step(status, stage.step)
    if stopping:
        if stage.alive:
            stop = tuple(stage.alive)
            return Stop(stop) if moved == status else Record(moved, cancel=stop)
        return Record(stopped(moved, observed))
    if undoing and (forward := turned_back(moved, stage.step, observed.now)) is not None:
        return Record(forward)
    while stage.question is None and not stage.unfinished(undoing=undoing):
        failed = progress.failed_ones(stage.step)
        if failed:
            return Record(_task_failed(moved, stage.step, failed, observed))
        following = _undo_next(moved, stage.step, observed) if undoing else _next_step(moved, stage.step, observed)
        if following.phase.finished:
            return Record(following)
        moved = following
        stage = entered(task, observed, moved, undoing=undoing)
        moved = progress.replace_step(moved, stage.step)
    if stage.question is not None:
        return Evaluate(stage.question, None if moved == stored else Record(described(task, moved)))
    started = tuple(attempt for attempt in stage.alive if _is_new(attempt, stored))
    if moved == stored:
        return Rest(_wake_at(stage, observed))
    return Record(described(task, moved), start=started)


def open_first_step(task: Task, observed: Observation, status: TaskStatus, before: TaskStatus) -> Record | Evaluate:
    """Return the record that starts what is due in the first step of a task that begins, or the question that is open before that."""
    decided = advance(task, observed, status, before)
    if isinstance(decided, Evaluate):
        return Evaluate(decided.question, decided.meanwhile or Record(status))
    return decided if isinstance(decided, Record) else Record(status)


def open_current_step(task: Task, observed: Observation, status: TaskStatus, before: TaskStatus) -> Record:
    """Return the record that starts what is due in the current step, for a task that goes on after ``before``."""
    decided = open_first_step(task, observed, status, before)
    return (decided.meanwhile or Record(status)) if isinstance(decided, Evaluate) else decided


def enter(task: Task, observed: Observation, status: TaskStatus) -> TaskStatus:
    """Return a task that has what it needs to start as Running at its first step."""
    steps = progress.fresh_steps(task.plan)
    change = {"phase": Phase.RUNNING, "reason": Reason.EXECUTING, "steps": steps, "current_step": steps[0].name, "message": None}
    return status.model_copy(update=change | {"started_at": status.started_at or observed.now})


def begin_rollback(task: Task, observed: Observation, status: TaskStatus) -> Record:
    """Return the record that starts undoing: the current step first, every step before it later."""
    moved = status
    stage = entered(task, observed, moved, undoing=True)
    moved = progress.replace_step(moved, stage.step)
    while not stage.unfinished(undoing=True):
        moved = _undo_next(moved, stage.step, observed)
        if moved.phase.finished:
            return Record(moved)
        stage = entered(task, observed, moved, undoing=True)
        moved = progress.replace_step(moved, stage.step)
    return Record(described(task, moved), start=tuple(stage.alive))


def _next_step(status: TaskStatus, step: StepStatus, observed: Observation) -> TaskStatus:
    skipped = any(sub.phase is SubtaskPhase.SKIPPED for sub in step.subtasks)
    ended = step.model_copy(update={"phase": SubtaskPhase.SKIPPED if skipped else SubtaskPhase.SUCCEEDED, "finished_at": observed.now})
    moved = progress.replace_step(status, ended)
    index = [other.name for other in moved.steps].index(step.name) + 1
    if index < len(moved.steps):
        return moved.model_copy(update={"current_step": moved.steps[index].name})
    change = {"phase": Phase.SUCCEEDED, "reason": Reason.COMPLETED, "finished_at": observed.now, "current_step": None, "lock": None}
    return moved.model_copy(
        update=change | {"message": f"all {len(moved.steps)} steps done" if len(moved.steps) > 1 else "the step is done"}
    )


def _undo_next(status: TaskStatus, step: StepStatus, observed: Observation) -> TaskStatus:
    begun = step.started_at is not None or step.phase is SubtaskPhase.SUCCEEDED  # a loop over nothing has no beginning
    undone = step.model_copy(update={"phase": SubtaskPhase.ROLLED_BACK, "finished_at": observed.now}) if begun else step
    moved = progress.replace_step(status, undone)
    index = [other.name for other in moved.steps].index(step.name) - 1
    if index >= 0:
        return moved.model_copy(update={"current_step": moved.steps[index].name})
    change = {"phase": Phase.ROLLED_BACK, "reason": Reason.ROLLED_BACK, "finished_at": observed.now, "current_step": None, "lock": None}
    return moved.model_copy(update=change | {"message": "everything that was started is undone"})


def _task_failed(status: TaskStatus, step: StepStatus, failed: list[SubtaskStatus], observed: Observation) -> TaskStatus:
    ended = step.model_copy(update={"phase": SubtaskPhase.FAILED, "finished_at": observed.now})
    first = progress.failed_subtask(step, failed[0], observed.now)
    undoing = status.direction is Direction.ROLLBACK
    verb = "rollback failed" if first.direction is Direction.ROLLBACK else "failed"
    message = f'{progress.position(status, step.name)}: subtask "{first.subtask}" {verb}: {first.message}'
    return progress.replace_step(status, ended).model_copy(
        update={
            "phase": Phase.FAILED,
            "reason": Reason.ROLLBACK_FAILED if undoing else Reason.SUBTASK_FAILED,
            "message": message,
            "failed_subtask": first,
            "failed_subtasks": len(failed),
            "cancelling": False,
        }
    )


def stopped(status: TaskStatus, observed: Observation) -> TaskStatus:
    """Return the task as Failed after a cancel or the loss of its lock; an attempt that is live by the status is given up."""
    step = progress.find_step(status, status.current_step or "")
    step = step.model_copy(update={"subtasks": tuple(_at_rest(sub, observed.now) for sub in step.subtasks)})
    failed = progress.failed_ones(step)
    position = progress.position(status, step.name)
    lost = status.reason is Reason.LOCK_LOST
    if failed:
        after = _task_failed(status, step, failed, observed)
    else:
        change = {"phase": SubtaskPhase.FAILED, "finished_at": observed.now} if step.started_at else {}
        ended = step.model_copy(update=change)
        after = progress.replace_step(status, ended).model_copy(update={"phase": Phase.FAILED, "cancelling": False})
    why = status.message if lost else f"{position}: cancelled; the target may be half changed"
    return after.model_copy(update={"reason": Reason.LOCK_LOST if lost else Reason.SUBTASK_CANCELLED, "message": why})


def _at_rest(sub: SubtaskStatus, now: datetime) -> SubtaskStatus:
    if live(sub):
        return abandon(sub, now)
    return give_up_retry(sub, now) if awaits_retry(sub) else sub


def described(task: Task, status: TaskStatus) -> TaskStatus:
    """Return the status of a task at work with a message that says where it is, and the reason that goes with it."""
    step = progress.find_step(status, status.current_step or "")
    position = progress.position(status, step.name)
    if status.phase is Phase.RUNNING and awaiting_approval(task.plan, status) is not None:
        return status.model_copy(update={"message": f"{position}: {step.subtasks[0].message}", "reason": Reason.AWAITING_APPROVAL})
    waiting = next((sub for sub in step.subtasks if awaits_retry(sub) and not live(sub)), None)
    message = f"{'undoing ' if status.phase is Phase.ROLLING_BACK else ''}{position}"
    if waiting is not None:
        message += f': subtask "{waiting.name}": {waiting.message}'
    return status.model_copy(update={"message": message, "reason": Reason.EXECUTING})


def _is_new(attempt: Attempt, before: TaskStatus) -> bool:
    step = next((step for step in before.steps if step.name == attempt.id.step), None)
    sub = next((sub for sub in step.subtasks if sub.name == attempt.id.subtask), None) if step else None
    if sub is None:
        return True
    done = sub.rollback_attempts if attempt.id.direction is Direction.ROLLBACK else sub.attempts
    return done < attempt.id.number


def _wake_at(stage: StepAtWork, observed: Observation) -> datetime | None:
    moments = [sub.next_attempt_at for sub in stage.step.subtasks if awaits_retry(sub) and not observed.draining]
    for attempt in stage.alive:
        report = observed.report(attempt.id).state
        if isinstance(report, Running):
            moments += [report.wake_at, _progress_at(attempt, report, observed)]
    return progress.earliest(moments)


def _progress_at(attempt: Attempt, report: Running, observed: Observation) -> datetime | None:
    """Return when to ask again what an attempt is doing; nothing enqueues the task for that."""
    shown_at = attempt.started_at + PROGRESS_SHOWN_AFTER
    if shown_at > observed.now:
        return shown_at if report.message or until_of(attempt.action) is not None else None
    if not tells_progress(attempt.action):
        return None
    due = observed.progress_at
    return due if due is not None and due > observed.now else observed.now + PROGRESS_SHOWN_EVERY
