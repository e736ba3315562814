"""Owns the newest version of each task that still needs turns, from watches and from our own writes. Large specs are kept packed."""

import json
import zlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from obtask import names
from obtask.model.command import noted_command
from obtask.model.packed import text_of
from obtask.model.spec import TaskSpec
from obtask.model.status import Phase, TaskStatus
from obtask.model.task import InvalidSpec, Key, Metadata, Task, Unreadable, is_finished, read_object, read_spec

# Specs that are unpacked for the turns of the moment.
UNPACKED = 8


@dataclass(frozen=True, slots=True)
class _Large:
    """A task with a spec that takes many times its text in memory."""

    metadata: Metadata
    status: TaskStatus
    packed: bytes
    scope: str


class KnownTasks:
    """The newest known version of each task, by key. Stale reads are harmless: every write carries the version it was based on."""

    def __init__(self) -> None:
        self._tasks: dict[Key, Task] = {}
        self._large: dict[Key, _Large] = {}
        self._unreadable: dict[Key, Unreadable] = {}
        self._unpacked: OrderedDict[tuple[str, int], TaskSpec | InvalidSpec] = OrderedDict()

    def get(self, key: Key) -> Task | Unreadable | None:
        """Return the newest known version, or None."""
        large = self._large.get(key)
        if large is not None:
            return Task(large.metadata, self._spec(large), large.status)
        return self._tasks.get(key) or self._unreadable.get(key)

    def metadata(self, key: Key) -> Metadata | None:
        """Return the metadata of the newest known version, or None: cheaper than the whole."""
        known = self._tasks.get(key) or self._large.get(key) or self._unreadable.get(key)
        return known.metadata if known is not None else None

    def learn(self, body: Mapping[str, Any]) -> Task | Unreadable | None:
        """Take note of a version; return the task if it is news, None if this or a newer version is known."""
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        known = self.metadata(key)
        if known is not None and int(known.resource_version) >= int(meta["resourceVersion"]):
            return None
        task = read_object(body, self._known_spec(key, meta))
        packed = self._packed(key, meta, body)
        self.forget(key)
        match task:
            case Unreadable():
                self._unreadable[key] = task
            case Task(spec=TaskSpec()) if packed is not None:
                self._large[key] = _Large(task.metadata, task.status, packed, _scope(task.spec))
            case Task():
                self._tasks[key] = task
        return task

    def forget(self, key: Key) -> None:
        """Drop a task that is gone or needs no more turns."""
        for place in (self._tasks, self._large, self._unreadable):
            place.pop(key, None)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many tasks are unfinished, by phase and scope."""
        small = ((task.status.phase, _scope(task.spec)) for task in self._tasks.values())
        large = ((task.status.phase, task.scope) for task in self._large.values())
        return Counter((phase.value, scope) for phase, scope in chain(small, large) if not phase.finished)

    def behind_failed(self) -> int:
        """Return how many tasks wait behind a Failed one: until a person acts, for ever."""
        statuses = (*(task.status for task in self._tasks.values()), *(task.status for task in self._large.values()))
        return sum(any(blocker.phase is Phase.FAILED for blocker in status.blocked_by) for status in statuses)

    def all(self) -> list[Task]:
        """Return every known task that can be read."""
        return [task for key in (*self._tasks, *self._large) if isinstance(task := self.get(key), Task)]

    def uids(self) -> dict[Key, str]:
        """Return which tasks are known, each with its uid."""
        keys = (*self._tasks, *self._large, *self._unreadable)
        return {key: known.uid for key in keys if (known := self.metadata(key)) is not None}

    def _known_spec(self, key: Key, meta: Mapping[str, Any]) -> TaskSpec | InvalidSpec | None:
        """Return the spec if it is known: it does not change as long as the generation does not, and reading it takes the most time."""
        known = self.metadata(key)
        if known is None or (known.uid, known.generation) != (meta["uid"], meta.get("generation")):
            return None
        task = self.get(key)
        return task.spec if isinstance(task, Task) else None

    def _packed(self, key: Key, meta: Mapping[str, Any], body: Mapping[str, Any]) -> bytes | None:
        text = text_of(body.get("spec"))
        if text is None:
            return None
        known = self._large.get(key)
        if known is not None and (known.metadata.uid, known.metadata.generation) == (meta["uid"], meta.get("generation")):
            return known.packed
        return zlib.compress(text.encode(errors="replace"), 1)

    def _spec(self, large: _Large) -> TaskSpec | InvalidSpec:
        name = (large.metadata.uid, large.metadata.generation)
        spec = self._unpacked.pop(name, None) or read_spec(json.loads(zlib.decompress(large.packed)))
        self._unpacked[name] = spec
        if len(self._unpacked) > UNPACKED:
            self._unpacked.popitem(last=False)
        return spec


def _scope(spec: TaskSpec | InvalidSpec) -> str:
    return "None" if isinstance(spec, InvalidSpec) else spec.maintenance.value


def at_rest(body: Mapping[str, Any]) -> bool:
    """Return whether a task is finished for good, judged without reading it in full: cheap for thousands of them."""
    if not is_finished(body):
        return False
    meta = body["metadata"]
    annotations = meta.get("annotations") or {}
    given = names.ACTION_ANNOTATION in annotations or names.GROUP_ACTION_ANNOTATION in annotations
    return not (names.FINALIZER in (meta.get("finalizers") or ()) or given or _unanswered(annotations, body["status"]))


def _unanswered(annotations: Mapping[str, str], status: Mapping[str, Any]) -> bool:
    noted = noted_command(annotations)
    action = status.get("lastAction")
    return noted is not None and not (isinstance(action, Mapping) and action.get("id") == noted.id)
