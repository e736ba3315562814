"""Owns the tasks that still need to be reconciled, each with its newest known version. Large specs are kept packed."""

import json
import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, assert_never

from obtask import names
from obtask.cache.tracked import Large, Tracked
from obtask.model.command import noted_command
from obtask.model.contract import Phase
from obtask.model.packed import text_of
from obtask.model.spec import StepsElsewhere, TaskSpec, with_steps
from obtask.model.task import InvalidSpec, Key, Metadata, Task, Unreadable, is_finished, read_object, scope_of

# Specs that are unpacked for the reconciles of the moment.
UNPACKED = 4
HEAD_BYTES = 4 * 1024  # of parameters that are kept as they are


class TaskCache:
    """What is remembered of tasks, by key. Old versions are harmless: every write carries the version that it was based on."""

    def __init__(self) -> None:
        self._tracked: dict[Key, Tracked] = {}
        self._unpacked: OrderedDict[tuple[str, int], TaskSpec] = OrderedDict()

    def get(self, key: Key) -> Task | Unreadable | None:
        """Return the newest known version, or None."""
        tracked = self._tracked.get(key)
        version = tracked.version if tracked is not None else None
        return Task(version.metadata, self._spec(version), version.status) if isinstance(version, Large) else version

    def metadata(self, key: Key) -> Metadata | None:
        """Return the metadata of the newest known version, or None: cheaper than the whole."""
        tracked = self._tracked.get(key)
        return tracked.version.metadata if tracked is not None and tracked.version is not None else None

    def tracked(self, key: Key) -> Tracked | None:
        """Return what is remembered under this name."""
        return self._tracked.get(key)

    def update(self, body: Mapping[str, Any]) -> Task | Unreadable | None:
        """Take note of a version; return the task if it is news, None if this or a newer version is known, or that the task is deleted."""
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        before = self._tracked.get(key)
        if before is not None and meta["uid"] in before.deleted:
            return None  # the answer to a request of ours that came after the news of the deletion
        cached = self.metadata(key)
        if cached is not None and int(cached.resource_version) >= int(meta["resourceVersion"]):
            return None
        unchanged = self._unchanged(key, meta)
        task = read_object(body, self._known_spec(unchanged))
        text = text_of(body.get("spec"))
        tracked = self.track(key)
        if cached is not None and cached.uid != task.metadata.uid:
            tracked.next_task()
        tracked.at_rest = tracked.ending = False
        if not isinstance(task, Task) or not isinstance(task.spec, TaskSpec) or text is None:
            tracked.version = task
        elif isinstance(unchanged, Large):
            tracked.version = replace(unchanged, metadata=task.metadata, status=task.status)
        else:
            tracked.version = self._large(task, task.spec, text)
        return task

    def forget(self, key: Key, uid: str, *, deleted: bool) -> None:
        """Drop what is remembered of a task; ``deleted``: what it left is to be cleaned up."""
        tracked = self.track(key)
        if tracked.version is not None and tracked.version.metadata.uid == uid:
            tracked.next_task()
        tracked.deleted |= {uid} if deleted else set()
        self._tidy(key, tracked)

    def cleaned_up(self, key: Key, uids: frozenset[str]) -> None:
        """Take note that nothing is left of these deleted tasks of this name; others may have been deleted meanwhile."""
        tracked = self._tracked.get(key)
        if tracked is not None:
            tracked.deleted -= uids
            self._tidy(key, tracked)

    def _tidy(self, key: Key, tracked: Tracked) -> None:
        if tracked.is_empty:
            del self._tracked[key]

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many tasks are unfinished, by phase and scope."""
        found = ((version.status.phase, _scope_of(version)) for version in self._versions() if not isinstance(version, Unreadable))
        return Counter((phase.value, scope) for phase, scope in found if not phase.finished)

    def behind_failed(self) -> int:
        """Return how many tasks wait behind a Failed one: until a person acts, for ever."""
        statuses = (version.status for version in self._versions() if not isinstance(version, Unreadable))
        return sum(any(blocker.phase is Phase.FAILED for blocker in status.blocked_by) for status in statuses)

    def uids(self) -> dict[Key, str]:
        """Return which tasks are known, each with its uid."""
        return {key: tracked.version.metadata.uid for key, tracked in self._tracked.items() if tracked.version is not None}

    def all(self) -> dict[Key, Tracked]:
        """Return all that is remembered, by key."""
        return dict(self._tracked)

    def track(self, key: Key) -> Tracked:
        """Return what is remembered under this name, from now on."""
        return self._tracked.setdefault(key, Tracked())

    def _versions(self) -> Iterator[Task | Large | Unreadable]:
        return (tracked.version for tracked in self._tracked.values() if tracked.version is not None)

    def _unchanged(self, key: Key, meta: Mapping[str, Any]) -> Task | Large | Unreadable | None:
        """Return the known version if its spec is still the same: it does not change as long as the generation does not."""
        tracked = self._tracked.get(key)
        version = tracked.version if tracked is not None else None
        if version is None or (version.metadata.uid, version.metadata.generation) != (meta["uid"], meta.get("generation")):
            return None
        return version

    def _known_spec(self, version: Task | Large | Unreadable | None) -> TaskSpec | InvalidSpec | None:
        """Return the spec of a version if it has one: reading it again would take the most time."""
        match version:
            case Task():
                return version.spec
            case Large():
                return self._spec(version)
            case None | Unreadable():
                return None
            case never:
                assert_never(never)

    def _large(self, task: Task, spec: TaskSpec, text: str) -> Large:
        """Return what is kept of a large task. What waits for hours is looked at now and then, which needs no steps."""
        name, packed = (task.metadata.uid, task.metadata.generation), zlib.compress(text.encode(errors="replace"), 1)
        is_light = len(json.dumps(spec.parameters)) <= HEAD_BYTES
        steps = StepsElsewhere(len(spec.steps), lambda: self._unpack(name, packed).steps)
        return Large(task.metadata, task.status, packed, scope_of(spec), with_steps(spec, steps) if is_light else None)

    def _spec(self, large: Large) -> TaskSpec:
        name = (large.metadata.uid, large.metadata.generation)
        if large.head is None or name in self._unpacked:
            return self._unpack(name, large.packed)
        return with_steps(large.head, large.head.steps)

    def _unpack(self, name: tuple[str, int], packed: bytes) -> TaskSpec:
        spec = self._unpacked.get(name) or TaskSpec.model_validate(json.loads(zlib.decompress(packed)))
        self._unpacked[name] = spec
        self._unpacked.move_to_end(name)
        if len(self._unpacked) > UNPACKED:
            self._unpacked.popitem(last=False)
        return spec


def _scope_of(version: Task | Large) -> str:
    return version.scope if isinstance(version, Large) else scope_of(version.spec)


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
