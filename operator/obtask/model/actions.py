"""Owns what a subtask can do: the actions of API.md section 2.1 that this version can carry out."""

from typing import Annotated

from pydantic import Field, StringConstraints

from obtask.model.base import Value

Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Statement = Annotated[str, StringConstraints(min_length=1, max_length=16384)]
Scalar = str | int | float | bool | None
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class ConnectionRef(Value):
    """Names the Secret of type task.oceanbase.com/connection that tells where and as whom to connect."""

    secret_name: ObjectName = Field(description="Name of a Secret of type task.oceanbase.com/connection in the task's namespace.")


class WaitAction(Value):
    """Lets time pass."""

    seconds: int = Field(strict=True, ge=0, le=604800, description="How long to wait, in seconds: 0 to 604800 (one week).")


class SqlUnless(Value):
    """Tells when a subtask is already done."""

    query: Statement = Field(description="A query that is run first.")
    expect: Expression = Field(description="CEL over rows and affected. If it holds, nothing is run and the subtask succeeds.")


class SqlUntil(Value):
    """Tells when the effect of the statements has arrived."""

    query: Statement = Field(description="A query that is repeated until expect holds.")
    expect: Expression = Field(description="CEL over rows and affected of the query.")
    interval_seconds: int = Field(
        strict=True, default=5, ge=1, le=3600, description="Pause between two queries, in seconds: 1 to 3600. Default 5."
    )


class SqlAction(Value):
    """Runs SQL statements in order over one connection."""

    connection: ConnectionRef | None = Field(default=None, description="Where to connect. Default: spec.connection.")
    database: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        default=None, description="Database to use. Default: the one in the connection Secret, if any."
    )
    statements: list[Statement] = Field(
        min_length=1, max_length=64, description="1 to 64 statements, run in order; the first failure ends the attempt."
    )
    args: dict[str, Scalar] = Field(
        default_factory=dict,
        max_length=64,
        description="Up to 64 values for %(name)s in statements, unless and until: strings, numbers, booleans or null. "
        "The driver binds them; they are never pasted.",
    )
    unless: SqlUnless | None = Field(default=None, description="When this holds beforehand, nothing is run.")
    expect: Expression | None = Field(default=None, description="CEL over rows and affected of the last statement; must hold.")
    until: SqlUntil | None = Field(default=None, description="Must come true before the step's timeout.")


Action = WaitAction | SqlAction


def expressions(action: Action) -> list[tuple[str, str]]:
    """Return the CEL expressions of an action as (field path below the action, expression)."""
    match action:
        case SqlAction():
            found = {
                "expect": action.expect,
                "unless.expect": action.unless.expect if action.unless else None,
                "until.expect": action.until.expect if action.until else None,
            }
            return [(path, text) for path, text in found.items() if text]
        case WaitAction():
            return []


def kind(action: Action) -> str:
    """Return the field name of an action's kind: ``sql`` or ``wait``."""
    match action:
        case SqlAction():
            return "sql"
        case WaitAction():
            return "wait"
