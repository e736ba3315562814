"""Owns what must hold in every state of an exploration, and once everything is quiet: the promises of API.md, judged on a store."""

import json
from collections.abc import Iterable, Iterator

from tests.exploration.catalogue import Catalogue, Json
from tests.exploration.operators import Start
from tests.exploration.store import Store
from tests.support import promises
from tests.support.promises import phase_of, said

from obtask import names
from obtask.model.attempt import AttemptId
from obtask.model.contract import Phase


def broken(store: Store, catalogue: Catalogue) -> str | None:
    """Return which promise a store breaks, or None. A task whose Lease a person took away promises nothing until it has ended."""
    known = _bodies(store.tasks(), catalogue)
    tasks = [body for body in known if body["metadata"]["uid"] not in store.bereft]
    leases = {body["metadata"]["name"]: body for body in _bodies(store.leases(), catalogue)}
    return next(promises.broken(tasks, leases), None) or next(_approved_by_nobody(known, store), None)


def _approved_by_nobody(tasks: list[Json], store: Store) -> Iterator[str]:
    """Say which approvals nobody gave who may: each is good for one step, and for one with groups only if it was given there."""
    for task in tasks:
        given = [step for uid, step in store.approvals if uid == task["metadata"]["uid"]]
        groups = {step["name"]: step["approve"].get("groups") for step in task["spec"]["steps"] if "approve" in step}
        done = [step["name"] for step in task.get("status", {}).get("steps", []) if step.get("phase") == "Succeeded"]
        passed = [step for step in done if step in groups]
        if len(passed) > len(given):
            yield f"{said(task)} is approved more often than by somebody who may: {passed}, and given at {given}"
        for step in passed:
            if groups[step] and step not in given:
                yield f"{said(task)} is approved at {step}, and given at {given}"


def start_fault(before: Iterable[Start], starts: Iterable[Start]) -> str | None:
    """Return what is wrong with attempts that are started, or None: each is started once, and an undo sees what its step has seen."""
    ledger = {start.attempt: json.loads(start.saw) for start in before}
    for start in starts:
        if start.attempt in ledger:
            return f"an attempt is started twice: {start.attempt}"
        saw = ledger[start.attempt] = json.loads(start.saw)
        for other, seen in ledger.items():
            if _is_same_work(start.attempt, other) and (fault := _saw_otherwise(seen, saw)):
                return f"{start.attempt} sees another {fault} than {other}: {saw}, {seen}"
    return None


def _is_same_work(one: AttemptId, other: AttemptId) -> bool:
    return (one.uid, one.step, one.subtask) == (other.uid, other.step, other.subtask)


def _saw_otherwise(seen: Json, sees: Json) -> str | None:
    """Return what two attempts of a subtask see otherwise, or None; an undo may see more than its step did."""
    for what in ("item", "index"):
        if what in seen and what in sees and seen[what] != sees[what]:
            return what
    before, now = seen.get("steps", {}), sees.get("steps", {})
    return next((f"step {step}" for step in before if step in now and before[step] != now[step]), None)


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
        if not (ended or _is_for_a_person(task) or _waits_rightly(task, tasks)):
            return f"{said(task)} goes no further although everything is quiet"
    for task in tasks:
        status = task.get("status", {})
        last = status.get("lastAction", {})
        given = (task["metadata"]["uid"], status.get("currentStep")) in store.approvals
        if given and status.get("reason") == "AwaitingApproval" and (last.get("verb"), last.get("result")) == ("approve", "Rejected"):
            return f"{said(task)} refuses an approval of somebody who may"
    unended = {f"{task['metadata']['name']}/{task['metadata']['uid']}" for task in tasks if not Phase(phase_of(task)).finished}
    for lease in map(catalogue.lease, store.leases()):
        if lease.holder and lease.holder not in unended:
            return f"lock lost for ever: Lease {lease.name} names {lease.holder}, which is finished or gone"
    return next(promises.two_holders([task for task in tasks if promises.holds(task)]), None)


def _bodies(numbers: list[int], catalogue: Catalogue) -> list[Json]:
    return [catalogue.entries[number].body for number in numbers]


def _waits_rightly(task: Json, tasks: list[Json]) -> bool:
    """Return whether the task waits for one that failed, or for a waiter in front of it that does."""
    failed = [other for other in tasks if _is_for_a_person(other) and "lock" in other["status"]]
    return phase_of(task) == "Waiting" and any(promises.conflict(task, other) for other in failed)


def _is_for_a_person(task: Json) -> bool:
    """Return whether nothing happens before a person says what."""
    return phase_of(task) == "Failed" or task.get("status", {}).get("reason") == "AwaitingApproval"
