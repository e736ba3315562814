"""What must hold of every status that is stored, and of every change from one to the next, and can be told from the rules' own values.

API.md sections 3 to 5. What the objects alone tell, in every suite, is in tests/support/promises.py.
"""

import re

from tests.unit.property.bounds import status_schema, violations

from obtask.model.attempt import AttemptId
from obtask.model.command import Command
from obtask.model.contract import Direction, Maintenance, Phase, SubtaskPhase, Verb
from obtask.model.reasons import Reason
from obtask.model.status import StepStatus, TaskStatus
from obtask.model.task import Task
from obtask.rules import commands, progress
from obtask.rules.attempts import awaits_retry
from obtask.rules.decision import Record
from obtask.rules.subtask_context import live, running_attempts

STATUS_SCHEMA = status_schema()

REASONS: dict[Phase, set[Reason | None]] = {
    Phase.PENDING: {None},
    Phase.WAITING: {Reason.QUEUED},
    Phase.RUNNING: {Reason.EXECUTING, Reason.AWAITING_APPROVAL, Reason.LOCK_LOST},
    Phase.ROLLING_BACK: {Reason.EXECUTING, Reason.LOCK_LOST},
    Phase.FAILED: {Reason.SUBTASK_FAILED, Reason.SUBTASK_CANCELLED, Reason.ROLLBACK_FAILED, Reason.LOCK_LOST},
    Phase.SUCCEEDED: {Reason.COMPLETED},
    Phase.ROLLED_BACK: {Reason.ROLLED_BACK},
    Phase.SKIPPED: {Reason.SKIPPED_BY_USER},
    Phase.CANCELLED: {Reason.CANCELLED_BY_USER},
    Phase.REJECTED: {Reason.CONFLICT, Reason.INVALID_SPEC},
}

DIRECTIONS = {
    Phase.PENDING: {Direction.FORWARD},
    Phase.WAITING: {Direction.FORWARD},
    Phase.RUNNING: {Direction.FORWARD},
    Phase.ROLLING_BACK: {Direction.ROLLBACK},
    Phase.SUCCEEDED: {Direction.FORWARD},
    Phase.ROLLED_BACK: {Direction.ROLLBACK},
}

TRUE_CONDITIONS = {
    Phase.PENDING: {"Reconciling"},
    Phase.WAITING: {"Reconciling"},
    Phase.RUNNING: {"Reconciling"},
    Phase.ROLLING_BACK: {"Reconciling"},
    Phase.FAILED: {"Stalled"},
    Phase.SUCCEEDED: {"Finished", "Ready"},
    Phase.SKIPPED: {"Finished", "Ready"},
    Phase.ROLLED_BACK: {"Finished", "Stalled"},
    Phase.CANCELLED: {"Finished", "Stalled"},
    Phase.REJECTED: {"Finished", "Stalled"},
}

UNENDED = {SubtaskPhase.PENDING, SubtaskPhase.RUNNING, SubtaskPhase.ROLLING_BACK}
WORKING = {Phase.RUNNING, Phase.ROLLING_BACK}


def check_status(task: Task, status: TaskStatus) -> None:
    """Check what must hold of any status that is stored."""
    assert list(violations(status.dump(), STATUS_SCHEMA)) == []
    assert status.reason in REASONS[status.phase]
    assert status.direction in DIRECTIONS.get(status.phase, set(Direction))
    assert status.message or status.phase is Phase.PENDING
    assert not status.cancelling or status.phase in WORKING
    assert (status.finished_at is not None) == status.phase.finished
    assert bool(status.blocked_by) == bool(status.blocked_by_count) == (status.phase is Phase.WAITING)
    _check_steps(status)
    _check_lock(task, status)
    _check_failure(status)
    _check_progress(task, status)
    _check_conditions(status)
    check_allowed_actions(task, status)


def check_allowed_actions(task: Task, status: TaskStatus) -> None:
    """Check that `allowedActions` is exactly what would be accepted."""
    when = task.metadata.creation_timestamp
    accepted = [verb for verb in Verb if commands.refusal(task.plan, status, Command(id="1", verb=verb, requested_at=when)) is None]
    assert sorted(status.allowed_actions, key=list(Verb).index) == accepted, f"{status.allowed_actions} offered, {accepted} accepted"
    assert Verb.APPROVE not in status.allowed_actions[1:], "what is asked for comes first"


def _check_steps(status: TaskStatus) -> None:
    for step in status.steps:
        moving = [sub for sub in step.subtasks if live(sub) or awaits_retry(sub)]
        assert not moving or (status.phase in WORKING and status.current_step == step.name)
        # A loop over an empty list begins and ends without an attempt.
        is_empty_loop = step.items is not None and not step.items
        assert (step.started_at is not None) == (any(sub.attempts for sub in step.subtasks) or is_empty_loop)
        assert step.finished_at is None or step.phase not in UNENDED
        if step.phase in {SubtaskPhase.RUNNING, SubtaskPhase.ROLLING_BACK}:
            # An operator that is about to end starts no next item; the one after it does, and may first have a command to answer.
            left = {SubtaskPhase.PENDING} if step.phase is SubtaskPhase.RUNNING else {SubtaskPhase.SUCCEEDED, SubtaskPhase.FAILED}
            assert status.phase in WORKING
            assert moving or any(sub.phase in left for sub in step.subtasks)
    if status.phase in WORKING | {Phase.FAILED}:
        assert status.current_step in {step.name for step in status.steps}


