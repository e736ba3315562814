"""Owns how a task moves on: forward step by step, and back from the failed step to the first."""

from dataclasses import dataclass
from datetime import datetime

from obtask.model.actions import tells_progress, until_of
from obtask.model.attempt import Attempt, Running
from obtask.model.limits import TAIL_BYTES, last_lines, tail_room
from obtask.model.status import Direction, Phase, Reason, StepStatus, SubtaskPhase, SubtaskStatus, TaskStatus
from obtask.model.task import Task
from obtask.rules import progress
from obtask.rules.attempts import (
    PROGRESS_SHOWN_AFTER,
    PROGRESS_SHOWN_EVERY,
    SubtaskContext,
    abandon,
    awaits_retry,
    begin,
    begin_undo,
    contexts,
    give_up_retry,
    has_changed,
    live,
    settle,
    undo_failed,
)
from obtask.rules.decision import Intent, Record, Rest, Stop
from obtask.rules.observation import Observation
from obtask.rules.turning_back import turned_back


@dataclass(frozen=True, slots=True)
class _Stage:
    """One step at work: what its subtasks became, and what that asks for."""

    step: StepStatus
    contexts: dict[str, SubtaskContext]

    @property
    def alive(self) -> list[Attempt]:
        return [self.contexts[sub.name].attempt(sub) for sub in self.step.subtasks if live(sub)]


def advance(task: Task, observed: Observation, status: TaskStatus, before: TaskStatus | None = None) -> Intent:
    """Return what to do with a task in phase Running or RollingBack; ``before`` is what is stored, if not ``status``."""
    stored = before or status
    stopping = status.cancelling or status.reason is Reason.LOCK_LOST
    undoing = status.phase is Phase.ROLLING_BACK
    stage = _settled(task, observed, status, undoing=undoing, stopping=stopping)
    moved = progress.replace_step(status, stage.step)
    if stopping:
        if stage.alive:
            stop = tuple(stage.alive)
            return Stop(stop) if moved == status else Record(moved, cancel=stop)
        return Record(stopped(moved, observed))
    if undoing and (forward := turned_back(moved, stage.step, observed.now)) is not None:
        return Record(forward)
    while not _unfinished(stage, undoing=undoing):
        failed = progress.failed_ones(stage.step)
        if failed:
            return Record(_task_failed(moved, stage.step, failed, observed))
        following = _undo_next(moved, stage.step, observed) if undoing else _next_step(moved, stage.step, observed)
        if following.phase.finished:
            return Record(following)
        moved = following
        stage = _opened(task, observed, moved, undoing=undoing)
        moved = progress.replace_step(moved, stage.step)
    started = tuple(attempt for attempt in stage.alive if _is_new(attempt, stored))
    if moved == stored:
        return Rest(_wake_at(stage, observed))
    return Record(_described(moved, stage.step), start=started)


def open_current_step(task: Task, observed: Observation, status: TaskStatus, before: TaskStatus) -> Record:
    """Return the record that starts what is due in the current step, for a task that begins or goes on after ``before``."""
    decided = advance(task, observed, status, before)
    return decided if isinstance(decided, Record) else Record(status)


def enter(task: Task, observed: Observation, status: TaskStatus) -> TaskStatus:
    """Return a task that has what it needs to start as Running at its first step."""
    steps = progress.fresh_steps(task.plan)
    change = {"phase": Phase.RUNNING, "reason": Reason.EXECUTING, "steps": steps, "current_step": steps[0].name, "message": None}
    return status.model_copy(update=change | {"started_at": status.started_at or observed.now})


def _settled(task: Task, observed: Observation, status: TaskStatus, *, undoing: bool, stopping: bool) -> _Stage:
    where = contexts(task, status.current_step or "", observed.runner, observed.nonces)
    step = progress.find_step(status, status.current_step or "")
    ended = tuple(
        settle(
            where[sub.name],
            sub,
            observed.report(where[sub.name].attempt_id(sub)),
            observed.now,
            undoing=undoing,
            stopping=stopping,
            draining=observed.draining,
            progress_at=observed.progress_at,
        )
        if live(sub)
        else sub
        for sub in step.subtasks
    )
    stage = _Stage(
        step.model_copy(update={"subtasks": _short_tails(ended, tail_room(sum(len(other.subtasks) for other in status.steps)))}), where
    )
    return stage if stopping or observed.draining else _begin_due(stage, observed, undoing=undoing)


def _short_tails(subtasks: tuple[SubtaskStatus, ...], room: int) -> tuple[SubtaskStatus, ...]:
    if room >= TAIL_BYTES:
        return subtasks
    # status.failedSubtask shows the whole tail of the first one; 512 whole tails would not fit into the object.
    failed = sorted((sub for sub in subtasks if sub.phase is SubtaskPhase.FAILED), key=progress.end_time)
    spared = failed[0].name if failed else ""
    return tuple(sub if sub.name == spared else sub.model_copy(update={"log_tail": last_lines(sub.log_tail, room)}) for sub in subtasks)


