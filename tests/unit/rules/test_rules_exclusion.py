"""Which tasks exclude each other, and in which order they start: the truth table and the examples of API.md section 4."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.support.builders import START
from tests.support.lines import form_line

from obtask.model.contract import Maintenance, Phase, TaskType
from obtask.rules.exclusion import Contender, DomainView, as_blockers, conflicts, double_holds, in_the_way, next_in_line
from obtask.rules.lock_keys import Domain, LockKey

CLUSTER = Domain("prod", TaskType.CLUSTER, "obdemo")
HOST = Domain("prod", TaskType.LOCAL, "10.0.0.5:2886")


def everything(domain: Domain = CLUSTER) -> LockKey:
    """Return the lock of a Global task."""
    return LockKey(domain, Maintenance.GLOBAL)


def tenant(name: str) -> LockKey:
    """Return the lock of a Tenant task."""
    return LockKey(CLUSTER, Maintenance.TENANT, name)


def obproxy() -> LockKey:
    """Return the lock of an OBProxy task."""
    return LockKey(HOST, Maintenance.OBPROXY)


def contender(name: str, lock: LockKey, second: int = 0, phase: Phase = Phase.WAITING) -> Contender:
    """Return a task that was created at that second."""
    return Contender(name, f"uid-of-{name}", lock, phase, START + timedelta(seconds=second))


def blockers(me: Contender, line: DomainView) -> list[Contender]:
    """Return the first of those who stand in a waiter's way."""
    return list(in_the_way(me, line).first)


def names_of(found: Sequence[Contender]) -> list[str]:
    """Return the names of the tasks."""
    return [task.name for task in found]


@pytest.mark.parametrize(
    ("held", "wanted", "waits"),
    [
        pytest.param(everything(), everything(), True, id="cluster-global-global"),
        pytest.param(everything(), tenant("t"), True, id="cluster-global-tenant"),
        pytest.param(tenant("t"), everything(), True, id="cluster-tenant-global"),
        pytest.param(tenant("t"), tenant("t"), True, id="cluster-same-tenant"),
        pytest.param(tenant("t"), tenant("u"), False, id="cluster-other-tenant"),
        pytest.param(tenant("t"), tenant("T"), False, id="cluster-tenant-of-other-case"),
        pytest.param(everything(HOST), everything(HOST), True, id="local-global-global"),
        pytest.param(everything(HOST), obproxy(), False, id="local-global-obproxy"),
        pytest.param(obproxy(), everything(HOST), False, id="local-obproxy-global"),
        pytest.param(obproxy(), obproxy(), True, id="local-obproxy-obproxy"),
    ],
)
def test_truth_table(held: LockKey, wanted: LockKey, waits: bool) -> None:
    """The table of the contract; a task with maintenance None has no lock and is not in it."""
    holder, waiter = contender("holder", held, 0, Phase.RUNNING), contender("waiter", wanted, 1)

    assert conflicts(held, wanted) is waits
    assert names_of(blockers(waiter, form_line([holder], [waiter]))) == (["holder"] if waits else [])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Domain("prod", TaskType.CLUSTER, "other"), id="other-cluster"),
        pytest.param(Domain("test", TaskType.CLUSTER, "obdemo"), id="other-namespace"),
        pytest.param(Domain("prod", TaskType.LOCAL, "obdemo"), id="host-of-the-same-name"),
    ],
)
def test_domains_never_see_each_other(other: Domain) -> None:
    """Another cluster, another namespace, or a host of the cluster's name is another domain."""
    assert not conflicts(everything(CLUSTER), everything(other))


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.FAILED, Phase.ROLLING_BACK])
def test_unfinished_holder_blocks_whatever_it_does(phase: Phase) -> None:
    """A failed task holds its lock as a running one does."""
    holder, waiter = contender("holder", everything(), 0, phase), contender("waiter", tenant("t"), 1)

    assert names_of(blockers(waiter, form_line([holder], [waiter]))) == ["holder"]


def test_order_is_creation_time_then_name() -> None:
    """First come, first served; of two created in the same second the name decides."""
    tasks = [contender("c", everything(), 1), contender("b", everything(), 2), contender("a", everything(), 2)]
    line = form_line([], reversed(tasks))

    assert names_of(line.waiters) == ["c", "a", "b"]
    assert names_of(next_in_line(line)) == ["c"]
    assert [names_of(blockers(task, line)) for task in tasks] == [[], ["c", "a"], ["c"]]


