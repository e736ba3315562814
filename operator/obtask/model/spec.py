"""Owns the spec of an OBTask: what a person asks for. API.md section 2."""

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from obtask.model.actions import Action, ConnectionRef, HttpAction, ObshellAction, SqlAction, WaitAction, kind
from obtask.model.base import Value
from obtask.model.contract import ActionKind
from obtask.model.contract import Forbidden as Forbidden
from obtask.model.contract import Interrupted as Interrupted
from obtask.model.contract import Maintenance as Maintenance
from obtask.model.contract import OnConflict as OnConflict
from obtask.model.contract import TaskType as TaskType
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.limits import ATTEMPT_SECONDS, PARALLEL_SUBTASKS, STEPS, SUBTASKS
from obtask.model.target import target_faults

DEFAULT_TIMEOUT_SECONDS = 3600
_KINDS = tuple(each.value for each in ActionKind)
RESTORE_FORWARD = "resource.restore is for rollback only"
RESTORE_ALONE = "rollback.resource.restore puts back what a resource action changed, and there is none"
RESTORE_SECRET = "rollback.resource.restore is not possible for a Secret, because its values would have to be kept elsewhere"  # noqa: S105

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)]
AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", min_length=1, max_length=253)]
TargetName = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class AutoRetry(Value):
    """Repeats a failed attempt without a person."""

    limit: int = Field(strict=True, ge=1, le=100, description="How many automatic retries after a failure: 1 to 100.")
    backoff_seconds: int = Field(
        strict=True,
        default=5,
        ge=0,
        le=86400,
        description="Pause before the first automatic retry, in seconds; doubles each time. Default 5.",
    )
    max_backoff_seconds: int = Field(
        strict=True, default=300, ge=0, le=86400, description="Longest pause between automatic retries, in seconds. Default 300."
    )


class OneAction(Value):
    """Exactly one action."""

    wait: WaitAction | None = Field(default=None, description=ActionKind.WAIT.about)
    sql: SqlAction | None = Field(default=None, description=ActionKind.SQL.about)
    job: JobAction | None = Field(default=None, description=ActionKind.JOB.about)
    http: HttpAction | None = Field(default=None, description=ActionKind.HTTP.about)
    resource: ResourceAction | None = Field(default=None, description=ActionKind.RESOURCE.about)
    obshell: ObshellAction | None = Field(default=None, description=ActionKind.OBSHELL.about)

    @property
    def given(self) -> list[Action]:
        """The actions that are given; a valid subtask has exactly one."""
        return [action for name in _KINDS if (action := getattr(self, name)) is not None]

    @cached_property
    def action(self) -> Action:
        """The one action; raises ValueError if there is not exactly one."""
        given = self.given
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(_KINDS)} is required")
        return given[0]


class Rollback(OneAction):
    """How to undo a subtask."""

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        _ = self.action
        return self


OPERATOR_IN_ROLLBACK = "obshell.operator is for the rollback of an obshell step"


def _check_operator(work: "Subtask | Step") -> None:
    undo = work.rollback.obshell if work.rollback else None
    if (work.obshell and work.obshell.operator) or (undo and undo.operator and not work.obshell):
        raise ValueError(OPERATOR_IN_ROLLBACK)


def _check_restore(work: OneAction, rollback: Rollback | None) -> None:
    """Refuse a ``restore`` that has nothing to put back; raises ValueError."""
    if work.resource is not None and work.resource.restore:
        raise ValueError(RESTORE_FORWARD)
    if rollback is None or rollback.resource is None or not rollback.resource.restore:
        return
    if work.resource is None:
        raise ValueError(RESTORE_ALONE)
    if work.resource.changes_secret:
        raise ValueError(RESTORE_SECRET)


class Subtask(OneAction):
    """One of the subtasks of a parallel step."""

    name: DnsLabel = Field(description="Name, unique in its step: a DNS label.")
    rollback: Rollback | None = Field(
        default=None, description="Undoes this subtask if it may have changed something. Without it there is nothing to undo."
    )

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        _ = self.action
        _check_operator(self)
        _check_restore(self, self.rollback)
        return self

    @property
    def is_restored(self) -> bool:
        """Whether its undo puts back an object that was kept."""
        undo = self.rollback.action if self.rollback is not None else None
        return isinstance(undo, ResourceAction) and undo.restore is True


