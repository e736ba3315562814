"""Owns what a watcher saw of all tasks and Leases of a namespace, in the order of the API server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support import promises
from tests.support.apiserver import LEASES, OBTASKS, ApiServer, Body, Watch

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
            if change.kind == "obtask":
                found += _changed(tasks, change, promises.task_changed)
            else:
                told = _changed(leases, change, promises.lease_changed)
                found += told if whole_leases else []
            faults = promises.broken(tasks.values(), leases if whole_leases else None)
            found += [f"at version {change.version}: {text}" for text in faults]
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


def _changed(known: dict[str, Body], change: Change, judge: Callable[[Body, Body], Iterator[str]]) -> list[str]:
    """Put a change into what is known, and return what is wrong with it."""
    before = known.pop(change.name, None)
    if change.body is None:
        return []
    known[change.name] = change.body
    return list(judge(before, change.body)) if before is not None else []
