"""Owns the rows that a view knows, and what pages ask of them: it is worked out when it is asked for, once for each state of the rows.

Finished tasks are kept apart: there may be many, and they hardly ever change, while the others change all the time.
"""

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from obtask.web.identity.base import Clock
from obtask.web.views.lines import Lines, lines_of
from obtask.web.views.query import FINISHED, Counts, Order, Query, counts_of, in_order, newest_first
from obtask.web.views.rows import Row

CHANGING = frozenset({Order.COST, Order.DURATION})  # orders that change while nothing happens
REMEMBERED = 50  # lists


class _Half:
    """The finished tasks, or the others, as they are: after a change another one takes its place."""

    def __init__(self, rows: dict[str, Row]) -> None:
        self.rows = rows
        self._found: dict[Query, Sequence[Row]] = {}

    @cached_property
    def counts(self) -> Counts:
        return counts_of(self.rows.values())

    @cached_property
    def lines(self) -> Lines:
        return lines_of(self.rows.values())

    @cached_property
    def namespaces(self) -> frozenset[str]:
        return frozenset(row.namespace for row in self.rows.values())

    @cached_property
    def newest_first(self) -> Sequence[Row]:
        found = newest_first(self.rows.values())
        # Kept in this order, they are nearly sorted the next time.
        self.rows.clear()
        self.rows.update((row.uid, row) for row in found)
        return found

    def matching(self, query: Query) -> Sequence[Row]:
        """Return those that are asked for, newest first, whatever the order that is asked for."""
        key = replace(query, page=1, order=None, descending=False)
        if key not in self._found:
            _make_room(self._found)
            self._found[key] = [row for row in self.newest_first if key.has(row)] if key.narrows else self.newest_first
        return self._found[key]


class Table:
    """Rows by uid."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open, self._finished = _Half({}), _Half({})
        self._lists: dict[Query, Sequence[Row]] = {}

    # --- what is known ---

    @property
    def rows(self) -> Mapping[str, Row]:
        """All of them, by uid."""
        return ChainMap(self._open.rows, self._finished.rows)

    @property
    def counts(self) -> Counts:
        """How many tasks are how far."""
        return self._open.counts + self._finished.counts

    @property
    def lines(self) -> Lines:
        """Who holds, and who waits behind whom: finished tasks have no part in it."""
        return self._open.lines

    @property
    def namespaces(self) -> frozenset[str]:
        """Where they are."""
        return self._open.namespaces | self._finished.namespaces

    def named(self, namespace: str, name: str) -> Row | None:
        """Return a task by its name; of two of the same name, the younger one."""
        found = [row for half in self._halves for row in half.rows.values() if row.name == name and row.namespace == namespace]
        return max(found, key=lambda row: row.created, default=None)

    def chosen(self, query: Query) -> Sequence[Row]:
        """Return the tasks that are asked for, in order, those of all pages."""
        key = replace(query, page=1)
        if key not in self._lists or query.order in CHANGING:
            _make_room(self._lists)
            found = [row for half in self._halves for row in half.matching(key)]
            self._lists[key] = in_order(found, key, self.lines, self._clock())
        return self._lists[key]

    # --- what happens ---

    def put(self, row: Row) -> bool:
        """Take a row, unless a newer one is known; return whether it was taken."""
        known = self._open.rows.get(row.uid) or self._finished.rows.get(row.uid)
        if known is not None and known.version >= row.version:
            return False
        is_finished = row.phase in FINISHED
        if known is not None and (known.phase in FINISHED) is not is_finished:
            self.drop(row.uid)
        (self._finished if is_finished else self._open).rows[row.uid] = row
        self._changed(is_finished)
        return True

    def drop(self, uid: str) -> bool:
        """Forget a row; return whether there was one."""
        for half in self._halves:
            if half.rows.pop(uid, None) is not None:
                self._changed(half is self._finished)
                return True
        return False

    def forget(self, which: Callable[[Row], bool]) -> bool:
        """Forget some rows; return whether there were any."""
        found = [uid for half in self._halves for uid, row in half.rows.items() if which(row)]
        for uid in found:
            self.drop(uid)
        return bool(found)

    @property
    def _halves(self) -> tuple[_Half, _Half]:
        return self._open, self._finished

    def _changed(self, is_finished: bool) -> None:
        if is_finished:
            self._finished = _Half(self._finished.rows)
        else:
            self._open = _Half(self._open.rows)
        self._lists.clear()


def _make_room(lists: dict[Query, Sequence[Row]]) -> None:
    if len(lists) >= REMEMBERED:
        lists.clear()
