"""Owns the event handlers: what a change in the API server does to the cache, and which tasks it enqueues."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from obtask import names
from obtask.cache.cluster import ClusterCache
from obtask.cache.finished import EVERYWHERE
from obtask.cache.tasks import at_rest
from obtask.kube.leases import Lease, read_lease
from obtask.model.task import Key, phase_of

# Handles a change of another object; returns the task that it concerns, if any.
See = Callable[[str, dict[str, Any]], Key | None]

logger = logging.getLogger(__name__)

# What may be told of objects besides ADDED, MODIFIED and DELETED: that a list has one, and that a list of a kind begins or is complete.
LISTED, LIST_BEGINS, LIST_ENDS = "LISTED", "LIST_BEGINS", "LIST_ENDS"


class EventHandlers:
    """Update the cache with changes and enqueue the tasks that they concern. ``others`` handle other kinds."""

    def __init__(self, cache: ClusterCache, others: Mapping[str, See]) -> None:
        self._cache = cache
        self._others = others

    def see(self, kind: str, change: str, body: dict[str, Any]) -> None:
        """Handle one change. An unreadable object is logged and left alone. Of a list ``body`` has only the namespace, if it has one."""
        try:
            if change in {LIST_BEGINS, LIST_ENDS}:
                self._list(kind, change, body["metadata"].get("namespace", EVERYWHERE))
            elif kind == names.PLURAL:
                self._task(change, body)
            elif kind in self._others:
                self._other(self._others[kind](change, body))
            else:
                self._lease(change, body)
        except Exception:
            meta = body.get("metadata") or {}
            logger.exception("cannot read %s %s/%s", kind, meta.get("namespace"), meta.get("name"))

    def _list(self, kind: str, change: str, namespace: str) -> None:
        if kind != names.PLURAL:
            return  # whoever works looks for what is gone of other kinds
        if change == LIST_BEGINS:
            self._cache.finished.list_begins(namespace)
        else:
            self._cache.finished.list_ends(namespace)

    def _task(self, change: str, body: dict[str, Any]) -> None:
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        if change == "DELETED":
            self._deleted(key, meta["uid"])
            return
        self._cache.finished.see(body)
        cached = self._cache.tasks.metadata(key)
        if cached is not None and cached.uid != meta["uid"]:
            if int(cached.resource_version) > int(meta["resourceVersion"]):
                return  # a repeated event about a namesake that is gone
            self._deleted(key, cached.uid)
            cached = None
        if cached is None and at_rest(body):
            self._cache.locks.forget_task(meta["uid"])
            return
        is_news = self._cache.update(body) is not None
        if is_news and cached is None and change != LISTED and phase_of(body) not in ("", "Pending"):
            # A task that an event names for the first time should be new: one that is not may be a repeated event.
            self._cache.mark_stale(key)
        if is_news:
            self._cache.enqueue(key)
        if at_rest(body):
            self._at_rest(key, meta)

    def _at_rest(self, key: Key, meta: Mapping[str, Any]) -> None:
        """Note that a task needs nothing any more; attempts may still run here if another operator has finished it."""
        tracked, cached = self._cache.tasks.tracked(key), self._cache.tasks.metadata(key)
        if tracked is None or cached is None or cached.resource_version != meta["resourceVersion"]:
            return
        if tracked.ending or self._cache.is_standby:
            self._cache.forget(key, meta["uid"], deleted=False)
        else:
            tracked.at_rest = True

    def _deleted(self, key: Key, uid: str) -> None:
        self._cache.forget(key, uid, deleted=True)
        self._cache.enqueue(key)

    def _other(self, key: Key | None) -> None:
        if key is not None:
            self._cache.enqueue(key, urgent=True)

    def lease_gone(self, lease: Lease) -> None:
        """Handle the deletion of a Lease."""
        self._cache.locks.forget_lease(lease)
        # It names no holder any more.
        self._enqueue_contradicted(replace(lease, holder=""))

    def _lease(self, change: str, body: dict[str, Any]) -> None:
        lease = read_lease(body)
        if change == "DELETED":
            self.lease_gone(lease)
        else:
            self._cache.locks.update_lease(lease)
            self._enqueue_contradicted(lease)

    def _enqueue_contradicted(self, lease: Lease) -> None:
        for key in self._cache.locks.contradicted_by(lease):
            self._cache.enqueue(key, urgent=True)
