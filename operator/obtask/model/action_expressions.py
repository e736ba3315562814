"""Owns which CEL expressions an action has, where, and which variables of values they may use. API.md sections 2.1 and 2.2."""

from typing import assert_never

from obtask.model.actions import Action, ApproveAction, HttpAction, ObshellAction, SqlAction, WaitAction, until_of
from obtask.model.connections import ConnectionRef
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.values import Inserted, parts


def expressions(action: Action) -> list[tuple[str, str]]:
    """Return the expressions in fields of their own as (field path below the action, expression)."""
    until = until_of(action)
    found = _expressions_of_work(action)
    if until is not None:
        found |= {"until.expect": until.expect, "until.failWhen": until.fail_when, "until.message": until.message}
    return [(path, text) for path, text in found.items() if text]


def _expressions_of_work(action: Action) -> dict[str, str | None]:
    match action:
        case SqlAction():
            return {"expect": action.expect, "unless.expect": action.unless.expect if action.unless else None} | _outputs(action.outputs)
        case HttpAction() | ObshellAction():
            return {"expect": action.expect} | _outputs(action.outputs)
        case JobAction() | ResourceAction():
            return dict(_outputs(action.outputs))
        case WaitAction() | ApproveAction():
            return {}
        case never:
            assert_never(never)


def _outputs(outputs: dict[str, str]) -> dict[str, str | None]:
    return {f"outputs.{name}": text for name, text in outputs.items()}


def outputs_of(action: Action) -> dict[str, str]:
    """Return the outputs of an action: an expression for each name."""
    match action:
        case SqlAction() | HttpAction() | ObshellAction() | JobAction() | ResourceAction():
            return action.outputs
        case WaitAction() | ApproveAction():
            return {}
        case never:
            assert_never(never)


def inserted(holder: Action | ConnectionRef) -> list[tuple[str, str]]:
    """Return the expressions inside texts as (field path below the action, expression). Raises ValueError: one has no end."""
    own = {path for path, _ in expressions(holder)} if not isinstance(holder, ConnectionRef) else set[str]()
    return [
        (path, part.expression) for path, text in holder.written if path not in own for part in parts(text) if isinstance(part, Inserted)
    ]
