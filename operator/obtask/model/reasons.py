"""Owns why things are as they are, in CamelCase: the reasons of tasks, of failed subtasks and of Events. A part of the contract."""

from obtask.model.listed import Listed


class Reason(Listed):
    """Why a task is in its phase (API.md section 3.2)."""

    about: str

    ACCEPTED = "Accepted", "an operator has seen the task; this one decides at once, and does not say so"
    QUEUED = "Queued", "other tasks are in the way"
    EXECUTING = "Executing", "steps are executed or undone"
    AWAITING_APPROVAL = "AwaitingApproval", "the current step waits for a person who approves"
    SUBTASK_FAILED = "SubtaskFailed", "a subtask failed"
    SUBTASK_CANCELLED = "SubtaskCancelled", "a person cancelled what ran"
    ROLLBACK_FAILED = "RollbackFailed", "a subtask could not be undone"
    COMPLETED = "Completed", "all steps are done"
    ROLLED_BACK = "RolledBack", "everything is undone"
    SKIPPED_BY_USER = "SkippedByUser", "a person gave up on the task, or deleted it"
    CANCELLED_BY_USER = "CancelledByUser", "a person cancelled the task, or deleted it, before its first step started"
    CONFLICT = "Conflict", "other tasks were in the way, and the task does not wait (`onConflict: Reject`)"
    INVALID_SPEC = "InvalidSpec", "the spec cannot be carried out, or not by this operator; or the task was created again from a copy"
    LOCK_LOST = "LockLost", "the Lease of the lock names somebody else: no further step is started"


class FailureReason(Listed):
    """Why a subtask failed (API.md section 3.2). ``repeated``: autoRetry tries again, unless the failure is known to be for good."""

    repeated: bool
    about: str

    NON_ZERO_EXIT = "NonZeroExit", True, "the container ended with another code than 0; `code` has it"
    SQL_ERROR = "SqlError", True, "the server refused a statement; `code` has its error number"
    HTTP_STATUS = "HttpStatus", True, "the answer has a status that is not expected; `code` has it"
    CONNECTION_FAILED = "ConnectionFailed", True, "the target cannot be reached, or the connection broke"
    TIMEOUT = "Timeout", True, "the step's timeout was over"
    CANCELLED = "Cancelled", False, "a person cancelled it"
    INTERRUPTED = "Interrupted", False, "nobody knows how it ended: the operator stopped, or the Job was deleted"
    EXPECTATION_NOT_MET = "ExpectationNotMet", True, "`expect` does not hold, or `failWhen` does"
    POD_FAILED = "PodFailed", True, "the pod of the Job was evicted, killed or could not be made"
    IMAGE_PULL_FAILED = "ImagePullFailed", True, "the image of the Job cannot be fetched"
    FORBIDDEN = "Forbidden", False, "a right is missing, or the operator does not allow it"
    NOT_FOUND = "NotFound", True, "an object or a Secret that is named does not exist"
    OBSHELL_TASK_FAILED = "ObshellTaskFailed", True, "the task that obshell started failed there"
    INVALID_EXPRESSION = "InvalidExpression", False, "an expression cannot be evaluated"


class EventReason(Listed):
    """Reasons of Events besides those of phases, and whether they are warnings."""

    warning: bool
    about: str

    LOCK_WAITING = "LockWaiting", False, "the task waits; the message names who is in the way"
    LOCK_ACQUIRED = "LockAcquired", False, "a task that waited has its lock"
    LOCK_RELEASED = "LockReleased", False, "the task gave back a lock that others wait for"
    ACTION_ACCEPTED = "ActionAccepted", False, "a command was carried out; the message says whose"
    ACTION_REJECTED = "ActionRejected", True, "a command was refused; the message says why"
    LEFT_BEHIND = "LeftBehind", True, "the task was deleted while something of it goes on elsewhere"
    HELD_UP = "HeldUp", True, "something outside of the task keeps it from getting on, such as a refusal of the API server"
    STATUS_UNREADABLE = "StatusUnreadable", True, "this version cannot read the status: a newer operator, or a person, wrote it"
    DOUBLE_HOLD = "DoubleHold", True, "two tasks that exclude each other both hold a lock: somebody changed what is stored"
