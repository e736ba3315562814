"""Owns how one operator goes on: the real code is run from what it remembered before its reconciles, over the answers it has had since."""

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from tests.exploration.catalogue import Catalogue, Json, Ranks
from tests.exploration.frames import frames_of, takes_note
from tests.exploration.memory import Memory, put_in, take_out, tell
from tests.exploration.operators import NAMESPACE, Operator, Parts, Start
from tests.exploration.requests import Answer, Call, Found, Listed, numbers_in, spoken

from obtask.cache.tasks import at_rest
from obtask.kube.api import ApiError, ApiUnavailable
from obtask.model.task import Key, Task


@dataclass(frozen=True, slots=True, order=True)
class Reconcile:
    """A reconcile of a task, or a look at a Lease by the sweep."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Began:
    """A reconcile began."""

    reconcile: Reconcile


@dataclass(frozen=True, slots=True)
class Heard:
    """A reconcile got the answer to its request."""

    reconcile: Reconcile
    answer: Answer


@dataclass(frozen=True, slots=True)
class Unheard:
    """A reconcile was told that nobody knows what became of its request."""

    reconcile: Reconcile


@dataclass(frozen=True, slots=True)
class Told:
    """The watches told what is stored; ``again``: they were started again, so nobody tells what was deleted in the meantime."""

    news: tuple[int, ...]
    again: bool = False


Event = Began | Heard | Unheard | Told


@dataclass(frozen=True, slots=True)
class Local:
    """An operator: what it remembered when no reconcile was under way, and what has happened to it since."""

    runner: str
    memory: Memory
    history: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Stand:
    """Where an operator stands: the requests that wait for an answer, the reconciles that may begin, the numbers it mentions."""

    pending: tuple[tuple[Reconcile, Call], ...]
    reconciles: tuple[Reconcile, ...]
    mask: int
    takes_note: bool


class _Run:
    """One run of the real code."""

    def __init__(self, local: Local, parts: Parts, catalogue: Catalogue) -> None:
        self.operator = Operator(local.runner, parts)
        self.pending: dict[Reconcile, Call] = {}
        self._catalogue = catalogue
        self._reconciles: dict[Reconcile, Coroutine[Any, Any, object]] = {}
        put_in(self.operator, local.memory, catalogue)
        for event in local.history:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Let one thing happen."""
        for executor in self.operator.executors:
            executor.news.clear()
        match event:
            case Began(reconcile=reconcile):
                self._reconciles[reconcile] = self._begin(reconcile)
                self._go_on(reconcile, None)
            case Heard(reconcile=reconcile, answer=answer):
                self._go_on(reconcile, spoken(self._catalogue, answer))
            case Unheard(reconcile=reconcile):
                self._give_up(reconcile)
            case Told(news=news, again=again):
                tell(self.operator, news, self._catalogue, again=again)

    def _begin(self, reconcile: Reconcile) -> Coroutine[Any, Any, object]:
        if reconcile.kind == "reconcile":
            return self.operator.engine.reconcile(Key(NAMESPACE, reconcile.name))
        lease = next(lease for lease in self.operator.cache.locks.leases() if lease.name == reconcile.name)
        return self.operator.sweeper.check(lease)

    def _go_on(self, reconcile: Reconcile, answer: Json | ApiError | None) -> None:
        self.pending.pop(reconcile, None)
        try:
            self.pending[reconcile] = self._reconciles[reconcile].send(answer)
        except StopIteration:
            del self._reconciles[reconcile]

    def _give_up(self, reconcile: Reconcile) -> None:
        del self.pending[reconcile]
        try:
            self._reconciles.pop(reconcile).throw(ApiUnavailable("no answer"))
        except (ApiUnavailable, StopIteration):
            # As runtime.workers does it.
            if reconcile.kind == "reconcile":
                self.operator.cache.mark_stale(Key(NAMESPACE, reconcile.name))

    def calls(self) -> tuple[tuple[Reconcile, Call], ...]:
        """Return the requests that wait for an answer."""
        return tuple(sorted(self.pending.items(), key=lambda item: item[0]))

    def identity(self, local: Local) -> object:
        """Return what tells this operator from others, now that it stands here; how it came here is not part of it."""
        frames = tuple(frames_of(self._reconciles[reconcile]) for reconcile, _ in self.calls())
        return local.runner, take_out(self.operator, self._catalogue), self.calls(), frames

    def takes_note(self) -> bool:
        """Return whether all reconciles only take note of what they are answered."""
        return all(takes_note(frames_of(self._reconciles[reconcile])) for reconcile in self.pending)

    def body(self, task: Task) -> Json:
        """Return a task as it was sent."""
        return self._catalogue.entries[self._catalogue.number_of(task)].body

    def close(self) -> None:
        """Drop the reconciles under way."""
        for reconcile in self._reconciles.values():
            reconcile.close()


