"""Owns what is owed to a task that is being deleted: its work is stopped, its end stored, its lock freed. API.md section 5. Pure.

The API server keeps a deleted task for as long as it has finalizers, and they have no order: those of others (Argo CD's hooks, the
garbage collector's foregroundDeletion) may stay for ever. What is owed does not wait for them. A task that nobody else holds is gone
with our finalizer; nobody would read what was stored of its end, so that is left out.
"""

from datetime import datetime

from obtask import names
from obtask.model.actions import ObshellAction
from obtask.model.attempt import Running
from obtask.model.command import Command
from obtask.model.contract import ActionResult, Phase
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.limits import one_line
from obtask.model.reasons import Reason
from obtask.model.status import TaskStatus
from obtask.model.task import InvalidSpec, Task
from obtask.rules import commands
from obtask.rules.decision import Finish, Intent, Record, RemoveFinalizer, Rest, Stop, TakeCommand
from obtask.rules.execution import advance, stopped
from obtask.rules.lock_keys import task_lock_key
from obtask.rules.observation import Observation
from obtask.rules.subtask_context import running_attempts

BEING_DELETED = "the task is being deleted"


def leave(task: Task, observed: Observation, noted: Command | None, given: Command | None) -> Intent:
    """Return the next intent for a task that is being deleted; ``noted`` and ``given`` are its commands without an answer."""
    guarded = names.FINALIZER in task.metadata.finalizers
    answer = _answer(task, observed, noted, given)
    if task.status.phase.finished:
        # The note of a command goes with the finalizer: it is answered before.
        unanswered = noted is not None and others(task.metadata.finalizers)
        return Finish() if guarded and not unanswered else answer or Rest()
    if not others(task.metadata.finalizers):
        return _gone_with_us(task, observed, answer) if guarded else Rest()
    if task.status.phase.working:
        return _wound_up(task, observed, noted, answer)
    return _end(task, task.status, observed, noted)


def must_be_guarded(task: Task) -> bool:
    """Return whether a deletion of the task has to wait for the operator.

    It has where the task can hold a lock, or leave something in the cluster or at an agent that goes on without it. Of all other
    tasks nothing is left once what runs inside the operator was stopped, which a deletion leads to as well.
    """
    if isinstance(task.spec, InvalidSpec) or task_lock_key(task) is not None:
        return True
    return any(isinstance(action, JobAction | ResourceAction | ObshellAction) for _, action in task.spec.actions)


def others(finalizers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the finalizers that are not the operator's."""
    return tuple(name for name in finalizers if name != names.FINALIZER)


def ended_by_deletion(before: Phase | None, finalizers: tuple[str, ...], now: datetime, left: str | None = None) -> dict[str, object]:
    """Return what a deletion makes of the status of an unfinished task that somebody else still holds; its phase may be unknown.

    ``left`` says what became of its work, where that is not known from the phase.
    """
    held = f"; the object stays until others take their finalizers off: {', '.join(others(finalizers))}"
    if before is not None and before.in_line:
        change: dict[str, object] = {"phase": Phase.CANCELLED, "reason": Reason.CANCELLED_BY_USER}
        text = "deleted before its first step started"
    else:
        change = {"phase": Phase.SKIPPED, "reason": Reason.SKIPPED_BY_USER}
        worked = before is not None and before.working
        what = left or f"{'what ran was stopped, ' if worked else ''}nothing was undone"
        text = f"deleted{f' while {before.value}' if before is not None else ''}: {what}"
    return change | {"message": one_line(text + held), "finished_at": now, "lock": None, "cancelling": False}


def _gone_with_us(task: Task, observed: Observation, answer: Record | TakeCommand | None) -> Intent:
    running = tuple(attempt for attempt in running_attempts(task) if isinstance(observed.report(attempt.id).state, Running))
    return Stop(running, meanwhile=answer) if running else RemoveFinalizer()


def _wound_up(task: Task, observed: Observation, noted: Command | None, answer: Record | TakeCommand | None) -> Intent:
    stopping = task.status.model_copy(update={"cancelling": True})
    if isinstance(task.spec, InvalidSpec):
        return _end(task, stopped(stopping, observed), observed, noted)
    moved = advance(task, observed, stopping)
    match moved:
        case Stop(attempts=attempts):
            return Stop(attempts, meanwhile=answer)
        case Record(status=status) if status.phase is Phase.FAILED:
            return _end(task, status, observed, noted)
        case _:
            return moved


def _end(task: Task, status: TaskStatus, observed: Observation, noted: Command | None) -> Record:
    ended = status.model_copy(update=ended_by_deletion(task.status.phase, task.metadata.finalizers, observed.now))
    return Record(_refused(ended, noted, observed) if noted is not None else ended)


def _answer(task: Task, observed: Observation, noted: Command | None, given: Command | None) -> Record | TakeCommand | None:
    if noted is not None:
        return Record(_refused(task.status, noted, observed))
    return TakeCommand(given) if given is not None else None


def _refused(status: TaskStatus, command: Command, observed: Observation) -> TaskStatus:
    text = command.fault or f"{command.verb} is not possible: {BEING_DELETED}"
    return commands.answered(status, command, ActionResult.REJECTED, text, observed.now)
