"""Owns the newest version of each task that still needs turns, from watches and from our own writes."""

from collections.abc import Mapping
from typing import Any

from obtask import names
from obtask.model.status import Phase
from obtask.model.task import InvalidSpec, Key, Task, read_task

FINISHED = frozenset(phase.value for phase in Phase if phase.finished)


class KnownTasks:
    """The newest known version of each task, by key. Stale reads are harmless: every write carries the version it was based on."""

    def __init__(self) -> None:
        self._tasks: dict[Key, Task] = {}

    def get(self, key: Key) -> Task | None:
        """Return the newest known version, or None."""
        return self._tasks.get(key)

    def learn(self, body: Mapping[str, Any]) -> Task | None:
        """Take note of a version; return the task if it is news, None if this or a newer version is known."""
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        known = self._tasks.get(key)
        if known is not None and int(known.metadata.resource_version) >= int(meta["resourceVersion"]):
            return None
        task = read_task(body)
        self._tasks[key] = task
        return task

    def forget(self, key: Key) -> Task | None:
        """Drop a task that is gone or needs no more turns; return its last version."""
        return self._tasks.pop(key, None)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many tasks are unfinished, by phase and scope."""
        found: dict[tuple[str, str], int] = {}
        for task in self._tasks.values():
            if not task.status.phase.finished:
                scope = "None" if isinstance(task.spec, InvalidSpec) else task.spec.maintenance.value
                found[task.status.phase.value, scope] = found.get((task.status.phase.value, scope), 0) + 1
        return found

    def behind_failed(self) -> int:
        """Return how many tasks wait behind a Failed one: until a person acts, for ever."""
        return sum(any(blocker.phase is Phase.FAILED for blocker in task.status.blocked_by) for task in self._tasks.values())

    def all(self) -> list[Task]:
        """Return every known task."""
        return list(self._tasks.values())


def at_rest(body: Mapping[str, Any]) -> bool:
    """Return whether a task is finished for good, judged without reading it in full: cheap for thousands of them."""
    status = body.get("status") or {}
    if status.get("phase") not in FINISHED:
        return False
    meta, spec = body["metadata"], body.get("spec") or {}
    annotations = meta.get("annotations") or {}
    waiting = names.FINALIZER in (meta.get("finalizers") or ()) or spec.get("ttlSecondsAfterFinished") is not None
    return not waiting and names.ACTION_ANNOTATION not in annotations and names.GROUP_ACTION_ANNOTATION not in annotations