class Steps:
    """All states that operators were met in, and what becomes of them. The real code is run once for each step."""

    def __init__(self, parts: Parts, catalogue: Catalogue) -> None:
        self._parts = parts
        self._catalogue = catalogue
        self._ids: dict[object, int] = {}
        self._locals: list[Local] = []
        self._stands: list[Stand] = []
        self._steps: dict[tuple[int, Event], tuple[int, tuple[Start, ...]]] = {}
        self.runs = 0

    def stand(self, number: int) -> Stand:
        """Return where an operator stands."""
        return self._stands[number]

    def fresh(self, runner: str, news: tuple[int, ...]) -> int:
        """Return an operator that has just started and read everything."""
        start = self._number(Local(runner, Memory()), None)
        return self.step(start, Told(news))[0]

    def restarted(self, number: int, news: tuple[int, ...]) -> int:
        """Return the operator as it is after a crash and a new start."""
        return self.fresh(self._locals[number].runner, news)

    def step(self, number: int, event: Event) -> tuple[int, tuple[Start, ...]]:
        """Return where an event leads an operator, and the attempts it starts."""
        found = self._steps.get((number, event))
        if found is None:
            found = self._steps[number, event] = self._after(self._locals[number], event)
        return found

    def _after(self, local: Local, event: Event) -> tuple[int, tuple[Start, ...]]:
        run = _Run(local, self._parts, self._catalogue)
        before = take_out(run.operator, self._catalogue) if isinstance(event, Told) else None
        run.apply(event)
        started = tuple(run.operator.started)
        memory = take_out(run.operator, self._catalogue)
        if not run.pending:
            after = Local(local.runner, memory)
        else:
            after = local if memory == before else Local(local.runner, local.memory, (*local.history, event))
        number = self._number(after, run)
        run.close()
        self.runs += 1
        return number, started

    def renumbered(self, number: int, ranks: Ranks) -> int:
        """Return the operator with all versions of objects replaced."""
        return self._number(self._new(number, ranks), None)

    def told(self, number: int, ranks: Ranks, news: Told) -> int:
        """Return the operator with all versions of objects replaced, and told the news."""
        return self._after(self._new(number, ranks), news)[0]

    def _new(self, number: int, ranks: Ranks) -> Local:
        local = self._locals[number]
        history = tuple(self._renumbered(event, ranks) for event in local.history)
        return Local(local.runner, local.memory.renumbered(self._catalogue, ranks), history)

    def _number(self, local: Local, run: _Run | None) -> int:
        number = self._ids.get(local)
        if number is None:
            mine = run or _Run(local, self._parts, self._catalogue)
            self.runs += run is None
            key = mine.identity(local)
            number = self._ids.get(key)
            if number is None:
                number = self._ids[key] = len(self._locals)
                self._locals.append(local)
                self._stands.append(Stand(mine.calls(), _reconciles(mine), self._mask(local), mine.takes_note()))
            self._ids[local] = number
            if run is None:
                mine.close()
        return number

    def _mask(self, local: Local) -> int:
        mask = 0
        for number in local.memory.numbers:
            mask |= self._catalogue.mask(number)
        for event in local.history:
            for number in _mentioned(event):
                mask |= self._catalogue.mask(number)
        return mask

    def _renumbered(self, event: Event, ranks: Ranks) -> Event:
        new = self._catalogue.renumbered
        match event:
            case Told(news=news, again=again):
                return Told(tuple(new(number, ranks) for number in news), again)
            case Heard(reconcile=reconcile, answer=Found(number=number)):
                return Heard(reconcile, Found(new(number, ranks)))
            case Heard(reconcile=reconcile, answer=Listed(numbers=numbers)):
                return Heard(reconcile, Listed(tuple(new(number, ranks) for number in numbers)))
            case _:
                return event


def _mentioned(event: Event) -> tuple[int, ...]:
    match event:
        case Told(news=news):
            return news
        case Heard(answer=answer):
            return numbers_in(answer)
        case _:
            return ()


def _reconciles(run: _Run) -> tuple[Reconcile, ...]:
    """Return the reconciles that may begin: of tasks that need reconciles, and sweeps of Leases that name a holder."""
    operator = run.operator
    dump = operator.cache.dump()
    waiting = {task.metadata.name for task in operator.tasks() if not at_rest(run.body(task))}
    waiting |= {key.name for key in (*dump.stale, *dump.at_rest, *(key for key, _ in dump.deleted))}
    held = [lease.name for lease in dump.leases if lease.holder]
    reconciles = [Reconcile("reconcile", name) for name in sorted(waiting)] + [Reconcile("sweep", name) for name in sorted(held)]
    return tuple(reconcile for reconcile in reconciles if reconcile not in run.pending)
