"""Owns what can happen next: in which ways a state goes on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from tests.exploration.cases import Act, Case
from tests.exploration.operators import Start
from tests.exploration.requests import Answer, Evaluated
from tests.exploration.states import Move, Sent, State, States
from tests.exploration.steps import Began, Heard, Reconcile, Unheard
from tests.exploration.store import Store

from obtask import names

Moves = Iterator[tuple[Move, State]]

ITEM = "b"  # of every list that is found


class Space:
    """All states of a case, made as they are met."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.states = States(case.parts, policies=case.policies)
        self.steps = self.states.steps

    def start(self) -> State:
        """Return the state in which all tasks exist and the operators have read all but the late ones."""
        case, states = self.case, self.states
        store = self._with_tasks(Store((), ()), late=False)
        told = states.told(states.number(store)).news
        fresh = [self.steps.fresh(runner, told) for runner in case.operators]
        number = states.number(self._with_tasks(store, late=True))
        operators = tuple(states.renumbered_operator(operator, number) for operator in fresh)
        deaf = 2 ** len(operators) - 1 if case.late or case.lags is None else 0
        ledger = states.started(-1, ())
        return State(states.renumbered_store(number), ledger, operators, deaf, case.faults, case.lags or 0, case.most_acts)

    def _with_tasks(self, store: Store, *, late: bool) -> Store:
        for body in self.case.tasks:
            if (body["metadata"]["name"] in self.case.late) is late:
                store = self.states.server.create_task(store, body)
        return store

    def moves(self, state: State) -> Moves:
        """Return everything that can happen, and where it leads."""
        sent = [
            Sent(index, number, reconcile, call)
            for index, number in enumerate(state.operators)
            for reconcile, call in self.steps.stand(number).pending
        ]
        alone = next((one for one in sent if self._concerns_nobody_else(state, one)), None)
        if alone is not None and self.case.turns_at_once == 1:
            yield from self._reconciles(state, alone.sender, [alone])
            return
        for index in range(len(state.operators)):
            yield from self._told(state, index)
            yield from self._reconciles(state, index, [one for one in sent if one.sender == index])
        if state.acts:
            yield from self._acts(state)

    def _concerns_nobody_else(self, state: State, sent: Sent) -> bool:
        """Return whether it is the same for all when this arrives: then it may as well go first, and one order stands for many.

        A write that carries an old version is refused whenever it arrives, and changes nothing for anybody; after that the operator
        asks afresh. A look at a task after such a refusal tells an operator that hears everything at once nothing that it has not
        heard or will not hear, and ends its reconcile; unless the task goes. Until then the operator has no other step that could go first,
        but to crash or to hear no answer, and these are tried too.
        """
        if self.states.refused(sent, state.store) and not self._may_be_made_again(state, sent):
            return True
        hears = not state.deaf >> sent.sender & 1 and not state.lags
        return hears and not state.acts and self.steps.stand(sent.operator).takes_note and self.states.keeps_tasks(state.store)

    def _may_be_made_again(self, state: State, sent: Sent) -> bool:
        """Return whether a person may delete the Lease that this writes before it arrives: such a write makes the Lease again."""
        return bool(state.acts) and "/leases/" in sent.call.path and any(act.verb == "delete-lease" for act in self.case.acts)

    def _reconciles(self, state: State, index: int, sent: list[Sent]) -> Moves:
        for one in sent:
            yield from self._served(state, one)
            if state.faults:
                yield from self._crashed(state, self._move(one, "crashes before this leaves"), index, state.store)
        if len(sent) < self.case.turns_at_once:
            for reconcile in self.steps.stand(state.operators[index]).reconciles:
                yield from self._begun(state, index, reconcile)
        if state.faults and not sent:
            yield from self._crashed(state, Move(self._who(index), "crashes between two reconciles"), index, state.store)

    def _begun(self, state: State, index: int, reconcile: Reconcile) -> Moves:
        # A reconcile and its first request are one step: until then nobody else can tell that it has begun.
        number = state.operators[index]
        after, started = self.steps.step(number, Began(reconcile))
        calls = [call for found, call in self.steps.stand(after).pending if found == reconcile]
        if calls:
            yield from self._served(state, Sent(index, after, reconcile, calls[0]))
        elif after != number:
            move = Move(self._who(index), "goes on without a request", reconcile)
            yield from self._heard(move, self._started(state, started), self._with_operator(state, index, after), state.store)

    def _served(self, state: State, sent: Sent) -> Moves:
        if sent.call.method == "EVALUATE":
            # Everybody finds another list: which one it is, is known only once it is stored.
            for value in (json.dumps([self.case.operators[sent.sender], ITEM]), None):
                yield from self._answered(state, sent, Evaluated(value))
            return
        yield from self._answered(state, sent)
        if state.faults:
            store, _ = self.states.answer(state.store, sent.call)
            if store != state.store:
                yield from self._crashed(state, self._move(sent, "crashes before it hears that this was done:"), sent.sender, store)
                yield from self._unheard(state, self._move(sent, "never hears that this was done:"), sent, store)
            yield from self._unheard(state, self._move(sent, "sends in vain"), sent, state.store)

    def _answered(self, state: State, sent: Sent, given: Answer | None = None) -> Moves:
        store, answer = (state.store, given) if given is not None else self.states.answer(state.store, sent.call)
        after, started = self.steps.step(sent.operator, Heard(sent.reconcile, answer))
        move = Move(self._who(sent.sender), "", sent.reconcile, sent.call, answer)
        yield from self._heard(move, self._started(state, started), self._with_operator(state, sent.sender, after), store)

    def _unheard(self, state: State, move: Move, sent: Sent, store: int) -> Moves:
        after, _ = self.steps.step(sent.operator, Unheard(sent.reconcile))
        yield from self._heard(move, state._replace(faults=state.faults - 1), self._with_operator(state, sent.sender, after), store)

    def _crashed(self, state: State, move: Move, index: int, store: int) -> Moves:
        fresh = self.steps.restarted(state.operators[index], self.states.told(store).news)
        if fresh != state.operators[index]:
            crashed = self._hearing(state._replace(faults=state.faults - 1), index)
            yield from self._heard(move, crashed, self._with_operator(state, index, fresh), store)

    def _told(self, state: State, index: int) -> Moves:
        silent = self.case.lags is not None and bool(state.deaf >> index & 1)
        after, _ = self.steps.step(state.operators[index], replace(self.states.told(state.store), again=silent))
        if after != state.operators[index]:
            move = Move(self._who(index), "is told everything by its watches")
            yield from self._heard(move, self._hearing(state, index), self._with_operator(state, index, after), state.store)

    def _acts(self, state: State) -> Moves:
        for act in self.case.acts:
            store = self.states.number(self._acted(self.states.store(state.store), act))
            if store != state.store:
                move = Move("a person", f"does {act.verb} {act.name}")
                yield from self._heard(move, state._replace(acts=state.acts - 1), state.operators, store)

    def _acted(self, store: Store, act: Act) -> Store:
        server = self.states.server
        match act.verb:
            case "create":
                known = store.find(f"{names.PLURAL}/{act.name}") is not None
                return store if known or act.body is None else server.create_task(store, act.body)
            case "delete":
                return server.delete_task(store, act.name)
            case "delete-lease":
                return server.delete_lease(store, act.name)
            case "approve" | "forge":
                return server.approve_task(store, act.name, forged=act.verb == "forge")
            case verb:
                return server.annotate_task(store, act.name, {names.ACTION_ANNOTATION: verb})

    def _heard(self, move: Move, state: State, operators: tuple[int, ...], store: int) -> Moves:
        """Let everybody hear what is stored now, but for those whose watches are silent, or fall silent now."""
        states = self.states
        told = tuple(
            states.renumbered_operator(number, store) if state.deaf >> index & 1 else states.caught_up(number, store)
            for index, number in enumerate(operators)
        )
        after = state._replace(store=states.renumbered_store(store), operators=told)
        yield move, after
        if state.lags:
            silent = [states.renumbered_operator(number, store) for number in operators]
            behind = [index for index, number in enumerate(silent) if number != told[index]]
            for count in range(1, min(state.lags, len(behind)) + 1):
                for lagging in combinations(behind, count):
                    mixed = tuple(silent[index] if index in lagging else number for index, number in enumerate(told))
                    deaf = state.deaf | sum(1 << index for index in lagging)
                    yield move, after._replace(operators=mixed, deaf=deaf, lags=state.lags - count)

    def _started(self, state: State, attempts: tuple[Start, ...]) -> State:
        return state._replace(ledger=self.states.started(state.ledger, attempts)) if attempts else state

    def _hearing(self, state: State, index: int) -> State:
        return state if self.case.lags is None else state._replace(deaf=state.deaf & ~(1 << index))

    def _with_operator(self, state: State, index: int, operator: int) -> tuple[int, ...]:
        return (*state.operators[:index], operator, *state.operators[index + 1 :])

    def _move(self, sent: Sent, what: str) -> Move:
        return Move(self._who(sent.sender), what, sent.reconcile, sent.call)

    def _who(self, index: int) -> str:
        return f"operator {self.case.operators[index]}"