class Step(OneAction):
    """One step of a task: one action, or several subtasks at the same time."""

    name: DnsLabel = Field(description="Name, unique in the task: a DNS label.")
    timeout_seconds: int = Field(
        strict=True,
        default=DEFAULT_TIMEOUT_SECONDS,
        ge=1,
        le=ATTEMPT_SECONDS,
        description=f"Longest time of one attempt, in seconds: 1 to {ATTEMPT_SECONDS}. Default {DEFAULT_TIMEOUT_SECONDS}; "
        "the default does not cut a longer wait short.",
    )
    auto_retry: AutoRetry | None = Field(default=None, description="Repeat failed attempts. Default: no automatic retry.")
    parallel: list[Subtask] | None = Field(
        default=None,
        min_length=1,
        max_length=PARALLEL_SUBTASKS,
        description=f"1 to {PARALLEL_SUBTASKS} subtasks that run at the same time; all end before the step ends.",
    )
    rollback: Rollback | None = Field(
        default=None, description="Undoes this step if it may have changed something. Without it there is nothing to undo."
    )
    forbid: list[Forbidden] = Field(
        default_factory=list,
        max_length=len(Forbidden),
        description=f"Commands that are not allowed: {', '.join(one for one in Forbidden if one is not Forbidden.ROLLBACK)} "
        "while this step is the current one; Rollback once it has started.",
    )
    interrupted: Interrupted = Field(
        default=Interrupted.FAIL, description="What to do with an attempt whose outcome nobody knows: Fail (default) or Rerun."
    )
    undo_before_retry: bool = Field(
        strict=True,
        default=False,
        description="Run the subtask's rollback before its next attempt, if earlier ones may have changed something. Default false.",
    )

    @cached_property
    def subtasks(self) -> tuple[Subtask, ...]:
        """The subtasks; a step without ``parallel`` has one, of the step's own name."""
        if self.parallel is not None:
            return tuple(self.parallel)
        return (Subtask(name=self.name, rollback=self.rollback, **{kind(self.action): self.action}),)

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if len(self.given) + (self.parallel is not None) != 1:
            raise ValueError(f"exactly one of {', '.join(_KINDS)}, parallel is required")
        if self.parallel is not None and self.rollback is not None:
            raise ValueError("a parallel step has no rollback of its own: give each subtask one")
        _check_operator(self)
        _check_restore(self, self.rollback)
        if twice := _duplicate(subtask.name for subtask in self.parallel or ()):
            raise ValueError(f'Duplicate value "{twice}": subtask names must be unique in their step')
        if twice := _duplicate(self.forbid):
            raise ValueError(f'Duplicate value "{twice}": forbid names each command once')
        return self


def _with_its_type(scope: Maintenance) -> str:
    return f"{scope} ({scope.types[0]} only)" if len(scope.types) == 1 else scope.value


class TaskSpec(Value):
    """What a person asks for; immutable after creation."""

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
    steps: list[Step] = Field(min_length=1, max_length=STEPS, description=f"1 to {STEPS} steps; they run in order, one at a time.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for broken in target_faults(self):
            raise ValueError(broken)
        if twice := _duplicate(step.name for step in self.steps):
            raise ValueError(f'Duplicate value "{twice}": step names must be unique')
        if self.subtask_count > SUBTASKS:
            raise ValueError(f"a task has at most {SUBTASKS} subtasks in all")
        return self

    @cached_property
    def actions(self) -> tuple[tuple[str, Action], ...]:
        """Every action with the path of what has it, each followed by its undo."""
        found: list[tuple[str, Action]] = []
        for index, step in enumerate(self.steps):
            for at, subtask in enumerate(step.subtasks):
                path = f"spec.steps[{index}]" + ("" if step.parallel is None else f".parallel[{at}]")
                found.append((path, subtask.action))
                if subtask.rollback is not None:
                    found.append((f"{path}.rollback", subtask.rollback.action))
        return tuple(found)

    @cached_property
    def subtask_count(self) -> int:
        """How many subtasks the task has in all."""
        return sum(len(step.subtasks) for step in self.steps)

    @cached_property
    def restored_count(self) -> int:
        """How many of its subtasks keep an object, to put it back when they are undone."""
        return sum(subtask.is_restored for step in self.steps for subtask in step.subtasks)


def _duplicate(values: Iterable[str]) -> str | None:
    """Return the first value that appears twice."""
    return next((value for value, count in Counter(values).items() if count > 1), None)
