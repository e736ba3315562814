"""Owns which commands a visitor has the rights for, as the API server says: asked once a minute for each identity and task."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from obtask import names
from obtask.kube.access import Right, refused
from obtask.model.contract import Verb
from obtask.model.task import Key
from obtask.web.identity.base import Clock
from obtask.web.visitor import Visitor

KEPT = timedelta(seconds=60)
MOST = 5000
PATCH = Right("patch", names.PLURAL, names.GROUP)


@dataclass(frozen=True, slots=True)
class _Known:
    at: datetime
    missing: frozenset[str]
    asked: frozenset[str]


class Permissions:
    """What visitors may do to single tasks. It only decides what is offered: the API server decides again about every write."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[str, Key], _Known] = OrderedDict()

    async def missing(self, visitor: Visitor, key: Key, verbs: Iterable[Verb]) -> frozenset[str]:
        """Return which verbs on this task the visitor lacks, of these and ``patch``, without which none can be given."""
        wanted = frozenset(verb.value for verb in verbs)
        place, now = (visitor.key, key), self._clock()
        known = self._known.get(place)
        if known is not None and known.at > now - KEPT and wanted <= known.asked:
            return known.missing
        asked = [Right(verb, names.PLURAL, names.GROUP, name=key.name) for verb in sorted(wanted | {PATCH.verb})]
        missing = frozenset(right.verb for right in await refused(visitor.api, asked, key.namespace))
        self._known[place] = _Known(now, missing, wanted)
        self._known.move_to_end(place)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return missing
