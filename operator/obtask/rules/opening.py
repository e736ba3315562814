"""Owns what must be known before a step begins: whether it is wanted (`when`), and for which items (`forEach`). API.md section 2. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from obtask.model.contract import Direction, SubtaskPhase
from obtask.model.limits import FOR_EACH_ITEMS, OUTPUT_BYTES, SUBTASKS, one_line, stored_bytes, values_room
from obtask.model.reasons import FailureReason
from obtask.model.spec import TaskSpec
from obtask.model.status import Failure, StepStatus, SubtaskStatus, TaskStatus
from obtask.model.steps import Step
from obtask.model.task import Task
from obtask.model.values import leaves, mentioned
from obtask.rules import variables
from obtask.rules.expressions import ExpressionFault
from obtask.rules.values import direct, is_direct

NOT_NEEDED = "not needed"
_MOST_INTEGER = 2**63 - 1
_WITH_EXPONENT = 1e21  # from here on, and only from here on, JSON numbers of the API server have one


class StepField(Enum):
    """An expression of a step that is asked before it begins."""

    WHEN = "when"
    ITEMS = "forEach.items"


@dataclass(frozen=True, slots=True)
class StepQuestion:
    """An expression of a step, and the values of its variables."""

    step: str
    asked: StepField
    expression: str
    variables: Mapping[str, Any] = field(compare=False)


StepAnswers = Mapping[StepQuestion, Any]
"""What is known: the value of an expression, or an ExpressionFault. One without an entry has not been evaluated."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A step whose subtasks are known, and ended if they are not wanted; or what has to be known first."""

    step: StepStatus
    question: StepQuestion | None = None


def opened(task: Task, status: TaskStatus, step: StepStatus, answers: StepAnswers, now: datetime) -> Opening:
    """Return the step as it is once ``when`` and ``forEach.items`` are known, or the question that is open."""
    planned = task.plan.by_name[step.name]
    if not _is_new(planned, step):
        return Opening(step)
    asking = _Asking(variables.Surroundings(task.metadata, task.plan, status, now), step.name, answers)
    if planned.when is not None:
        wanted = asking.answer(StepField.WHEN, planned.when)
        if isinstance(wanted, StepQuestion):
            return Opening(step, wanted)
        if not isinstance(wanted, bool):
            return Opening(_failed(step, StepField.WHEN, wanted, now))
        if not wanted:
            return Opening(_not_needed(step, now))
    if planned.for_each is None or is_expanded(step):
        return Opening(step)
    items = asking.answer(StepField.ITEMS, planned.for_each.items)
    if isinstance(items, StepQuestion):
        return Opening(step, items)
    unfit = _unfit(items, task.plan, status)
    return Opening(_failed(step, StepField.ITEMS, unfit, now) if unfit is not None else _with_items(step, items, now))


def _is_new(planned: Step, step: StepStatus) -> bool:
    if step.started_at is not None or (planned.when is None and planned.for_each is None):
        return False
    return awaits_items(planned, step) or any(sub.phase is SubtaskPhase.PENDING for sub in step.subtasks)


def is_expanded(step: StepStatus) -> bool:
    """Return whether the subtasks of a forEach step are known."""
    return step.items is not None or (bool(step.subtasks) and step.subtasks[0].name != step.name)


def awaits_items(planned: Step, step: StepStatus) -> bool:
    """Return whether a forEach step is still to begin, and its subtasks are not known."""
    return planned.for_each is not None and not is_expanded(step) and all(sub.phase is SubtaskPhase.PENDING for sub in step.subtasks)


def failed_to_open(step: StepStatus) -> bool:
    """Return whether the step failed before anything of it began."""
    return step.started_at is None and any(sub.phase is SubtaskPhase.FAILED for sub in step.subtasks)


@dataclass(frozen=True, slots=True)
class _Asking:
    around: variables.Surroundings
    step: str
    answers: StepAnswers

    def answer(self, asked: StepField, expression: str) -> Any:
        """Return the value of an expression, an ExpressionFault, or the question that is open."""
        known = self.around.of_step(self.step, mentioned(expression) & variables.step_scope(self.around.spec))
        if is_direct(expression):
            return direct(expression, known)
        question = StepQuestion(self.step, asked, expression, known)
        return self.answers.get(question, question)


def _failed(step: StepStatus, asked: StepField, wrong: Any, now: datetime) -> StepStatus:
    why = wrong.message if isinstance(wrong, ExpressionFault) else wrong if asked is StepField.ITEMS else "must be true or false"
    failure = Failure(reason=FailureReason.INVALID_EXPRESSION, direction=Direction.FORWARD)
    failed = {"phase": SubtaskPhase.FAILED, "failure": failure, "message": one_line(f"{asked.value}: {why}"), "finished_at": now}
    first = step.subtasks[0] if step.subtasks else SubtaskStatus(name=step.name)
    return step.model_copy(update={"subtasks": (first.model_copy(update=failed), *step.subtasks[1:])})


