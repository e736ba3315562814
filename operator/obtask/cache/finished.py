"""Owns the cache of finished tasks: a few fields each, so that ten thousand cost little and none has to be listed."""

from bisect import bisect_left, insort
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from obtask import names
from obtask.model.base import Moment
from obtask.model.packed import member
from obtask.model.task import is_finished
from obtask.rules.retention import DeletionCause, Finished, Retention, age, is_kept_elsewhere, may_be_kept_elsewhere, over, surplus_in_order

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)

EVERYWHERE = ""  # stands for the namespace of a list of all namespaces


class FinishedTasks:
    """The finished tasks that the watches reported, without those that GitOps tools keep.

    Unless all are ``wanted``, only those with a time of their own.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._by_namespace: dict[str, dict[str, Finished]] = {}
        # In order: those of each namespace that something besides their own time may end, and those with a time of their own.
        self._by_age: dict[str, list[Finished]] = {}
        self._own: list[Finished] = []
        # Tasks that may not be deleted, by uid, and when to try again.
        self._aside: dict[str, datetime] = {}
        # Of each list that is under way, by its namespace: what it has not named yet, which is gone if it never does.
        self._unnamed: dict[str, dict[str, Finished]] = {}

    def list_begins(self, namespace: str) -> None:
        """Take note that everything in a namespace, or EVERYWHERE, is about to be listed; a list that has broken off begins anew."""
        among = self._by_namespace.values() if namespace == EVERYWHERE else [self._by_namespace.get(namespace, {})]
        self._unnamed[namespace] = {uid: task for tasks in among for uid, task in tasks.items()}

    def list_ends(self, namespace: str) -> None:
        """Forget what the list did not name: it was deleted while no watch was open."""
        for task in self._unnamed.pop(namespace, {}).values():
            self.forget(task.namespace, task.uid)

    def see(self, body: Mapping[str, Any]) -> None:
        """Note a version of a task, finished or not, that a list or a change tells of."""
        meta = body["metadata"]
        namespace, uid = meta["namespace"], meta["uid"]
        for unnamed in self._unnamed.values():
            unnamed.pop(uid, None)
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
        """Return which tasks are not kept, but for those set aside; none during a list, while it is unknown which of them are gone."""
        if self._unnamed:
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
