"""Owns every closed list of the API, once, with the facts about each member. All else takes them from here, or is generated from it.

Whoever adds a member adds a line here. `make generate` carries it into the CRD, the chart, Argo CD's settings and the reference; mypy
(`assert_never`) and the tests in tests/contract name every place that has to decide about it. Two topics have modules of their own:
reasons.py and limits.py.
"""

from enum import Enum, StrEnum, auto
from typing import Final, assert_never

from obtask.model.listed import Listed


class ActionKind(Listed):
    """What a subtask can do: the field of a step that says so (API.md section 2.1)."""

    about: str

    WAIT = "wait", "Let time pass."
    SQL = "sql", "Run SQL statements."
    JOB = "job", "Run a container to its end."
    HTTP = "http", "Send an HTTP request."
    RESOURCE = "resource", "Apply or patch a Kubernetes object."
    OBSHELL = "obshell", "Start an operation of obshell and follow it."
    APPROVE = "approve", "Wait until a person approves (action=approve). Only as a step's own action."


ACTION_NAMES: Final = tuple(kind.value for kind in ActionKind)
# What a step may have instead of one action of its own.
GROUPS: Final = ("parallel", "forEach")


class ConditionType(Listed):
    """The conditions of a task (API.md section 3.3)."""

    about: str

    FINISHED = "Finished", "the task is in a finished phase"
    READY = "Ready", "the task ended as intended"
    RECONCILING = "Reconciling", "the operator works on the task, or it waits in line; reason HeldUp: something keeps it from going on"
    STALLED = "Stalled", "the task does not go on by itself, or ended otherwise"
    LOCK_HELD = "LockHeld", "the task holds its lock; while it waits, the message names who is in the way and what to type"


class Stage(Enum):
    """How far a task is, coarser than its phase."""

    IN_LINE = auto()  # nothing was started
    WORKING = auto()  # attempts run, the lock is held
    STOPPED = auto()  # a person decides, the lock is held
    FINISHED = auto()  # for ever


class Phase(Listed):
    """Where a task stands (API.md section 3.1).

    ``condition`` is the one of Ready, Reconciling and Stalled that is true, by which Argo CD, Flux and Helm judge.
    """

    stage: Stage
    condition: ConditionType
    about: str

    PENDING = "Pending", Stage.IN_LINE, ConditionType.RECONCILING, "not looked at yet"
    WAITING = "Waiting", Stage.IN_LINE, ConditionType.RECONCILING, "in line behind the tasks in `blockedBy`"
    RUNNING = "Running", Stage.WORKING, ConditionType.RECONCILING, "executing steps"
    FAILED = (
        "Failed",
        Stage.STOPPED,
        ConditionType.STALLED,
        "a subtask failed, was cancelled or could not be undone; waits for a person",
    )
    ROLLING_BACK = "RollingBack", Stage.WORKING, ConditionType.RECONCILING, "undoing, from the failed step back to the first"
    SUCCEEDED = "Succeeded", Stage.FINISHED, ConditionType.READY, "all steps done"
    ROLLED_BACK = "RolledBack", Stage.FINISHED, ConditionType.STALLED, "everything undone"
    SKIPPED = "Skipped", Stage.FINISHED, ConditionType.READY, "a person gave up on the task; nothing was executed or undone by that"
    CANCELLED = "Cancelled", Stage.FINISHED, ConditionType.STALLED, "cancelled before its first step started"
    REJECTED = "Rejected", Stage.FINISHED, ConditionType.STALLED, "invalid, or in conflict with `onConflict: Reject`"

    @property
    def finished(self) -> bool:
        """True in a phase that a task never leaves."""
        return self.stage is Stage.FINISHED

    @property
    def in_line(self) -> bool:
        """True before anything was started."""
        return self.stage is Stage.IN_LINE

    @property
    def working(self) -> bool:
        """True while attempts run, or are about to."""
        return self.stage is Stage.WORKING

    @property
    def holds_lock(self) -> bool:
        """True in a phase in which the lock is held."""
        match self.stage:
            case Stage.WORKING | Stage.STOPPED:
                return True
            case Stage.IN_LINE | Stage.FINISHED:
                return False
            case never:
                assert_never(never)