def _begin_due(stage: _Stage, observed: Observation, *, undoing: bool) -> _Stage:
    subtasks = tuple(_begun(stage.contexts[sub.name], sub, observed, undoing=undoing) for sub in stage.step.subtasks)
    change: dict[str, object] = {"subtasks": subtasks}
    if any(live(sub) for sub in subtasks) or subtasks != stage.step.subtasks:
        phase = _working(stage.step.phase, undoing=undoing)
        change |= {"started_at": stage.step.started_at or observed.now, "finished_at": None, "phase": phase}
    return _Stage(stage.step.model_copy(update=change), stage.contexts)


def _begun(context: SubtaskContext, sub: SubtaskStatus, observed: Observation, *, undoing: bool) -> SubtaskStatus:
    if live(sub):
        return sub
    if awaits_retry(sub):
        due = sub.next_attempt_at is not None and sub.next_attempt_at <= observed.now
        if not due:
            return sub
        return begin_undo(context, sub, observed.now) if undoing else begin(context, sub, observed.now)
    if undoing:
        return sub if undo_failed(sub) else _undo_begun(context, sub, observed)
    return begin(context, sub, observed.now) if sub.phase is SubtaskPhase.PENDING else sub


def _opened(task: Task, observed: Observation, status: TaskStatus, *, undoing: bool) -> _Stage:
    where = contexts(task, status.current_step or "", observed.runner, observed.nonces)
    stage = _Stage(progress.find_step(status, status.current_step or ""), where)
    if observed.draining or (undoing and stage.step.started_at is None):
        return stage
    if not undoing:
        return _begin_due(stage, observed, undoing=False)
    subtasks = tuple(_undo_begun(where[sub.name], sub, observed) for sub in stage.step.subtasks)
    return _Stage(stage.step.model_copy(update={"subtasks": subtasks, "phase": SubtaskPhase.ROLLING_BACK, "finished_at": None}), where)


def _undo_begun(context: SubtaskContext, sub: SubtaskStatus, observed: Observation) -> SubtaskStatus:
    if sub.attempts == 0 or sub.phase is SubtaskPhase.ROLLED_BACK:
        return sub
    if context.subtask.rollback is None or not has_changed(sub):
        text = "nothing to undo" if has_changed(sub) else "nothing to undo: it changed nothing"
        return sub.model_copy(update={"phase": SubtaskPhase.ROLLED_BACK, "message": text, "finished_at": observed.now})
    return begin_undo(context, sub, observed.now)


def begin_rollback(task: Task, observed: Observation, status: TaskStatus) -> Record:
    """Return the record that starts undoing: the current step first, every step before it later."""
    moved = status
    stage = _opened(task, observed, moved, undoing=True)
    moved = progress.replace_step(moved, stage.step)
    while not _unfinished(stage, undoing=True):
        moved = _undo_next(moved, stage.step, observed)
        if moved.phase.finished:
            return Record(moved)
        stage = _opened(task, observed, moved, undoing=True)
        moved = progress.replace_step(moved, stage.step)
    return Record(_described(moved, stage.step), start=tuple(stage.alive))


def _unfinished(stage: _Stage, *, undoing: bool) -> bool:
    if any(live(sub) or awaits_retry(sub) for sub in stage.step.subtasks):
        return True
    if undoing:
        return any(not undo_failed(sub) for sub in progress.to_undo(stage.step))
    return any(sub.phase is SubtaskPhase.PENDING for sub in stage.step.subtasks)


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
    undone = step.model_copy(update={"phase": SubtaskPhase.ROLLED_BACK, "finished_at": observed.now}) if step.started_at else step
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


def described(status: TaskStatus) -> TaskStatus:
    """Return the status of a task at work with a message that says where it is."""
    return _described(status, progress.find_step(status, status.current_step or ""))


def _described(status: TaskStatus, step: StepStatus) -> TaskStatus:
    position = progress.position(status, step.name)
    waiting = next((sub for sub in step.subtasks if awaits_retry(sub) and not live(sub)), None)
    message = f"{'undoing ' if status.phase is Phase.ROLLING_BACK else ''}{position}"
    if waiting is not None:
        message += f': subtask "{waiting.name}": {waiting.message}'
    return status.model_copy(update={"message": message})


def _working(phase: SubtaskPhase, *, undoing: bool) -> SubtaskPhase:
    return SubtaskPhase.ROLLING_BACK if undoing else SubtaskPhase.RUNNING if phase is not SubtaskPhase.SKIPPED else phase


def _is_new(attempt: Attempt, before: TaskStatus) -> bool:
    step = next((step for step in before.steps if step.name == attempt.id.step), None)
    sub = next((sub for sub in step.subtasks if sub.name == attempt.id.subtask), None) if step else None
    if sub is None:
        return True
    done = sub.rollback_attempts if attempt.id.direction is Direction.ROLLBACK else sub.attempts
    return done < attempt.id.number


def _wake_at(stage: _Stage, observed: Observation) -> datetime | None:
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
