"""Owns what `server/*.yaml` says of the played cluster: its views and their rows, and what statements and requests do to them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.support import manifests

SERVER: Final = Path(__file__).parent / "server"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """When a statement is refused: if the query has rows. The text may name columns of the first one."""

    query: str
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a statement does. ``job``: what it starts replaces what goes on under the same name; ``password``: of this user, from now on.

    ``real``: the real server carries it out, too. ``answers``: it only asks, and has the rows of this query. ``data``: what obshell answers
    to a request that starts no task.
    """

    pattern: re.Pattern[str]
    refuse: tuple[Refusal, ...] = ()
    does: tuple[str, ...] = ()
    later: tuple[tuple[str, ...], ...] = ()
    job: str = ""
    password: tuple[str, str] | None = None
    real: bool = False
    answers: str | None = None
    data: Any = None


@dataclass(frozen=True, slots=True)
class Book:
    """Everything that `server/*.yaml` says: columns and rows by view, views that only grow, rules of statements and of requests to obshell.

    ``kinds`` are those of ob-operator, with the fields of their specs; ``objects`` are the rules of what is written to them.
    ``mirrors`` are views of the real server; ``watched`` are queries about it whose rows count as those of a view. ``volatile`` are columns
    that a rollback need not bring back. ``begin`` are statements that come before each case.
    """

    views: Mapping[str, str]
    rows: Mapping[str, Sequence[Row]]
    history: frozenset[str]
    rules: tuple[Rule, ...]
    requests: tuple[Rule, ...]
    kinds: Mapping[str, Sequence[str]]
    objects: tuple[Rule, ...]
    mirrors: frozenset[str]
    watched: Mapping[str, str]
    volatile: Mapping[str, Sequence[str]]
    begin: tuple[str, ...]


@cache
def book() -> Book:
    """Return what the files say."""
    views: dict[str, str] = {}
    rows: dict[str, list[Row]] = {}
    history: set[str] = set()
    rules: list[Rule] = []
    requests: list[Rule] = []
    kinds: dict[str, Sequence[str]] = {}
    objects: list[Rule] = []
    mirrors: set[str] = set()
    watched: dict[str, str] = {}
    volatile: dict[str, Sequence[str]] = {}
    begin: list[str] = []
    for path in sorted(SERVER.glob("*.yaml")):
        text = manifests.read(path.read_text())
        assert not views.keys() & text.get("views", {}).keys(), f"{path.name} describes a view that another file has"
        views |= text.get("views", {})
        history |= set(text.get("history", ()))
        mirrors |= set(text.get("mirrors", ()))
        watched |= text.get("watched", {})
        volatile |= text.get("volatile", {})
        begin += text.get("begin", ())
        rules += map(_rule, text.get("statements", ()))
        requests += map(_rule, text.get("obshell", ()))
        kinds |= text.get("kinds", {})
        objects += map(_rule, text.get("objects", ()))
        for view, more in text.get("rows", {}).items():
            rows.setdefault(view, []).extend(more)
    told = tuple(rules), tuple(requests), kinds, tuple(objects)
    return Book(views, rows, frozenset(history), *told, frozenset(mirrors), watched, volatile, tuple(begin))


def _rule(told: Mapping[str, Any]) -> Rule:
    known = {"sql", "request", "object", "refuse", "does", "later", "job", "password", "real", "answers", "data"}
    assert told.keys() <= known, f"a statement has {', '.join(known)}; not {', '.join(told.keys() - known)}"
    refusals = tuple(Refusal(each["if"], each["error"], each["says"]) for each in told.get("refuse", ()))
    later = tuple(tuple(acts) for acts in told.get("later", ()))
    password = (told["password"]["user"], told["password"]["is"]) if "password" in told else None
    does, job = tuple(told.get("does", ())), told.get("job", "")
    pattern = re.compile(next(told[key] for key in ("sql", "request", "object") if key in told), re.IGNORECASE)
    return Rule(pattern, refusals, does, later, job, password, told.get("real", False), told.get("answers"), told.get("data"))


def literal(value: Any) -> str:
    """Return a value of YAML as SQL has it."""
    match value:
        case None:
            return "NULL"
        case bool() | int() | float():
            return str(value)
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def inserts(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return the statements that add rows to views."""
    return [
        f"INSERT INTO oceanbase.{view} ({', '.join(row)}) VALUES ({', '.join(map(literal, row.values()))})"
        for view, many in rows.items()
        for row in many
    ]


def compared(view: str) -> str:
    """Return the columns of a view that must be as before after a rollback."""
    left_out = book().volatile.get(view, ())
    columns = [column.split()[0] for column in re.split(r",\s*(?![^(]*\))", book().views[view])]
    return ", ".join(f"`{column}`" for column in columns if column not in left_out)
