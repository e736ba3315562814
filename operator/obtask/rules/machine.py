"""Owns the decision what to do next with a task. Pure and total: the same task and the same observation give the same intent."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from obtask import names
from obtask.model.command import Command, given_command, noted_command
from obtask.model.contract import ActionResult, Phase, Stage, Verb
from obtask.model.limits import one_line
from obtask.model.reasons import Reason
from obtask.model.spec import TaskSpec
from obtask.model.status import LockStatus, TaskStatus
from obtask.model.task import InvalidSpec, Task
from obtask.rules import commands, expansion, held_up, messages, progress, restored
from obtask.rules.afterwards import remarked
from obtask.rules.bounds import not_opted_in, out_of_bounds
from obtask.rules.conditions import with_conditions
from obtask.rules.decision import Check, Delete, Evaluate, Finish, Intent, MarkTask, Record, Rest, Stop, TakeCommand, TakeLock, VerifyLock
from obtask.rules.execution import advance, begin_rollback, enter, open_current_step, open_first_step, stopped
from obtask.rules.leaving import leave
from obtask.rules.lock_keys import task_lock_key
from obtask.rules.observation import Granted, Hindered, Observation, Obstacle, Refused, Renewed, Taken
from obtask.rules.retention import is_kept_elsewhere
from obtask.rules.subtask_context import running_attempts
from obtask.rules.validation import spec_fault, unanswered
from obtask.rules.waiting import UNBLOCKED, blocked, does_not_wait, rejected, wait


def decide(task: Task, observed: Observation) -> Intent:
    """Return the next intent for the task as it is seen now: the only way into the rules."""
    match observed.answer:
        case None:
            return _polished(task, observed, _looked(task, observed))
        case Granted(lock=lock):
            return _polished(task, observed, _granted(task, observed, lock))
        case Refused(obstacle=obstacle, freed=freed):
            return _seal(task, observed, _refused(task, observed, obstacle, freed=freed))
        case Renewed(lock=lock):
            return _seal(task, observed, Record(task.status.model_copy(update={"lock": lock})))
        case Taken(holder=holder):
            return _seal(task, observed, _lock_lost(task, observed, holder))
        case Hindered(why=why):
            return _hindered(task, observed, why)
        case never:
            assert_never(never)


def _looked(task: Task, observed: Observation) -> Intent:
    intent = _decide(task, observed)
    if isinstance(intent, Rest) and held_up.is_marked(task.status) and not task.status.phase.finished and not observed.draining:
        return Record(held_up.relieved(task))
    return intent


def _granted(task: Task, observed: Observation, lock: LockStatus | None) -> Record | Evaluate:
    """Return the record that follows from having the lock (None for maintenance None), or what the first step asks before."""
    command = _pending_command(task)
    status = task.status.model_copy(update={"lock": lock})
    if task.status.phase is Phase.FAILED and command is not None:
        return _carried_out(task, observed, status, command)
    held = replace(task, status=enter(task, observed, status))
    begun = open_first_step(held, observed, held.status, before=task.status)
    if isinstance(begun, Evaluate):
        return Evaluate(begun.question, replace(begun.meanwhile or Record(held.status), took=lock))
    return replace(begun, took=lock)


def _refused(task: Task, observed: Observation, obstacle: Obstacle, *, freed: bool) -> Record:
    """Return the record that follows from not getting the lock. It always differs from what is stored: it is the fence.

    If the way was ``freed`` nothing else is said: the task tries again, and nobody is turned away because of a task that is over.
    """
    tried = task.status.model_copy(update={"lock_attempts": task.status.lock_attempts + 1})
    if freed:
        return Record(tried)
    command = _pending_command(task)
    if task.status.phase is Phase.FAILED and command is not None:
        text = f"the lock was lost; {messages.waiting(obstacle.blockers, obstacle.count, task.metadata.namespace)}"
        return Record(commands.answered(tried, command, ActionResult.REJECTED, text, observed.now))
    return Record(blocked(task, tried, obstacle, observed.now))


def _lock_lost(task: Task, observed: Observation, holder: str) -> Record:
    """Return the record of a task whose Lease names somebody else: it starts no further step."""
    message = f"lock lost: the Lease {task.status.lock.lease if task.status.lock else ''} is held by {holder}; retry takes it again"
    lost = task.status.model_copy(update={"lock": None, "reason": Reason.LOCK_LOST, "message": one_line(message)})
    if task.status.phase is Phase.FAILED:
        return Record(lost)
    running = running_attempts(task)
    return Record(lost, cancel=running) if running else Record(stopped(lost, observed))


def _hindered(task: Task, observed: Observation, why: str) -> Record:
    """Return the record of a task that does not get on, for a reason outside of it: nothing changes but what it says of that."""
    sealed = _seal(task, observed, Record(held_up.complaining(task.status, why)))
    return Record(held_up.marked(sealed.status, why))


def _decide(task: Task, observed: Observation) -> Intent:
    if task.metadata.deletion_timestamp is not None:
        return leave(task, observed, _pending_command(task), _given(task, observed))
    if observed.draining and _starts_nothing_by_itself(task.status.phase):
        return Rest()
    if (copied := _copied(task, observed)) is not None:
        return Record(rejected(task.status, Reason.INVALID_SPEC, copied, observed.now))
    command = _pending_command(task)
    if command is None and (given := _given(task, observed)) is not None:
        return TakeCommand(given)
    if task.status.phase.finished:
        return _after_the_end(task, observed, command)
    if not task.status.phase.in_line and (mark := restored.lacking(task, marked_at_creation=observed.marked_at_creation)) is not None:
        return mark
    if isinstance(task.spec, InvalidSpec):
        return _unreadable(task, observed, command, task.spec)
    if command is not None:
        return _obey(task, task.spec, observed, command)
    return _go_on(task, observed)


def _go_on(task: Task, observed: Observation) -> Intent:
    status = task.status
    if status.lock is not None and observed.lock_in_doubt:
        return VerifyLock()
    match status.phase:
        case Phase.PENDING | Phase.WAITING:
            return _begin(task, observed)
        case Phase.RUNNING | Phase.ROLLING_BACK:
            return advance(task, observed, status)
        case Phase.FAILED:
            return remarked(task, observed)
        case Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.SKIPPED | Phase.CANCELLED | Phase.REJECTED:
            return Finish()
        case never:
            assert_never(never)


def _starts_nothing_by_itself(phase: Phase) -> bool:
    match phase.stage:
        case Stage.IN_LINE | Stage.STOPPED:
            return True
        case Stage.WORKING | Stage.FINISHED:
            return False
        case never:
            assert_never(never)


OPT_IN_PAUSE = timedelta(seconds=30)


def _begin(task: Task, observed: Observation) -> Intent:
    is_blocked = bool(observed.obstacle.count) and task_lock_key(task) is not None
    if is_blocked and task.status.phase is Phase.WAITING:
        return wait(task, observed)  # its steps matter, and are looked at, when its turn comes
    if (forbidden := out_of_bounds(task, observed.bounds)) is not None:
        return Record(rejected(task.status, Reason.INVALID_SPEC, forbidden, observed.now))
    if not observed.opted_in and task.status.phase is Phase.PENDING:
        text = one_line(not_opted_in(task.metadata.namespace))
        told = task.status.message == text
        return Rest(observed.now + OPT_IN_PAUSE) if told else Record(task.status.model_copy(update={"message": text}))
    given = expansion.from_template(task, observed.template)
    if given is not None:
        return given if isinstance(given, MarkTask) else Record(rejected(task.status, Reason.INVALID_SPEC, given, observed.now))
    if task.status.phase is Phase.PENDING:
        broken = spec_fault(task, observed.verdicts)
        if broken is not None:
            return Record(rejected(task.status, Reason.INVALID_SPEC, broken, observed.now))
        if isinstance(task.spec, TaskSpec) and (open_questions := unanswered(task.spec, observed.verdicts)):
            return Check(open_questions)
    if is_blocked and not (observed.obstacle.hearsay and does_not_wait(task)):
        return wait(task, observed)
    # A task in line has nothing to clean up; one that may hold a lock must not vanish unnoticed.
    return restored.lacking(task, marked_at_creation=observed.marked_at_creation) or TakeLock()


def _unreadable(task: Task, observed: Observation, command: Command | None, spec: InvalidSpec) -> Intent:
    status = task.status
    if command is not None:
        refusal = commands.refusal(None, status, command)
        if refusal is None:
            return _carried_out(task, observed, status, command)
        return Record(commands.answered(status, command, ActionResult.REJECTED, f"{refusal}: {spec.message}", observed.now))
    if status.phase.in_line:
        return Record(rejected(status, Reason.INVALID_SPEC, spec.message, observed.now))
    text = messages.unreadable_spec(spec.message, status.phase, task.metadata)
    return Rest() if status.message == text or status.cancelling else Record(status.model_copy(update={"message": text}))


def _obey(task: Task, spec: TaskSpec, observed: Observation, command: Command) -> Intent:
    refusal = commands.refusal(spec, task.status, command, groups_proven=observed.groups_proven is True)
    if refusal is not None and observed.groups_proven is None and commands.refusal(spec, task.status, command, groups_proven=True) is None:
        return TakeCommand(command.model_copy(update={"id": task.metadata.resource_version}), again=True)
    if refusal is None and Verb(command.verb).goes_on:
        refusal = out_of_bounds(task, observed.bounds)
    if refusal is not None:
        return Record(commands.answered(task.status, command, ActionResult.REJECTED, refusal, observed.now))
    if Verb(command.verb).goes_on and task.status.lock is not None and observed.lock_in_doubt:
        return VerifyLock()
    if commands.needs_lock_again(task.status, Verb(command.verb)):
        return TakeLock()
    return _carried_out(task, observed, task.status, command)


def _carried_out(task: Task, observed: Observation, status: TaskStatus, command: Command) -> Record:
    moved, done = commands.carry_out(status, Verb(command.verb), observed.now, command.option)
    moved = commands.answered(moved, command, ActionResult.ACCEPTED, done, observed.now)
    locked = replace(task, status=moved)
    match moved.phase:
        case Phase.ROLLING_BACK if not moved.cancelling:
            return begin_rollback(locked, observed, moved)
        case Phase.RUNNING if not moved.cancelling:
            return open_current_step(locked, observed, moved, before=task.status)
        case Phase.RUNNING | Phase.ROLLING_BACK:
            running = running_attempts(task)
            return Record(moved, cancel=running) if running else Record(stopped(moved, observed))
        case Phase.PENDING | Phase.WAITING | Phase.FAILED:
            return Record(moved)
        case Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.SKIPPED | Phase.CANCELLED | Phase.REJECTED:
            return Record(moved)
        case never:
            assert_never(never)


def _after_the_end(task: Task, observed: Observation, command: Command | None) -> Intent:
    if command is not None:
        text = command.fault or messages.not_allowed(command.verb, task.status.phase, ())
        return Record(commands.answered(task.status, command, ActionResult.REJECTED, text, observed.now))
    if not _unguarded(task):
        return Finish()
    over = _end_of_life(task)
    return Rest(over) if over is None or over > observed.now else Delete()


def _end_of_life(task: Task) -> datetime | None:
    if not isinstance(task.spec, TaskSpec) or task.spec.ttl_seconds_after_finished is None or task.status.finished_at is None:
        return None
    if is_kept_elsewhere(task.metadata.labels, task.metadata.annotations):
        return None  # it would be made again and run again: a GitOps tool has adopted it after it was made with a time to live
    return task.status.finished_at + timedelta(seconds=task.spec.ttl_seconds_after_finished)


def _pending_command(task: Task) -> Command | None:
    noted = noted_command(task.metadata.annotations)
    handled = task.status.last_action.id if task.status.last_action else None
    return noted if noted is not None and noted.id != handled else None


def _given(task: Task, observed: Observation) -> Command | None:
    return given_command(task.metadata.annotations, resource_version=task.metadata.resource_version, now=observed.now)


def _copied(task: Task, observed: Observation) -> str | None:
    holds_lock = task.status.lock is not None and not observed.lock_in_doubt
    return restored.fault(task, holds_lock=holds_lock, marked_at_creation=observed.marked_at_creation)


def _unguarded(task: Task) -> bool:
    return names.FINALIZER not in task.metadata.finalizers


def _polished(task: Task, observed: Observation, intent: Intent) -> Intent:
    match intent:
        case Record():
            return _seal(task, observed, intent)
        case Stop(attempts=attempts, meanwhile=Record() as meanwhile):
            return Stop(attempts, _seal(task, observed, meanwhile))
        case Evaluate(question=question, meanwhile=Record() as meanwhile):
            return Evaluate(question, _seal(task, observed, meanwhile))
        case _:
            return intent


def _seal(task: Task, observed: Observation, record: Record) -> Record:
    status = record.status
    spec = task.spec if isinstance(task.spec, TaskSpec) else None
    derived: dict[str, object] = {"allowed_actions": commands.allowed_actions(spec, status)}
    if spec is not None:
        derived["progress"] = progress.progress(status) if status.steps else f"0/{len(spec.steps)}"
    derived["step_summary"] = progress.step_summary(status)
    derived |= {} if status.phase is Phase.WAITING else UNBLOCKED
    derived |= {"lock": None, "cancelling": False} if status.phase.finished else {}
    sealed = with_conditions(status.model_copy(update=derived), task.metadata, observed.now)
    return replace(record, status=sealed)
