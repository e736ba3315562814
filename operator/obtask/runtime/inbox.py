"""Owns what a change in the API server means for the engine: which tasks to look at."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from obtask import names
from obtask.cache.finished import FinishedTasks
from obtask.cache.locks import Board
from obtask.cache.tasks import at_rest
from obtask.engine.reconcile import Engine
from obtask.kube.leases import Lease, read_lease
from obtask.model.attempt import AttemptId
from obtask.model.task import Key, phase_of
from obtask.runtime.work_queue import Wakeups

# Takes note of a change of an object; returns the attempt that it is news about, if there is one.
See = Callable[[str, dict[str, Any]], AttemptId | None]

logger = logging.getLogger(__name__)


class Inbox:
    """Takes note of changes and rings the tasks they concern. It does no work itself."""

    def __init__(self, engine: Engine, board: Board, wakeups: Wakeups, finished: FinishedTasks, see: Mapping[str, See]) -> None:
        self._finished = finished
        self._see = see
        self._engine = engine
        self._board = board
        self._wakeups = wakeups

    def receive(self, kind: str, change: str, body: dict[str, Any]) -> None:
        """Take note of one change. An object that cannot be read is logged and left alone."""
        try:
            if kind == names.PLURAL:
                self._task(change, body)
            elif kind in self._see:
                self._work(self._see[kind](change, body))
            else:
                self._lease(change, body)
        except Exception:
            meta = body.get("metadata") or {}
            logger.exception("cannot read %s %s/%s", kind, meta.get("namespace"), meta.get("name"))

    def _task(self, change: str, body: dict[str, Any]) -> None:
        meta = body["metadata"]
        key = Key(meta["namespace"], meta["name"])
        if change == "DELETED":
            self._finished.forget(key.namespace, meta["uid"])
            self._gone(key, meta["uid"])
            return
        self._finished.see(body, listed=not change)
        known = self._engine.known.metadata(key)
        if known is not None and known.uid != meta["uid"]:
            if int(known.resource_version) > int(meta["resourceVersion"]):
                return  # an event that comes again, about a namesake that is gone
            self._gone(key, known.uid)
            known = None
        if known is None and at_rest(body):
            self._board.forget_task(meta["uid"])
            return
        if known is None and change and phase_of(body) not in ("", "Pending"):
            # A task that is told of for the first time is new, unless it was listed: this may be an event that comes again.
            self._engine.doubted.add(key)
        if self._engine.learn(body) is not None:
            self._wakeups.ring(key)
        if at_rest(body):
            self._engine.known.forget(key)
            self._engine.fading.discard(key)
            self._engine.doubted.discard(key)
            self._wakeups.forget(key)

    def _gone(self, key: Key, uid: str) -> None:
        self._engine.depart(key, uid)
        self._wakeups.ring(key)

    def _work(self, attempt: AttemptId | None) -> None:
        key = self._engine.attempts.key_of(attempt) if attempt is not None else None
        if key is not None:
            self._wakeups.ring(key, urgent=True)

    def forget_what_is_over(self) -> None:
        """Drop what a standby remembers of tasks that came and went: it is the leader's business, and the sweep frees their Leases."""
        self._engine.departed.clear()
        self._wakeups.keep_only(self._engine.known.uids())

    def lease_gone(self, lease: Lease) -> None:
        """Take note of a Lease that was deleted."""
        self._board.forget_lease(lease)
        # What it said last is no longer so.
        self._ring_doubtful(replace(lease, holder=""))

    def _lease(self, change: str, body: dict[str, Any]) -> None:
        lease = read_lease(body)
        if change == "DELETED":
            self.lease_gone(lease)
        else:
            self._board.see_lease(lease)
            self._ring_doubtful(lease)

    def _ring_doubtful(self, lease: Lease) -> None:
        for key in self._board.doubtful(lease):
            self._wakeups.ring(key, urgent=True)
