"""Owns the steps of an OBTask: their actions, subtasks, undos and limits. API.md section 2."""

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from obtask.model.actions import Action, ApproveAction, HttpAction, ObshellAction, SqlAction, WaitAction, kind
from obtask.model.base import Value
from obtask.model.constraints import Expression
from obtask.model.contract import GROUPS, ActionKind, Forbidden, Interrupted
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.limits import ATTEMPT_SECONDS, FOR_EACH_ITEMS, FOR_EACH_NAME, PARALLEL_SUBTASKS

DEFAULT_TIMEOUT_SECONDS = 3600
_KINDS = tuple(each.value for each in ActionKind)
APPROVE_ROLLBACK = "an approval changes nothing, and has no rollback"
GROUP_ROLLBACK = "a step with parallel or forEach has no rollback of its own: give its subtasks one"
LONG_NAME = f"the name of a step with forEach has at most {FOR_EACH_NAME} characters"
RESTORE_FORWARD = "resource.restore is for rollback only"
RESTORE_ALONE = "rollback.resource.restore puts back what a resource action changed, and there is none"
RESTORE_SECRET = "rollback.resource.restore is not possible for a Secret, because its values would have to be kept elsewhere"  # noqa: S105

DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)]


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
        return [action for name in _KINDS if (action := getattr(self, name, None)) is not None]

    @cached_property
    def action(self) -> Action:
        """The one action; raises ValueError if there is not exactly one."""
        given = self.given
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(name for name in _KINDS if name in type(self).model_fields)} is required")
        return given[0]


class Rollback(OneAction):
    """How to undo a subtask."""

    @model_validator(mode="after")
    def _one_action(self) -> Self:
        _ = self.action
        return self


OPERATOR_IN_ROLLBACK = "obshell.operator is for the rollback of an obshell step"


def _check_operator(work: "Undoable | Step") -> None:
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


class Undoable(OneAction):
    """An action and how to undo it."""

    rollback: Rollback | None = Field(
        default=None, description="Undoes this subtask if it may have changed something. Without it there is nothing to undo."
    )

    @model_validator(mode="after")
    def _undo_fits(self) -> Self:
        _ = self.action
        _check_operator(self)
        _check_restore(self, self.rollback)
        return self

    @property
    def is_restored(self) -> bool:
        """Whether its undo puts back an object that was kept."""
        undo = self.rollback.action if self.rollback is not None else None
        return isinstance(undo, ResourceAction) and undo.restore is True


class Subtask(Undoable):
    """One of the subtasks of a parallel step."""

    name: DnsLabel = Field(description="Name, unique in its step: a DNS label.")


class OnlySubtask(Subtask):
    """The one subtask of a step without others: it may be an approval."""

    approve: ApproveAction | None = None


class ItemSubtask(Undoable):
    """What is done for each item of a list."""


class ForEach(Value):
    """Does the same for each item of a list."""

    items: Expression = Field(
        description=f"CEL that gives a list of at most {FOR_EACH_ITEMS} items, such as steps.find.outputs.servers; it knows task, steps "
        "and, with a template, params. An item is a text, number, boolean or null, or a list or map of these. The list is evaluated once, "
        "when the step begins; a retry goes on with the same one. Of an empty list nothing is done, and the step succeeds."
    )
    max_parallel: int | None = Field(
        strict=True,
        default=None,
        ge=1,
        le=FOR_EACH_ITEMS,
        description="How many subtasks run at the same time. With 1 they run one after the other, and a failure stops the rest. "
        "Default: all.",
    )
    subtask: ItemSubtask = Field(
        description="What is done for each item, and its rollback: any action but approve. In it ${{ item }} is the item and ${{ index }} "
        "its place in the list, from 0. The subtasks are named <step>-0, <step>-1 and so on."
    )


class Step(OneAction):
    """One step of a task: one action, several subtasks at the same time, or one subtask for each item of a list."""

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
    approve: ApproveAction | None = Field(default=None, description=ActionKind.APPROVE.about)
    when: Expression | None = Field(
        default=None,
        description="CEL that says whether the step is done, such as size(steps.find.outputs.servers) > 0; it knows task, steps and, with "
        "a template, params. It is asked when the step is about to begin. If it is false, the step is Skipped, and its message says not "
        "needed. Default: the step is done.",
    )
    parallel: list[Subtask] | None = Field(
        default=None,
        min_length=1,
        max_length=PARALLEL_SUBTASKS,
        description=f"1 to {PARALLEL_SUBTASKS} subtasks that run at the same time; all end before the step ends.",
    )
    for_each: ForEach | None = Field(
        default=None, description="Does the same for each item of a list, such as the servers that an earlier step has found."
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
        """The subtasks; a step without ``parallel`` has one, of the step's own name. Those of ``forEach`` are known when it begins."""
        if self.parallel is not None:
            return tuple(self.parallel)
        if self.for_each is not None:
            return ()
        return (OnlySubtask(name=self.name, rollback=self.rollback, **{kind(self.action): self.action}),)

    @cached_property
    def by_name(self) -> dict[str, Subtask]:
        """The subtasks that are known before the step begins, by their names."""
        return {subtask.name: subtask for subtask in self.subtasks}

    @cached_property
    def of_each_item(self) -> Subtask | None:
        """What all subtasks of ``forEach`` are like, but for their names."""
        if self.for_each is None:
            return None
        each = self.for_each.subtask
        return Subtask(name=self.name, rollback=each.rollback, **{kind(each.action): each.action})

    def subtask_of(self, name: str) -> Subtask:
        """Return a subtask by its name; of ``forEach`` all are alike."""
        return self.by_name[name] if self.of_each_item is None else self.of_each_item.model_copy(update={"name": name})

    @property
    def works(self) -> "tuple[tuple[str, Undoable], ...]":
        """Everything with an action as (path below the step, action and undo)."""
        if self.for_each is not None:
            return ((".forEach.subtask", self.for_each.subtask),)
        return tuple(("" if self.parallel is None else f".parallel[{at}]", subtask) for at, subtask in enumerate(self.subtasks))

    @property
    def most_subtasks(self) -> int:
        """How many subtasks the step can have."""
        return FOR_EACH_ITEMS if self.for_each is not None else len(self.subtasks)

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if len(self.given) + (self.parallel is not None) + (self.for_each is not None) != 1:
            raise ValueError(f"exactly one of {', '.join((*_KINDS, *GROUPS))} is required")
        if self.rollback is not None and (self.parallel is not None or self.for_each is not None):
            raise ValueError(GROUP_ROLLBACK)
        if self.approve is not None and self.rollback is not None:
            raise ValueError(APPROVE_ROLLBACK)
        if self.for_each is not None and len(self.name) > FOR_EACH_NAME:
            raise ValueError(LONG_NAME)
        _check_operator(self)
        _check_restore(self, self.rollback)
        if twice := _duplicate(subtask.name for subtask in self.parallel or ()):
            raise ValueError(f'Duplicate value "{twice}": subtask names must be unique in their step')
        if twice := _duplicate(self.forbid):
            raise ValueError(f'Duplicate value "{twice}": forbid names each command once')
        return self


def _duplicate(values: Iterable[str]) -> str | None:
    """Return the first value that appears twice."""
    return next((value for value, count in Counter(values).items() if count > 1), None)
