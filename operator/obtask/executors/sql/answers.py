"""Owns what a server answers: a result, or a fault. Values of our own, so that the driver shows nowhere else."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class FaultKind(Enum):
    """Where something went wrong: we may not go there, nobody let us in, nobody knows what became of the statement, or it was refused."""

    FORBIDDEN = "forbidden"
    CONNECT = "connect"
    LOST = "lost"
    STATEMENT = "statement"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no session or no result; ``code`` is the MySQL error number, if there is one."""

    kind: FaultKind
    message: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: the first rows, how many there were in all, and how many rows it changed (or found, as MySQL counts)."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: int
    affected: int
