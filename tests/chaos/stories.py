"""Owns the tasks of a round: random ones, what a person does about each, and how each must end."""

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.support.apiserver import Body
from tests.support.tasks import FAILING, sql_step, wait_step

GONE = "gone"
FOREVER = 604800

# When a task is seen in this phase, or with this reason, the person does this: a command, or "delete".
Act = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Story:
    """A task and what becomes of it. ``heir`` is the spec of a namesake that is created when the task is gone."""

    name: str
    spec: Body
    ends: frozenset[str]
    acts: tuple[Act, ...] = ()
    heir: Body | None = None

    def __str__(self) -> str:
        scope = " ".join(str(self.spec[key]) for key in ("type", "maintenance", "tenant", "onConflict") if key in self.spec)
        acts = ", ".join(f"{act} when {phase or 'finished'}" for phase, act in self.acts)
        return f"{self.name}: {scope}; {acts or 'left alone'}; {'inherited; ' if self.heir else ''}ends {' or '.join(sorted(self.ends))}"


SCOPES: tuple[dict[str, str], ...] = (
    {"maintenance": "Global"},
    {"maintenance": "Tenant", "tenant": "a"},
    {"maintenance": "Tenant", "tenant": "a"},
    {"maintenance": "Tenant", "tenant": "b"},
    {"maintenance": "None"},
    {"type": "Local", "agent": "10.0.0.5:2886", "maintenance": "Global"},
    {"type": "Local", "agent": "10.0.0.5:2886", "maintenance": "OBProxy"},
    {"type": "Local", "agent": "10.0.0.5:2886", "maintenance": "OBProxy"},
)
# How a failing task is dealt with, and where that leads. Commands that are refused change nothing.
REMEDIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("RolledBack", ("rollback",)),
    ("RolledBack", ("retry", "rollback")),
    ("RolledBack", ("explode", "rollback")),
    ("Skipped", ("retry", "retry", "skip")),
    ("Skipped", ("cancel", "skip")),
    ("Succeeded", ("skip-step",)),
)


def deciding(note: str) -> list[Body]:
    """Return a step that gives a value away, and one that is not wanted for that value."""
    give = sql_step("give", note, "SELECT 'a' AS item UNION ALL SELECT 'b'")
    give["sql"] |= {"outputs": {"items": "rows.map(row, row.item)"}}
    return [give, wait_step("never", FOREVER) | {"when": "size(steps.give.outputs.items) > 2"}]


def looping(note: str) -> Body:
    """Return a step that loops in order over the value that was given away; each of its attempts, and each undo, checks what it sees."""
    each = {"statements": [note, "SELECT ${{ item }} AS item"], "expect": "rows[0].item == ['a', 'b'][index]"}
    undo = {"statements": [note, "SELECT ${{ steps.give.outputs.items[index] }} AS item"], "expect": "rows[0].item == item"}
    subtask = {"sql": each, "rollback": {"sql": undo}}
    return {"name": "each", "forEach": {"items": "steps.give.outputs.items.filter(one, one != '')", "maxParallel": 1, "subtask": subtask}}


class Author:
    """Writes stories. ``note`` is a statement that writes down which attempt executes it."""

    def __init__(self, dice: Random, note: str, connection: str) -> None:
        self._dice = dice
        self._note = note
        self._connection = connection

    def stories(self, count: int) -> list[Story]:
        """Return so many stories that get in each other's way."""
        kinds = (
            self._plain,
            self._failing,
            self._failing,
            self._rejecting,
            self._asking,
            self._cancelled,
            self._deleted,
            self._inherited,
            self._inherited,
        )
        return [self._dice.choice(kinds)(f"t{number:02}") for number in range(count)]

    def _plain(self, name: str) -> Story:
        return Story(name, self._spec(), frozenset({"Succeeded"}))

    def _failing(self, name: str) -> Story:
        end, verbs = self._dice.choice(REMEDIES)
        last = sql_step("last", self._note, FAILING, rollback=self._undo())
        return Story(name, self._spec(last), frozenset({end}), tuple(("Failed", verb) for verb in verbs))

    def _asking(self, name: str) -> Story:
        """Return a story of a value that is given away, what depends on it, and an approval, which may be cancelled before."""
        approve, second = ("AwaitingApproval", "approve"), self._dice.random() < 0.5
        acts = (("AwaitingApproval", "cancel"), ("Failed", "retry"), approve) if second else (approve,)
        last, end, remedy = self._dice.choice(
            (
                (sql_step("last", self._note), "Succeeded", ()),
                (sql_step("last", self._note, FAILING, rollback=self._undo()), "RolledBack", (("Failed", "rollback"),)),
            )
        )
        steps = [*deciding(self._note), {"name": "ask", "approve": {"message": "go on?"}}, looping(self._note), last]
        return Story(name, self._spec(*steps), frozenset({end}), (*acts, *remedy))

    def _rejecting(self, name: str) -> Story:
        return Story(name, self._spec(onConflict="Reject"), frozenset({"Rejected", "Succeeded"}))

    def _cancelled(self, name: str) -> Story:
        acts = self._dice.choice(((("Running", "cancel"),), (("Waiting", "cancel"), ("Running", "cancel"))))
        return Story(name, self._spec(self._endless()), frozenset({"Cancelled", "Skipped"}), acts)

    def _deleted(self, name: str) -> Story:
        last = self._dice.choice((self._endless(), sql_step("last", FAILING)))
        return Story(name, self._spec(last), frozenset({GONE}), self._deletion())

    def _inherited(self, name: str) -> Story:
        return Story(name, self._spec(self._endless()), frozenset({"Succeeded"}), self._deletion(), heir=self._spec())

    def _deletion(self) -> tuple[Act, ...]:
        early = self._dice.random() < 0.5
        return ((("Waiting", "delete"),) if early else ()) + tuple((phase, "delete") for phase in ("Running", "Failed", ""))

    def _spec(self, *last: Body, **more: Any) -> Body:
        steps = [self._step(f"s{number}") for number in range(self._dice.randint(1, 2))]
        scope = self._dice.choice(SCOPES)
        return {**scope, "connection": {"secretName": self._connection}, "steps": [*steps, *last], **more}

    def _step(self, name: str) -> Body:
        note = sql_step(name, self._note, rollback=self._undo())
        both = {"name": name, "parallel": [wait_step("w"), sql_step("n", self._note, rollback=self._undo())]}
        slow = sql_step(name, self._note, "select sleep(0.3)", rollback=self._undo())
        return self._dice.choice((wait_step(name), note, slow, both))

    def _undo(self) -> Body:
        return {"sql": {"statements": [self._note]}}

    def _endless(self) -> Body:
        return self._dice.choice((wait_step("last", FOREVER), sql_step("last", "select sleep(300)")))
