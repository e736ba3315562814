"""Owns the states that were met: each store and each operator is kept once, known by a number, in its canonical form."""

from typing import NamedTuple

from tests.exploration.catalogue import Catalogue
from tests.exploration.operators import Parts, Start
from tests.exploration.promises import change_fault, start_fault
from tests.exploration.requests import Answer, Call, Refused, said, shown
from tests.exploration.steps import Reconcile, Steps, Told
from tests.exploration.store import ApiServer, Store


class State(NamedTuple):
    """One state. Everything is known by number; ``faults``, ``lags`` and ``acts`` are how many of them may still happen.

    ``deaf`` has a bit for each operator whose watches are silent. The others hear of every change at once, even in a reconcile.
    """

    store: int
    ledger: int
    operators: tuple[int, ...]
    deaf: int
    faults: int
    lags: int
    acts: int


class Sent(NamedTuple):
    """A request on its way: which operator sent it, where that operator stands, in which reconcile."""

    sender: int
    operator: int
    reconcile: Reconcile
    call: Call


class Move(NamedTuple):
    """One thing that can happen: who does what."""

    who: str
    what: str
    reconcile: Reconcile | None = None
    call: Call | None = None
    answer: Answer | None = None

    def __str__(self) -> str:
        parts = [self.who, f"({self.reconcile})" if self.reconcile else "", self.what, shown(self.call) if self.call else ""]
        return " ".join(part for part in parts if part) + (f"  ->  {said(self.answer)}" if self.answer else "")


class PromiseBroken(Exception):  # noqa: N818 - what happened
    """A step breaks a promise that no state can tell of."""


class States:
    """All stores, operators and answers that were met."""

    def __init__(self, parts: Parts, *, policies: bool = True) -> None:
        self.catalogue = Catalogue()
        self.server = ApiServer(self.catalogue, policies=policies)
        self.steps = Steps(parts, self.catalogue)
        self._stores: list[Store] = []
        self._store_ids: dict[Store, int] = {}
        self._store_masks: list[int] = []
        self._ledgers: list[frozenset[Start]] = []
        self._ledger_ids: dict[frozenset[Start], int] = {}
        self._answers: dict[tuple[int, Call], tuple[int, Answer]] = {}
        self._news: dict[int, Told] = {}
        self._new_stores: dict[int, int] = {}
        self._new_operators: dict[tuple[int, int], int] = {}
        self._told_operators: dict[tuple[int, int], int] = {}

    def store(self, number: int) -> Store:
        """Return a store."""
        return self._stores[number]

    def caught_up(self, number: int, store: int) -> int:
        """Return the operator in its canonical form beside this store, told what is in it."""
        found = self._told_operators.get((number, store))
        if found is None:
            new = self.renumbered_store(store)
            ranks = self.catalogue.ranks(self.steps.stand(number).mask, self._store_masks[store])
            told = self.steps.told(number, ranks, self.told(new))
            found = self._told_operators[number, store] = self.renumbered_operator(told, new)
        return found

    def renumbered_store(self, number: int) -> int:
        """Return the store in its canonical form."""
        found = self._new_stores.get(number)
        if found is None:
            current = self._store_masks[number]
            ranks = self.catalogue.ranks(current, current)
            found = self._new_stores[number] = self.number(self.server.renumbered(self._stores[number], ranks))
        return found

    def renumbered_operator(self, number: int, store: int) -> int:
        """Return the operator in its canonical form beside this store."""
        current = self._store_masks[store]
        found = self._new_operators.get((number, current))
        if found is None:
            ranks = self.catalogue.ranks(self.steps.stand(number).mask, current)
            found = self._new_operators[number, current] = self.steps.renumbered(number, ranks)
        return found

    def refused(self, sent: Sent, store: int) -> bool:
        """Return whether a write on its way will be refused whenever it arrives: the version it carries is not the current one."""
        return sent.call.method in ("PUT", "PATCH") and isinstance(self.answer(store, sent.call)[1], Refused)

    def keeps_tasks(self, store: int) -> bool:
        """Return whether no task is about to go, unless a person deletes one."""
        return all(self.catalogue.task(number).metadata.deletion_timestamp is None for number in self._stores[store].tasks())

    def answer(self, store: int, call: Call) -> tuple[int, Answer]:
        """Return what is stored after a request, and the answer."""
        found = self._answers.get((store, call))
        if found is None:
            after, answer = self.server.answer(self._stores[store], call)
            fault = change_fault(self._stores[store], after, self.catalogue)
            if fault is not None:
                raise PromiseBroken(f"{shown(call)}: {fault}")
            found = self._answers[store, call] = (self.number(after), answer)
        return found

    def told(self, store: int) -> Told:
        """Return what the watches tell of a store."""
        found = self._news.get(store)
        if found is None:
            found = self._news[store] = Told(tuple(number for _, number in self._stores[store].objects))
        return found

    def number(self, store: Store) -> int:
        """Return the number of a store."""
        number = self._store_ids.get(store)
        if number is None:
            number = self._store_ids[store] = len(self._stores)
            self._stores.append(store)
            self._store_masks.append(self.server.mask(store))
        return number

    def started(self, ledger: int, starts: tuple[Start, ...]) -> int:
        """Return the ledger of all starts with some more; raises PromiseBroken when one of them should not have been."""
        before = self._ledgers[ledger] if ledger >= 0 else frozenset()
        fault = start_fault(before, starts)
        if fault is not None:
            raise PromiseBroken(fault)
        after = before | set(starts)
        number = self._ledger_ids.setdefault(after, len(self._ledgers))
        if number == len(self._ledgers):
            self._ledgers.append(after)
        return number
