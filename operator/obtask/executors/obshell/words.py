"""Owns the log of one obshell attempt: what obshell's subtasks say, each line once, with secrets masked."""

from collections.abc import Iterator

from obtask.executors.base import Log
from obtask.executors.obshell.dag import MOST_LINES, MOST_SUBTASKS, Dag, State, shown_line
from obtask.masking.secrets import masked
from obtask.model.limits import one_line

MOST_ROWS = 60


class Transcript:
    """Writes what is new of a DAG."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._hidden: list[str] = []
        self._written: dict[int, tuple[str, int]] = {}  # of the DAG written last, by the place of the subtask
        self._written_of = ""
        self._told: set[str] = set()

    def write(self, text: str) -> None:
        """Write a line of our own."""
        self._log.write(text)

    def once(self, text: str) -> None:
        """Write what would be the same at every look."""
        if text not in self._told:
            self._told.add(text)
            self._log.write(text)

    def hide(self, *secrets: str | None) -> None:
        """Keep these out of the log and of what is said of it."""
        for secret in secrets:
            if secret and secret not in self._hidden:
                self._hidden.append(secret)
                self._log.hide(secret)

    def shown(self, line: str) -> str:
        """Return a line of obshell's log with secrets masked."""
        return masked(shown_line(line), self._hidden)

    def news(self, dag: Dag, *, silently: bool = False) -> None:
        """Write the new lines of the subtasks' logs; ``silently``: only remember them as written."""
        if dag.id != self._written_of:
            self._written, self._written_of = {}, dag.id
        if dag.cut:
            self.once(f"obshell tells more than is looked at: of up to {MOST_SUBTASKS} subtasks, {MOST_LINES} lines")
        for sub in dag.subtasks():
            who = f"{sub.id} {sub.name} {sub.agent}"
            before, known = self._written.get(sub.position, (who, 0))
            if before != who:
                known = 0
            self._written[sub.position] = who, max(known, len(sub.logs))
            for line in () if silently else sub.logs[known:]:
                self._log.write(f"{sub.name} ({sub.agent}): {shown_line(line)}")

    def end(self, dag: Dag) -> None:
        """Write what a DAG says last; of a failed one first how far each agent is, so that the log ends with what went wrong."""
        for line in table(dag) if dag.state is State.FAILED else ():
            self._log.write(line)
        self.news(dag)


def table(dag: Dag) -> Iterator[str]:
    """Yield the lines: one for each agent in each node that was begun, at most 60, and how many more there are."""
    rows = [
        (f'{stage}/{dag.max_stage} "{node.name}"', sub.agent, sub.state, _times(sub.times), f'"{sub.name}"')
        for stage, node in enumerate(dag.nodes, 1)
        for sub in sorted(node.subtasks, key=lambda sub: (sub.agent, sub.position))
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


def shortened(text: str) -> str:
    """Return a body as the log shows it."""
    return one_line(text, 2000)
