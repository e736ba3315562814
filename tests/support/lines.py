"""Owns how tests form a line of holders and waiters; the operator keeps its own in order, in cache/queues.py."""

from collections import defaultdict
from collections.abc import Iterable

from obtask.rules.exclusion import Contender, DomainView
from obtask.rules.lock_keys import LockKey


def form_line(holders: Iterable[Contender], waiters: Iterable[Contender]) -> DomainView:
    """Return the line of a domain in its order."""
    held, queues = defaultdict[LockKey, dict[str, Contender]](dict), defaultdict[LockKey, list[Contender]](list)
    for holder in holders:
        held[holder.lock][holder.uid] = holder
    holding = {holder.uid for line in held.values() for holder in line.values()}
    for waiter in sorted(waiters, key=lambda waiter: waiter.position):
        if waiter.uid not in holding:
            queues[waiter.lock].append(waiter)
    return DomainView(dict(held), dict(queues))
