"""Owns watching the obshell tasks (DAGs) that failed attempts have left: whether somebody has dealt with them in obshell."""

import asyncio
from dataclasses import dataclass, field

from obtask.executors.base import Log
from obtask.executors.obshell.answers import Miss
from obtask.executors.obshell.context import Context, context_of
from obtask.executors.obshell.dag import Dag, DagOperator, State
from obtask.executors.obshell.marks import is_same, mark_of
from obtask.executors.obshell.target import ObshellTools
from obtask.model.attempt import Attempt, AttemptId, Failed

PAUSES_SECONDS = (5.0, 10.0, 20.0, 40.0, 60.0)
KEPT_SECONDS = 600.0  # after the last question
GONE_AFTER = 3

_NOTHING = ""


class _NoLog:
    """A log that keeps nothing. Implements ``Log``."""

    def write(self, text: str, at: str | None = None) -> None:
        """Drop it."""

    def hide(self, secret: str) -> None:
        """There is nothing to hide it from."""

    def seam(self, prefix: str) -> tuple[str, int] | None:  # noqa: ARG002 - the protocol's argument
        """Nothing was written."""
        return None


@dataclass(slots=True)
class _Watcher:
    """Takes note of nothing, and never stops a look. Implements ``Watcher``."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, progress: str, *, external: str | None = None, mark: str | None = None, stage: str | None = None) -> None:
        """Drop it."""

    def is_of_another(self, dag: Dag) -> bool:  # noqa: ARG002 - the protocol's argument
        """Nothing is taken over."""
        return True

    def ended_at(self, mark: str) -> None:
        """Drop it."""


@dataclass(slots=True)
class _Remembered:
    remark: str | None = None
    looks: int = 0
    misses: int = 0
    due: float = 0.0
    asked: float = 0.0
    looking: asyncio.Task[None] | None = None


class Afterwards:
    """Answers at once with what the last look has brought, and looks again now and then, as long as it is asked."""

    def __init__(self, tools: ObshellTools) -> None:
        self._tools = tools
        self._entries: dict[AttemptId, _Remembered] = {}
        self._tidy_at = 0.0

    def remark(self, attempt: Attempt) -> str | None:
        """Return what has become of what a failed attempt has left, in one line; nothing if it is as it was, None if that is not known."""
        now = asyncio.get_running_loop().time()
        if now >= self._tidy_at:
            self._entries = {name: entry for name, entry in self._entries.items() if entry.asked > now - KEPT_SECONDS}
            self._tidy_at = now + KEPT_SECONDS
        entry = self._entries.setdefault(attempt.id, _Remembered())
        entry.asked = now
        if entry.looking is None and now >= entry.due:
            entry.looking = asyncio.create_task(self._look(attempt, entry), name=f"obshell afterwards {attempt.task}/{attempt.id.subtask}")
        return entry.remark

    async def stop(self) -> None:
        """Look no more."""
        looking = [entry.looking for entry in self._entries.values() if entry.looking is not None]
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    async def _look(self, attempt: Attempt, entry: _Remembered) -> None:
        log: Log = _NoLog()
        context = context_of(attempt, log, _Watcher(), self._tools)
        try:
            name = attempt.external or attempt.previous_external
            if isinstance(context, Failed) or name is None:
                entry.remark = _NOTHING
                return
            found = await context.conversation.look(name, context.tools.look_seconds)
            entry.misses = entry.misses + 1 if isinstance(found, Miss) and found.gone else 0
            if isinstance(found, Dag):
                entry.remark = _told(context, found)
            elif entry.misses >= GONE_AFTER:
                entry.remark = f"obshell does not know task {name} any more: action=retry starts the operation again"
        finally:
            if isinstance(context, Context):
                context.conversation.forget()
            pause = PAUSES_SECONDS[min(entry.looks, len(PAUSES_SECONDS) - 1)]
            entry.looks += 1
            entry.due = asyncio.get_running_loop().time() + pause
            entry.looking = None


def _told(context: Context, dag: Dag) -> str:
    attempt = context.attempt
    mark = attempt.external_mark if attempt.external else attempt.previous_mark
    if not is_same(mark, dag):
        return f"the id of its obshell task is that of {dag.title} now: action=retry starts the operation again"
    if not context.purpose.takes_up:
        return _NOTHING
    match dag.state, dag.operator:
        case State.SUCCEED, DagOperator.ROLLBACK:
            return f"{dag.title} was rolled back in obshell: action=retry starts the operation again"
        case State.SUCCEED, DagOperator.PASS:
            return (
                f"{dag.title} was passed in obshell: action=skip-step goes on with the next step, action=retry starts the operation again"
            )
        case State.SUCCEED, _:
            return f"{dag.title} has succeeded in obshell: action=retry takes that over and starts nothing"
        case State.FAILED, _ if not mark or mark_of(dag) == mark:
            return _NOTHING
        case State.FAILED, DagOperator.ROLLBACK:
            return f"{dag.title} could not be rolled back in obshell, at {dag.position}"
        case State.FAILED, DagOperator.CANCEL:
            return f"{dag.title} was cancelled in obshell at {dag.position}: action=retry lets obshell retry it"
        case State.FAILED, _:
            return f"{dag.title} has ended as failed in obshell, at {dag.position}: action=retry lets obshell retry it"
        case _, DagOperator.ROLLBACK:
            return f"{dag.title} is being rolled back in obshell"
        case _, DagOperator.CANCEL:
            return f"{dag.title} is being cancelled in obshell"
        case _:
            return f"{dag.title} is at work in obshell: action=retry follows it, and starts nothing"
