"""Owns an operator under test: the real parts of one, put together around requests that wait, and what it remembers."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from tests.exploration.catalogue import CURRENT
from tests.exploration.questions import AskedAnswers, Compiled
from tests.exploration.requests import SuspendedRequests

from obtask.cache.cluster import ClusterCache
from obtask.cache.events import EventHandlers
from obtask.cache.finished import FinishedTasks
from obtask.engine.announcing import Announcer
from obtask.engine.attempts import Attempts
from obtask.engine.locking import Locking
from obtask.engine.log_keeping import LogKeeping
from obtask.engine.log_shelf import LogShelf
from obtask.engine.proofs import Proofs
from obtask.engine.reconcile import Engine
from obtask.executors.base import Executor, Log
from obtask.kube.config_maps import ConfigMaps
from obtask.kube.events import EventRecorder
from obtask.kube.leases import Leases
from obtask.kube.objects import Objects
from obtask.kube.tasks import Tasks
from obtask.locks.protocol import Locks
from obtask.locks.sweep import Sweeper
from obtask.metrics import Metrics
from obtask.model.actions import Action, ApproveAction, HttpAction, SqlAction
from obtask.model.attempt import Attempt, AttemptId, AttemptState, Failed, Lost, Running, Succeeded
from obtask.model.reasons import FailureReason
from obtask.model.task import Key, Task
from obtask.rules.nonces import Nonces
from obtask.runtime.work_queue import WorkQueue

# The token of a new Lease is unix time: more than any that is current in the catalogue, and few enough bits for it.
NOW = datetime.fromtimestamp(CURRENT + 1, UTC)
NAMESPACE = "prod"
METRICS = Metrics(CollectorRegistry())
SEEN = frozenset({"item", "index", "steps"})


def clock() -> datetime:
    """Return the time, which stands still: no decision of the lock protocol depends on it."""
    return NOW


@dataclass(frozen=True, slots=True)
class Start:
    """An attempt that was started, and what it saw: its item, and what earlier steps have given away, as JSON."""

    attempt: AttemptId
    saw: str = "{}"


class Failing:
    """Carries out SQL: every attempt fails at once, and one that was started elsewhere is lost. Implements ``Executor``."""

    def __init__(self) -> None:
        self.started: set[AttemptId] = set()

    async def start(self, attempt: Attempt, log: Log) -> None:  # noqa: ARG002 - the protocol's argument
        """Start the attempt, which fails."""
        self.started.add(attempt.id)

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:  # noqa: ARG002 - the protocol's argument
        """Tell that it failed."""
        return Failed(FailureReason.SQL_ERROR, "no such table") if attempt.id in self.started else Lost()

    async def cancel(self, attempt: Attempt) -> None:
        """There is nothing left to stop."""

    def forget(self, attempt: AttemptId) -> None:
        """Drop what is remembered of the attempt."""
        self.started.discard(attempt)

    async def stop(self, grace_seconds: float) -> None:
        """Nothing is at work."""

    async def close(self) -> None:
        """Nothing is open."""


class Succeeding(Failing):
    """Sends HTTP requests: every attempt succeeds, but no sooner than the next look at it. Implements ``Executor``.

    Whoever looks gets an answer of its own: what an attempt gives away is known only once it is stored.
    """

    def __init__(self, runner: str) -> None:
        super().__init__()
        self._runner = runner

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:  # noqa: ARG002 - the protocol's argument
        """Tell that it succeeded."""
        gives = attempt.action.outputs if isinstance(attempt.action, HttpAction) else {}
        return Succeeded(outputs=dict.fromkeys(gives or (), self._runner))


class Awaiting(Failing):
    """Awaits an approval, which is a command, and takes no notes. Implements ``Executor``."""

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:  # noqa: ARG002 - the protocol's argument
        """Tell whether it was cancelled."""
        return Failed(FailureReason.CANCELLED, "cancelled", untouched=True) if attempt.id in self.started else Running("awaiting approval")

    async def start(self, attempt: Attempt, log: Log) -> None:
        """There is nothing to start."""

    async def cancel(self, attempt: Attempt) -> None:
        """End the waiting; whoever has forgotten that asks again."""
        self.started.add(attempt.id)


class _NoLog:
    """Takes no notes: what an attempt writes is none of the protocol's business. Implements ``Log``."""

    def write(self, text: str, at: str | None = None) -> None:
        """Drop the text."""

    def hide(self, secret: str) -> None:
        """Hide nothing."""

    def seam(self, prefix: str) -> tuple[str, int] | None:  # noqa: ARG002 - the protocol's argument
        """Nothing was copied."""
        return None


