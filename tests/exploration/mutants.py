"""Owns operators with one mistake each: the checker must notice every one of them."""

from tests.exploration.cases import Case, recreated, tasks
from tests.exploration.operators import Parts

from obtask.engine.reconcile import Engine
from obtask.kube.api import ApiError
from obtask.kube.leases import Lease
from obtask.locks.protocol import Locks
from obtask.model.task import Task
from obtask.rules.decision import Record
from obtask.rules.lock_keys import LockKey, holder_name


class _ListsFromCache(Locks):
    async def _held(self, task: Task, lock: LockKey, claim: Lease) -> list[Lease]:  # noqa: ARG002 - the signature of what it replaces
        return [lease for lease in self._cache.leases() if lease.holder and lease.namespace == task.metadata.namespace]


class _AdoptsWithoutWriting(Locks):
    async def _claim(self, task: Task, lock: LockKey, lease: Lease | None) -> Lease | ApiError:
        return lease if lease is not None and self._names(lease, task) else await super()._claim(task, lock, lease)


class _ComparesNames(Locks):
    def _names(self, lease: Lease, task: Task) -> bool:
        return holder_name(lease.holder) == task.metadata.name


class _GivesBackUnfenced(Engine):
    async def _store(self, task: Task, record: Record, claim: Lease | None) -> bool:
        if claim is not None:
            await self.locking.give_back(claim)
        return await super()._store(task, record, None)


class _ReleasesFirst(Engine):
    async def _store(self, task: Task, record: Record, claim: Lease | None) -> bool:
        if record.status.phase.finished:
            await self.locking.release(task)
        return await super()._store(task, record, claim)


def _heard_of_late(parts: Parts) -> Case:
    return Case(tasks("Global", "Tenant a"), late=("x",), parts=parts)


def _recreated(parts: Parts) -> Case:
    return Case(tasks("Global"), lags=1, acts=recreated("x", "Global"), most_acts=2, parts=parts)


MUTANTS = {
    "the domain is listed from the cache": (_heard_of_late(Parts(locks=_ListsFromCache)), "two conflicting holders"),
    "a Lease is adopted without a write": (_heard_of_late(Parts(locks=_AdoptsWithoutWriting)), "but its Lease names nobody"),
    "a claim is given back without a fence": (_heard_of_late(Parts(engine=_GivesBackUnfenced)), "but its Lease names nobody"),
    "a Lease is emptied before the end is stored": (_heard_of_late(Parts(engine=_ReleasesFirst)), "but its Lease names nobody"),
    "a holder is compared by its name only": (_recreated(Parts(locks=_ComparesNames)), "x/x2 (Running) holds by its status, but its Lease"),
}
"""Cases with an operator that leaves out a part of the protocol, and what it must be caught by."""
