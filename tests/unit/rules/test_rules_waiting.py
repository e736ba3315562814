"""Waiting in line, and not waiting: blockedBy, messages, `onConflict: Reject`, and the fence of a try that failed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.builders import START, TaskBuilder, a_blocker, a_task
from tests.support.world import Crash, World

from obtask import names
from obtask.model.contract import Phase, Verb
from obtask.model.reasons import Reason
from obtask.model.spec import StepsElsewhere, with_steps
from obtask.model.status import TaskStatus
from obtask.model.steps import Step
from obtask.rules import machine
from obtask.rules.decision import MarkTask, Record, Rest, TakeLock


def blocked(*names_: str, phase: Phase = Phase.RUNNING) -> World:
    """Return a task with others in the way, after its first reconciles."""
    world = World(a_task())
    world.in_the_way = tuple(a_blocker(name, phase) for name in names_)
    world.run()
    return world


def test_waiting_task_names_who_is_in_the_way() -> None:
    """A task in line says behind whom, in which phase and since when; it has no lock and started nothing."""
    world = blocked("freeze")

    status = world.status
    assert (status.phase, status.reason) == (Phase.WAITING, Reason.QUEUED)
    assert status.message == "waiting for freeze (Global, Running since 2026-11-23T08:00:00Z)"
    assert status.blocked_by == (a_blocker("freeze"),)
    assert (status.blocked_by_count, status.blocked_by_summary) == (1, "freeze (Running)")
    assert (status.lock, status.started_at, status.current_step, status.allowed_actions) == (None, None, None, (Verb.CANCEL,))
    assert (world.lease.token, world.executors.started) == (0, [])


def test_waiting_task_shows_progress() -> None:
    """None of its steps is done yet."""
    world = World(a_task().step("a").step("b"))
    world.in_the_way = (a_blocker("freeze"),)

    world.run()

    assert world.status.progress == "0/2"


def test_a_task_that_waits_is_not_read_in_full() -> None:
    """As long as somebody is in its way its steps do not matter: they may be 256 KiB, and it may wait for days among many."""
    world = blocked("freeze")
    looked = list[str]()

    def steps() -> Sequence[Step]:
        looked.append("at the steps")
        return world.task.plan.steps

    waiting = replace(world.task, spec=with_steps(world.task.plan, StepsElsewhere(len(world.task.plan.steps), steps)))

    assert isinstance(machine.decide(waiting, world.observe()), Rest)
    assert not looked
    world.in_the_way = ()
    assert isinstance(machine.decide(waiting, world.observe()), MarkTask)
    assert looked


def test_failed_blocker_comes_with_what_to_type() -> None:
    """Behind a failed task the message says what a person can type."""
    world = blocked("freeze", phase=Phase.FAILED)

    assert world.status.message == (
        "waiting for freeze (Global, Failed since 2026-11-23T08:00:00Z): "
        "kubectl annotate obtask freeze -n prod action=retry (or rollback, skip)"
    )
    assert world.status.blocked_by_summary == "freeze (Failed)"


@pytest.mark.parametrize(
    ("count", "shown", "summary", "tail"),
    [
        (1, 1, "t0 (Running)", "t0 (Global, Running since 2026-11-23T08:00:00Z)"),
        (3, 3, "t0 (Running) +2", "t2 (Global, Running since 2026-11-23T08:00:00Z)"),
        (4, 4, "t0 (Running) +3", "; and 1 more"),
        (10, 10, "t0 (Running) +9", "; and 7 more"),
        (1000, 10, "t0 (Running) +999", "; and 997 more"),
    ],
)
def test_many_blockers(count: int, shown: int, summary: str, tail: str) -> None:
    """At most ten are listed, three in the message, and the count tells how many there are."""
    status = blocked(*(f"t{number}" for number in range(count))).status

    assert ([blocker.name for blocker in status.blocked_by], status.blocked_by_count) == ([f"t{number}" for number in range(shown)], count)
    assert status.blocked_by_summary == summary
    assert (status.message or "").endswith(tail)


def test_task_starts_when_the_way_is_free() -> None:
    """Once nobody is in the way the task takes its lock, runs, and shows no blockers any more."""
    world = blocked("freeze")
    world.in_the_way = ()
    world.later(30)

    world.run()

    status = world.status
    assert (status.phase, status.reason, status.started_at) == (Phase.RUNNING, Reason.EXECUTING, START + timedelta(seconds=30))
    assert (status.blocked_by, status.blocked_by_count, status.blocked_by_summary) == ((), None, None)


def test_waiting_task_rests() -> None:
    """As long as nothing changes for a waiting task nothing is written, and nothing is asked of the clock."""
    world = blocked("freeze")
    stored = len(world.stored)

    assert world.run() == Rest()
    assert len(world.stored) == stored


@pytest.mark.parametrize(
    ("refresh_due", "shown"), [pytest.param(True, "other", id="due"), pytest.param(False, "freeze", id="shown-a-moment-ago")]
)
def test_change_of_blockers_is_shown_when_a_refresh_is_due(refresh_due: bool, shown: str) -> None:
    """A long line must not write itself to death: what changed is shown when a refresh is due."""
    world = blocked("freeze")
    world.in_the_way = (a_blocker("other"),)
    world.refresh_due = refresh_due

    world.run()

    assert world.status.blocked_by[0].name == shown


def test_new_task_shows_that_it_waits_at_once() -> None:
    """The first time, nothing delays it."""
    world = World(a_task())
    world.in_the_way = (a_blocker("freeze"),)
    world.refresh_due = False

    world.run()

    assert world.phase is Phase.WAITING


def test_maintenance_none_never_waits() -> None:
    """A task that excludes nobody does not look who is in the way."""
    world = World(a_task().none())
    world.in_the_way = (a_blocker("freeze"),)

    world.run()

    assert world.phase is Phase.RUNNING


def test_rival_that_shows_up_while_the_lock_is_taken() -> None:
    """A try for the lock that meets somebody is recorded, always as a change, before the claim is given back."""
    world = World(a_task())
    world.rivals = (a_blocker("quicker"),)

    world.reconcile()
    assert isinstance(world.reconcile(), TakeLock)

    assert isinstance(world.intents[-1], Record)
    assert (world.phase, world.lease.holder, world.status.lock_attempts) == (Phase.WAITING, "", 1)
    assert world.status.blocked_by == (a_blocker("quicker"),)


def test_every_refused_try_changes_the_status() -> None:
    """The record of a refused try is the fence: it differs from what is stored even if the same rival is met again."""
    world = World(a_task())
    world.rivals = (a_blocker("quicker"),)
    tries: list[TaskStatus] = []

    for _ in range(3):
        world.in_the_way = ()
        world.reconcile()
        tries.append(world.status)

    assert [status.lock_attempts for status in tries] == [0, 1, 2]


def test_lock_that_was_claimed_before_a_crash_is_taken_again() -> None:
    """A Lease that already names the task, without a record of it, is the task's own: it starts."""
    world = World(a_task())
    world.reconcile()
    world.reconcile(Crash.BEFORE_WRITE)
    assert (world.holds_lease, world.phase) == (True, Phase.PENDING)

    world.run()

    assert (world.phase, world.lease.token) == (Phase.RUNNING, 1)


