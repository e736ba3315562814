"""Owns what an operator remembers: taken out of a real operator, put into a fresh one, and told apart from other memories."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.exploration.catalogue import Catalogue, Ranks
from tests.exploration.operators import Operator
from tests.exploration.questions import Known

from obtask import names
from obtask.cache.cluster import ClusterDump
from obtask.engine.attempts import AttemptsDump
from obtask.model.attempt import AttemptId
from obtask.model.task import Key, Task
from obtask.rules.lock_keys import task_lock_key
from obtask.rules.observation import ObservedAttempt


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that an operator remembers between two reconciles, with versions of objects by their numbers in the catalogue.

    What follows from tasks and Leases is made again. ``flags``: the names of tasks that are stale, at rest, about to be forgotten.
    What counts for a few seconds only is forgotten: when a waiting task was shown last, and whom it met at its Lease. So are
    attempts of tasks that are gone or finished as far as the operator knows: a reconcile looks at attempts only when it begins, and only
    at those that run by the status it knows; to start one later, it has to write a status, and the version it carries is refused.
    ``proofs``: whether the policies were at work when a command was noted, by uid of its task, as long as it is the one that is noted.
    """

    known: tuple[int, ...] = ()
    leases: tuple[int, ...] = ()
    live: tuple[AttemptId, ...] = ()
    intended: tuple[AttemptId, ...] = ()
    reports: tuple[tuple[AttemptId, ObservedAttempt], ...] = ()
    begun: tuple[tuple[AttemptId, ...], ...] = ((), (), ())
    answers: tuple[Known, ...] = ()
    proofs: tuple[tuple[str, bool], ...] = ()
    flags: tuple[tuple[Key, ...], ...] = ((), (), ())
    deleted: tuple[tuple[Key, str], ...] = ()

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
    """Return what an operator remembers while no reconcile is under way."""
    dump, attempts = operator.cache.dump(), operator.attempts.dump()
    tasks = [task for task in dump.tasks if isinstance(task, Task) and not task.status.phase.finished]
    unfinished = {task.metadata.uid for task in tasks}
    locking = {task.metadata.uid for task in tasks if task_lock_key(task)}
    if operator.cache.locks.uids() != locking:
        raise LookupError(f"the lock cache knows {operator.cache.locks.uids()}, and the task cache {locking}")
    live = {attempt.id: attempt for attempt in attempts.live}
    return Memory(
        known=tuple(catalogue.number_of(task) for task in dump.tasks if isinstance(task, Task)),
        leases=tuple(catalogue.number_of_lease(lease) for lease in dump.leases),
        live=tuple(catalogue.keep_attempt(live[name]) for name in _of(unfinished, live)),
        intended=_of(unfinished, attempts.intended),
        reports=tuple((name, attempts.ends[name]) for name in _of(unfinished, attempts.ends)),
        begun=tuple(_of(unfinished, executor.begun) for executor in operator.executors),
        answers=tuple(known for known in operator.answers.dump() if known[0] in unfinished),
        proofs=tuple((task.metadata.uid, proven) for task in tasks if (proven := operator.proofs.cover(task)) is not None),
        flags=(dump.stale, dump.at_rest, dump.ending),
        deleted=dump.deleted,
    )


def put_in(operator: Operator, memory: Memory, catalogue: Catalogue) -> None:
    """Have a fresh operator remember."""
    tasks = tuple(catalogue.task(number) for number in memory.known)
    operator.cache.restore(ClusterDump(tasks, tuple(catalogue.lease(number) for number in memory.leases), memory.deleted, *memory.flags))
    live = tuple(catalogue.attempts[name] for name in memory.live)
    operator.attempts.restore(AttemptsDump(live, memory.intended, dict(memory.reports)))
    for executor, begun in zip(operator.executors, memory.begun, strict=True):
        executor.begun.update(begun)
    operator.failing.started.update(memory.begun[1])
    operator.answers.restore(memory.answers)
    operator.proofs.restore([(task, proven) for uid, proven in memory.proofs for task in tasks if task.metadata.uid == uid])


def tell(operator: Operator, news: tuple[int, ...], catalogue: Catalogue, *, again: bool) -> None:
    """Have the watches tell an operator what is stored now, and what is no longer there; or start them again, as runtime.process does."""
    stored = [catalogue.entries[number] for number in news]
    uids = {entry.uid for entry in stored if entry.kind == "task"}
    lease_names = {entry.name for entry in stored if entry.kind == "lease"}
    for task in operator.tasks():
        if task.metadata.uid not in uids and not again:
            operator.handlers.see(names.PLURAL, "DELETED", catalogue.entries[catalogue.number_of(task)].body)
    for lease in operator.cache.locks.leases():
        if lease.name not in lease_names:
            operator.handlers.lease_gone(lease)
    for entry in stored:
        operator.handlers.see(names.PLURAL if entry.kind == "task" else "leases", "MODIFIED", entry.body)
    if again:
        for task in operator.tasks():
            operator.cache.mark_stale(task.key)


def _of(uids: set[str], attempts: Iterable[AttemptId]) -> tuple[AttemptId, ...]:
    mine = (name for name in attempts if name.uid in uids)
    return tuple(sorted(mine, key=lambda name: (name.uid, name.step, name.subtask, name.direction, name.number)))
