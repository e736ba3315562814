"""Owns what a subtask can do: the actions of API.md section 2.1."""

from typing import Annotated, Any, ClassVar, Self, assert_never

from pydantic import Field, StringConstraints, field_validator, model_validator

from obtask.model.base import Value
from obtask.model.connections import AgentRef, ConnectionRef
from obtask.model.constraints import (
    KEPT,
    AgentPath,
    Expression,
    FreeForm,
    HeaderName,
    HeaderValue,
    Outputs,
    Scalar,
    Statement,
    Url,
)
from obtask.model.contract import ActionKind, HttpMethod, ObshellOperator, WhenBusy
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.limits import ATTEMPT_SECONDS, MESSAGE_CHARACTERS
from obtask.model.secret_values import ArgFrom, BodyFrom, HeaderFrom
from obtask.model.until import PollingUntil, Until
from obtask.model.values import WithValues

ErrorNumber = Annotated[int, Field(strict=True, ge=1, le=65535)]
CLIENT_ERRORS = range(2000, 3000)
AWAITING = "awaiting approval"
CLIENT_ERROR = "errors 2000 to 2999 are the client's own: nobody knows what became of the statement"


class WaitAction(WithValues):
    """Lets time pass."""

    action_kind: ClassVar = ActionKind.WAIT

    seconds: int = Field(
        strict=True, ge=0, le=ATTEMPT_SECONDS, description=f"How long to wait, in seconds: 0 to {ATTEMPT_SECONDS} (one week)."
    )


class ApproveAction(WithValues):
    """Waits for a person."""

    action_kind: ClassVar = ActionKind.APPROVE

    message: Annotated[str, StringConstraints(min_length=1, max_length=MESSAGE_CHARACTERS)] | None = Field(
        default=None, description="What is to be approved, in words for people. The subtask's message shows it while the step waits."
    )
    groups: list[Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f$]+$", min_length=1, max_length=253)]] = Field(
        default_factory=list,
        max_length=16,
        description="Up to 16 groups: whoever approves must be in one of them, as the API server knows them; written out, "
        "without values. Needs the chart's admission policies; without them nobody can approve. Default: whoever has the verb approve.",
    )

    @property
    def awaited(self) -> str:
        """What an attempt waits for, for people."""
        return f"{AWAITING}: {self.message}" if self.message else AWAITING


class SqlUnless(Value):
    """Tells when a subtask is already done."""

    query: Statement = Field(description="A query that is run first; without user variables (@x).")
    expect: Expression = Field(description="CEL over rows and affected. If it holds, nothing is run and the subtask succeeds.")


class SqlUntil(PollingUntil):
    """Tells when the effect of the statements has arrived."""

    query: Statement = Field(
        description="A query that is repeated until expect holds; without user variables (@x), as the connection may be a new one."
    )
    expect: Expression = Field(description="CEL over rows and affected of the query: true ends the waiting, and the attempt succeeds.")


class SqlAction(WithValues):
    """Runs SQL statements in order over one connection."""

    action_kind: ClassVar = ActionKind.SQL

    connection: ConnectionRef | None = Field(default=None, description="Where to connect. Default: spec.connection.")
    database: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None, description="Database to use. Default: the one of the connection or its Secret, if any."
    )
    statements: list[Statement] = Field(
        min_length=1, max_length=64, description="1 to 64 statements, run in order; the first failure ends the attempt."
    )
    args: dict[str, Scalar] = Field(
        default_factory=dict,
        max_length=64,
        description="Up to 64 values for %(name)s in statements, unless and until: strings, numbers, booleans or null. "
        "They are bound, never pasted: a placeholder inside quotes or a comment is refused. With args, %% is one percent sign. "
        "Put in quotes what JSON or YAML would change: integers beyond 64 bits with a sign and numbers of more than 15 digits (refused), "
        "dates, leading zeros, and words such as on, yes and no. true and false are bound as 1 and 0.",
    )
    args_from: dict[str, ArgFrom] = Field(
        default_factory=dict,
        max_length=64,
        description="Up to 64 more values for %(name)s, from Secrets of type task.oceanbase.com/connection: bound as text, without a "
        "trailing line break, and masked in logs and messages. A step that uses one in a statement or query shows only how many rows an "
        "answer has, and no until.message. A Secret with host, url or hosts gives its values to these hosts only. "
        "A name is in args or in argsFrom, not in both.",
    )
    ignore_errors: list[ErrorNumber] = Field(
        default_factory=list,
        max_length=64,
        description="Up to 64 error numbers of the server that count as success of a statement, such as 1094; not 2000 to 2999, which "
        "are the client's own. The log says so each time. What follows the error in the same text is not run. Not for unless and until.",
    )
    unless: SqlUnless | None = Field(default=None, description="When this holds beforehand, nothing is run.")
    expect: Expression | None = Field(default=None, description="CEL over rows and affected of the last statement; must hold.")
    until: SqlUntil | None = Field(default=None, description="Must come true before the step's timeout.")
    outputs: Outputs = Field(
        default_factory=dict,
        description=f"{KEPT} rows and affected of the last statement.",
    )

    @field_validator("ignore_errors")
    @classmethod
    def _of_the_server(cls, codes: list[int]) -> list[int]:
        if any(code in CLIENT_ERRORS for code in codes):
            raise ValueError(CLIENT_ERROR)
        return codes


