"""Kills the operator at every single write of a scenario in turn, before and after the API server carries it out. API.md section 4."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.chaos import promises
from tests.chaos.person import Person
from tests.chaos.requests import label
from tests.chaos.stories import FOREVER, GONE, Story, deciding, looping
from tests.support.apiserver import Body
from tests.support.gateway import Gateway, is_write
from tests.support.history import History
from tests.support.journal import Journal
from tests.support.operators import OperatorProcess
from tests.support.tasks import FAILING, TaskClient, sql_step, wait_step
from tests.support.verdicts import Fate, Strike, Verdict

from devcluster.sqlserver import SqlServer

SECONDS = 60
# Every write of the scenario, Events aside. The first test proves that the list is complete.
WRITES = {
    "PATCH obtasks/main": 4,  # finalizer on, two commands, finalizer off
    "PUT obtasks/main/status": 9,
    "PATCH obtasks/tenant": 2,
    "PUT obtasks/tenant/status": 3,
    "PUT obtasks/rival/status": 1,
    "PATCH obtasks/leaver": 2,
    "PUT obtasks/leaver/status": 1,
    "PATCH obtasks/free": 1,
    "PUT obtasks/free/status": 2,
    "PATCH obtasks/loop": 1,
    "PUT obtasks/loop/status": 4,
    "PATCH obtasks/asked": 3,
    "PUT obtasks/asked/status": 6,
    "POST leases": 3,
    "PUT leases": 3,
    "POST configmaps": 4,  # the logs of attempts that failed
}
# A waiter that waits for long shows who is in its way from time to time; a question is shown once its values are known.
MAY_COME_AGAIN = {"PUT obtasks/tenant/status", "PUT obtasks/asked/status"}
RETRY_AND_ROLLBACK = (("Failed", "retry"), ("Failed", "rollback"))
APPROVE_AND_ROLLBACK = (("AwaitingApproval", "approve"), ("Failed", "rollback"))

Seen = tuple[History, Journal]


class Record:
    """Rules of a gateway: notes each write of the operator, and kills it at one of them."""

    def __init__(self, victim: OperatorProcess) -> None:
        self.writes: Counter[str] = Counter()
        self.target: tuple[str, int] | None = None
        self.applied = False
        self._victim = victim

    def rule(self, method: str, path: str) -> Verdict:
        """Decide about a request. Leases go by one name: they are written in the order of the story."""
        name = label(method, path)
        if not is_write(method, path) or name == "POST events":
            return Fate.PASS
        name = name.rpartition("/")[0] if "leases/" in name else name
        self.writes[name] += 1
        return Strike(self._victim.strike, applied=self.applied) if (name, self.writes[name]) == self.target else Fate.PASS


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything a run needs; nothing has happened yet."""

    person: Person
    record: Record
    operator: OperatorProcess
    tasks: TaskClient
    history: History
    journal: Journal

    def play(self) -> None:
        """Play it until everything is quiet; an operator that is dead is started again."""
        self.operator.start()
        self.person.create()
        assert self.person.attend(self._quiet, SECONDS), self.person.ends()
        ends = self.person.ends()
        assert all(ends[story.name] in story.ends for story in self.person.stories), ends
        assert not promises.broken(self.history, self.journal, self.person.commands)

    def _quiet(self) -> bool:
        if not self.operator.alive:
            self.operator.wait()
            self.operator.start()
        return len(self.person.ends()) == len(self.person.stories) and not self.tasks.holders()


def stories(note: str, connection: str) -> tuple[Story, ...]:
    """Return a failure with its retry and rollback, and tasks that are rejected, wait, are deleted at work, need no lock, loop, or ask."""
    base = {"cluster": "obdemo", "connection": {"secretName": connection}}
    undo = {"sql": {"statements": [note]}}
    main = [sql_step("one", note, rollback=undo), wait_step("two", 1), sql_step("three", note, FAILING, rollback=undo)]
    short = {**base, "maintenance": "Tenant", "steps": [sql_step("one", note), wait_step("two")]}
    endless = {**base, "cluster": "left", "maintenance": "Global", "steps": [wait_step("one", FOREVER)]}
    return (
        Story("main", {**base, "maintenance": "Global", "steps": main}, frozenset({"RolledBack"}), RETRY_AND_ROLLBACK),
        Story("rival", {**short, "tenant": "r", "onConflict": "Reject"}, frozenset({"Rejected"})),
        Story("tenant", {**short, "tenant": "t"}, frozenset({"Succeeded"})),
        Story("leaver", endless, frozenset({GONE}), (("Running", "delete"),)),
        Story("free", {**short, "maintenance": "None"}, frozenset({"Succeeded"})),
        Story("loop", {**base, "maintenance": "None", "steps": [*deciding(note), looping(note)]}, frozenset({"Succeeded"})),
        Story("asked", {**base, "maintenance": "None", "steps": asking(note)}, frozenset({"RolledBack"}), APPROVE_AND_ROLLBACK),
    )


def asking(note: str) -> list[Body]:
    """Return steps of which the last one, which fails after an approval, and its undo need what the first has given away."""
    seen = {"statements": [note, "SELECT ${{ steps.give.outputs.items[0] }} AS item"], "expect": "rows[0].item == 'a'"}
    last = {"name": "last", "sql": seen | {"expect": "rows[0].item == 'b'"}, "rollback": {"sql": seen}}
    return [*deciding(note), {"name": "ask", "approve": {"message": "${{ steps.give.outputs.items[1] }}?"}}, last]


@pytest.fixture
def scenario(tasks: TaskClient, gateway: Gateway, seekdb: SqlServer, seen: Seen, tmp_path: Path) -> Iterator[Scenario]:
    """Return the scenario; its operator reaches the API server through a gateway that notes its writes."""
    history, journal = seen
    operator = OperatorProcess(gateway.kubeconfig, tasks.namespace, tmp_path / "operator.log", OBTASK_GRACE_SECONDS="1")
    record = Record(operator)
    gateway.rule = record.rule
    person = Person(tasks, stories(promises.note(journal), tasks.create_connection(seekdb)))
    yield Scenario(person, record, operator, tasks, history, journal)
    operator.kill()


def test_the_list_of_writes_is_complete(scenario: Scenario) -> None:
    """The scenario, undisturbed, makes the writes that are listed here; at each of them the operator is killed below."""
    scenario.play()

    more = scenario.record.writes - Counter(WRITES)
    assert not Counter(WRITES) - scenario.record.writes
    # What an attempt has written is shown when it takes long.
    assert {name for name in more if " configmaps" not in name} <= MAY_COME_AGAIN, more


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("name", "number"), [(name, number + 1) for name, count in WRITES.items() for number in range(count)])
def test_killed_at_a_write(scenario: Scenario, name: str, number: int, applied: bool) -> None:
    """Killed before or after any write, the next operator brings every task to its end, and no promise is broken at any version."""
    scenario.record.target, scenario.record.applied = (name, number), applied

    scenario.play()

    assert scenario.record.writes[name] >= number, "this write never came"
