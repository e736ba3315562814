"""What is kept up to date of locks, change by change, is what a fresh start would find. DESIGN "Locks"."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.builders import START, TaskBuilder

from obtask.cache.locks import LockCache
from obtask.engine.locking import FRONT, refresh_pause, relook_pause
from obtask.kube.leases import Lease
from obtask.model.contract import Maintenance, Phase, TaskType
from obtask.model.status import LockStatus, TaskStatus
from obtask.model.task import Key, Task
from obtask.rules.exclusion import Contender, in_the_way
from obtask.rules.lock_keys import Domain, LockKey, task_lock_key

NAMES = ("a", "b", "c", "d")
SCOPES = {"a": "", "b": "one", "c": "one", "d": "two"}  # its tenant, or nothing for a task that locks the cluster
PHASES = (Phase.WAITING, Phase.RUNNING, Phase.FAILED, Phase.SUCCEEDED)


def task(name: str, phase: Phase, *, holds: bool) -> Task:
    """Return a version of a task, each with the same lock for ever."""
    tenant = SCOPES[name]
    builder = TaskBuilder().named(name, f"{name}-uid").step("s")
    built = builder.build()
    lock = {"maintenance": Maintenance.TENANT, "tenant": tenant} if tenant else {"maintenance": Maintenance.GLOBAL, "tenant": None}
    held = LockStatus(lease="l", scope="Global", acquired_at=START, token=1) if holds and not phase.finished else None
    created = START + timedelta(seconds=NAMES.index(name))
    metadata = built.metadata.model_copy(update={"creation_timestamp": created})
    return Task(metadata, built.plan.model_copy(update=lock), TaskStatus(phase=phase, lock=held))


def key(name: str) -> LockKey:
    """Return what a task locks."""
    found = task_lock_key(task(name, Phase.WAITING, holds=False))
    assert found is not None
    return found


def lease(name: str, holder: str, version: int) -> Lease:
    """Return the Lease of a task's lock; another task, or a person, may hold it."""
    lock, signed = key(name), f"{holder}/{holder}-uid" if holder in NAMES else holder
    return Lease(lock.domain.namespace, lock.lease_name, signed, version, None, str(version), lock.labels, lock.annotations)


CHANGES = st.one_of(
    st.tuples(st.just("task"), st.sampled_from(NAMES), st.sampled_from(PHASES), st.booleans()),
    st.tuples(st.just("gone"), st.sampled_from(NAMES)),
    st.tuples(st.just("lease"), st.sampled_from(NAMES), st.sampled_from((*NAMES, "", "alice", "gone/gone-uid"))),
    st.tuples(st.just("lease gone"), st.sampled_from(NAMES)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CHANGES, max_size=25))
def test_every_order_of_changes_leads_to_the_same_picture(changes: list[tuple[str, ...]]) -> None:
    """Who holds, who waits, which Leases are strays: as if everything had been read at once."""
    kept = LockCache(lambda _: None)
    tasks: dict[str, Task] = {}
    leases: dict[str, Lease] = {}
    for version, change in enumerate(changes, 1):
        match change:
            case ("task", name, phase, holds):
                tasks[name] = task(name, Phase(phase), holds=bool(holds))
                kept.update_task(tasks[name])
            case ("gone", name):
                tasks.pop(name, None)
                kept.forget_task(f"{name}-uid")
            case ("lease", name, holder):
                signed = lease(name, holder, version)
                leases[signed.name] = signed
                kept.update_lease(signed)
            case ("lease gone", name):
                leases.pop(key(name).lease_name, None)
                kept.forget_lease(lease(name, "", version))
            case _:
                pytest.fail(f"no such change: {change}")
    fresh = LockCache(lambda _: None)
    for one in leases.values():
        fresh.update_lease(one)
    for each in tasks.values():
        fresh.update_task(each)

    for name in NAMES:
        waiting = task(name, Phase.WAITING, holds=False)
        found, expected = kept.in_the_way(waiting, key(name)), fresh.in_the_way(waiting, key(name))
        assert (set(found.first), found.count) == (set(expected.first), expected.count)
        assert kept.position(waiting, key(name)) == fresh.position(waiting, key(name))
    assert (kept.held(), kept.uids(), set(kept._strays)) == (fresh.held(), fresh.uids(), set(fresh._strays))
    assert kept._domains.keys() == fresh._domains.keys()


def test_who_is_freed_is_enqueued_and_nobody_else() -> None:
    """The first in line of those that conflict with the lock that is free now."""
    freed: list[Key] = []
    locks = LockCache(freed.append)
    for name, phase in (("b", Phase.RUNNING), ("c", Phase.WAITING), ("d", Phase.RUNNING)):
        locks.update_task(task(name, phase, holds=phase is Phase.RUNNING))

    locks.forget_task("d-uid")
    assert freed == []
    locks.forget_task("b-uid")
    assert [one.name for one in freed] == ["c"]


def test_a_failure_lets_others_pass_who_waited_behind_a_task_that_now_waits_for_a_person() -> None:
    """The task for the whole cluster waits for a Failed tenant; other tenants no longer wait for it."""
    freed: list[Key] = []
    locks = LockCache(freed.append)
    locks.update_task(task("b", Phase.RUNNING, holds=True))
    locks.update_task(task("a", Phase.WAITING, holds=False))
    locks.update_task(task("d", Phase.WAITING, holds=False))
    assert locks.in_the_way(task("d", Phase.WAITING, holds=False), key("d")).count == 1

    locks.update_task(task("b", Phase.FAILED, holds=True))

    assert [one.name for one in freed] == ["d"]


@pytest.mark.parametrize("length", [10, 1_000, 10_000, 100_000])
def test_a_line_costs_a_bounded_number_of_writes(length: int) -> None:
    """However long it is and however fast it moves; those in front see their place within seconds."""
    rate = sum(1 / refresh_pause(position, length).total_seconds() for position in range(length))

    assert rate < 20
    assert refresh_pause(0, length) == timedelta(seconds=3)
    assert refresh_pause(FRONT - 1, length) < timedelta(seconds=36)


@pytest.mark.parametrize("length", [10, 1_000, 10_000, 100_000])
def test_who_moves_up_in_a_long_line_is_reconciled_soon(length: int) -> None:
    """Whoever sleeps far behind wakes about when it comes to the front; the whole line is still reconciled seldom enough."""
    pauses = [min(refresh_pause(position, length), relook_pause(position)).total_seconds() for position in range(length)]

    assert all(pause <= 60 for pause in pauses[: FRONT + 8 * 60])
    assert sum(1 / pause for pause in pauses) < 100


def test_a_question_about_a_tenant_does_not_look_at_other_tenants() -> None:
    """With 2,000 tenants at work in one cluster it takes about as long as with two."""
    locks = LockCache(lambda _: None)
    domain = Domain("prod", TaskType.CLUSTER, "c")
    for number in range(2_000):
        lock = LockKey(domain, Maintenance.TENANT, f"t-{number}")
        locks.update_lease(Lease("prod", lock.lease_name, f"x-{number}/u-{number}", 1, None, "1", lock.labels, lock.annotations))
    line = locks._domains[domain].line
    asked: list[LockKey] = []

    class Watched(dict[LockKey, Mapping[str, Contender]]):
        def __getitem__(self, name: LockKey) -> Mapping[str, Contender]:
            asked.append(name)
            return super().__getitem__(name)

    me = Contender("y", "y-uid", LockKey(domain, Maintenance.TENANT, "t-7"), Phase.WAITING, START)
    found = in_the_way(me, replace(line, held=Watched(line.held)))

    assert found.count == 1
    assert len(set(asked)) <= 2