class HttpUntil(PollingUntil):
    """Tells when the effect of a request has arrived."""

    url: Url = Field(description="URL that is requested with GET and the same headers until expect holds.")
    expect: Expression = Field(
        description="CEL over status, headers and body of the answer: true ends the waiting, and the attempt succeeds."
    )


class HttpAction(WithValues):
    """Sends an HTTP request."""

    action_kind: ClassVar = ActionKind.HTTP

    method: HttpMethod = Field(default=HttpMethod.GET, description="Method of the request. Default GET.")
    url: Url = Field(description="Where to send it: http or https.")
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=64, description="Headers of the request.")
    headers_from: list[HeaderFrom] = Field(
        default_factory=list,
        max_length=16,
        description="Headers whose values are in Secrets of type task.oceanbase.com/http, whose key hosts lists where they may be sent.",
    )
    body: Any = Field(default=None, description="Body of the request: a string is sent as it is, anything else as JSON.")
    body_from: list[BodyFrom] = Field(
        default_factory=list,
        max_length=16,
        description="Values in a JSON body that are in Secrets of type task.oceanbase.com/http, whose key hosts lists where they may go.",
    )
    expect: Expression | None = Field(
        default=None, description="CEL over status, headers and body of the answer; must hold. Default: the status is 2xx."
    )
    until: HttpUntil | None = Field(default=None, description="Must come true before the step's timeout.")
    outputs: Outputs = Field(
        default_factory=dict,
        description=f"{KEPT} status, headers and body of the answer to the request itself.",
    )


class ObshellAction(WithValues):
    """Starts an operation of obshell and follows the task (DAG) that it starts there."""

    action_kind: ClassVar = ActionKind.OBSHELL

    connection: AgentRef | None = Field(
        default=None, description="Secret with url and password of an obshell agent. Default: spec.connection."
    )
    method: HttpMethod = Field(default=HttpMethod.POST, description="Method of the request. Default POST.")
    path: AgentPath | None = Field(
        default=None,
        description="Path of the operation, such as /api/v1/ob/stop; not percent-encoded. /api/v1/task/dag/ID with GET follows that task "
        "and never commands it; with POST and an operator in the body the step ends when obshell has carried that out.",
    )
    body: FreeForm | None = Field(default=None, description="Body of the request, as obshell's API describes it.")
    body_from: list[BodyFrom] = Field(
        default_factory=list,
        max_length=16,
        description="Values in the body that are in Secrets of type task.oceanbase.com/connection, such as passwords to be set; "
        "masked in logs and messages. A Secret with host, url or hosts gives its values to these hosts only.",
    )
    operator: ObshellOperator | None = Field(
        default=None,
        description="Only under rollback, instead of path: Rollback lets obshell roll back the task that the step started. obshell "
        "can do so only for tasks that failed, and not for all of them; where it cannot, nothing is changed and retry still goes forward.",
    )
    expect: Expression | None = Field(
        default=None,
        description="CEL over data: the answer of obshell, or, if the operation starts a task, that task at its end. Must hold.",
    )
    outputs: Outputs = Field(
        default_factory=dict,
        description=f"{KEPT} data, as in expect.",
    )
    when_busy: WhenBusy = Field(
        default=WhenBusy.WAIT,
        description="What to do while obshell is busy with another task: Wait until it ends, within the step's timeout (the subtask's "
        "message names it, its stage, and since when it runs), or Fail. Default Wait.",
    )

    @model_validator(mode="after")
    def _one_request(self) -> Self:
        if (self.path is None) == (self.operator is None):
            raise ValueError("exactly one of path, operator is required")
        return self


Action = WaitAction | SqlAction | JobAction | HttpAction | ResourceAction | ObshellAction | ApproveAction


def until_of(action: Action) -> Until | None:
    """Return what the action waits for after its work, if it does."""
    match action:
        case SqlAction() | HttpAction() | ResourceAction():
            return action.until
        case WaitAction() | JobAction() | ObshellAction() | ApproveAction():
            return None
        case never:
            assert_never(never)


def tells_progress(action: Action) -> bool:
    """Return whether what an attempt says of itself changes often enough to be asked for now and then."""
    until = until_of(action)
    return until is not None and until.message is not None


def works_on_what_it_undoes(action: Action) -> bool:
    """Return whether an undo has to know what the action that it undoes has started elsewhere."""
    return isinstance(action, ObshellAction) and action.operator is not None


def only_looks(action: Action) -> bool:
    """Return whether an obshell action only asks: the obshell task that it follows is somebody else's."""
    return isinstance(action, ObshellAction) and action.path is not None and action.method.safe


def action_type(kind: ActionKind) -> type[Action]:
    """Return the model of a kind of action."""
    match kind:
        case ActionKind.WAIT:
            return WaitAction
        case ActionKind.SQL:
            return SqlAction
        case ActionKind.JOB:
            return JobAction
        case ActionKind.HTTP:
            return HttpAction
        case ActionKind.RESOURCE:
            return ResourceAction
        case ActionKind.OBSHELL:
            return ObshellAction
        case ActionKind.APPROVE:
            return ApproveAction
        case never:
            assert_never(never)


def kind(action: Action) -> ActionKind:
    """Return the kind of an action: the name of its field in a step, such as ``sql``."""
    return action.action_kind
