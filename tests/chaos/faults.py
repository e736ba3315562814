"""Owns random faults: which request, and which event of a watch, meets which fault. A seed decides, not the time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.chaos.requests import label
from tests.support.gateway import is_write
from tests.support.verdicts import Delay, EventVerdict, Expire, Fate, Refuse, Repeat, Strike, Verdict

SLOWEST_SECONDS = 0.3
MOST_REPEATED = 5
FARTHEST_BACK = 60


@dataclass(frozen=True, slots=True)
class Injected:
    """One fault: what happened to the n-th request, or event, of this name."""

    target: str
    number: int
    kind: str

    def __str__(self) -> str:
        return f"{self.target} #{self.number}: {self.kind}"


class Faults:
    """Rules for a gateway. The same seed does the same to the n-th request of each name, in whatever order the names come.

    Without ``kill`` the operator lives through everything.
    """

    def __init__(self, seed: str, rate: float, kill: Callable[[], None] | None) -> None:
        self._seed = seed
        self._rate = rate
        self._kill = kill
        self._seen: Counter[str] = Counter()
        self.on = True
        self.injected: list[Injected] = []

    @property
    def requests(self) -> int:
        """Return how many requests there were."""
        return sum(count for name, count in self._seen.items() if not name.startswith("EVENT"))

    def request(self, method: str, path: str) -> Verdict:
        """Decide about a request. Reads meet half as many faults as writes: they are many, and lead to less."""
        name, dice = self._next(label(method, path))
        writing = is_write(method, path)
        if not self.on or dice.random() >= (self._rate if writing else self._rate / 2):
            return Fate.PASS
        choices = (_WRITE_FAULTS if self._kill is None else _WRITE_FAULTS | _KILLS) if writing else _READ_FAULTS
        kind = dice.choices(list(choices), list(choices.values()))[0]
        self._note(name, kind)
        return self._verdict(kind, dice)

    def event(self, path: str) -> EventVerdict:
        """Decide about an event of a watch."""
        name, dice = self._next(label("EVENT", path))
        if not self.on or dice.random() >= self._rate / 2:
            return Fate.PASS
        kind = dice.choices(list(_EVENT_FAULTS), list(_EVENT_FAULTS.values()))[0]
        self._note(name, kind)
        match kind:
            case "watch cut before an event":
                return Fate.DROP
            case "watch cut inside an event":
                return Fate.LOSE
            case "event delayed":
                return Delay(dice.uniform(0, SLOWEST_SECONDS))
            case "watch ended by error 410" | "watch ended by error 500":
                return Expire(int(kind[-3:]))
            case _:
                return Repeat(tuple(dice.randint(1, FARTHEST_BACK) for _ in range(dice.randint(1, MOST_REPEATED))))

    def _next(self, name: str) -> tuple[str, Random]:
        self._seen[name] += 1
        return name, Random(f"{self._seed} {name} {self._seen[name]}")  # noqa: S311 - chance, not secrecy

    def _note(self, name: str, kind: str) -> None:
        self.injected.append(Injected(name, self._seen[name], kind))

    def _verdict(self, kind: str, dice: Random) -> Verdict:
        match kind:
            case "connection dropped before":
                return Fate.DROP
            case "answer lost":
                return Fate.LOSE
            case "delayed":
                return Delay(dice.uniform(0, SLOWEST_SECONDS))
            case "operator killed before" | "operator killed after" if self._kill is not None:
                return Strike(self._kill, applied=kind.endswith("after"))
            case _:
                status, _, applied = kind.partition(" ")
                return Refuse(int(status), applied=bool(applied), retry_after=1 if status == "429" else None)


# What a request can meet, and how often.
_READ_FAULTS = {"connection dropped before": 3, "answer lost": 1, "delayed": 3, "429": 1, "500": 2, "504": 2}
_WRITE_FAULTS = {
    "connection dropped before": 20,
    "answer lost": 30,
    "delayed": 15,
    "409": 20,
    "429": 10,
    "500": 10,
    "500 though carried out": 10,
    "504": 10,
    "504 though carried out": 15,
}
_KILLS = {"operator killed before": 3, "operator killed after": 3}
_EVENT_FAULTS = {
    "watch cut before an event": 10,
    "watch cut inside an event": 5,
    "watch ended by error 410": 5,
    "watch ended by error 500": 1,
    "event delayed": 10,
    "old events repeated": 25,
}
