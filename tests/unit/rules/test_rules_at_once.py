"""What has nothing to wait for is over in the write that begins it."""

from tests.support.builders import a_blocker, a_task
from tests.support.world import World

from obtask.model.contract import Phase, SubtaskPhase
from obtask.rules.announcements import announcements
from obtask.rules.decision import Record

NO_WAIT = {"wait": {"seconds": 0}}


def test_a_task_without_any_wait_is_stored_once() -> None:
    """Its one status says all that a status after two writes would say."""
    world = World(a_task().step("a", wait=0).parallel("b", "c", "d").step("e", wait=0))
    world.api.body["spec"]["steps"][1] = {"name": "b", "parallel": [{"name": "c", **NO_WAIT}, {"name": "d", **NO_WAIT}]}
    world.api.annotate()

    world.run()

    assert len(world.stored) == 1
    assert world.phase is Phase.SUCCEEDED
    assert world.executors.started == []
    for name in ("a", "c", "d", "e"):
        sub = world.subtask(name)
        assert (sub.phase, sub.attempts, sub.message) == (SubtaskPhase.SUCCEEDED, 1, "waited 0 s")
        assert sub.started_at == sub.finished_at == world.now
        assert sub.log_tail == "2026-11-23T08:00:00.000Z waited 0 s\n"
        assert sub.nonce_digests == ()
    assert not world.holds_lease


def test_what_follows_begins_in_the_same_write() -> None:
    """A step that takes time starts at once after one that takes none."""
    world = World(a_task().step("a", wait=0).step("b", wait=60))

    world.run()

    assert len(world.stored) == 1
    assert (world.phase, world.status.current_step, world.status.progress) == (Phase.RUNNING, "b", "1/2")
    assert world.live == ["b"]
    done = world.step("a")
    assert (done.phase, done.started_at, done.finished_at) == (SubtaskPhase.SUCCEEDED, world.now, world.now)


def test_an_undo_without_a_wait_is_over_at_once() -> None:
    """Undoing goes on to the step before it in the same write."""
    world = World(a_task().step("a", wait=60, rollback=NO_WAIT).step("b", wait=60, rollback=NO_WAIT))
    world.run()
    world.succeed("a")
    world.fail("b")
    before = len(world.stored)

    world.command("rollback")

    assert world.phase is Phase.ROLLED_BACK
    assert len(world.stored) == before + 1
    assert [world.subtask(name).rollback_attempts for name in ("a", "b")] == [1, 1]
    assert world.step("a").phase is SubtaskPhase.ROLLED_BACK


def test_a_retry_after_an_undo_without_a_wait_begins_in_the_same_write() -> None:
    """The undo that a step asks for before it is tried again is not the end of the task's way forward."""
    world = World(a_task().step("a", wait=60, rollback=NO_WAIT, undo_before_retry=True))
    world.run()
    world.fail("a")
    before = len(world.stored)

    world.command("retry")

    assert len(world.stored) == before + 1
    sub = world.subtask("a")
    assert (world.phase, sub.phase, sub.attempts, sub.rollback_attempts) == (Phase.RUNNING, SubtaskPhase.RUNNING, 2, 1)
    assert world.live == ["a"]


def test_the_lock_is_told_of_although_it_is_given_back_at_once() -> None:
    """Whoever waited for it is told that it came, and that all is done."""
    world = World(a_task().step("a", wait=0))
    world.in_the_way = (a_blocker("a"),)
    world.run()
    waiting = world.status
    world.in_the_way = ()
    world.run()
    record = next(intent for intent in reversed(world.intents) if isinstance(intent, Record))

    assert [said.reason for said in announcements(waiting, record)] == ["LockAcquired", "Completed"]
