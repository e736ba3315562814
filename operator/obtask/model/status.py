"""Owns the status of an OBTask: what has happened so far. API.md section 3."""

from operator import not_
from typing import Any

from pydantic import Field

from obtask.model.answered import HandledCommand, LastAction
from obtask.model.base import ConditionMessage, Line, Moment, Stored, Tail
from obtask.model.contract import SCOPES, ConditionStatus, ConditionType, Direction, Left, Phase, SubtaskPhase, Verb
from obtask.model.limits import (
    BLOCKERS,
    HISTORY_BYTES,
    HISTORY_ENTRIES,
    ITEM_SHOWN_BYTES,
    MESSAGE_CHARACTERS,
    NONCE_DIGESTS,
    OUTPUT_BYTES,
    OUTPUTS,
    TAIL_BYTES,
    TAIL_LINES,
)
from obtask.model.listed import listed
from obtask.model.printable import printable, printable_lines
from obtask.model.reasons import FailureReason, Reason
from obtask.model.template_ref import TemplateSource

LINES = "logTail"  # the only text of several lines
VALUES = frozenset({"outputs", "item", "items", "parameters"})  # what is given back as it is


class Condition(Stored):
    """A metav1.Condition."""

    type: str = Field(description=f"{listed(ConditionType)}.")
    status: ConditionStatus = Field(description=f"{listed(ConditionStatus)}.")
    reason: str = Field(description="Why, in CamelCase.")
    message: ConditionMessage = Field(default="", description="Why, for people.")
    observed_generation: int = Field(default=0, description="The metadata.generation this was set for.")
    last_transition_time: Moment = Field(description="When the status last changed.")


class LogRef(Stored):
    """Where a whole log is kept."""

    config_map: str = Field(description="Name of a ConfigMap in the task's namespace.")
    key: str = Field(description="Key in its binaryData; gzip-compressed text.")


class Blocker(Stored):
    """A task that stands in the way."""

    name: str = Field(description="Name of the task in the way.")
    uid: str = Field(description="Its uid.")
    phase: Phase = Field(description="Its phase.")
    scope: str = Field(description=f"What it locks: {listed(sorted(SCOPES))}.")
    since: Moment | None = Field(default=None, description="When it entered that phase: when it failed, took its lock, or began to wait.")


class LockStatus(Stored):
    """The lock that a task holds."""

    lease: str = Field(description="Name of the Lease.")
    scope: str = Field(description=f"{listed(sorted(SCOPES))}.")
    acquired_at: Moment = Field(description="When the lock was taken.")
    token: int = Field(description="Fencing token: grows with every new holder of the Lease.")


class FailedSubtask(Stored):
    """The first failed subtask of the current step."""

    step: str = Field(description="Step of the failed subtask.")
    subtask: str = Field(description="Name of the failed subtask.")
    attempt: int = Field(description="Which attempt failed, from 1.")
    direction: Direction = Field(description=f"{listed(Direction)}.")
    reason: FailureReason = Field(description="Why it failed.")
    code: str | None = Field(default=None, description="Exit code, SQL error number or HTTP status, if there is one.")
    message: Line = Field(description=f"One line, at most {MESSAGE_CHARACTERS} characters.")
    failed_at: Moment = Field(description="When it failed.")
    log_tail: Tail | None = Field(
        default=None, description=f"The last lines of its log: at most {TAIL_LINES} lines and {TAIL_BYTES} bytes; secrets masked."
    )
    log_ref: LogRef | None = Field(default=None, description="The whole log, when it is longer than the tail.")


class Failure(Stored):
    """Why the last attempt of a subtask failed."""

    reason: FailureReason = Field(description="Why it failed.")
    code: str | None = Field(default=None, description="Exit code, SQL error number or HTTP status, if there is one.")
    direction: Direction = Field(description=f"{listed(Direction)}.")
    refused: bool = Field(default=False, exclude_if=not_, description="The target refused the undo: nothing was changed.")


