"""Owns the search: every state of a case is visited once, the nearest first, and judged by the promises."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from tests.exploration.cases import Case
from tests.exploration.promises import broken, unsettled
from tests.exploration.space import Space
from tests.exploration.states import Move, PromiseBroken, State


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that is broken, and how it comes to that."""

    what: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((self.what, *self.trace))


@dataclass(frozen=True, slots=True)
class Result:
    """What a search has seen. ``complete``: every state of the case was visited."""

    states: int
    transitions: int
    runs: int
    deepest: int
    seconds: float
    complete: bool
    finding: Finding | None

    def __str__(self) -> str:
        end = "complete" if self.complete else "STOPPED EARLY"
        return (
            f"{self.states:,} states, {self.transitions:,} transitions, {self.runs:,} runs of real code, "
            f"deepest path {self.deepest}, {self.seconds:.1f} s, {end}"
        )


class Explorer:
    """Searches the states of one case."""

    def __init__(self, case: Case) -> None:
        self._space = Space(case)
        self._parents: dict[State, State | None] = {}
        self._judged: dict[int, str | None] = {}
        self._calm: set[State] = set()
        self._transitions = 0

    def search(self, *, longest_seconds: float = float("inf"), level_done: Callable[[int, int], None] | None = None) -> Result:
        """Visit every state, until a promise is broken or the time is over.

        ``level_done`` is told how many states are known, and how many steps away the last ones visited are.
        """
        begun = time.monotonic()
        start = self._space.start()
        self._parents[start] = None
        level, deepest, finding, complete = [start], 0, None, True
        while level and finding is None and complete:
            following: list[State] = []
            for state in level:
                finding = self._visit(state, following)
                complete = time.monotonic() - begun < longest_seconds
                if finding is not None or not complete:
                    break
            level = following
            deepest += 1
            if level_done is not None:
                level_done(len(self._parents), deepest)
        seconds = time.monotonic() - begun
        done = complete and finding is None
        return Result(len(self._parents), self._transitions, self._space.steps.runs, deepest, seconds, done, finding)

    def track_down(self) -> Finding | None:
        """Return a broken promise, wherever a path leads first: mostly sooner than the nearest one, and by a longer way."""
        start = self._space.start()
        self._parents[start] = None
        waiting, finding = [start], None
        while waiting and finding is None:
            finding = self._visit(waiting.pop(), waiting)
        return finding

    def _visit(self, state: State, following: list[State]) -> Finding | None:
        fault = self._fault(state)
        if fault is not None:
            return Finding(fault, self._trace(state))
        try:
            for _, after in self._space.moves(state):
                self._transitions += 1
                if after not in self._parents:
                    self._parents[after] = state
                    following.append(after)
            return self._unsettled(state)
        except PromiseBroken as promise:
            return Finding(str(promise), self._trace(state))

    def _fault(self, state: State) -> str | None:
        if state.store not in self._judged:
            self._judged[state.store] = broken(self._space.states.store(state.store), self._space.states.catalogue)
        return self._judged[state.store]

    def _unsettled(self, state: State) -> Finding | None:
        """Let everything run, in a fixed order and without any more faults, until nothing moves any more."""
        path: list[Move] = []
        met: set[State] = set()
        current = state._replace(faults=0, lags=0, acts=0)
        while current not in self._calm:
            if current in met:
                return Finding("it goes round and round", (*self._trace(state), "from here, without any more faults:", *map(str, path)))
            met.add(current)
            move = next(((move, after) for move, after in self._space.moves(current) if after != current), None)
            if move is None:
                fault = unsettled(self._space.states.store(current.store), self._space.states.catalogue)
                if fault is not None:
                    return Finding(fault, (*self._trace(state), "from here, without any more faults:", *map(str, path)))
                break
            path.append(move[0])
            current = move[1]
        self._calm |= met
        return None

    def _trace(self, state: State) -> tuple[str, ...]:
        states = [state]
        while (parent := self._parents[states[-1]]) is not None:
            states.append(parent)
        states.reverse()
        steps = [next(move for move, after in self._space.moves(one) if after == other) for one, other in pairwise(states)]
        return tuple(f"{index:3}. {step}" for index, step in enumerate(steps, 1))