class Counting:
    """Counts which attempts another executor is told to start. Starting one twice on one operator is harmless, so it counts once."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.begun: set[AttemptId] = set()
        self.news: list[Start] = []

    async def start(self, attempt: Attempt, log: Log) -> None:  # noqa: ARG002 - the protocol's argument
        """Count and start."""
        if attempt.id not in self.begun:
            self.begun.add(attempt.id)
            seen = {key: value for key, value in attempt.variables.items() if key in SEEN}
            self.news.append(Start(attempt.id, json.dumps(seen, sort_keys=True)))
        await self._executor.start(attempt, _NoLog())

    async def observe(self, attempt: Attempt, log: Log) -> AttemptState:
        """Ask the executor."""
        return await self._executor.observe(attempt, log)

    async def cancel(self, attempt: Attempt) -> None:
        """Tell the executor."""
        await self._executor.cancel(attempt)

    def forget(self, attempt: AttemptId) -> None:
        """Tell the executor; if the attempt is started after that, it is started twice."""
        self.begun.discard(attempt)
        self._executor.forget(attempt)

    async def stop(self, grace_seconds: float) -> None:
        """Tell the executor."""
        await self._executor.stop(grace_seconds)

    async def close(self) -> None:
        """Tell the executor."""
        await self._executor.close()


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes an operator is made of; a mutant replaces one. ``sees_others``: it can tell that the other operators are alive."""

    locks: type[Locks] = Locks
    sweeper: type[Sweeper] = Sweeper
    engine: type[Engine] = Engine
    sees_others: bool = False


class Operator:
    """A real operator whose requests wait. One reconcile looks at its task once, so that every look is on its own.

    Not the one of runtime.assembly: that has connections, executors and a clock of its own, and here a mutant replaces a part.
    """

    def __init__(self, runner: str, parts: Parts) -> None:
        api, jitter = SuspendedRequests(), float
        queue = WorkQueue()
        self.cache = ClusterCache(queue.enqueue, FinishedTasks(wanted=False))
        tasks, leases = Tasks(api), Leases(api)
        self.failing = Failing()
        self.executors = (Counting(Succeeding(runner)), Counting(self.failing), Counting(Awaiting()))
        executors: dict[type[Action], Executor] = dict(zip((HttpAction, SqlAction, ApproveAction), self.executors, strict=True))
        logs = LogKeeping(Objects(api), LogShelf(ConfigMaps(api)), Nonces(runner.encode()), clock)
        self.attempts = Attempts(executors, logs, clock, runner, lambda _: parts.sees_others)
        self.sweeper = parts.sweeper(leases, tasks, self.cache.locks, clock)
        self.locking = Locking(self.cache, parts.locks(leases, self.cache.locks, clock), self.sweeper, jitter, runner)
        events = EventRecorder(api, reporter=runner)
        self.answers, self.proofs = AskedAnswers(queue), Proofs()
        self.engine = parts.engine(
            tasks,
            self.cache,
            self.attempts,
            self.locking,
            Compiled(queue),
            self.answers,
            Announcer(events, METRICS, clock),
            clock,
            longest_reconcile=1,
            proofs=self.proofs,
        )
        self.handlers = EventHandlers(self.cache, {})

    def key(self, name: str) -> Key:
        """Return the key of a task."""
        return Key(NAMESPACE, name)

    def tasks(self) -> list[Task]:
        """Return the tasks that it knows."""
        return [task for task in self.cache.dump().tasks if isinstance(task, Task)]

    @property
    def started(self) -> list[Start]:
        """The attempts that were really started."""
        return [start for executor in self.executors for start in executor.news]
