"""Owns the steps of a task as a reader sees them: in order, with their subtasks, attempts, times, and why one was left out. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from obtask.model.actions import kind
from obtask.model.attempt import AttemptId
from obtask.model.contract import SubtaskPhase
from obtask.model.spec import TaskSpec
from obtask.model.status import StepStatus, SubtaskStatus
from obtask.model.steps import Step
from obtask.model.task import Task
from obtask.rules.progress import fresh_steps
from obtask.web.detail.log_reading import KeptLog
from obtask.web.detail.place import Place, attempts_of, last_of

LONGEST_VALUE = 300  # characters of an output that are shown


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt that can be chosen. ``outcome``: how it ended where that is known, such as NonZeroExit 3."""

    place: Place
    chosen: bool
    outcome: str = ""
    has_log: bool = True
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def phase(self) -> SubtaskPhase | None:
        """How it ended, or that it goes on, if there is a word for it; a failure has a reason instead."""
        return SubtaskPhase(self.outcome) if self.outcome in set(SubtaskPhase) else None


@dataclass(frozen=True, slots=True)
class SubtaskRow:
    """A subtask. ``here``: the reader looks at it. ``outputs``: what it gave away."""

    name: str
    phase: SubtaskPhase
    place: Place
    here: bool
    status: SubtaskStatus
    has_rollback: bool
    outputs: tuple[tuple[str, str], ...]
    item: str

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took, None while it runs or before it began."""
        begun, ended = self.status.started_at, self.status.finished_at
        return (ended - begun).total_seconds() if begun is not None and ended is not None and ended >= begun else None

    @property
    def changed_nothing(self) -> bool:
        """Whether it was begun and is known to have changed nothing."""
        return bool(self.status.attempts) and self.status.changed is False


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step. ``alone``: it has one subtask, which is shown as the step itself. ``does``: the kind of its action."""

    number: int
    name: str
    phase: SubtaskPhase
    does: str
    status: StepStatus
    subtasks: tuple[SubtaskRow, ...]
    alone: bool
    here: bool
    asks: str
    items: str
    in_turn: bool
    forbids: tuple[str, ...]

    @property
    def seconds(self) -> float | None:
        """How long it took, None while it runs or before it began."""
        begun, ended = self.status.started_at, self.status.finished_at
        return (ended - begun).total_seconds() if begun is not None and ended is not None and ended >= begun else None


def steps_of(task: Task, here: Place | None) -> tuple[StepRow, ...]:
    """Return the steps; before the first one has begun, as they are planned."""
    spec = task.spec if isinstance(task.spec, TaskSpec) else None
    stati = task.status.steps or (fresh_steps(spec) if spec is not None else ())
    return tuple(_step(at, status, spec, here) for at, status in enumerate(stati, 1))


def attempts(sub: SubtaskRow, step: str, here: Place | None, logs: Mapping[AttemptId, KeptLog] | None, uid: str) -> tuple[AttemptRow, ...]:
    """Return all attempts of a subtask. ``logs``: those that are kept, None if the reader may not know."""
    rows = []
    for place in attempts_of(step, sub.status):
        kept = logs.get(place.of(uid)) if logs is not None else None
        if place == sub.place:
            times, outcome = (sub.status.started_at, sub.status.finished_at), _outcome(sub.status)
        else:
            times, outcome = ((kept.started_at, kept.finished_at), kept.outcome) if kept is not None else ((None, None), "")
        rows.append(AttemptRow(place, place == here, outcome, logs is None or place == sub.place or kept is not None, *times))
    return tuple(rows)


def _outcome(sub: SubtaskStatus) -> str:
    if sub.phase is SubtaskPhase.FAILED and sub.failure is not None:
        return " ".join(filter(None, (sub.failure.reason.value, sub.failure.code)))
    return sub.phase.value


def _step(number: int, status: StepStatus, spec: TaskSpec | None, here: Place | None) -> StepRow:
    planned = spec.by_name.get(status.name) if spec is not None else None
    subtasks = tuple(_subtask(status, sub, planned, here) for sub in status.subtasks)
    loop = planned.for_each if planned is not None else None
    return StepRow(
        number=number,
        name=status.name,
        phase=status.phase,
        does=_does(planned),
        status=status,
        subtasks=subtasks,
        alone=len(subtasks) == 1 and subtasks[0].name == status.name,
        here=here is not None and here.step == status.name,
        asks=(planned.when or "") if planned is not None else "",
        items=loop.items if loop is not None else "",
        in_turn=loop is not None and loop.max_parallel == 1,
        forbids=tuple(each.value for each in planned.forbid) if planned is not None else (),
    )


def _subtask(step: StepStatus, sub: SubtaskStatus, planned: Step | None, here: Place | None) -> SubtaskRow:
    known = planned is not None and (planned.for_each is not None or sub.name in planned.by_name)
    return SubtaskRow(
        name=sub.name,
        phase=sub.phase,
        place=last_of(step, sub),
        here=here is not None and (here.step, here.subtask) == (step.name, sub.name),
        status=sub,
        has_rollback=planned is not None and known and planned.subtask_of(sub.name).rollback is not None,
        outputs=tuple((name, _shown(value)) for name, value in (sub.outputs or {}).items()),
        item="" if sub.item is None else _shown(sub.item),
    )


def _does(planned: Step | None) -> str:
    if planned is None:
        return ""
    if planned.parallel is not None:
        return "parallel"
    return "forEach" if planned.for_each is not None else kind(planned.action)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
