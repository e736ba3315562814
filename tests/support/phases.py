"""Owns a task in every phase, brought there by the rules themselves."""

from collections.abc import Callable

from tests.support.builders import a_blocker, a_mended_task, a_task
from tests.support.world import World

from obtask.model.contract import Phase


def waiting() -> World:
    """Return a task in line."""
    world = World(a_task())
    world.in_the_way = (a_blocker("freeze"),)
    world.run()
    return world


def running() -> World:
    """Return a running task."""
    world = World(a_mended_task())
    world.run()
    return world


def failed_one() -> World:
    """Return a failed task."""
    world = running()
    world.fail("check")
    return world


def resizing() -> World:
    """Return a task at its second step of three, whose two subtasks run."""
    world = running()
    world.succeed("check")
    return world


def broken() -> World:
    """Return a task that failed at its second step of three: zone1 is done, zone2 failed; everything has a rollback."""
    world = resizing()
    world.succeed("zone1")
    world.fail("zone2")
    return world


def rolling_back() -> World:
    """Return a task that is being undone."""
    world = failed_one()
    world.command("rollback")
    return world


def succeeded() -> World:
    """Return a task that is done."""
    world = World(a_task())
    world.run()
    world.succeed("only")
    return world


def rolled_back() -> World:
    """Return a task that is undone."""
    world = rolling_back()
    world.succeed("check")
    return world


def skipped() -> World:
    """Return a task that a person gave up on."""
    world = failed_one()
    world.command("skip")
    return world


def cancelled() -> World:
    """Return a task that was cancelled before it started."""
    world = waiting()
    world.command("cancel")
    return world


def rejected() -> World:
    """Return a task that was in conflict."""
    world = World(a_task().rejecting())
    world.in_the_way = (a_blocker("freeze"),)
    world.run()
    return world


def pending() -> World:
    """Return a task whose only record is the refusal of a command."""
    world = World(a_task().annotated(action="retry"))
    while not world.stored:
        world.reconcile()
    return world


IN_PHASE: dict[Phase, Callable[[], World]] = {
    Phase.PENDING: pending,
    Phase.WAITING: waiting,
    Phase.RUNNING: running,
    Phase.FAILED: failed_one,
    Phase.ROLLING_BACK: rolling_back,
    Phase.SUCCEEDED: succeeded,
    Phase.ROLLED_BACK: rolled_back,
    Phase.SKIPPED: skipped,
    Phase.CANCELLED: cancelled,
    Phase.REJECTED: rejected,
}