def _not_needed(step: StepStatus, now: datetime) -> StepStatus:
    change = {"phase": SubtaskPhase.SKIPPED, "message": NOT_NEEDED, "finished_at": now}
    subtasks = step.subtasks or (SubtaskStatus(name=step.name),)
    return step.model_copy(update={"subtasks": tuple(sub.model_copy(update=change) for sub in subtasks)})


def _with_items(step: StepStatus, items: list[Any], now: datetime) -> StepStatus:
    items = as_stored(items)
    shown = [variables.shown_item(item) for item in items]
    subtasks = tuple(SubtaskStatus(name=f"{step.name}-{index}", item=item) for index, item in enumerate(shown))
    # An absent item is null, and absent subtasks are an empty list only where the list itself says so.
    whole = shown == items and items and None not in items
    # A step with an empty list has begun as well: nothing else would tell it from one that was not reached.
    return step.model_copy(update={"subtasks": subtasks, "items": None if whole else items, "started_at": now})


def _unfit(items: Any, spec: TaskSpec, status: TaskStatus) -> str | ExpressionFault | None:
    """Return why a list cannot be the items of a forEach, or None."""
    if isinstance(items, ExpressionFault):
        return items
    if not isinstance(items, list):
        return f"must be a list, not {type(items).__name__}"
    if len(items) > FOR_EACH_ITEMS:
        return f"the list has {len(items)} items; at most {FOR_EACH_ITEMS} are allowed"
    for index, item in enumerate(items):
        if (fault := item_fault(item)) is not None:
            return f"item {index} {fault}"
    others = sum(max(len(step.subtasks), len(planned.subtasks)) for step, planned in zip(status.steps, spec.steps, strict=True))
    if others + len(items) > SUBTASKS:
        return f"the task would have {others + len(items)} subtasks; at most {SUBTASKS} are allowed"
    shown = [variables.shown_item(item) for item in items]
    size = value_bytes(items) + (value_bytes(shown) if shown != items else 0)
    return too_much(stored_values(status) + size, spec.subtask_count)


def output_fault(value: Any) -> str | None:
    """Return why something cannot be stored as an output, or None: it can be what an item can be, or a list or map of those."""
    return _fault(value, levels=2)


def item_fault(value: Any) -> str | None:
    """Return why something cannot be an item of forEach, or None: it is a text, number, boolean or null, or a list or map of these."""
    return _fault(value, levels=1)


def _fault(value: Any, levels: int) -> str | None:
    if not _is_value(value, levels):
        return "is no text, number, boolean or null, nor a list or map of these" + (", nor a list or map of such" if levels > 1 else "")
    if _is_beyond(value):
        return "is or has a number of more than 64 bits, which Kubernetes would change: make a text of it with string()"
    if any("\0" in text for text in leaves(value)):
        return "has a NUL in a text, which expressions cannot hold"
    size = value_bytes(value)
    return f"takes {size} bytes; at most {OUTPUT_BYTES} are allowed" if size > OUTPUT_BYTES else None


def _is_beyond(value: Any) -> bool:
    match value:
        case dict():
            return any(map(_is_beyond, value.values()))
        case list():
            return any(map(_is_beyond, value))
        case float():
            return value.is_integer() and _MOST_INTEGER < abs(value) < _WITH_EXPONENT
        case int():
            return not -_MOST_INTEGER - 1 <= value <= _MOST_INTEGER
        case _:
            return False


def as_stored(value: Any) -> Any:
    """Return a value as the API server gives it back: a number without a fraction is an integer."""
    match value:
        case dict():
            return {name: as_stored(one) for name, one in value.items()}
        case list():
            return [as_stored(one) for one in value]
        case float() if value.is_integer() and abs(value) < _WITH_EXPONENT:
            return int(value)
        case _:
            return value


def _is_value(value: Any, levels: int) -> bool:
    match value:
        case dict() if levels:
            return all(_is_value(one, levels - 1) for one in value.values())
        case list() if levels:
            return all(_is_value(one, levels - 1) for one in value)
        case _:
            return value is None or isinstance(value, bool | int | float | str)


def value_bytes(value: Any) -> int:
    """Return how many bytes a value takes in the API server."""
    return stored_bytes(json.dumps(value, ensure_ascii=False))


def stored_values(status: TaskStatus) -> int:
    """Return how many bytes the outputs and items of a task take."""
    outputs = sum(value_bytes(sub.outputs) for step in status.steps for sub in step.subtasks if sub.outputs)
    shown = sum(value_bytes([sub.item for sub in step.subtasks if sub.item is not None]) for step in status.steps)
    return outputs + shown + sum(value_bytes(step.items) for step in status.steps if step.items)


def too_much(size: int, subtasks: int) -> str | None:
    """Return why values of that many bytes in all cannot be stored by a task of that many subtasks, or None."""
    if size <= (room := values_room(subtasks)):
        return None
    return f"the outputs and items of the task would take {size} bytes; at most {room} are allowed"