def test_tenants_start_together() -> None:
    """Tasks of different tenants do not wait for each other."""
    line = form_line([], [contender("a", tenant("a"), 1), contender("b", tenant("b"), 2), contender("a2", tenant("a"), 3)])

    assert names_of(next_in_line(line)) == ["a", "b"]


def test_waiter_keeps_its_place() -> None:
    """A later task that conflicts with a waiter waits too, although nobody holds what it wants: the waiter is not starved."""
    holder = contender("a", tenant("a"), 0, Phase.RUNNING)
    waiting, later = contender("freeze", everything(), 1), contender("c", tenant("c"), 2)
    line = form_line([holder], [waiting, later])

    assert names_of(blockers(later, line)) == ["freeze"]
    assert next_in_line(line) == []


def test_waiter_blocked_by_a_failed_task_may_be_passed() -> None:
    """Nobody knows when a person will act on the failed task: who conflicts with no holder need not wait for its waiter."""
    holder = contender("a", tenant("a"), 0, Phase.FAILED)
    waiting, later, same = contender("freeze", everything(), 1), contender("c", tenant("c"), 2), contender("a2", tenant("a"), 3)
    line = form_line([holder], [waiting, later, same])

    assert blockers(later, line) == []
    assert names_of(next_in_line(line)) == ["c"]
    assert names_of(blockers(same, line)) == ["a"]


def test_waiter_keeps_its_place_again_once_the_failed_task_works_again() -> None:
    """When the failed task is retried, who came later waits behind the waiter again."""
    waiting, later = contender("freeze", everything(), 1), contender("c", tenant("c"), 2)
    line = form_line([contender("a", tenant("a"), 0, Phase.RUNNING)], [waiting, later])

    assert names_of(blockers(later, line)) == ["freeze"]


def test_waiter_behind_one_that_may_be_passed_keeps_its_place() -> None:
    """Only who is blocked by the failed task itself may be passed; who waits behind somebody else keeps the place."""
    failed_one = contender("a", tenant("a"), 0, Phase.FAILED)
    running = contender("b", tenant("b"), 0, Phase.RUNNING)
    second, third = contender("b2", tenant("b"), 2), contender("b3", tenant("b"), 3)
    line = form_line([failed_one, running], [contender("freeze", everything(), 1), second, third])

    assert names_of(blockers(third, line)) == ["b", "b2"]


def test_holder_does_not_wait_for_itself() -> None:
    """A task whose Lease already names it, by a claim before a crash, stands in nobody's way but others'."""
    me = contender("me", everything(), 1)
    line = form_line([me], [me, contender("other", everything(), 2)])

    assert blockers(me, line) == []
    assert names_of(line.waiters) == ["other"]


def test_blockers_are_listed_holders_first() -> None:
    """Holders come before waiters: they are who can be acted upon."""
    holder = contender("z", tenant("a"), 0, Phase.RUNNING)
    line = form_line([holder], [contender("b", everything(), 1), contender("c", everything(), 2)])

    assert names_of(blockers(contender("d", tenant("a"), 3), line)) == ["z", "b", "c"]


def test_blockers_in_status() -> None:
    """The status shows the first ten with name, uid, phase, scope and time."""
    found = [
        Contender(f"t{number}", f"u{number}", tenant("a"), Phase.RUNNING, START, START + timedelta(seconds=number)) for number in range(12)
    ]

    shown = as_blockers(found)

    assert [blocker.name for blocker in shown] == [f"t{number}" for number in range(10)]
    first = shown[0]
    assert (first.uid, first.phase, first.scope, first.since) == ("u0", Phase.RUNNING, "Tenant", START)


def test_holders_that_exclude_each_other_are_seen() -> None:
    """Each pair once, the earlier one first; holders that may run together are none of them."""
    wide, one, two, twin = (
        contender("wide", everything(), 3),
        contender("one", tenant("a"), 1),
        contender("two", tenant("b"), 2),
        contender("twin", tenant("a"), 4),
    )

    assert double_holds([one, two]) == []
    assert sorted(names_of(pair) for pair in double_holds([wide, one, two])) == [["one", "wide"], ["two", "wide"]]
    assert [names_of(pair) for pair in double_holds([twin, two, one])] == [["one", "twin"]]
