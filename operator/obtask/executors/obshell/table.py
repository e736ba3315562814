"""Owns the table of a failed task (DAG) of obshell in the log: which agent is how far in which node. Pure."""

from collections.abc import Iterator

from obtask.executors.obshell.dag import Dag, State

MOST_ROWS = 60


def table(dag: Dag) -> Iterator[str]:
    """Yield the lines: one for each agent in each node that was begun, at most 60, and how many more there are."""
    rows = [
        (f'{stage}/{dag.max_stage} "{node.name}"', sub.agent, sub.state, _times(sub.times), f'"{sub.name}"')
        for stage, node in enumerate(dag.nodes, 1)
        for sub in sorted(node.subtasks, key=lambda sub: (sub.agent, sub.place))
        if sub.state != State.PENDING
    ]
    if not rows:
        return
    yield f"{dag.title}, by node and agent:"
    widths = [max(len(row[column]) for row in rows[:MOST_ROWS]) for column in range(4)]
    for row in rows[:MOST_ROWS]:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)).rstrip()
    if len(rows) > MOST_ROWS:
        yield f"  and {len(rows) - MOST_ROWS} more"


def _times(count: int) -> str:
    return "executed once" if count == 1 else f"executed {count} times"
