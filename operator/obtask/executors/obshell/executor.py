"""Owns the attempts of obshell actions. obshell does the work, so another operator can take an attempt over."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from obtask.executors.base import Executor, Log
from obtask.executors.dependencies import Dependencies
from obtask.executors.inprocess import unexpected
from obtask.executors.obshell.afterwards import Afterwards
from obtask.executors.obshell.context import context_of
from obtask.executors.obshell.dag import Dag
from obtask.executors.obshell.marks import is_same
from obtask.executors.obshell.target import ObshellTools
from obtask.executors.obshell.wire import Client
from obtask.executors.obshell.work import Run
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Lost, Outcome, Running


@dataclass(slots=True)
class _Followed:
    """What is remembered of an attempt until it is forgotten. Implements ``Watcher``."""

    enqueue: Callable[[], None]
    all: Callable[[], Iterable["_Followed"]] = tuple
    external: str | None = None
    mark: str | None = None
    progress: str | None = None
    stage: str | None = None
    end: Outcome | Lost | None = None
    task: asyncio.Task[None] | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, progress: str, *, external: str | None = None, mark: str | None = None, stage: str | None = None) -> None:
        news = external not in {None, self.external} or (progress, stage) != (self.progress, self.stage)
        self.progress, self.stage = progress, stage
        if external is not None:
            self.external, self.mark = external, mark or self.mark
            self.told.set()
        if news:
            self.enqueue()

    def is_of_another(self, dag: Dag) -> bool:
        others = (other for other in self.all() if other is not self)
        return any(other.external == dag.id and is_same(other.mark, dag) for other in others)

    def ended_at(self, mark: str) -> None:
        self.mark = mark


class Obshell:
    """Starts operations in obshell and follows them. Implements ``Executor`` and ``LooksAfter``.

    Any operator can continue an attempt whose obshell task is recorded; otherwise the agent is asked what it has started.
    """

    def __init__(self, tools: ObshellTools, *, on_news: Callable[[AttemptId], None]) -> None:
        self._tools = tools
        self._on_news = on_news
        self._entries: dict[AttemptId, _Followed] = {}
        self._live: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._afterwards = Afterwards(tools)

    def remark(self, attempt: Attempt) -> str | None:
        """Return what a person has done in obshell about what a failed attempt has left; None if that is not known. API.md section 2.1."""
        return None if self._stopping else self._afterwards.remark(attempt)

    async def start(self, attempt: Attempt, log: Log) -> None:
        """Start the attempt, unless it was started before or the operator is stopping."""
        if attempt.id not in self._entries and not self._stopping:
            self._launch(attempt, log)

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
        """Return what became of the attempt; take it up if another operator has left it."""
        entry = self._entries.get(attempt.id)
        if entry is None:
            if self._stopping:
                return Running()
            entry = self._launch(attempt, log, found=True)
        match entry.end:
            case None:
                return Running(entry.progress, external=entry.external, external_mark=entry.mark, stage=entry.stage)
            case Lost():
                # Interrupted by our stop: the next operator asks the agent what became of it.
                return Running() if self._stopping else entry.end
            case _:
                return replace(entry.end, external=entry.external, external_mark=entry.mark)

    async def cancel(self, attempt: Attempt) -> None:
        """Ask the attempt to let obshell cancel its task."""
        entry = self._entries.get(attempt.id)
        if entry is not None:
            entry.stop.set()

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt; one that is being cancelled still tells obshell so."""
        entry = self._entries.pop(attempt, None)
        if entry is not None and entry.task is not None and not entry.stop.is_set():
            entry.task.cancel()

    async def stop(self, grace_seconds: float) -> None:
        """Start nothing new; wait within the grace period for answers that name what was started, then stop following."""
        self._stopping = True
        await self._afterwards.stop()
        waiting = [asyncio.ensure_future(entry.told.wait()) for entry in self._entries.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=grace_seconds)
        cut = [*waiting, *self._live]
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)

    async def close(self) -> None:
        """Nothing is open that ``stop`` has not closed."""

    def _launch(self, attempt: Attempt, log: Log, *, found: bool = False) -> _Followed:
        entry = self._entries[attempt.id] = _Followed(
            lambda: self._on_news(attempt.id), self._entries.values, attempt.external, attempt.external_mark
        )
        if attempt.external is not None:
            entry.told.set()
        work = self._supervised(attempt, log, entry, found=found)
        entry.task = asyncio.create_task(work, name=f"obshell {attempt.task}/{attempt.id.subtask}")
        self._live.add(entry.task)
        entry.task.add_done_callback(lambda task: self._ended(entry, task))
        return entry

    def _ended(self, entry: _Followed, task: asyncio.Task[None]) -> None:
        """Record the end. This is a callback because a task that is cancelled before its first step runs none of its own code."""
        self._live.discard(task)
        if task.cancelled() and entry.external is None:
            entry.end = Lost()
        entry.told.set()
        entry.enqueue()

    async def _supervised(self, attempt: Attempt, log: Log, entry: _Followed, *, found: bool) -> None:
        try:
            entry.end = await self._outcome(attempt, log, entry, found=found)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must become a value: nobody awaits this task
            entry.end = unexpected(attempt, log, error)

    async def _outcome(self, attempt: Attempt, log: Log, entry: _Followed, *, found: bool) -> Outcome | Lost:
        context = context_of(attempt, log, entry, self._tools)
        if isinstance(context, Failed):
            return context
        run = Run(context)
        try:
            if attempt.external is not None:
                return await run.follow(attempt.external, attempt.external_mark)
            return await (run.recover() if found else run.carry_out())
        finally:
            context.conversation.forget()


def build(of: Dependencies) -> Executor:
    """Return the executor of obshell actions."""
    operator = of.operator
    client = Client(clock=operator.clock, hosts=of.hosts, tls=of.tls, large=of.large)
    tools = ObshellTools(
        of.secrets, client, operator.clock, operator.confirmed, of.own_slots(), of.pace, of.expressions, operator.obshell_seconds
    )
    return Obshell(tools, on_news=operator.on_news)
