"""Owns what an action wants of a task (DAG) of obshell: how it must end, and whether the attempt may command it. Pure.

A request with GET, or HEAD, only looks: the task that it names is somebody else's. One that commands a task by its path wants what it says.
"""

import re
from dataclasses import dataclass

from obtask.executors.obshell.dag import Dag, DagOperator, State
from obtask.model.actions import ObshellAction, only_looks

_FORWARD = frozenset({(State.SUCCEED, DagOperator.RUN), (State.SUCCEED, DagOperator.RETRY)})
_ENDS = {
    DagOperator.RETRY: _FORWARD,
    DagOperator.ROLLBACK: frozenset({(State.SUCCEED, DagOperator.ROLLBACK)}),
    DagOperator.CANCEL: frozenset({(State.FAILED, DagOperator.CANCEL)}),
    DagOperator.PASS: frozenset({(State.SUCCEED, DagOperator.PASS)}),
}
_DAG_PATH = re.compile(r"/api/v1/task/dag/(?P<id>[0-9]{2,56})/?")
_NODE_PATH = re.compile(r"/api/v1/task/node/(?P<id>[0-9]{2,56})/?")


@dataclass(frozen=True, slots=True)
class DagPurpose:
    """``ends``: (state, operator) of a success. ``may_cancel``: an attempt that stops cancels the task, too.

    ``takes_up``: the next attempt lets obshell go on with it. ``dag``: the task that the action names itself; ``node``: a node that
    it passes: with the task, which somebody else has started, obshell goes on.
    """

    ends: frozenset[tuple[State, DagOperator]] = _FORWARD
    may_cancel: bool = True
    takes_up: bool = True
    dag: str | None = None
    node: str | None = None

    def reached(self, dag: Dag) -> bool:
        """Return whether a task has ended as it should."""
        return (dag.state, dag.operator) in self.ends


def purpose_of(action: ObshellAction) -> DagPurpose:
    """Return what an action wants."""
    if action.operator is not None:
        return DagPurpose(_ENDS[DagOperator.ROLLBACK])
    named = _DAG_PATH.fullmatch(action.path or "")
    dag = named["id"] if named else None
    if only_looks(action):
        return DagPurpose(may_cancel=False, takes_up=False, dag=dag)
    if (commanded := _NODE_PATH.fullmatch(action.path or "")) is not None:
        return DagPurpose(may_cancel=False, takes_up=False, node=commanded["id"])
    operator = str((action.body or {}).get("operator", "")).upper()
    if dag is None or operator not in _ENDS:
        return DagPurpose()
    wanted = DagOperator(operator)
    return DagPurpose(_ENDS[wanted], may_cancel=wanted is DagOperator.RETRY, takes_up=False, dag=dag)
