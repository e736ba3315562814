"""Owns what expressions know of their task: the variables task, attempt, steps, params, item and index. API.md section 2.2. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from obtask.model.attempt import AttemptId
from obtask.model.base import rfc3339
from obtask.model.contract import Direction
from obtask.model.limits import ITEM_SHOWN_BYTES, cut_in_the_middle, stored_bytes
from obtask.model.spec import TaskSpec
from obtask.model.status import StepStatus, TaskStatus
from obtask.model.steps import Step
from obtask.model.task import Metadata

SHORT_ITEM_CHARACTERS = 60

AT_A_STEP = frozenset({"task", "steps"})
IN_AN_ACTION = AT_A_STEP | {"attempt"}
FOR_AN_ITEM = frozenset({"item", "index"})
OF_A_TEMPLATE = frozenset({"params"})


def step_scope(spec: TaskSpec) -> frozenset[str]:
    """Return the variables that ``when`` and ``forEach.items`` have."""
    return AT_A_STEP | (OF_A_TEMPLATE if spec.is_templated else frozenset())


def action_scope(spec: TaskSpec, step: Step) -> frozenset[str]:
    """Return the variables of values that the actions of a step have."""
    return step_scope(spec) | IN_AN_ACTION | (FOR_AN_ITEM if step.for_each is not None else frozenset())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What expressions can know of their task. ``now``: when the task starts, if it has not started yet."""

    metadata: Metadata
    spec: TaskSpec
    status: TaskStatus
    now: datetime

    def of_step(self, step: str, wanted: frozenset[str], *, own: bool = False) -> dict[str, Any]:
        """Return those of the variables of a step that are wanted; ``own``: its own outputs are there, too."""
        found: dict[str, Any] = {}
        if "task" in wanted:
            found["task"] = _task(self.metadata, self.spec, self.status, self.now)
        if "params" in wanted and self.status.parameters is not None:
            found["params"] = self.status.parameters
        if "steps" in wanted:
            found["steps"] = _steps(self.status, step, own=own)
        return found

    def of_attempt(self, step: StepStatus, attempt: AttemptId, wanted: frozenset[str]) -> dict[str, Any]:
        """Return those of the variables of an attempt that are wanted."""
        found = self.of_step(step.name, wanted, own=attempt.direction is Direction.ROLLBACK)
        if "attempt" in wanted:
            found["attempt"] = {"number": attempt.number, "direction": attempt.direction.value}
        if wanted & FOR_AN_ITEM:
            index = int(attempt.subtask.rpartition("-")[2])
            found |= {"index": index, "item": item_at(step, index)}
        return found


def item_at(step: StepStatus, index: int) -> Any:
    """Return the item of a forEach subtask."""
    return step.items[index] if step.items is not None else step.subtasks[index].item


def shown_item(item: Any) -> Any:
    """Return an item as its subtask shows it: whole if it is short, else the beginning and the end of its JSON."""
    text = json.dumps(item, ensure_ascii=False)
    return item if stored_bytes(text) <= ITEM_SHOWN_BYTES else cut_in_the_middle(text, SHORT_ITEM_CHARACTERS)


def _task(metadata: Metadata, spec: TaskSpec, status: TaskStatus, now: datetime) -> dict[str, Any]:
    return {
        "name": metadata.name,
        "namespace": metadata.namespace,
        "uid": metadata.uid,
        "type": spec.type.value,
        "cluster": spec.cluster,
        "agent": spec.agent,
        "tenant": spec.tenant,
        "displayName": spec.display_name or metadata.name,
        "createdAt": rfc3339(metadata.creation_timestamp),
        "startedAt": rfc3339(status.started_at or now),
        "lockToken": status.lock.token if status.lock is not None else None,
    }


def _steps(status: TaskStatus, step: str, *, own: bool) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for done in status.steps:
        if done.name == step and not own:
            return found
        found[done.name] = _outputs(done)
        if done.name == step:
            return found
    return found


def _outputs(step: StepStatus) -> dict[str, Any]:
    alone = len(step.subtasks) == 1 and step.subtasks[0].name == step.name
    return {
        "outputs": (step.subtasks[0].outputs or {}) if alone else {},
        "subtasks": {sub.name: {"outputs": sub.outputs or {}} for sub in step.subtasks},
    }
