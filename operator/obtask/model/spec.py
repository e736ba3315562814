"""Owns the spec of an OBTask: what a person asks for. API.md section 2."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Annotated, Self, overload

from pydantic import Field, StringConstraints, model_validator

from obtask.model.actions import Action
from obtask.model.base import Value
from obtask.model.connections import ConnectionRef
from obtask.model.constraints import FreeForm
from obtask.model.contract import Maintenance, OnConflict, TaskType
from obtask.model.limits import PARAMETERS, PARAMETERS_BYTES, STEPS, SUBTASKS
from obtask.model.steps import Step, Undoable
from obtask.model.target import target_faults
from obtask.model.template_ref import TemplateRef

STEPS_OR_TEMPLATE = "exactly one of steps, templateRef is required"
PARAMETERS_ALONE = "parameters are for the template that templateRef names"

AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", min_length=1, max_length=253)]
TargetName = Annotated[str, StringConstraints(min_length=1, max_length=253)]


def _with_its_type(scope: Maintenance) -> str:
    return f"{scope} ({scope.types[0]} only)" if len(scope.types) == 1 else scope.value


class TaskSpec(Value):
    """What a person asks for; immutable after creation, but for the steps that the operator writes once from a template."""

    type: TaskType = Field(description="Cluster: the task belongs to a cluster. Local: it belongs to one host.")
    cluster: TargetName | None = Field(default=None, description="The cluster; required for Cluster tasks, informative for Local ones.")
    agent: TargetName | None = Field(default=None, description="The host a Local task belongs to, such as 10.0.0.5:2886.")
    maintenance: Maintenance = Field(
        description=f"Which tasks of the same domain are excluded: {', '.join(map(_with_its_type, Maintenance))}."
    )
    tenant: TargetName | None = Field(default=None, description="The tenant; required with maintenance Tenant, not allowed otherwise.")
    display_name: Annotated[str, StringConstraints(min_length=1, max_length=253)] | None = Field(
        default=None, description="A title shown to people. Default: the task's name."
    )
    on_conflict: OnConflict = Field(
        default=OnConflict.QUEUE, description="Queue (default): wait in line. Reject: end in phase Rejected at once."
    )
    connection: ConnectionRef | None = Field(
        default=None, description="Connection of the steps that do not name one themselves. Default: none."
    )
    service_account_name: AccountName | None = Field(
        default=None, description="Service account of the task's pods and resource steps. Default: the namespace's default."
    )
    ttl_seconds_after_finished: int | None = Field(
        strict=True,
        default=None,
        ge=0,
        le=315360000,
        description="Delete the task this many seconds after it finished. Default: the operator's setting; without one the task is kept.",
    )
    template_ref: TemplateRef | None = Field(
        default=None, description="Take the steps from a template, instead of steps: the operator writes them into steps, once."
    )
    parameters: FreeForm = Field(
        default_factory=dict,
        max_length=PARAMETERS,
        description=f"With templateRef: up to {PARAMETERS} values for the parameters that the template declares, at most "
        f"{PARAMETERS_BYTES // 1024} KiB with those that it has as defaults.",
    )
    steps: Sequence[Step] = Field(
        default_factory=list,
        min_length=1,
        max_length=STEPS,
        description=f"1 to {STEPS} steps; they run in order, one at a time. Texts of their actions may hold values: ${{{{ CEL }}}}. "
        "With templateRef the operator writes them.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for broken in target_faults(self):
            raise ValueError(broken)
        if not self.steps and self.template_ref is None:
            raise ValueError(STEPS_OR_TEMPLATE)
        if self.parameters and self.template_ref is None:
            raise ValueError(PARAMETERS_ALONE)
        if twice := _duplicate(step.name for step in self.steps):
            raise ValueError(f'Duplicate value "{twice}": step names must be unique')
        if sum(len(step.subtasks) for step in self.steps) > SUBTASKS:
            raise ValueError(f"a task has at most {SUBTASKS} subtasks in all")
        return self

    @cached_property
    def works(self) -> tuple[tuple[str, Undoable], ...]:
        """Everything with an action and its undo, with its path."""
        return tuple((f"spec.steps[{at}]{below}", work) for at, step in enumerate(self.steps) for below, work in step.works)

    @cached_property
    def by_name(self) -> dict[str, Step]:
        """The steps by their names."""
        return {step.name: step for step in self.steps}

    @cached_property
    def actions(self) -> tuple[tuple[str, Action], ...]:
        """Every action with the path of what has it, each followed by its undo."""
        found: list[tuple[str, Action]] = []
        for path, work in self.works:
            found.append((path, work.action))
            if work.rollback is not None:
                found.append((f"{path}.rollback", work.rollback.action))
        return tuple(found)

    @property
    def is_templated(self) -> bool:
        """Whether the steps are those of a template, so that there are parameters."""
        return self.template_ref is not None

    @cached_property
    def subtask_count(self) -> int:
        """How many subtasks the task can have in all: as many as there is room for."""
        return min(sum(step.most_subtasks for step in self.steps), SUBTASKS)

    @cached_property
    def restored_count(self) -> int:
        """How many of its subtasks keep an object, to put it back when they are undone."""
        found = [step.most_subtasks if step.for_each else 1 for step in self.steps for _, work in step.works if work.is_restored]
        return min(sum(found), SUBTASKS)


class StepsElsewhere(Sequence[Step]):
    """Steps that are kept in another form, and read when one of them is looked at. How many they are is known without that."""

    def __init__(self, count: int, read: Callable[[], Sequence[Step]]) -> None:
        self._count = count
        self._read = read

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Step: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Step]: ...
    def __getitem__(self, at: int | slice) -> Step | Sequence[Step]:
        return self._read()[at]


def with_steps(spec: TaskSpec, steps: Sequence[Step]) -> TaskSpec:
    """Return a spec that is known to be sound with its steps in another form, and with nothing that was derived from them."""
    return TaskSpec.model_construct(
        spec.model_fields_set, **{name: getattr(spec, name) for name in TaskSpec.model_fields} | {"steps": steps}
    )


def _duplicate(values: Iterable[str]) -> str | None:
    """Return the first value that appears twice."""
    return next((value for value, count in Counter(values).items() if count > 1), None)
