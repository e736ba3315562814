"""Owns what must hold in every state: at most one of two conflicting tasks holds, and whoever holds has its Lease."""

from itertools import combinations

from tests.exploration.catalogue import Catalogue
from tests.exploration.store import Store

from obtask import names
from obtask.kube.leases import Lease
from obtask.model.status import Phase, Reason
from obtask.model.task import Task
from obtask.rules.exclusion import conflicts
from obtask.rules.lock_keys import holder_identity, holder_uid, task_lock_key

HOLDING = frozenset({Phase.RUNNING, Phase.FAILED, Phase.ROLLING_BACK})


def broken(store: Store, catalogue: Catalogue) -> str | None:
    """Return which promise a store breaks, or None. A task whose Lease a person took away promises nothing until it has ended."""
    tasks = [task for number in store.tasks() if (task := catalogue.task(number)).metadata.uid not in store.bereft]
    leases = {lease.name: lease for number in store.leases() if (lease := catalogue.lease(number))}
    holders = [task for task in tasks if task.status.phase in HOLDING and task.status.lock is not None]
    return _two_holders(holders) or next((text for task in tasks if (text := _without_lock(task, leases))), None)


def _two_holders(holders: list[Task]) -> str | None:
    for one, other in combinations(holders, 2):
        mine, theirs = task_lock_key(one), task_lock_key(other)
        if mine is not None and theirs is not None and conflicts(mine, theirs):
            return f"two conflicting holders: {_said(one)} and {_said(other)}"
    return None


def _without_lock(task: Task, leases: dict[str, Lease]) -> str | None:
    status = task.status
    if status.phase in {Phase.RUNNING, Phase.ROLLING_BACK} and status.lock is None and status.reason is not Reason.LOCK_LOST:
        return f"{_said(task)} works without a lock"
    if status.phase not in HOLDING or status.lock is None:
        return None
    lease = leases.get(status.lock.lease)
    if lease is None or lease.holder != holder_identity(task):
        return f"{_said(task)} holds by its status, but its Lease names {lease.holder or 'nobody' if lease else 'nobody: it is gone'}"
    if lease.transitions != status.lock.token:
        return f"{_said(task)} holds with fencing token {status.lock.token}, but that of its Lease is {lease.transitions}"
    return None


def token_fault(before: Lease, after: Lease) -> str | None:
    """Return what is wrong with the fencing token of a Lease that was written."""
    if after.transitions < before.transitions:
        return f"the fencing token of {after.name} went back from {before.transitions} to {after.transitions}"
    if after.holder and after.holder != before.holder and after.transitions == before.transitions:
        return f"{after.holder} took {after.name} from {before.holder or 'nobody'} without a new fencing token"
    return None


def unsettled(store: Store, catalogue: Catalogue) -> str | None:
    """Return what is left undone although everything is quiet, or None."""
    tasks = {task.metadata.uid: task for number in store.tasks() if (task := catalogue.task(number))}
    for task in tasks.values():
        if task.metadata.deletion_timestamp is not None and (not task.status.phase.finished or names.FINALIZER in task.metadata.finalizers):
            return f"{_said(task)} is being deleted, and what is owed to it waits for others"
        if not (task.status.phase.finished or task.status.phase is Phase.FAILED or _waits_rightly(task, list(tasks.values()))):
            return f"{_said(task)} goes no further although everything is quiet"
    for number in store.leases():
        lease = catalogue.lease(number)
        holder = tasks.get(holder_uid(lease.holder))
        if lease.holder and (holder is None or holder.status.phase.finished):
            return f"lock lost for ever: Lease {lease.name} names {lease.holder}, which is finished or gone"
    return _two_holders([task for task in tasks.values() if task.status.phase in HOLDING and task.status.lock is not None])


def _waits_rightly(task: Task, tasks: list[Task]) -> bool:
    """Return whether the task waits for one that failed, or for a waiter in front of it that does."""
    mine = task_lock_key(task)
    if task.status.phase is not Phase.WAITING or mine is None:
        return False
    failed = [other for other in tasks if other.status.phase is Phase.FAILED and other.status.lock is not None]
    return any((theirs := task_lock_key(other)) is not None and conflicts(mine, theirs) for other in failed)


def _said(task: Task) -> str:
    return f"{task.metadata.name}/{task.metadata.uid} ({task.status.phase.value})"