def _check_lock(task: Task, status: TaskStatus) -> None:
    needs_lock = task.plan.maintenance is not Maintenance.NONE and status.phase in WORKING | {Phase.FAILED}
    assert (status.lock is not None) == (needs_lock and status.reason is not Reason.LOCK_LOST)


def _check_failure(status: TaskStatus) -> None:
    if status.failed_subtask is None:
        assert status.failed_subtasks is None
        return
    assert status.phase in {Phase.FAILED, Phase.SKIPPED}
    step = next(step for step in status.steps if step.name == status.failed_subtask.step)
    assert status.failed_subtasks == sum(sub.phase is SubtaskPhase.FAILED for sub in step.subtasks)
    sub = next(sub for sub in step.subtasks if sub.name == status.failed_subtask.subtask)
    forward = status.failed_subtask.direction is Direction.FORWARD
    assert status.failed_subtask.attempt == (sub.attempts if forward else sub.rollback_attempts)


def _check_progress(task: Task, status: TaskStatus) -> None:
    found = re.fullmatch(r"(\d+)/(\d+)", status.progress or "")
    assert found
    done, steps = int(found[1]), int(found[2])
    assert 0 <= done <= steps == len(task.plan.steps)
    if status.phase in {Phase.SUCCEEDED, Phase.ROLLED_BACK}:
        assert done == steps
    if status.phase is Phase.SUCCEEDED:
        assert all(sub.phase.done for step in status.steps for sub in step.subtasks)
    if status.phase is Phase.ROLLED_BACK:
        assert not any(progress.to_undo(step) for step in status.steps)
    if status.phase in {Phase.PENDING, Phase.WAITING, Phase.CANCELLED, Phase.REJECTED}:
        assert done == 0


def _check_conditions(status: TaskStatus) -> None:
    assert [condition.type for condition in status.conditions] == ["Finished", "Ready", "Reconciling", "Stalled", "LockHeld"]
    true = {condition.type for condition in status.conditions if condition.status.value == "True"}
    assert true == TRUE_CONDITIONS[status.phase] | ({"LockHeld"} if status.lock else set())


def check_change(task: Task, record: Record) -> None:
    """Check what must hold of a change from what is stored to what is to be stored."""
    before, after = task.status, record.status
    assert after != before, "a write that changes nothing"
    assert not (before.direction is Direction.ROLLBACK and after.direction is Direction.FORWARD)
    action = after.last_action
    if action is not None and action != before.last_action and action.verb == Verb.SKIP_STEP:
        assert before.current_step not in {attempt.id.step for attempt in record.start}
    _check_attempts(task, record)
    _check_transition_times(before, after)


def _check_attempts(task: Task, record: Record) -> None:
    before, after = task.status, record.status
    counts, new_counts = _counts(before.steps), _counts(after.steps)
    for name, (forward, back) in new_counts.items():
        was_forward, was_back = counts.get(name, (0, 0))
        assert forward - was_forward <= 1
        assert back - was_back <= 1
    had, has = _live(task, before), _live(task, after)
    started = {attempt.id for attempt in record.start}
    assert len(started) == len(record.start)
    assert started == has - had
    assert {attempt.id for attempt in record.cancel} <= had
    for attempt in started:
        _check_order(task, after, attempt)
        if attempt.direction is Direction.ROLLBACK:
            assert _changed(before, attempt) is not False, "what changed nothing is undone"
    asking = {step.name for step in task.plan.steps if step.approve is not None}
    for step in after.steps:
        for sub in step.subtasks:
            assert (sub.changed is None) == (sub.attempts == 0)
            assert sub.changed or sub.phase is not SubtaskPhase.RUNNING or step.name in asking


def _check_order(task: Task, after: TaskStatus, attempt: AttemptId) -> None:
    """Check that a step starts when all before it are done, is undone when all after it are, and keeps what is done."""
    position = [step.name for step in after.steps].index(attempt.step)
    before = next((sub.phase for step in task.status.steps for sub in step.subtasks if sub.name == attempt.subtask), None)
    if after.direction is Direction.FORWARD:
        assert all(step.phase.done for step in after.steps[:position])
        assert before not in {SubtaskPhase.SUCCEEDED, SubtaskPhase.SKIPPED}
    else:
        assert attempt.direction is Direction.ROLLBACK
        assert not any(progress.to_undo(step) for step in after.steps[position + 1 :])
        assert before not in {SubtaskPhase.ROLLED_BACK, SubtaskPhase.PENDING}


def _changed(before: TaskStatus, attempt: AttemptId) -> bool | None:
    step = next((step for step in before.steps if step.name == attempt.step), None)
    return next((sub.changed for sub in step.subtasks if sub.name == attempt.subtask), None) if step else None


def _counts(steps: tuple[StepStatus, ...]) -> dict[tuple[str, str], tuple[int, int]]:
    return {(step.name, sub.name): (sub.attempts, sub.rollback_attempts) for step in steps for sub in step.subtasks}


def _live(task: Task, status: TaskStatus) -> set[AttemptId]:
    return {attempt.id for attempt in running_attempts(Task(task.metadata, task.spec, status))}


def _check_transition_times(before: TaskStatus, after: TaskStatus) -> None:
    old = {condition.type: condition for condition in before.conditions}
    for condition in after.conditions:
        if condition.type in old and old[condition.type].status is condition.status:
            assert condition.last_transition_time == old[condition.type].last_transition_time
