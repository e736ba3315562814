"""Owns the cache of finished tasks: a few fields each, so that ten thousand cost little and none has to be listed."""

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from obtask import names
from obtask.model.base import Moment
from obtask.model.packed import member
from obtask.model.task import is_finished
from obtask.rules.retention import DeletionCause, Finished, Retention, age, is_kept_elsewhere, may_be_kept_elsewhere, over, surplus_in_order

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)

# A relist may still contain objects deleted in between; it is complete this long after its last event.
LISTING_PAUSE_SECONDS = 4


class FinishedTasks:
    """The finished tasks that the watches reported, without those that GitOps tools keep.

    Unless all are ``wanted``, only those with a time of their own.

    ``clock`` counts seconds, whatever becomes of the time of day.
    """

    def __init__(self, clock: Callable[[], float], *, wanted: bool) -> None:
        self._clock = clock
        self._wanted = wanted
        self._by_namespace: dict[str, dict[str, Finished]] = {}
        # In order: those of each namespace that something besides their own time may end, and those with a time of their own.
        self._by_age: dict[str, list[Finished]] = {}
        self._own: list[Finished] = []
        # Tasks that may not be deleted, by uid, and when to try again.
        self._aside: dict[str, datetime] = {}
        self._suspects: dict[str, set[str]] = {}
        self._listed_at: float | None = None

    def see(self, body: Mapping[str, Any], *, listed: bool) -> None:
        """Note a version of a task, finished or not. ``listed``: it comes from a list, not from a change."""
        meta = body["metadata"]
        namespace, uid = meta["namespace"], meta["uid"]
        if listed:
            self._suspect(namespace, uid)
        self._suspects.get(namespace, set()).discard(uid)
        cached = self._by_namespace.get(namespace, {}).get(uid)
        if cached is not None and int(cached.version) > int(meta["resourceVersion"]):
            return
        finished = _read(body)
        if finished is not None and not self._wanted and finished.own_ttl is None:
            finished = None
        aside = self._aside.get(uid)
        self.forget(namespace, uid)
        if finished is not None:
            self._add(finished)
            if aside is not None:
                self._aside[uid] = aside

    def forget(self, namespace: str, uid: str) -> None:
        """Drop a deleted task."""
        tasks = self._by_namespace.get(namespace, {})
        self._aside.pop(uid, None)
        task = tasks.pop(uid, None)
        if task is None:
            return
        if task.over is not None:
            del self._own[bisect_left(self._own, over(task), key=over)]
        if not task.spared:
            ages = self._by_age[namespace]
            del ages[bisect_left(ages, age(task), key=age)]
        if not tasks:
            del self._by_namespace[namespace]
            self._by_age.pop(namespace, None)

    def _add(self, task: Finished) -> None:
        self._by_namespace.setdefault(task.namespace, {})[task.uid] = task
        if task.over is not None:
            insort(self._own, task, key=over)
        if not task.spared:
            insort(self._by_age.setdefault(task.namespace, []), task, key=age)

    def surplus(self, retention: Retention, now: datetime) -> list[tuple[Finished, DeletionCause]]:
        """Return which tasks are not kept, but for those set aside; none while nobody knows which of them are gone."""
        self._settle()
        if self._listed_at is not None:
            return []
        finished = surplus_in_order(self._by_age.values(), self._own, retention, now)
        return [(task, cause) for task, cause in finished if self._aside.get(task.uid, now) <= now]

    def set_aside(self, task: Finished, until: datetime) -> bool:
        """Leave a task out until then; return whether this is the first time."""
        first = task.uid not in self._aside
        self._aside[task.uid] = until
        return first

    def drop(self, task: Finished) -> None:
        """Drop this version of a task; a newer one stays."""
        if self._by_namespace.get(task.namespace, {}).get(task.uid) is task:
            self.forget(task.namespace, task.uid)

    def certain(self) -> list[Finished] | None:
        """Return every finished task that exists; None during a relist, while it is unknown which of them are gone."""
        self._settle()
        if self._listed_at is not None:
            return None
        return [task for tasks in self._by_namespace.values() for task in tasks.values()]

    def _suspect(self, namespace: str, uid: str) -> None:
        # A remembered task of this namespace that is missing in the list is gone.
        self._settle()  # on a standby nobody asks for certainty: the suspects of an earlier list may still be open
        self._listed_at = self._clock()
        cached, suspects = self._by_namespace.get(namespace, {}), self._suspects.get(namespace)
        # No list names a task twice: a repeated one begins the next list.
        if suspects is None or (uid in cached and uid not in suspects):
            self._suspects[namespace] = set(cached)

    def _settle(self) -> None:
        if self._listed_at is None or self._clock() - self._listed_at < LISTING_PAUSE_SECONDS:
            return
        for namespace, gone in self._suspects.items():
            for uid in gone:
                self.forget(namespace, uid)
        self._suspects.clear()
        self._listed_at = None


def _read(body: Mapping[str, Any]) -> Finished | None:
    meta = body["metadata"]
    if not is_finished(body) or meta.get("deletionTimestamp") or names.FINALIZER in (meta.get("finalizers") or ()):
        return None
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    ttl = member(body.get("spec"), "ttlSecondsAfterFinished")
    own = ttl if isinstance(ttl, int) else None
    spared = may_be_kept_elsewhere(labels, annotations)
    if is_kept_elsewhere(labels, annotations) or (spared and own is None):
        return None
    try:
        finished_at = MOMENT.validate_python(datetime.fromisoformat(body["status"]["finishedAt"]))
    except (KeyError, TypeError, ValueError):
        return None  # without a comparable time it would break the order of all others
    return Finished(meta["namespace"], meta["name"], meta["uid"], meta["resourceVersion"], finished_at, own, spared)
