"""What the plugin and the page repeat of closed lists, and of who excludes whom, is what the operator has."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from tests.contract.lists import ROOT

from kubectl_obtask import blocking, rows
from kubectl_obtask.rows import columns
from kubectl_obtask.tasks import Task
from kubectl_obtask.wording import marks
from kubectl_obtask.wording.language import Language
from obtask.model.columns import COLUMNS, Column
from obtask.model.contract import SCOPES, Maintenance, Phase, SubtaskPhase, TaskType
from obtask.rules.exclusion import conflicts
from obtask.rules.lock_keys import Domain, LockKey

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR_AGO = f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
# A task with something else in each field that a column shows.
WHOLE: dict[str, dict[str, Any]] = {
    "metadata": {"name": "n", "namespace": "prod", "creationTimestamp": HOUR_AGO},
    "spec": {"type": "Cluster", "maintenance": "Tenant", "cluster": "obdemo", "tenant": "orders"},
    "status": {
        "phase": "Waiting",
        "progress": "1/3",
        "stepSummary": "resize (Running)",
        "currentStep": "resize",
        "blockedBy": [{"name": "tune", "phase": "Failed"}],
        "blockedByCount": 2,
        "blockedBySummary": "tune (Failed) +1",
        "reason": "Blocked",
        "message": "behind tune",
        "startedAt": HOUR_AGO,
        "finishedAt": HOUR_AGO,
    },
}
LOCKS = [(scope, tenant) for scope in Maintenance for tenant in (("a", "b") if scope is Maintenance.TENANT else ("",))]
PAGE = (ROOT / "operator/obtask/web/page_templates/locks.html").read_text()
TYPES = {"Cluster": TaskType.CLUSTER, "Host": TaskType.LOCAL}


def value_of(column: Column) -> str:
    """Return what kubectl shows of the task in a column."""
    place, path = re.fullmatch(r"\.(\w+)[.\[](.*?)\]?", column.path).groups()  # type: ignore[union-attr]
    found: str = next(WHOLE[place][name] for name in re.findall(r"\w+", path) if name in WHOLE[place])
    return found


@pytest.mark.parametrize("wide", [False, True])
def test_the_plugin_lists_what_kubectl_lists(wide: bool) -> None:
    """The same columns in the same order, and in each the same words; times are told in its own way."""
    listed = columns(Language.EN, NOW, wide=wide, namespaces=False)
    theirs = [column for column in COLUMNS if wide or not column.wide]
    shown = {column.heading.in_(Language.EN): column.cell(Task(WHOLE)) for column in listed}
    words = {heading: cell if isinstance(cell, str) else cell[0] for heading, cell in shown.items()}

    assert [*shown] == ["NAME", *(column.name.upper() for column in theirs)]
    assert {column.name.upper(): value_of(column) for column in theirs if column.type == "string"}.items() <= (words.items())


def test_the_plugin_has_a_mark_and_a_place_for_every_phase() -> None:
    """A mark for those of tasks, steps and subtasks; a place in the list for the unfinished ones; colours for nothing else."""
    phases = {phase.value for phase in Phase}

    assert set(marks.MARKS) == phases | {phase.value for phase in SubtaskPhase}
    assert set(rows.FIRST) == {phase.value for phase in Phase if not phase.finished}
    assert len(rows.FIRST) == len(set(rows.FIRST))
    assert set(rows.STYLES) <= phases


def task(kind: TaskType, scope: Maintenance, tenant: str, phase: str = "Running") -> Task:
    """Return a task as the plugin sees it."""
    return Task({"spec": {"type": kind.value, "maintenance": scope.value, "tenant": tenant}, "status": {"phase": phase}})


@pytest.mark.parametrize("kind", TaskType)
def test_the_plugin_excludes_whom_the_operator_excludes(kind: TaskType) -> None:
    """For every pair of locks, in both directions; and a lock is held in the same phases."""
    domain = Domain("prod", kind, "obdemo")
    for (scope, tenant), (other, others) in product(LOCKS, LOCKS):
        mine, theirs = task(kind, scope, tenant), task(kind, other, others)
        excluded = bool({*blocking.excluded(mine)} & {*blocking.locks_of(theirs)})

        assert excluded == conflicts(LockKey(domain, scope, tenant), LockKey(domain, other, others)), (scope, tenant, other, others)
    assert {blocking.GLOBAL, blocking.TENANT, blocking.NONE} <= {scope.value for scope in Maintenance}
    assert {phase for phase in Phase if blocking.holds(task(kind, Maintenance.GLOBAL, "", phase.value))} == {
        phase for phase in Phase if phase.holds_lock
    }


def expected(kind: TaskType, scope: Maintenance, other: Maintenance) -> str:
    """Return what the page has to say of a task with one lock that meets another one."""
    if kind not in other.types:
        return "–"  # noqa: RUF001 - as on the page
    domain = Domain("prod", kind, "obdemo")
    same, different = (
        conflicts(LockKey(domain, scope, "a" if scope.field else ""), LockKey(domain, other, tenant if other.field else ""))
        for tenant in ("a", "b")
    )
    return ("waits" if different else "waits, if it is the same tenant") if same else "runs"


def table() -> Iterator[tuple[TaskType, Maintenance, dict[Maintenance, str]]]:
    """Yield the rows of the page's table: the unfinished task, and what becomes of each other one."""
    head = [Maintenance(name) for name in re.findall(r'<th scope="col">{{ "(\w+)"\|scope }}', PAGE)]
    for kind, scope, cells in re.findall(r'<th scope="row">{{ _\("(\w+)"\) }} · {{ "(\w+)"\|scope }}</th>(.*)</tr>', PAGE):
        said = [re.sub(r'{{ _\("(.*)"\) }}', r"\1", cell) for cell in re.findall(r"<td>(.*?)</td>", cells)]
        yield TYPES[kind], Maintenance(scope), dict(zip(head, said, strict=True))


def test_the_page_of_locks_says_who_excludes_whom() -> None:
    """Every lock of every type of task has a row, every kind of maintenance a column; each cell is the operator's own rule."""
    found = list(table())

    assert {(kind, scope) for kind, scope, _ in found} == {(kind, scope) for scope in SCOPES for kind in scope.types}
    for kind, scope, cells in found:
        assert cells == {other: expected(kind, scope, other) for other in Maintenance}, (kind, scope)
