"""Owns what an operator remembers: taken out of a real operator, put into a fresh one, and told apart from other memories."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.exploration.catalogue import Catalogue, Ranks
from tests.exploration.operators import Operator

from obtask import names
from obtask.kube.leases import Lease
from obtask.model.attempt import AttemptId
from obtask.model.task import Key
from obtask.rules.lock_keys import task_lock_key
from obtask.rules.observation import Report


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that an operator remembers between two turns, with versions of objects by their numbers in the catalogue.

    Its board is made again from the tasks and Leases.
    What counts for a few seconds only is forgotten: when a waiting task was shown last, and whom it met at its Lease. So are
    attempts of tasks that are gone or finished as far as the operator knows: a turn looks at attempts only when it begins, and only
    at those that run by the status it knows; to start one later, it has to write a status, and the version it carries is refused.
    """

    known: tuple[int, ...] = ()
    leases: tuple[int, ...] = ()
    live: tuple[AttemptId, ...] = ()
    intended: tuple[AttemptId, ...] = ()
    reports: tuple[tuple[AttemptId, Report], ...] = ()
    begun: tuple[tuple[AttemptId, ...], ...] = ((), ())
    departed: tuple[str, ...] = ()
    fading: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The versions of objects that are remembered."""
        return (*self.known, *self.leases)

    def renumbered(self, catalogue: Catalogue, ranks: Ranks) -> "Memory":
        """Return the memory with all versions replaced."""
        return replace(
            self,
            known=tuple(catalogue.renumbered(number, ranks) for number in self.known),
            leases=tuple(catalogue.renumbered(number, ranks) for number in self.leases),
        )


def take_out(operator: Operator, catalogue: Catalogue) -> Memory:
    """Return what an operator remembers while no turn is under way."""
    board, attempts = operator.board, operator.attempts
    unfinished = {task.metadata.uid for task in operator.known.all() if not task.status.phase.finished}
    locking = {task.metadata.uid for task in operator.known.all() if task.metadata.uid in unfinished and task_lock_key(task)}
    if board._domain_of.keys() != locking:
        raise LookupError(f"the board knows {list(board._domain_of)}, and the operator {locking}")
    return Memory(
        known=tuple(catalogue.number_of(task) for _, task in sorted(operator.known._tasks.items(), key=_by_name)),
        leases=tuple(catalogue.number_of_lease(lease) for lease in sorted(board.leases(), key=_lease_name)),
        live=tuple(catalogue.keep_attempt(attempts._live[name].attempt) for name in _of(unfinished, attempts._live)),
        intended=_of(unfinished, attempts._intended),
        reports=tuple((name, attempts._reports[name]) for name in _of(unfinished, attempts._reports)),
        begun=tuple(_of(unfinished, executor.begun) for executor in operator.executors),
        departed=tuple(sorted(key.name for key in operator.engine.departed)),
        fading=tuple(sorted(key.name for key in operator.engine.fading)),
        doubted=tuple(sorted(key.name for key in operator.engine.doubted)),
    )


def put_in(operator: Operator, memory: Memory, catalogue: Catalogue) -> None:
    """Have a fresh operator remember."""
    for number in memory.known:
        task = catalogue.task(number)
        operator.known._tasks[task.key] = task
        operator.board.see_task(task)
    for number in memory.leases:
        operator.board.see_lease(catalogue.lease(number))
    for name in memory.live:
        operator.attempts._watched(catalogue.attempts[name])
    operator.attempts._intended.update(memory.intended)
    operator.attempts._reports.update(memory.reports)
    for executor, begun in zip(operator.executors, memory.begun, strict=True):
        executor.begun.update(begun)
    operator.failing.started.update(memory.begun[1])
    operator.engine.departed.update(operator.key(name) for name in memory.departed)
    operator.engine.fading.update(operator.key(name) for name in memory.fading)
    operator.engine.doubted.update(operator.key(name) for name in memory.doubted)


def tell(operator: Operator, news: tuple[int, ...], catalogue: Catalogue, *, again: bool) -> None:
    """Have the watches tell an operator what is stored now, and what is no longer there; or start them again, as runtime.process does."""
    stored = [catalogue.entries[number] for number in news]
    uids = {entry.uid for entry in stored if entry.kind == "task"}
    lease_names = {entry.name for entry in stored if entry.kind == "lease"}
    for task in operator.known.all():
        if task.metadata.uid not in uids and not again:
            operator.inbox.receive(names.PLURAL, "DELETED", catalogue.entries[catalogue.number_of(task)].body)
    for lease in operator.board.leases():
        if lease.name not in lease_names:
            operator.inbox.lease_gone(lease)
    for entry in stored:
        operator.inbox.receive(names.PLURAL if entry.kind == "task" else "leases", "MODIFIED", entry.body)
    if again:
        operator.engine.doubted.update(task.key for task in operator.known.all())


def _of(uids: set[str], attempts: Iterable[AttemptId]) -> tuple[AttemptId, ...]:
    mine = (name for name in attempts if name.uid in uids)
    return tuple(sorted(mine, key=lambda name: (name.uid, name.step, name.subtask, name.direction, name.number)))


def _by_name(item: tuple[Key, object]) -> str:
    return item[0].name


def _lease_name(lease: Lease) -> str:
    return lease.name
