"""Owns what would become of a new task at first: whether it starts at once, or behind whom it waits. By the operator's rules. Pure."""

from dataclasses import dataclass
from datetime import datetime

from obtask.model.contract import OnConflict, Phase
from obtask.rules.exclusion import Contender, DomainView, in_the_way, rivals
from obtask.rules.lock_keys import LockKey
from obtask.web.views.lines import Lines


@dataclass(frozen=True, slots=True)
class Outlook:
    """Who would be in the way of a new task, at which place in line it would be, and whether it would rather be rejected."""

    lock: LockKey | None
    ahead: tuple[Contender, ...] = ()
    place: int = 1
    is_rejected: bool = False

    @property
    def starts(self) -> bool:
        """Whether it would start at once."""
        return not self.ahead


def outlook(lines: Lines, name: str, lock: LockKey | None, on_conflict: OnConflict, now: datetime) -> Outlook:
    """Return what would become of a task that is created now."""
    line = lines.domains.get(lock.domain) if lock is not None else None
    if lock is None or line is None:
        return Outlook(lock)
    ahead = in_the_way(Contender(name, "", lock, Phase.PENDING, now), line)
    return Outlook(lock, ahead.first, place_of_new(lock, line), bool(ahead.count) and on_conflict is OnConflict.REJECT)


def place_of_new(lock: LockKey, line: DomainView) -> int:
    """Return the place in line, from 1, of one that comes now."""
    return 1 + sum(len(line.queues[rival]) for rival in rivals(lock, line.queues))
