"""What must hold of values, conditions, loops and approvals in every change of a task. API.md sections 2, 2.2 and 5."""

from collections import Counter
from typing import Any

from tests.unit.property.strategies import ITEMS, WHENS

from obtask.model.attempt import Attempt
from obtask.model.contract import Direction, SubtaskPhase, Verb
from obtask.model.status import StepStatus, SubtaskStatus, TaskStatus
from obtask.model.steps import Step
from obtask.model.task import Task
from obtask.rules import progress
from obtask.rules.attempts import awaits_retry
from obtask.rules.decision import Record
from obtask.rules.opening import is_expanded
from obtask.rules.subtask_context import live
from obtask.rules.variables import item_at, shown_item


class LanguagePromises:
    """Looks at every record of a task before it is stored, and remembers what must never change."""

    def __init__(self) -> None:
        self._undone: Counter[tuple[str, str]] = Counter()
        self._approved: Counter[str] = Counter()

    def check(self, task: Task, record: Record) -> None:
        """Check a change from what is stored to what is to be stored."""
        before, after = task.status, record.status
        for planned, new in zip(task.plan.steps, after.steps, strict=False):
            old = next((step for step in before.steps if step.name == new.name), StepStatus(name=new.name))
            _check_kept(old, new)
            _check_condition(planned, new)
            _check_loop(planned, old, new)
        for attempt in record.start:
            _check_variables(after, attempt)
            _check_turn(task, after, attempt)

    def stored(self, task: Task, after: TaskStatus) -> None:
        """Count what happens once, in a change that was stored."""
        for planned, new in zip(task.plan.steps, after.steps, strict=False):
            old = next((step for step in task.status.steps if step.name == new.name), StepStatus(name=new.name))
            self._count(planned, old, new, after)

    def _count(self, planned: Step, old: StepStatus, new: StepStatus, after: TaskStatus) -> None:
        was = {sub.name: sub for sub in old.subtasks}
        for sub in new.subtasks:
            before = was.get(sub.name, SubtaskStatus(name=sub.name))
            if sub.phase is SubtaskPhase.ROLLED_BACK and before.phase is not SubtaskPhase.ROLLED_BACK:
                self._undone[new.name, sub.name] += 1
                assert self._undone[new.name, sub.name] == 1, "what is undone is undone again"
            assert before.phase is not SubtaskPhase.ROLLED_BACK or sub.phase is SubtaskPhase.ROLLED_BACK
            if planned.approve is not None and sub.phase is SubtaskPhase.SUCCEEDED and before.phase is not SubtaskPhase.SUCCEEDED:
                self._approved[new.name] += 1
                assert self._approved[new.name] == 1, "an approval is given twice"
                assert after.last_action is not None
                assert after.last_action.verb == Verb.APPROVE


def _check_kept(old: StepStatus, new: StepStatus) -> None:
    """Check that outputs, items and names stay what they were once they are stored."""
    now = {sub.name: sub for sub in new.subtasks}
    for sub in old.subtasks:
        if sub.outputs is not None:
            assert now[sub.name].outputs == sub.outputs, "outputs have changed"
    if is_expanded(old):
        assert [sub.name for sub in old.subtasks] == [sub.name for sub in new.subtasks]
        assert (old.items, [sub.item for sub in old.subtasks]) == (new.items, [sub.item for sub in new.subtasks])


def _check_condition(planned: Step, step: StepStatus) -> None:
    if planned.when is not None and not WHENS[planned.when]:
        assert not any(sub.attempts for sub in step.subtasks), "a step that is not wanted has an attempt"
        assert step.started_at is None


def _check_loop(planned: Step, old: StepStatus, new: StepStatus) -> None:
    """Check that a loop is over its list, and has no more attempts at a time than it may."""
    if planned.for_each is None:
        return
    expected = ITEMS[planned.for_each.items]
    if is_expanded(new):
        assert expected is not None
        assert [item_at(new, index) for index in range(len(new.subtasks))] == expected
        assert [sub.name for sub in new.subtasks] == [f"{new.name}-{index}" for index in range(len(expected))]
        assert [sub.item for sub in new.subtasks] == [shown_item(item) for item in expected]
    most = planned.for_each.max_parallel
    assert most is None or sum(map(live, new.subtasks)) <= most
    begun = [sub.name for sub in new.subtasks if sub.phase is SubtaskPhase.RUNNING and sub.name not in _names(old, SubtaskPhase.RUNNING)]
    if most == 1 and begun:
        assert not any(sub.phase is SubtaskPhase.FAILED for sub in new.subtasks if not awaits_retry(sub)), "begun after a failure"


def _names(step: StepStatus, phase: SubtaskPhase) -> set[str]:
    return {sub.name for sub in step.subtasks if sub.phase is phase}


def _check_variables(after: TaskStatus, attempt: Attempt) -> None:
    """Check that an attempt sees its item and all earlier outputs, and an undo those of its own step, too."""
    step = progress.find_step(after, attempt.id.step)
    if "item" in attempt.action.mentions and len(attempt.id.subtask) > 1:
        assert attempt.variables["item"] == item_at(step, int(attempt.id.subtask.rpartition("-")[2]))
    if "steps" not in attempt.action.mentions:
        return
    seen: dict[str, Any] = {name: found["subtasks"] for name, found in attempt.variables["steps"].items()}
    at = [one.name for one in after.steps].index(step.name)
    known = after.steps[: at + (attempt.id.direction is Direction.ROLLBACK)]
    assert seen == {one.name: {sub.name: {"outputs": sub.outputs or {}} for sub in one.subtasks} for one in known}


def _check_turn(task: Task, after: TaskStatus, attempt: Attempt) -> None:
    """Check that a loop in order is undone backwards."""
    planned = next(step for step in task.plan.steps if step.name == attempt.id.step)
    if planned.for_each is None or planned.for_each.max_parallel != 1 or after.direction is Direction.FORWARD:
        return
    step = progress.find_step(after, attempt.id.step)
    at = int(attempt.id.subtask.rpartition("-")[2])
    later = {sub.name for sub in step.subtasks[at + 1 :]}
    assert not later & {sub.name for sub in progress.to_undo(step)}, "an earlier item is undone before a later one"