@pytest.mark.parametrize("found_by", ["the-cache", "the-try"])
def test_reject_ends_the_task_at_once(found_by: str) -> None:
    """With `onConflict: Reject` a conflict ends the task: Rejected, reason Conflict, the holder named, no lock kept."""
    world = World(a_task().rejecting())
    blockers = (a_blocker("freeze"),)
    world.in_the_way, world.rivals = (blockers, ()) if found_by == "the-cache" else ((), blockers)

    world.run()

    status = world.status
    assert (status.phase, status.reason) == (Phase.REJECTED, Reason.CONFLICT)
    assert status.message == "conflict: freeze (Global, Running since 2026-11-23T08:00:00Z)"
    assert (status.finished_at, status.blocked_by, status.lock, world.lease.holder) == (START, (), None, "")
    assert names.FINALIZER not in world.task.metadata.finalizers
    assert world.executors.started == []


def test_hearsay_turns_nobody_away() -> None:
    """Somebody of whom only a Lease tells may be finished or gone: a task that would not wait for him tries to take its lock."""
    world = World(a_task().rejecting())
    world.in_the_way, world.hearsay = (a_blocker("freeze"),), True

    world.run()

    assert (world.phase, world.holds_lease) == (Phase.RUNNING, True)


@pytest.mark.parametrize("task", [a_task(), a_task().rejecting()], ids=["waits", "rejects"])
def test_a_try_that_found_the_lock_of_somebody_gone_is_repeated(task: TaskBuilder) -> None:
    """The Lease of a task that is over is emptied, the try recorded, and the lock taken by the next one."""
    world = World(task)
    world.rivals, world.freed = (a_blocker("gone"),), True

    world.reconcile()
    world.reconcile()
    assert (world.phase, world.status.lock_attempts, world.lease.holder) == (Phase.PENDING, 1, "")
    world.rivals = world.in_the_way = ()
    world.run()

    assert (world.phase, world.holds_lease) == (Phase.RUNNING, True)


def test_reject_without_a_conflict_runs() -> None:
    """Nobody in the way: the task just runs."""
    world = World(a_task().rejecting())

    world.run()

    assert world.phase is Phase.RUNNING
