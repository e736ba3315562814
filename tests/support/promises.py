"""Owns what API.md promises of tasks and Leases: of all that are there at one moment, and of one object from version to version.

It is read off the objects as the API server holds them, without the rules that it judges: who excludes whom is written a second time here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from obtask import names

Body = dict[str, Any]
Counted = tuple[str, str, str]
"""What attempts are counted for: step, subtask, direction."""

HOLDING = ("Running", "Failed", "RollingBack")
# What may change once a task has ended: the answers to commands.
ANSWERS = frozenset({"lastAction", "history"})


def conflict(one: Body, other: Body) -> bool:
    """Return whether two tasks of a namespace exclude each other, by the table of API.md section 4."""
    mine, theirs = one["spec"], other["spec"]
    target = "cluster" if mine["type"] == "Cluster" else "agent"
    if mine["type"] != theirs["type"] or mine[target] != theirs[target]:
        return False
    scopes = {mine["maintenance"], theirs["maintenance"]}
    if "None" in scopes or scopes == {"Global", "OBProxy"}:
        return False
    return scopes != {"Tenant"} or mine["tenant"] == theirs["tenant"]


def holds(task: Body) -> bool:
    """Return whether a task must have a lock."""
    status = task.get("status", {})
    return task["spec"]["maintenance"] != "None" and status.get("phase") in HOLDING and status.get("reason") != "LockLost"


def broken(tasks: Iterable[Body], leases: Mapping[str, Body] | None) -> Iterator[str]:
    """Say what is wrong with the tasks of a namespace at one moment. No Leases: a person may have edited them, so they prove nothing."""
    there = list(tasks)
    holding = [task for task in there if holds(task)]
    yield from two_holders(holding)
    for task in holding:
        lock = task["status"].get("lock")
        if lock is None:
            yield f"{said(task)} holds without a lock"
        elif leases is not None:
            yield from _without_lease(task, lock, leases.get(lock["lease"]))
    for task in there:
        if phase_of(task) != "Pending" and not task["status"].get("reason"):
            yield f"{said(task)} has no reason"


def two_holders(holding: list[Body]) -> Iterator[str]:
    """Say which of the tasks that hold exclude each other."""
    for index, task in enumerate(holding):
        for other in holding[index + 1 :]:
            if conflict(task, other):
                yield f"two conflicting holders: {said(task)} and {said(other)}"


def _without_lease(task: Body, lock: Body, lease: Body | None) -> Iterator[str]:
    holder = lease["spec"].get("holderIdentity") or "nobody" if lease else "nobody: it is gone"
    if holder != f"{task['metadata']['name']}/{task['metadata']['uid']}":
        yield f"{said(task)} holds by its status, but its Lease names {holder}"
    elif lease is not None and token(lease) != lock["token"]:
        yield f"{said(task)} holds with fencing token {lock['token']}, but that of its Lease is {token(lease)}"


def token(lease: Body) -> int:
    """Return the fencing token of a Lease; what leaseTransitions has no room for is in an annotation."""
    small: int = lease["spec"].get("leaseTransitions", 0)
    large: str = lease["metadata"].get("annotations", {}).get(names.TOKEN_ANNOTATION, "")
    return max(small, int(large) if large.isdecimal() else 0)


def lease_changed(before: Body, after: Body) -> Iterator[str]:
    """Say what is wrong with a change of a Lease: a token never falls, and every new holder gets a greater one."""
    old, new = token(before), token(after)
    was, holder = (body["spec"].get("holderIdentity", "") for body in (before, after))
    if new < old:
        yield f"the fencing token of {before['metadata']['name']} went back from {old} to {new}"
    if holder and holder != was and new == old:
        yield f"{holder} took {before['metadata']['name']} from {was or 'nobody'} without a new fencing token"


def task_changed(before: Body, after: Body) -> Iterator[str]:
    """Say what is wrong with a change of a task: an end is the end, a start is the start, and attempts are counted upwards."""
    if before["metadata"]["uid"] != after["metadata"]["uid"]:
        return
    was, status = before.get("status", {}), after.get("status", {})
    old, new = ({key: value for key, value in one.items() if key not in ANSWERS} for one in (was, status))
    if was.get("finishedAt") and old != new:
        yield f"{said(before)} changed after its end: {old} became {new}"
    if was.get("startedAt") not in (None, status.get("startedAt")):
        yield f"{said(before)}: startedAt changed from {was['startedAt']} to {status.get('startedAt')}"
    kept = dict(values(status))
    for name, value in values(was):
        if kept.get(name) != value:
            yield f"{said(before)}: {name} changed from {value} to {kept.get(name)}"
    counts = dict(attempts(status))
    for what, count in attempts(was):
        if counts.get(what, 0) < count:
            yield f"{said(before)}: attempts of {what} fell from {count} to {counts.get(what, 0)}"


def values(status: Body) -> Iterator[tuple[str, Any]]:
    """Yield what never changes once it is there: what a subtask gives away, and of which items a loop is made."""
    for step in status.get("steps", []):
        for subtask in step.get("subtasks", []):
            where = f"{step['name']}/{subtask['name']}"
            if "outputs" in subtask:
                yield f"outputs of {where}", subtask["outputs"]
            if "item" in subtask:
                yield f"item of {where}", subtask["item"]
        made = [subtask["name"] for subtask in step.get("subtasks", [])]
        if made and made != [step["name"]]:
            yield f"subtasks of {step['name']}", made
        if "items" in step:
            yield f"items of {step['name']}", step["items"]


def attempts(status: Body) -> Iterator[tuple[Counted, int]]:
    """Yield how often each subtask was tried."""
    for step in status.get("steps", []):
        for subtask in step.get("subtasks", []):
            yield (step["name"], subtask["name"], "Forward"), subtask.get("attempts", 0)
            yield (step["name"], subtask["name"], "Rollback"), subtask.get("rollbackAttempts", 0)


def phase_of(task: Body) -> str:
    """Return the phase of a task, which has none before its first status."""
    phase: str = task.get("status", {}).get("phase", "Pending")
    return phase


def said(task: Body) -> str:
    """Return a task as messages name it."""
    return f"{task['metadata']['name']}/{task['metadata']['uid']} ({phase_of(task)})"
