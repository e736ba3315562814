"""Owns visitors whom every request names anew: the API server confirms each once a minute, whatever a proxy in front says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask.web.identity.base import Clock, Reason, Refusal
from obtask.web.visitor import Visitor

CONFIRMED_FOR = timedelta(minutes=1)
MOST = 1000


@dataclass(slots=True)
class _Entry:
    visitor: Visitor
    until: datetime
    refused: bool = False


class Confirmed:
    """Visitors by the keys of their views, for as long as they need not be confirmed again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    async def visitor(self, key: str, confirm: Callable[[], Awaitable[Visitor | Refusal]]) -> Visitor | Refusal:
        """Return the visitor of this key, confirmed within the last minute."""
        entry = self._entries.get(key)
        if entry is not None and not entry.refused and self._clock() < entry.until:
            return entry.visitor
        self._entries.pop(key, None)
        found = await confirm()
        if isinstance(found, Visitor):
            while len(self._entries) >= MOST:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = _Entry(found, self._clock() + CONFIRMED_FOR)
        return found

    def refuse(self, key: str) -> None:
        """Take note that the API server does not know this visitor any more."""
        if key in self._entries:
            self._entries[key].refused = True

    def ended(self, key: str) -> Refusal | None:
        """Return why the visitor of this key is none any more, if the API server has said so."""
        entry = self._entries.get(key)
        return Refusal(Reason.REFUSED) if entry is not None and entry.refused else None
