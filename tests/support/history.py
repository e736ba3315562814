"""Owns what a watcher saw of all tasks and Leases of a namespace, in the order of the API server, and what must hold in it at any time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.apiserver import LEASES, OBTASKS, ApiServer, Body, Watch

HOLDING = ("Running", "Failed", "RollingBack")
WATCH_SECONDS = 300.0
CATCH_UP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Change:
    """One version of a task or a Lease; ``body`` is None if it was deleted."""

    version: int
    kind: str
    name: str
    body: Body | None


class History:
    """Watches while it runs. ``problems`` says what was wrong at any moment."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self._api = api
        self._paths = {"obtask": OBTASKS.format(namespace), "lease": LEASES.format(namespace)}
        self._changes: dict[tuple[str, str, int], Change] = {}
        self._watches: dict[str, Watch] = {}
        self._ending = False

    @contextmanager
    def running(self) -> Iterator["History"]:
        """Watch as long as the block lasts."""
        threads = []
        for kind, path in self._paths.items():
            version = self._api.get(path)["metadata"]["resourceVersion"]
            threads.append(threading.Thread(target=self._watch, args=(kind, path, version), name=f"history of {kind}"))
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ending = True
            for watch in self._watches.values():
                watch.close()
            for thread in threads:
                thread.join()

    def changes(self) -> list[Change]:
        """Return everything that happened until now, in order."""
        deadline = time.monotonic() + CATCH_UP_SECONDS
        missing = self._missing()
        while missing:
            assert time.monotonic() < deadline, f"the watch is behind: {missing}"
            time.sleep(0.01)
            missing = self._missing()
        return sorted(self._changes.values(), key=lambda change: change.version)

    def phases(self, task: str) -> list[str]:
        """Return the phases that a task went through."""
        found: list[str] = []
        for change in self.changes():
            if change.kind == "obtask" and change.name == task and change.body is not None:
                phase = change.body.get("status", {}).get("phase", "Pending")
                found += [phase] if phase not in found[-1:] else []
        return found

    def starts(self) -> list[str]:
        """Return the names of tasks in the order in which they got a lock or began."""
        began = [
            change.name
            for change in self.changes()
            if change.kind == "obtask" and change.body is not None and change.body.get("status", {}).get("startedAt")
        ]
        return list(dict.fromkeys(began))

    def problems(self, *, whole_leases: bool = True) -> list[str]:
        """Return every breach of what API.md section 4 promises; without ``whole_leases`` a person may have edited Leases."""
        tasks: dict[str, Body] = {}
        leases: dict[str, Body] = {}
        found: list[str] = []
        for change in self.changes():
            known = tasks if change.kind == "obtask" else leases
            before = known.pop(change.name, None)
            if change.body is not None:
                known[change.name] = change.body
            if change.kind == "obtask":
                found += _changed_after_the_end(before, change.body)
            elif whole_leases:
                found += _token_fell(before, change.body)
            found += [f"at version {change.version}: {text}" for text in _broken(tasks, leases, whole_leases=whole_leases)]
        return list(dict.fromkeys(found))

    def _missing(self) -> list[str]:
        now = [(kind, item) for kind, path in self._paths.items() for item in self._api.get(path)["items"]]
        keys = [(kind, str(item["metadata"]["name"]), int(item["metadata"]["resourceVersion"])) for kind, item in now]
        return [str(key) for key in keys if key not in self._changes]

    def _watch(self, kind: str, path: str, version: str) -> None:
        while not self._ending:
            watch = self._watches[kind] = self._api.watch(path, version, WATCH_SECONDS)
            for change, body in watch:
                version = body["metadata"]["resourceVersion"]
                key = (kind, str(body["metadata"]["name"]), int(version))
                self._changes[key] = Change(int(version), kind, key[1], None if change == "DELETED" else body)


def conflict(one: Body, other: Body) -> bool:
    """Return whether two tasks exclude each other, by the table of API.md section 4."""
    mine, theirs = one["spec"], other["spec"]
    target = "cluster" if mine["type"] == "Cluster" else "agent"
    if mine["type"] != theirs["type"] or mine[target] != theirs[target]:
        return False
    scopes = {mine["maintenance"], theirs["maintenance"]}
    if "None" in scopes or scopes == {"Global", "OBProxy"}:
        return False
    return scopes != {"Tenant"} or mine["tenant"] == theirs["tenant"]


def _broken(tasks: dict[str, Body], leases: dict[str, Body], *, whole_leases: bool) -> Iterator[str]:
    for name, task in tasks.items():
        status = task.get("status", {})
        if status.get("phase", "Pending") != "Pending" and not status.get("reason"):
            yield f"{name} is {status['phase']} without a reason"
    holding = [task for task in tasks.values() if _holds(task)]
    for index, task in enumerate(holding):
        name, uid = task["metadata"]["name"], task["metadata"]["uid"]
        for other in holding[index + 1 :]:
            if conflict(task, other):
                yield f"{name} and {other['metadata']['name']} exclude each other and both hold"
        lock = task["status"].get("lock")
        if lock is None:
            yield f"{name} is {task['status']['phase']} without a lock"
        elif whole_leases and leases.get(lock["lease"], {}).get("spec", {}).get("holderIdentity") != f"{name}/{uid}":
            yield f"{name} is {task['status']['phase']} and its Lease does not name it"


def _holds(task: Body) -> bool:
    status = task.get("status", {})
    return task["spec"]["maintenance"] != "None" and status.get("phase") in HOLDING and status.get("reason") != "LockLost"


def _changed_after_the_end(before: Body | None, after: Body | None) -> Iterator[str]:
    if before is None or after is None or not before.get("status", {}).get("finishedAt"):
        return
    old, new = ({key: value for key, value in body["status"].items() if key not in {"lastAction", "history"}} for body in (before, after))
    if old != new:
        yield f"{before['metadata']['name']} changed after its end: {old} became {new}"


def _token_fell(before: Body | None, after: Body | None) -> Iterator[str]:
    if before is None or after is None:
        return
    old, new = (body["spec"].get("leaseTransitions", 0) for body in (before, after))
    was, holds = (body["spec"].get("holderIdentity", "") for body in (before, after))
    if new < old:
        yield f"the token of {before['metadata']['name']} fell from {old} to {new}"
    if holds and holds != was and new == old:
        yield f"{before['metadata']['name']} has a new holder and the old token {old}"
