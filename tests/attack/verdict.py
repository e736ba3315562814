"""Owns what an attack is and how it can end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.attack.ground import Ground


@dataclass(frozen=True, slots=True)
class Held:
    """The attack got nowhere; the evidence says how that was seen."""

    evidence: str


@dataclass(frozen=True, slots=True)
class Through:
    """The attack had its effect; the evidence says which."""

    evidence: str


Verdict = Held | Through


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: its number in the review, its name, what it did to the reviewed version, and how it is made."""

    number: str
    name: str
    before: str
    run: Callable[["Ground"], Verdict]
    judged: bool = False  # whether the neighbour's latency decides, too
    full: bool = False  # only in the full form: it takes long

    @property
    def id(self) -> str:
        """The name of its test."""
        return f"{self.number}-{self.name.replace(' ', '-')}"


def all_of(*verdicts: Verdict) -> Verdict:
    """Return the first that got through; otherwise one that has all the evidence."""
    through = [verdict for verdict in verdicts if isinstance(verdict, Through)]
    return through[0] if through else Held("; ".join(dict.fromkeys(verdict.evidence for verdict in verdicts)))


def refused_or(refused: bool, held: str, through: str) -> Verdict:
    """Return Held with the first text if it was refused, Through with the second if not."""
    return Held(held) if refused else Through(through)
