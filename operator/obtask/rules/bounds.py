"""Owns what an operator does not carry out, whoever asks: actions that are switched off, tasks that would act as itself. Pure."""

from dataclasses import dataclass
from typing import assert_never

from obtask import names
from obtask.model.actions import Action, ApproveAction, HttpAction, ObshellAction, SqlAction, WaitAction, kind
from obtask.model.kubernetes_actions import JobAction, ResourceAction
from obtask.model.spec import TaskSpec
from obtask.model.task import InvalidSpec, Task

DEFAULT_ACCOUNT = "default"


@dataclass(frozen=True, slots=True)
class Bounds:
    """``actions``: the kinds that are carried out; empty: all. ``namespace`` and ``account``: the operator's own, where it has any."""

    actions: tuple[str, ...] = ()
    namespace: str = ""
    account: str = ""


NO_BOUNDS = Bounds()


def out_of_bounds(task: Task, bounds: Bounds) -> str | None:
    """Return why this operator does not carry the task out, or None."""
    if task.metadata.namespace == bounds.namespace:
        return f"tasks in the operator's own namespace {bounds.namespace} could act as the operator; use another namespace"
    if isinstance(task.spec, InvalidSpec):
        return None
    for path, action in task.spec.actions:
        if bounds.actions and kind(action) not in bounds.actions:
            return f"{path}.{kind(action)}: steps of this kind are switched off by OBTASK_ACTIONS={','.join(bounds.actions)}"
        # An account of that name is another one in another namespace; only where nobody means it by accident is it refused there, too.
        if bounds.account not in ("", DEFAULT_ACCOUNT) and bounds.account in _accounts(task.spec, action):
            return f"{path}.{kind(action)}: a task must not act as the operator's own service account, {bounds.account}"
    return None


def _accounts(spec: TaskSpec, action: Action) -> tuple[object, ...]:
    match action:
        case ResourceAction():
            return (spec.service_account_name,)
        case JobAction():
            pod = (action.pod_template or {}).get("spec") or {}
            return (spec.service_account_name, pod.get("serviceAccountName"), pod.get("serviceAccount"))
        case WaitAction() | SqlAction() | HttpAction() | ObshellAction() | ApproveAction():
            return ()
        case never:
            assert_never(never)


def not_opted_in(namespace: str) -> str:
    """Return what a task says that waits for its namespace to be opened to tasks."""
    return (
        f"namespace {namespace} is not open to tasks: an administrator types kubectl label namespace {namespace} {names.ENABLED_LABEL}=true"
        " and binds the operator's role for tasks in it"
    )
