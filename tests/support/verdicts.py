"""Owns what the gateway can do to a request, or to an event of a watch: pass it on, or fail like networks, servers and machines do."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What becomes of a request. Of an event of a watch: DROP breaks the connection before it, LOSE in the middle of it."""

    PASS = "pass"  # noqa: S105 - not a password
    DROP = "drop"  # the connection breaks before the API server sees it
    LOSE = "lose"  # the API server carries it out, and the connection breaks before the answer


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request is answered with this HTTP status: instead of being passed on, or although the API server has carried it out."""

    status: int
    applied: bool = False
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """It is passed on after this time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Strike:
    """Whoever sent the request dies: before the API server sees it, or as soon as it is carried out."""

    kill: Callable[[], None]
    applied: bool


@dataclass(frozen=True, slots=True)
class Repeat:
    """After the event, older ones of the same watch come again; 1 is the event itself, 2 the one before."""

    back: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Expire:
    """Instead of the event, the API server ends the watch with an error; 410 says that versions so old are forgotten."""

    code: int


Verdict = Fate | Refuse | Delay | Strike
EventVerdict = Fate | Delay | Repeat | Expire
