"""Owns the report that two mutually exclusive tasks both hold their locks.

The operator never causes that: somebody has changed stored objects, by hand or from a backup.
"""

import logging

from obtask.engine.reconcile import Engine
from obtask.model.reasons import EventReason
from obtask.model.task import Key
from obtask.rules.announcements import Announcement
from obtask.rules.exclusion import Contender

logger = logging.getLogger(__name__)

MOST_TOLD = 100  # at once, of those that are new


class DoubleHolds:
    """Looks for them, and tells of each once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Tell of those that were not there at the last look."""
        pairs = {(one.uid, other.uid): (one, other) for one, other in self._engine.cache.locks.double_holds()}
        self._engine.announcer.metrics.double_holds.set(len(pairs))
        self._told &= pairs.keys()
        for pair in list(pairs.keys() - self._told)[:MOST_TOLD]:
            self._told.add(pair)
            one, other = pairs[pair]
            self._tell(one, other)
            self._tell(other, one)

    def _tell(self, one: Contender, other: Contender) -> None:
        task = self._engine.cache.tasks.get(Key(one.lock.domain.namespace, one.name))
        whose = f"{other.name} ({other.lock.scope.value})"
        text = f"holds its lock ({one.lock.scope.value}) although {whose} does, too: look at what both do, and skip one"
        logger.error("%s/%s %s", one.lock.domain.namespace, one.name, text)
        if task is not None and task.metadata.uid == one.uid:
            self._engine.announcer.say(task, Announcement(warning=True, reason=EventReason.DOUBLE_HOLD, message=text))
