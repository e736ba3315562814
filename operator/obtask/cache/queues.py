"""Owns who waits for which lock, kept in order while tasks come and go."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from datetime import datetime

from obtask.rules.exclusion import Contender
from obtask.rules.lock_keys import Domain, LockKey


class Queues:
    """The waiting tasks of all domains, by lock, first come first."""

    def __init__(self) -> None:
        self._domains: dict[Domain, dict[LockKey, list[Contender]]] = {}

    def of(self, domain: Domain) -> Mapping[LockKey, Sequence[Contender]]:
        """Return the queues of a domain; they change as tasks come and go."""
        return self._domains.get(domain, {})

    def ahead(self, place: tuple[datetime, str], domain: Domain) -> int:
        """Return how many tasks of a domain wait in front of this place."""
        return sum(bisect_left(queue, place, key=_place) for queue in self.of(domain).values())

    def join(self, contender: Contender) -> None:
        """Put a task into its queue."""
        queues = self._domains.setdefault(contender.lock.domain, {})
        insort(queues.setdefault(contender.lock, []), contender, key=_place)

    def leave(self, contender: Contender) -> None:
        """Take a task out of its queue."""
        domain = contender.lock.domain
        queue = self._domains[domain][contender.lock]
        queue.remove(contender)
        if not queue:
            del self._domains[domain][contender.lock]
        if not self._domains[domain]:
            del self._domains[domain]


def _place(contender: Contender) -> tuple[datetime, str]:
    return contender.place
