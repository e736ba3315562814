"""Owns what must hold in every state of an exploration, and once everything is quiet: the promises of API.md, judged on a store."""

from tests.exploration.catalogue import Catalogue, Json
from tests.exploration.store import Store
from tests.support import promises
from tests.support.promises import phase_of, said

from obtask import names
from obtask.model.status import Phase


def broken(store: Store, catalogue: Catalogue) -> str | None:
    """Return which promise a store breaks, or None. A task whose Lease a person took away promises nothing until it has ended."""
    tasks = [body for body in _bodies(store.tasks(), catalogue) if body["metadata"]["uid"] not in store.bereft]
    leases = {body["metadata"]["name"]: body for body in _bodies(store.leases(), catalogue)}
    return next(promises.broken(tasks, leases), None)


def change_fault(before: Store, after: Store, catalogue: Catalogue) -> str | None:
    """Return what is wrong with what a write has changed, or None."""
    old = dict(before.objects)
    for place, number in after.objects:
        if old.get(place, number) == number:
            continue
        judge = promises.task_changed if place.startswith(f"{names.PLURAL}/") else promises.lease_changed
        fault = next(judge(catalogue.entries[old[place]].body, catalogue.entries[number].body), None)
        if fault is not None:
            return fault
    return None


def unsettled(store: Store, catalogue: Catalogue) -> str | None:
    """Return what is left undone although everything is quiet, or None."""
    tasks = _bodies(store.tasks(), catalogue)
    for task in tasks:
        ended = Phase(phase_of(task)).finished
        if task["metadata"].get("deletionTimestamp") and not (ended and names.FINALIZER not in task["metadata"]["finalizers"]):
            return f"{said(task)} is being deleted, and what is owed to it waits for others"
        if not (ended or phase_of(task) == "Failed" or _waits_rightly(task, tasks)):
            return f"{said(task)} goes no further although everything is quiet"
    unended = {f"{task['metadata']['name']}/{task['metadata']['uid']}" for task in tasks if not Phase(phase_of(task)).finished}
    for lease in map(catalogue.lease, store.leases()):
        if lease.holder and lease.holder not in unended:
            return f"lock lost for ever: Lease {lease.name} names {lease.holder}, which is finished or gone"
    return next(promises.two_holders([task for task in tasks if promises.holds(task)]), None)


def _bodies(numbers: list[int], catalogue: Catalogue) -> list[Json]:
    return [catalogue.entries[number].body for number in numbers]


def _waits_rightly(task: Json, tasks: list[Json]) -> bool:
    """Return whether the task waits for one that failed, or for a waiter in front of it that does."""
    failed = [other for other in tasks if phase_of(other) == "Failed" and "lock" in other["status"]]
    return phase_of(task) == "Waiting" and any(promises.conflict(task, other) for other in failed)
