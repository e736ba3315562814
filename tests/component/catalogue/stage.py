"""Owns a played OceanBase: its views are tables of a database on a real SQL server, and statements that the server lacks change their rows.

Queries are answered by the real server, from the tables. A statement is compared with the rules of `server/*.yaml`: the first one that fits
says when it is refused, what it changes, and what the cluster does by itself afterwards, one act for each pause of whoever waits.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Final

from tests.component.catalogue.book import SERVER, Rule, book, compared, inserts
from tests.component.catalogue.relay import Done, HangUp, PassOn, Refuse, Session, Verdict

from obtask.executors.sql.answers import Result
from obtask.executors.sql.session import SqlSession

READS: Final = re.compile(r"\(*\s*(SELECT|SET(?! ENCRYPTION| DECRYPTION)|SHOW|EXPLAIN)\b", re.IGNORECASE)
SETS: Final = re.compile(r"SET(?! ENCRYPTION| DECRYPTION)\b|SELECT TIMESTAMPDIFF", re.IGNORECASE)
OCEANBASE: Final = re.compile(r"\boceanbase\.", re.IGNORECASE)
CHANGES: Final = re.compile(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
NAMED: Final = re.compile(r"\boceanbase\.([\w$]+)", re.IGNORECASE)
MOST_PAUSES: Final = 400
SYNTAX: Final = 1064

Dump = Mapping[str, Sequence[tuple[Any, ...]]]


class How(Enum):
    """What becomes of one statement: it is refused, its answer is lost after it was carried out, or the operator dies by then."""

    REFUSED = "refused"
    LOST = "lost"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Fault:
    """Hits one statement of a step: the first that changes something, or the first at all if none does (or if it is REFUSED)."""

    step: str
    how: How
    direction: str = "Forward"
    changing: bool = True


class Stage:
    """The played cluster. Implements ``relay.Script``."""

    def __init__(self, admin: SqlSession, database: str, password: str) -> None:
        self._admin = admin
        self._database = database
        self._alone = asyncio.Lock()
        self._turn = asyncio.Lock()  # one statement at a time in the session
        self._password = password
        self.passwords: dict[str, str] = {}
        self.faults: list[Fault] = []
        """What is planned to go wrong: each strikes once."""
        self.killed = asyncio.Event()
        self.changes: list[str] = []
        """The statements that were carried out here, as they came."""
        self.seen: set[tuple[str, str]] = set()
        """The steps whose statements came, with the direction."""
        self.pauses = 0
        self.troubles: list[str] = []
        self.meanwhile: tuple[str, Sequence[str]] | None = None
        """A step, and what happens in the cluster, instead of all else, as soon as that step waits or has done all there is to do."""
        self.others: dict[str, Sequence[str]] = {}
        """What others do, besides, as soon as a step of that name waits."""
        self.hasty = False
        """Whether the cluster has done all that it does by itself when the rollback goes on with the next step."""
        self.locate: Callable[[], tuple[str, str]] = lambda: ("", "")
        """Tells at which step, and in which direction, the task is: requests to obshell do not say so."""
        self._where = ""
        self._direction = ""
        self._later: dict[str, list[tuple[str, ...]]] = {}
        self._touched = set(book().views)  # since the last reset
        self._read: dict[str, Sequence[tuple[Any, ...]]] = {}  # views whose rows are still those

    @property
    def busy(self) -> bool:
        """Whether the cluster still does something by itself."""
        return bool(self._later)

    async def build(self) -> None:
        """Make the views."""
        await self._run(f"CREATE DATABASE IF NOT EXISTS {self._database}")
        for view, columns in book().views.items():
            await self._run(f"CREATE TABLE IF NOT EXISTS oceanbase.{view} ({columns})")
        for view in book().mirrors:
            made = await self._admin.run(f"CREATE OR REPLACE VIEW {self._database}.{view} AS SELECT * FROM oceanbase.{view}")
            assert isinstance(made, Result), made

    async def reset(self, *given: str) -> None:
        """Have the rows of `server/*.yaml` again, and run some statements on them."""
        emptied = [f"DELETE FROM oceanbase.{view}" for view in book().views if view in self._touched]
        filled = inserts({view: rows for view, rows in book().rows.items() if view in self._touched})
        begin = ";".join([*book().begin, *given])
        await self._run(";".join([*emptied, *filled, begin]))
        self._touched = _changed(begin)
        self.faults, self.meanwhile, self.others, self.hasty, self.pauses = [], None, {}, False, 0
        self.killed.clear()
        self.passwords.clear()
        self.changes.clear()
        self._later.clear()

    async def run(self, statements: Iterable[str]) -> None:
        """Change rows as a person does."""
        for statement in statements:
            await self._run(statement)

    async def ask(self, query: str) -> tuple[tuple[Any, ...], ...]:
        """Return the rows of a query."""
        return (await self._run(query)).rows

    async def dump(self, *, history: bool = False) -> Dump:
        """Return all rows of the views; those that only grow by what happens only if ``history`` says so."""
        views = [view for view in book().views if history or view not in book().history]
        for view in views:
            if view not in self._read:
                self._read[view] = sorted(await self.ask(f"SELECT {compared(view)} FROM oceanbase.{view}"), key=str)
        rows = {view: self._read[view] for view in views}
        return rows | {name: sorted(await self.ask(query), key=str) for name, query in book().watched.items()}

    async def pause(self) -> None:
        """Let the cluster do the next act of everything that it does by itself."""
        self.pauses += 1
        assert self.pauses < MOST_PAUSES, f"waited {MOST_PAUSES} times"
        await self._instead()
        await self.run(self.others.pop(self._where, ()))
        for job, acts in list(self._later.items()):
            await self.run(acts.pop(0))
            if not acts:
                self._later.pop(job, None)

    async def _instead(self) -> None:
        """Let happen what is planned for the step, if it is that one."""
        if self.meanwhile is not None and self.meanwhile[0] == self._where:
            instead, self.meanwhile = self.meanwhile[1], None
            self._later.clear()
            await self.run(instead)

    def password(self, user: str) -> str | None:
        """Return the password of a user: everybody has the Secret's until a statement gives another."""
        return self.passwords.get(user, self._password)

    async def said(self, session: Session, sql: str) -> Verdict:
        """Carry a statement out, or pass it on; the fault that is planned strikes."""
        text = " ".join(sql.split())
        where = (session.identity.get("STEP", ""), session.identity.get("DIRECTION", ""))
        if SETS.match(text):
            return PassOn(sql)
        changing = not READS.match(text)
        await self._hurry(where)
        fault = self.striking(where, changing=changing)
        if fault is None:
            return await self._carried_out(session.user, text, sql, changing=changing)
        if fault.how is not How.REFUSED:
            await self._carried_out(session.user, text, sql, changing=changing)
        match fault.how:
            case How.REFUSED:
                return Refuse(4016, "Internal error")
            case How.LOST:
                return HangUp()
            case How.KILLED:
                self.killed.set()
                await asyncio.Event().wait()
        return HangUp()

    async def requested(self, text: str, *, changing: bool) -> tuple[Verdict, Any]:
        """Carry a request to obshell out; the fault that is planned strikes. Return what becomes of it, and what obshell answers."""
        rule, found = next(((each, fits) for each in book().requests if (fits := each.pattern.fullmatch(text))), (None, None))
        if rule is None or found is None:
            return Refuse(404, "Request.NotFound"), None
        await self._hurry(self.locate())
        fault = self.striking(self.locate(), changing=changing)
        if fault is not None and fault.how is How.REFUSED:
            return Refuse(500, "Common.Unexpected"), None
        verdict = await self._obey(rule, text, found.groupdict(default=""), "") if changing else Done()
        if fault is not None and fault.how is How.KILLED:
            self.killed.set()
        if fault is not None:
            return HangUp(), rule.data
        return verdict, rule.data

    def striking(self, where: tuple[str, str], *, changing: bool) -> Fault | None:
        """Return the planned fault if it strikes here."""
        self.seen.add(where)
        self._where, self._direction = where
        fault = next((each for each in self.faults if (each.step, each.direction) == where and (changing or not each.changing)), None)
        if fault is not None:
            self.faults.remove(fault)
        return fault

    async def _hurry(self, where: tuple[str, str]) -> None:
        """Let the cluster come to rest before the rollback goes on with another step."""
        if self.hasty and (self._direction, where[1]) == ("Rollback", "Rollback") and self._where != where[0]:
            while self.busy:
                await self.pause()

    async def _carried_out(self, user: str, text: str, sql: str, *, changing: bool) -> Verdict:
        for rule in book().rules:
            found = rule.pattern.fullmatch(text) if changing or rule.answers is not None else None
            if found is not None:
                return await self._obey(rule, text, {"user": user, **found.groupdict(default="")}, sql)
        if not changing:
            return PassOn(self._placed(sql))
        self.troubles.append(f"no rule of {SERVER.name}/*.yaml fits: {text}")
        return Refuse(SYNTAX, "You have an error in your SQL syntax")

    async def _obey(self, rule: Rule, text: str, words: Mapping[str, str], sql: str) -> Verdict:
        if rule.answers is not None:
            return PassOn(self._placed(_filled(rule.answers, words)))
        return await self.refusal(rule, words) or await self.carry_out(rule, text, words, sql)

    async def refusal(self, rule: Rule, words: Mapping[str, str]) -> Refuse | None:
        """Return why a rule refuses, if it does."""
        async with self._alone:
            for refusal in rule.refuse:
                if (await self._run(_filled(refusal.query, words))).rows:
                    return Refuse(refusal.code, _filled(refusal.message, words))
        return None

    async def carry_out(self, rule: Rule, text: str, words: Mapping[str, str], sql: str = "") -> Verdict:
        """Do what a rule says, and begin what goes on by itself."""
        fill = partial(_filled, words=words)
        async with self._alone:
            for act in rule.does:
                await self._run(fill(act))
        self.changes.append(text)
        if rule.password is not None:
            user, password = map(fill, rule.password)
            self.passwords[user] = password
        if rule.later or rule.job:
            self._later.pop(fill(rule.job), None)
        elif rule.does:
            await self._instead()  # nothing is left to wait for
        if rule.later:
            self._later[fill(rule.job) or text] = [tuple(map(fill, acts)) for acts in rule.later]
        return PassOn(self._placed(sql)) if rule.real else Done()

    async def _run(self, sql: str) -> Result:
        async with self._turn:
            answer = await self._admin.run(self._placed(sql))
            self._admin.forget()
            self._touch(sql)
        if not isinstance(answer, Result):
            self.troubles.append(f"{answer.message} ({answer.code}): {sql[:600]}")
            raise AssertionError(self.troubles[-1])  # noqa: TRY004 - the played cluster is wrong, not a type
        return answer

    def _touch(self, sql: str) -> None:
        """Know that the views that a statement changes have to be read, and filled, again."""
        for view in _changed(sql):
            self._touched.add(view)
            self._read.pop(view, None)

    def _placed(self, sql: str) -> str:
        return OCEANBASE.sub(f"{self._database}.", sql)

    async def drop(self) -> None:
        """Take the views away."""
        with suppress(AssertionError):
            await self._run(f"DROP DATABASE {self._database}")


def _changed(sql: str) -> set[str]:
    """Return the views that statements may change: all that they name."""
    return set(NAMED.findall(sql)) if CHANGES.search(sql) else set()


def _filled(act: str, words: Mapping[str, str]) -> str:
    """Return an act with the words of a rule put in."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), act)