class SubtaskStatus(Stored):
    """What has happened to a subtask."""

    name: str = Field(description="Name of the subtask.")
    phase: SubtaskPhase = Field(default=SubtaskPhase.PENDING, description="Where it stands.")
    attempts: int = Field(default=0, description="How many attempts were started in direction Forward.")
    rollback_attempts: int = Field(default=0, exclude_if=not_, description="How many attempts to undo it were started.")
    auto_retries: int = Field(default=0, exclude_if=not_, description="Automatic retries since a person last acted.")
    next_attempt_at: Moment | None = Field(default=None, description="When the awaited automatic retry starts.")
    changed: bool | None = Field(
        default=None,
        description="Whether a forward attempt may have changed its target: true once one starts, false again if it ends without "
        "having changed anything. Only what may have changed is undone.",
    )
    changed_before: bool = Field(default=False, exclude_if=not_, description="The value of changed before the running attempt.")
    runner: str | None = Field(default=None, description="The operator process that recorded the current or last attempt.")
    started_at: Moment | None = Field(default=None, description="When the current or last attempt started.")
    finished_at: Moment | None = Field(default=None, description="When the last attempt ended.")
    message: Line | None = Field(
        default=None, description=f"One line about the current or last attempt, at most {MESSAGE_CHARACTERS} characters."
    )
    failure: Failure | None = Field(default=None, description="Why the last attempt failed.")
    job: str | None = Field(default=None, description="Name of the Job of the last attempt.")
    external: str | None = Field(default=None, description="What the current or last attempt started elsewhere: the id of an obshell task.")
    previous_external: str | None = Field(default=None, description="The external of the attempt before, until this one has its own.")
    external_mark: str | None = Field(default=None, description="Distinguishes the obshell task in external from another of the same id.")
    previous_mark: str | None = Field(default=None, description="The same for previousExternal.")
    external_left: Left | None = Field(
        default=None,
        description="After a failed attempt: Holding if the obshell task still keeps obshell busy, Released if not, absent if unknown.",
    )
    fresh: bool = Field(default=False, exclude_if=not_, description="The obshell task of the attempt before is not resumed.")
    stage: str | None = Field(default=None, description="Stage of what the attempt follows, in a few words, such as 3/11 Start observer.")
    kept: str | None = Field(
        default=None,
        description="sha256 of the object that was kept for restore, and of its identity; recorded before the object is changed. "
        "none: nothing is kept yet.",
    )
    nonce_digests: tuple[str, ...] = Field(
        default=(),
        exclude_if=not_,
        max_length=NONCE_DIGESTS,
        description="Digests, of which one must match the annotation task.oceanbase.com/nonce of an object for it to count as the last "
        "attempt's.",
    )
    outputs: dict[str, Any] | None = Field(
        default=None, description=f"What its action gave away; it never changes. At most {OUTPUTS} values of {OUTPUT_BYTES} bytes each."
    )
    item: Any = Field(default=None, description=f"The item of a forEach subtask; of one of over {ITEM_SHOWN_BYTES} bytes the beginning.")
    log_tail: Tail | None = Field(default=None, description="The log of the last attempt, when it is short.")
    log_ref: LogRef | None = Field(default=None, description="The whole log of the last attempt, when it is long.")


class StepStatus(Stored):
    """What has happened to a step."""

    name: str = Field(description="Name of the step.")
    phase: SubtaskPhase = Field(default=SubtaskPhase.PENDING, description="Where it stands.")
    started_at: Moment | None = Field(default=None, description="When its first attempt started.")
    finished_at: Moment | None = Field(default=None, description="When it ended.")
    subtasks: tuple[SubtaskStatus, ...] = Field(default=(), description="Its subtasks.")
    items: list[Any] | None = Field(default=None, description="The items of forEach, where the subtasks show only their beginnings.")


class TaskStatus(Stored):
    """What has happened to a task."""

    observed_generation: int = Field(default=0, description="The metadata.generation that the operator has seen.")
    phase: Phase = Field(default=Phase.PENDING, description="Where the task stands.")
    direction: Direction = Field(default=Direction.FORWARD, description="Forward, or Rollback while and after undoing.")
    reason: Reason | None = Field(default=None, description="Why the task is in its phase, in CamelCase.")
    message: str | None = Field(default=None, description="Why the task is in its phase, for people.")
    progress: str | None = Field(default=None, description="Steps done / steps.")
    current_step: str | None = Field(default=None, description="The step that runs, failed or is being undone.")
    step_summary: str | None = Field(
        default=None, description="The same, with the stage of what it follows, such as go 3/11 Start observer."
    )
    started_at: Moment | None = Field(default=None, description="When the first attempt was recorded; never reset.")
    finished_at: Moment | None = Field(default=None, description="When the task ended.")
    allowed_actions: tuple[Verb, ...] = Field(default=(Verb.CANCEL,), description="The commands that would be accepted now.")
    blocked_by: tuple[Blocker, ...] = Field(
        default=(), exclude_if=not_, max_length=BLOCKERS, description=f"The tasks in the way, at most {BLOCKERS}."
    )
    blocked_by_count: int | None = Field(default=None, description="How many tasks are in the way.")
    blocked_by_summary: str | None = Field(default=None, description="The first task in the way, and how many more.")
    lock: LockStatus | None = Field(default=None, description="The lock, while it is held.")
    lock_attempts: int = Field(default=0, exclude_if=not_, description="How often the task claimed its lock and had to give it back.")
    cancelling: bool = Field(default=False, exclude_if=not_, description="A cancel was accepted and its subtasks are being stopped.")
    failed_subtask: FailedSubtask | None = Field(default=None, description="The first failed subtask.")
    failed_subtasks: int | None = Field(default=None, description="How many subtasks failed in this step.")
    last_action: LastAction | None = Field(default=None, description="The last command and what became of it.")
    history: tuple[HandledCommand, ...] = Field(
        default=(),
        exclude_if=not_,
        description=f"The last {HISTORY_ENTRIES} commands and what became of them, the newest last; at most {HISTORY_BYTES // 1024} KiB.",
    )
    steps: tuple[StepStatus, ...] = Field(default=(), description="What has happened to each step.")
    template: TemplateSource | None = Field(default=None, description="The template that the steps were taken from.")
    parameters: dict[str, Any] | None = Field(
        default=None, description="The parameters of a task made from a template, with the template's defaults; they never change."
    )
    conditions: tuple[Condition, ...] = Field(default=(), description=f"{', '.join(ConditionType)}.")

    def dump(self) -> dict[str, Any]:
        """Return the status as JSON-ready data, every text of it fit for a terminal: holders, codes and messages may come from anybody."""
        return {name: value if name in VALUES else _shown(value) for name, value in super().dump().items()}


def _shown(value: Any, name: str = "") -> Any:
    match value:
        case str():
            return printable_lines(value) if name == LINES else printable(value)
        case list():
            return [_shown(item) for item in value]
        case dict():
            return {key: item if key in VALUES else _shown(item, key) for key, item in value.items()}
        case _:
            return value
