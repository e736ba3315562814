"""Owns one visitor's view of all tasks: rows read with that visitor's credentials and nobody else's, kept up while somebody looks."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.kube.api import ApiForbidden, ApiUnavailable, BadName
from obtask.kube.task_lists import Reads, TaskLists
from obtask.web.identity.base import Clock
from obtask.web.views.lines import Lines
from obtask.web.views.namespaces import MOST, namespaces_for
from obtask.web.views.query import Counts, Query
from obtask.web.views.rows import Row
from obtask.web.views.source import History, Pace, Source, Standing
from obtask.web.views.table import Table

logger = logging.getLogger(__name__)

SMALL = 1000  # tasks that are read without being asked for
LOOK_AGAIN = timedelta(seconds=60)  # for namespaces


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a part of the view is missing or old: the API server's own sentence. ``namespace`` is None for all."""

    namespace: str | None
    standing: Standing
    message: str


class View:
    """What one visitor may see of all tasks. ``version`` grows with every change."""

    def __init__(self, api: Reads, user: str, offered: Sequence[str], clock: Clock, pace: Pace) -> None:
        self.version = 0
        self.is_over = False
        self.too_many = False
        self._table = Table(clock)
        self._deleted: set[str] = set()
        self._api = api
        self._user = user
        self._offered = offered
        self._clock = clock
        self._pace = pace
        self._sources: dict[str | None, Source] = {}
        self._running: dict[str | None, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looked: datetime | None = None
        self._changed = asyncio.Event()

    # --- what pages ask ---

    @property
    def rows(self) -> Mapping[str, Row]:
        """The tasks that are known, by uid: all that are not finished, and the finished ones as far as they were read."""
        return self._table.rows

    @property
    def counts(self) -> Counts:
        """How many of them are how far."""
        return self._table.counts

    @property
    def lines(self) -> Lines:
        """Who holds, and who waits behind whom."""
        return self._table.lines

    def waiting_behind(self, uid: str) -> tuple[Row, ...]:
        """Return the tasks that wait for this one, in order."""
        return self.lines.behind(uid)

    def named(self, namespace: str, name: str) -> Row | None:
        """Return a task by its name; of two of the same name, the younger one."""
        return self._table.named(namespace, name)

    def chosen(self, query: Query) -> Sequence[Row]:
        """Return the tasks that are asked for, in order, those of all pages."""
        return self._table.chosen(query)

    @property
    def history(self) -> History:
        """How far finished tasks are known."""
        each = [source.history for source in self._live()]
        known = [history.about for history in each if history.about is not None]
        return History(
            asked=any(history.asked for history in each),
            complete=bool(each) and all(history.complete for history in each),
            read=sum(history.read for history in each),
            about=sum(known) if known and len(known) == len(each) else self.total,
        )

    @property
    def total(self) -> int | None:
        """How many tasks there are, about, whether they were read or not."""
        totals = [source.total for source in self._live()]
        return None if None in totals or not totals else sum(total for total in totals if total is not None)

    def ask_history(self) -> None:
        """Have the finished tasks read, too."""
        for source in self._sources.values():
            source.want_history()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that tasks were seen in, or that are looked at."""
        looked_at = {namespace for namespace in self._sources if namespace is not None}
        return tuple(sorted(looked_at | self._table.namespaces))

    @property
    def is_clusterwide(self) -> bool:
        """Whether the visitor sees the tasks of all namespaces."""
        return not self._refused(None)

    @property
    def is_ready(self) -> bool:
        """Whether everything was asked for once, with whatever answer."""
        looking = self._looking is not None and not self._looking.done()
        return self.is_over or (not looking and all(source.standing is not Standing.OPENING for source in self._sources.values()))

    @property
    def is_live(self) -> bool:
        """Whether what is shown is what is true now."""
        return not self.is_over and all(source.standing is Standing.LIVE for source in self._shown())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is refused or not up to date; nothing is shown of what is refused."""
        bad = {Standing.REFUSED, Standing.UNAVAILABLE}
        return tuple(Problem(one.namespace, one.standing, one.message) for one in self._shown() if one.standing in bad)

    async def changed(self, after: int) -> int:
        """Wait until the version is another one; return it."""
        while self.version == after and not self.is_over:
            await self._changed.wait()
        return self.version

    async def ready(self, seconds: float = 5) -> None:
        """Wait until everything was asked for once, for at most so long."""
        await self._until(lambda: self.is_ready, seconds)

    async def known(self, seconds: float) -> None:
        """Wait until the finished tasks are known, for at most so long."""
        await self._until(lambda: self.history.complete or not self._live(), seconds)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not condition() and not self.is_over:
                    await self._changed.wait()
        except TimeoutError:
            return

    # --- opening and closing ---

    def open(self) -> None:
        """Begin to read."""
        self._add(None)

    def look_at(self, namespace: str) -> None:
        """Look at a namespace that the visitor has named; what was refused there before is asked for again."""
        if self._refused(None) and namespace not in self._sources and len(self._sources) <= MOST:
            self._add(namespace)

    def nudge(self) -> None:
        """Ask again for what was refused: somebody looks."""
        for source in self._sources.values():
            if source.standing is Standing.REFUSED:
                source.nudge()

    async def close(self) -> None:
        """Stop reading, and forget everything."""
        self.is_over = True
        running = [*self._running.values(), *([self._looking] if self._looking else [])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._table = Table(self._clock)
        self._wake()

    def _add(self, namespace: str | None) -> None:
        try:
            source = Source(TaskLists(self._api, namespace), namespace, self, self._pace)
        except BadName:
            return
        if self.history.asked:
            source.want_history()
        self._sources[namespace] = source
        task = asyncio.create_task(source.run())
        task.add_done_callback(self._source_ended)
        self._running[namespace] = task

    def _source_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a view ended", exc_info=error)
            self.ended()

    def _live(self) -> list[Source]:
        return [source for source in self._sources.values() if source.standing in {Standing.LIVE, Standing.UNAVAILABLE}]

    def _refused(self, namespace: str | None) -> bool:
        source = self._sources.get(namespace)
        return source is not None and source.standing is Standing.REFUSED

    def _shown(self) -> list[Source]:
        """Return the sources that matter: who may see some namespaces is not told each time that all of them are refused."""
        some = [source for namespace, source in self._sources.items() if namespace is not None]
        return some if some and self._refused(None) else list(self._sources.values())

    # --- what sources tell ---

    def put(self, row: Row) -> None:
        """Take a row, unless a newer one is known."""
        if row.uid not in self._deleted and self._table.put(row):
            self._wake()

    def drop(self, uid: str) -> None:
        """Forget a task for good: it was deleted."""
        # A page of the history may have been made before, and come after.
        if self.history.asked and not self.history.complete:
            self._deleted.add(uid)
        if self._table.drop(uid):
            self._wake()

    def retain(self, namespace: str | None, *, finished: bool, seen: set[str]) -> None:
        """Forget those of a namespace, or of all, that are finished, or that are not, and were not seen."""
        self._forget(lambda row: row.phase.finished is finished and row.uid not in seen, namespace)

    def stands(self, source: Source) -> None:
        """Take note that a source stands otherwise than before."""
        if source.standing is Standing.REFUSED:
            # Where all are refused, some namespaces may not be.
            self._forget(lambda row: source.namespace is not None or row.namespace not in self._sources, source.namespace)
            if source.namespace is None and (self._looked is None or self._clock() - self._looked >= LOOK_AGAIN):
                self._looked = self._clock()
                self._looking = asyncio.create_task(self._look_around())
                self._looking.add_done_callback(self._source_ended)
        if source.namespace is None and source.standing is Standing.LIVE:
            self._close_namespaces()
        if self.history.complete:
            self._deleted.clear()
        self._wake()

    def ended(self) -> None:
        """Take note that the API server does not know the visitor any more: nothing is shown from now on."""
        self.is_over = True
        self._table = Table(self._clock)
        self._wake()

    def _forget(self, which: Callable[[Row], bool], namespace: str | None) -> None:
        if self._table.forget(lambda row: (namespace is None or row.namespace == namespace) and which(row)):
            self._wake()

    async def _look_around(self) -> None:
        """Look at the namespaces whose tasks the visitor may list."""
        try:
            found = await namespaces_for(self._api, self._user, self._offered)
        except (ApiUnavailable, ApiForbidden):
            found = ()
        self.too_many = len(found) > MOST
        for namespace in found[:MOST]:
            if namespace not in self._sources:
                self._add(namespace)
        # `is_ready` asks whether this is done: it is, once the loop goes on.
        asyncio.get_running_loop().call_soon(self._wake)

    def _close_namespaces(self) -> None:
        for namespace in [namespace for namespace in self._sources if namespace is not None]:
            self._running.pop(namespace).cancel()
            del self._sources[namespace]

    def _wake(self) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()
