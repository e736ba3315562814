"""Owns one step at work: what the ends of its attempts make of its subtasks, and which of them begin next. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from obtask.model.attempt import Attempt, Failed, Succeeded
from obtask.model.contract import SubtaskPhase
from obtask.model.limits import TAIL_BYTES, last_lines, tail_room
from obtask.model.reasons import FailureReason
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.model.steps import Step
from obtask.model.task import Task
from obtask.rules import progress
from obtask.rules.attempts import awaits_retry, begin, begin_undo, has_changed, settle, undo_failed
from obtask.rules.observation import Observation, ObservedAttempt
from obtask.rules.opening import StepQuestion, awaits_items, failed_to_open, opened, stored_values, too_much, value_bytes
from obtask.rules.subtask_context import SubtaskContext, contexts, live


@dataclass(frozen=True, slots=True)
class StepAtWork:
    """One step at work: what its subtasks became, and what that asks for. ``question``: what has to be known before it begins."""

    planned: Step
    step: StepStatus
    contexts: dict[str, SubtaskContext]
    question: StepQuestion | None = None

    @property
    def alive(self) -> list[Attempt]:
        """The attempts that have not ended."""
        return [self.contexts[sub.name].attempt(sub) for sub in self.step.subtasks if live(sub)]

    @property
    def in_order(self) -> bool:
        """Whether a failure stops the subtasks that have not begun."""
        return self.planned.for_each is not None and self.planned.for_each.max_parallel == 1

    def unfinished(self, *, undoing: bool) -> bool:
        """Return whether something of the step is still to be done, or to be undone."""
        subtasks = self.step.subtasks
        if any(live(sub) or awaits_retry(sub) for sub in subtasks):
            return True
        if undoing:
            left = any(not undo_failed(sub) for sub in progress.to_undo(self.step))
            return left and not (self.in_order and any(map(undo_failed, subtasks)))
        if failed_to_open(self.step):
            return False
        if awaits_items(self.planned, self.step):
            return True
        stopped = self.in_order and any(sub.phase is SubtaskPhase.FAILED for sub in subtasks)
        return any(sub.phase is SubtaskPhase.PENDING for sub in subtasks) and not stopped


def settled(task: Task, observed: Observation, status: TaskStatus, *, undoing: bool, stopping: bool) -> StepAtWork:
    """Return the current step by what is seen of its attempts, with what is due begun."""
    stage = _stage(task, observed, status)
    ended: list[SubtaskStatus] = []
    stored = status  # grows with what several subtasks give away at once
    for sub in stage.step.subtasks:
        ended.append(_settled(stage.contexts[sub.name], sub, observed, stored, undoing=undoing, stopping=stopping) if live(sub) else sub)
        if ended[-1].outputs != sub.outputs:
            stored = progress.replace_step(stored, stage.step.model_copy(update={"subtasks": (*ended, *stage.step.subtasks[len(ended) :])}))
    subtasks = _short_tails(tuple(ended), tail_room(task.plan.subtask_count))
    stage = replace(stage, step=stage.step.model_copy(update={"subtasks": subtasks}))
    return stage if stopping or observed.draining else _begin_due(task, observed, status, stage, undoing=undoing)


def entered(task: Task, observed: Observation, status: TaskStatus, *, undoing: bool) -> StepAtWork:
    """Return the current step of a task that has just come to it, with what is due begun."""
    stage = _stage(task, observed, status)
    if observed.draining or (undoing and stage.step.started_at is None):
        return stage
    if not undoing:
        return _begin_due(task, observed, status, stage, undoing=False)
    # What could not be undone before is tried again.
    subtasks = _in_turn(stage, undoing=True, begun=lambda sub: _undo_begun(stage.contexts[sub.name], sub, observed), again=True)
    return replace(
        stage, step=stage.step.model_copy(update={"subtasks": subtasks, "phase": SubtaskPhase.ROLLING_BACK, "finished_at": None})
    )


def _stage(task: Task, observed: Observation, status: TaskStatus, step: StepStatus | None = None) -> StepAtWork:
    found = step or progress.find_step(status, status.current_step or "")
    known = progress.replace_step(status, found)
    planned = task.plan.by_name[found.name]
    return StepAtWork(planned, found, contexts(task, known, found, observed.runner, observed.nonces))


def _settled(
    context: SubtaskContext, sub: SubtaskStatus, observed: Observation, status: TaskStatus, *, undoing: bool, stopping: bool
) -> SubtaskStatus:
    report = observed.report(context.attempt_id(sub))
    return settle(
        context,
        sub,
        _within_room(report, status, context.spec.subtask_count),
        observed.now,
        undoing=undoing,
        stopping=stopping,
        draining=observed.draining,
        progress_at=observed.progress_at,
    )


def _within_room(report: ObservedAttempt, status: TaskStatus, subtasks: int) -> ObservedAttempt:
    """Return the report; outputs for which the task has no room make a failure of it."""
    if not isinstance(report.state, Succeeded) or not report.state.outputs:
        return report
    unfit = too_much(stored_values(status) + value_bytes(dict(report.state.outputs)), subtasks)
    if unfit is None:
        return report
    return replace(report, state=Failed(FailureReason.INVALID_EXPRESSION, unfit, permanent=True, external=report.state.external))


def _short_tails(subtasks: tuple[SubtaskStatus, ...], room: int) -> tuple[SubtaskStatus, ...]:
    if room >= TAIL_BYTES:
        return subtasks
    # status.failedSubtask shows the whole tail of the first one; 512 whole tails would not fit into the object.
    failed = sorted((sub for sub in subtasks if sub.phase is SubtaskPhase.FAILED), key=progress.end_time)
    spared = failed[0].name if failed else ""
    return tuple(sub if sub.name == spared else sub.model_copy(update={"log_tail": last_lines(sub.log_tail, room)}) for sub in subtasks)


def _begin_due(task: Task, observed: Observation, status: TaskStatus, stage: StepAtWork, *, undoing: bool) -> StepAtWork:
    if not undoing:
        opening = opened(task, status, stage.step, observed.answers, observed.now)
        if opening.question is not None:
            return replace(stage, question=opening.question)
        if opening.step is not stage.step:
            stage = _stage(task, observed, status, opening.step)
        if failed_to_open(stage.step):
            return stage
    subtasks = _in_turn(stage, undoing=undoing, begun=lambda sub: _begun(stage.contexts[sub.name], sub, observed, undoing=undoing))
    change: dict[str, object] = {"subtasks": subtasks}
    if any(live(sub) for sub in subtasks) or subtasks != stage.step.subtasks:
        phase = _working(stage.step.phase, undoing=undoing)
        change |= {"started_at": stage.step.started_at or observed.now, "finished_at": None, "phase": phase}
    return replace(stage, step=stage.step.model_copy(update=change))


def _in_turn(
    stage: StepAtWork, *, undoing: bool, begun: Callable[[SubtaskStatus], SubtaskStatus], again: bool = False
) -> tuple[SubtaskStatus, ...]:
    """Return the subtasks with those begun that may be: at most ``maxParallel`` at a time, and the last ones first in an undo."""
    subtasks = list(stage.step.subtasks)
    most = stage.planned.for_each.max_parallel if stage.planned.for_each is not None else None
    if most is None:
        return tuple(map(begun, subtasks))
    for at in reversed(range(len(subtasks))) if undoing else range(len(subtasks)):
        busy = [sub for sub in subtasks if live(sub) or awaits_retry(sub)]
        failed = [sub for sub in subtasks if (undo_failed(sub) if undoing else sub.phase is SubtaskPhase.FAILED) and sub not in busy]
        if subtasks[at] in busy or (len(busy) < most and (again or not (stage.in_order and failed))):
            subtasks[at] = begun(subtasks[at])
    return tuple(subtasks)


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


def _undo_begun(context: SubtaskContext, sub: SubtaskStatus, observed: Observation) -> SubtaskStatus:
    if sub.attempts == 0 or sub.phase is SubtaskPhase.ROLLED_BACK:
        return sub
    if context.subtask.rollback is None or not has_changed(sub):
        text = "nothing to undo" if has_changed(sub) else "nothing to undo: it changed nothing"
        return sub.model_copy(update={"phase": SubtaskPhase.ROLLED_BACK, "message": text, "finished_at": observed.now})
    return begin_undo(context, sub, observed.now)


def _working(phase: SubtaskPhase, *, undoing: bool) -> SubtaskPhase:
    return SubtaskPhase.ROLLING_BACK if undoing else SubtaskPhase.RUNNING if phase is not SubtaskPhase.SKIPPED else phase
