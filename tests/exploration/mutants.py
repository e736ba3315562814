"""Owns operators with one mistake each: the checker must notice every one of them."""

from dataclasses import replace

from tests.exploration.cases import ASK, BROKEN_LOOP, FIND, Act, Case, recreated, tasks
from tests.exploration.operators import Parts

from obtask.engine.outcome import Outcome
from obtask.engine.reconcile import Engine
from obtask.kube.api import ApiError
from obtask.kube.leases import Lease
from obtask.locks.protocol import Locks
from obtask.model.contract import ActionResult, Phase, Verb
from obtask.model.task import Task
from obtask.rules.decision import Record
from obtask.rules.lock_keys import LockKey, holder_name
from obtask.rules.observation import Observation


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


class _EvaluatesAgain(Engine):
    async def _store(self, task: Task, record: Record, claim: Lease | None) -> bool:
        if task.status.phase is Phase.FAILED and record.status.phase is Phase.RUNNING:
            steps = tuple(step.model_copy(update={"subtasks": ()}) if step.name == "each" else step for step in record.status.steps)
            record = Record(record.status.model_copy(update={"steps": steps}))
        return await super()._store(task, record, claim)


class _TakesAnOldApproval(Engine):
    async def _step(self, task: Task) -> Outcome | None:
        last = task.status.last_action
        again = last is not None and (last.verb, last.result) == (Verb.APPROVE, ActionResult.ACCEPTED)
        return await super()._step(replace(task, status=task.status.model_copy(update={"last_action": None})) if again else task)


class _BelievesStamps(Engine):
    async def _observe(self, task: Task) -> Observation:
        return replace(await super()._observe(task), groups_proven=True)


class _ForgetsProofs(Engine):
    async def _observe(self, task: Task) -> Observation:
        observed = await super()._observe(task)
        return replace(observed, groups_proven=observed.groups_proven is True)


def _asking(parts: Parts, act: str = "approve", *, policies: bool = True, faults: int = 0) -> Case:
    asked = tasks("None", steps=(ASK, {"name": "sure", "approve": {}}))
    return Case(asked, operators=("one",), faults=faults, acts=(Act(act, "x"),), most_acts=1, policies=policies, parts=parts)


def _looping(parts: Parts) -> Case:
    return Case(tasks("None", steps=(FIND, BROKEN_LOOP)), acts=(Act("retry", "x"),), most_acts=1, parts=parts)


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
    "the list of a loop is evaluated again": (_looping(Parts(engine=_EvaluatesAgain)), "item of each/each-0 changed"),
    "an approval is taken twice": (_asking(Parts(engine=_TakesAnOldApproval)), "is approved more often than by somebody who may"),
    "a stamp is believed without a proof": (_asking(Parts(engine=_BelievesStamps), "forge", policies=False), "is approved more often than"),
    "what proves an approval goes with its operator": (
        _asking(Parts(engine=_ForgetsProofs), faults=1),
        "refuses an approval of",
    ),
}
"""Cases with an operator that leaves out a part of the protocol, and what it must be caught by."""
NEAR = frozenset({"the domain is listed from the cache"})
"""Those that are found sooner by the nearest state first than by going down each path to its end."""
