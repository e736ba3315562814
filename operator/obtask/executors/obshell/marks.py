"""Owns telling apart DAGs with the same id: numbering starts again when an agent or a cluster is set up again. Pure."""

import hashlib
from datetime import UTC, datetime, timedelta

from obtask.executors.obshell.dag import Dag, DagOperator, State

# A new one tells when it was made; it tells another time once it is started, which may take some passes of obshell's scheduler.
STARTED_WITHIN = timedelta(minutes=5)
SAME = timedelta(milliseconds=10)
NAME_DIGITS = 8
MOST_DIGITS = 15
NOT_STARTED = "~"

_OPERATED = frozenset(DagOperator) - {DagOperator.RUN}


def mark_of(dag: Dag) -> str:
    """Return what a DAG is known by besides its id: a digest of its name, and when it was started, in milliseconds since 1970."""
    if dag.started_at is None:
        return f"{_digest(dag.name)}@"
    return f"{_digest(dag.name)}@{dag.started_at.timestamp() * 1000:.0f}{NOT_STARTED if dag.state is State.READY else ''}"


def is_same(mark: str | None, dag: Dag) -> bool:
    """Return whether a DAG with the right id is the one that had this mark. Without a mark it is believed to be.

    It has another start than before if somebody let obshell retry it, roll it back or pass one of its nodes: that shows in it.
    """
    if not mark:
        return True
    name, _, started = mark.partition("@")
    if name != _digest(dag.name):
        return False
    digits = started.removesuffix(NOT_STARTED)
    if not (digits.isascii() and digits.isdecimal() and len(digits) < MOST_DIGITS) or dag.started_at is None:
        return True
    late = dag.started_at - datetime.fromtimestamp(int(digits) / 1000, UTC)
    if _was_operated(dag):
        return late >= -SAME
    return abs(late) <= (STARTED_WITHIN if started.endswith(NOT_STARTED) else SAME)


def _was_operated(dag: Dag) -> bool:
    if dag.operator is not DagOperator.RUN or not dag.nodes:
        return True
    operated = any(node.operator in _OPERATED for node in dag.nodes)
    return operated or any(sub.times > 1 for node in dag.nodes for sub in node.subtasks)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()[:NAME_DIGITS]