class SubtaskPhase(StrEnum):
    """Where a step or a subtask stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    SKIPPED = "Skipped"

    @property
    def working(self) -> bool:
        """True while an attempt runs."""
        match self:
            case SubtaskPhase.RUNNING | SubtaskPhase.ROLLING_BACK:
                return True
            case SubtaskPhase.PENDING | SubtaskPhase.SUCCEEDED | SubtaskPhase.FAILED | SubtaskPhase.ROLLED_BACK | SubtaskPhase.SKIPPED:
                return False
            case never:
                assert_never(never)

    @property
    def open(self) -> bool:
        """True where something is to be done and nothing runs.

        A step that a stopping operator left unstarted has Pending subtasks: whoever skips or retries the step means them, too.
        """
        match self:
            case SubtaskPhase.FAILED | SubtaskPhase.PENDING:
                return True
            case (
                SubtaskPhase.RUNNING | SubtaskPhase.SUCCEEDED | SubtaskPhase.ROLLING_BACK | SubtaskPhase.ROLLED_BACK | SubtaskPhase.SKIPPED
            ):
                return False
            case never:
                assert_never(never)

    @property
    def done(self) -> bool:
        """True where nothing is left to do on the way forward."""
        match self:
            case SubtaskPhase.SUCCEEDED | SubtaskPhase.SKIPPED:
                return True
            case SubtaskPhase.PENDING | SubtaskPhase.RUNNING | SubtaskPhase.FAILED | SubtaskPhase.ROLLING_BACK | SubtaskPhase.ROLLED_BACK:
                return False
            case never:
                assert_never(never)


class Direction(StrEnum):
    """Whether a task is being done or undone."""

    FORWARD = "Forward"
    ROLLBACK = "Rollback"


class Left(StrEnum):
    """Whether what a failed attempt has started elsewhere still keeps others out there."""

    HOLDING = "Holding"
    RELEASED = "Released"


class ConditionStatus(StrEnum):
    """Status of a condition, as in metav1.Condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Forbidden(StrEnum):
    """A command that a step can forbid, one for each verb."""

    RETRY = "Retry"
    ROLLBACK = "Rollback"
    SKIP = "Skip"
    SKIP_STEP = "SkipStep"
    CANCEL = "Cancel"


class Audience(StrEnum):
    """The role of the cluster's own that a right is added to."""

    VIEW = "view"
    EDIT = "edit"
    ADMIN = "admin"


class Verb(Listed):
    """A command that a person gives (API.md section 5).

    ``forbidden``: how a step forbids it, if it can. ``goes_on``: the task goes on afterwards, for which it needs its lock and its spec.
    ``audience``: whose role has it. ``about``: what it does.
    """

    forbidden: Forbidden | None
    goes_on: bool
    audience: Audience
    about: str

    RETRY = "retry", Forbidden.RETRY, True, Audience.EDIT, "run what failed again, then go on"
    ROLLBACK = "rollback", Forbidden.ROLLBACK, True, Audience.EDIT, "undo what was done, from the failed step back to the first"
    SKIP = "skip", Forbidden.SKIP, False, Audience.ADMIN, "give the task up as it is, and free its lock"
    SKIP_STEP = "skip-step", Forbidden.SKIP_STEP, True, Audience.ADMIN, "leave what failed as it is, and go on with the next step"
    CANCEL = "cancel", Forbidden.CANCEL, False, Audience.EDIT, "end a task that has not started; stop what runs of another one"
    APPROVE = "approve", None, True, Audience.EDIT, "let a task that awaits approval go on"


class Option(StrEnum):
    """How a command is to be carried out (API.md section 5)."""

    FRESH = "fresh"


class ActionResult(StrEnum):
    """What became of a command."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class TaskType(Listed):
    """What a task belongs to: a cluster, or one host. ``target``: the field that names it; ``refused``: fields that have no place then."""

    target: str
    refused: tuple[str, ...]

    CLUSTER = "Cluster", "cluster", ("agent",)
    LOCAL = "Local", "agent", ()


class Maintenance(Listed):
    """Which other tasks of the domain this one excludes: the scope of its lock (API.md section 4).

    ``types``: the tasks that may have it. ``field``: the field that it needs, and that no other scope may have.
    """

    types: tuple[TaskType, ...]
    field: str | None

    NONE = "None", (TaskType.CLUSTER, TaskType.LOCAL), None
    GLOBAL = "Global", (TaskType.CLUSTER, TaskType.LOCAL), None
    TENANT = "Tenant", (TaskType.CLUSTER,), "tenant"
    OBPROXY = "OBProxy", (TaskType.LOCAL,), None


SCOPES: Final = tuple(scope for scope in Maintenance if scope is not Maintenance.NONE)


class OnConflict(StrEnum):
    """What a task does when a conflicting one is in the way."""

    QUEUE = "Queue"
    REJECT = "Reject"


class Interrupted(StrEnum):
    """What to do with an attempt whose outcome nobody knows."""

    FAIL = "Fail"
    RERUN = "Rerun"


class HttpMethod(Listed):
    """Methods of HTTP that a step may use. ``safe``: it only asks."""

    safe: bool

    GET = "GET", True
    HEAD = "HEAD", True
    POST = "POST", False
    PUT = "PUT", False
    PATCH = "PATCH", False
    DELETE = "DELETE", False


class ObshellOperator(StrEnum):
    """What obshell can do with a task of its own."""

    ROLLBACK = "Rollback"


class WhenBusy(StrEnum):
    """What to do while obshell is busy with a task of its own."""

    WAIT = "Wait"
    FAIL = "Fail"
