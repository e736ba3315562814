"""A task that the API server does not let get on says so, and says what it said before once that is over. API.md section 3."""

from collections.abc import Callable

import pytest
from tests.support.builders import a_blocker, a_mended_task, a_task
from tests.support.world import World

from obtask.model.contract import Phase
from obtask.rules import held_up
from obtask.rules.decision import Rest
from obtask.rules.observation import Hindered

WHY = "held up: cannot claim lease x: exceeded quota"


def hinder(world: World) -> None:
    """Have the task say that it does not get on."""
    world.perform(world.record_of(Hindered(WHY)))


def reconciling(world: World) -> tuple[str, str]:
    """Return reason and message of the condition."""
    found = next(each for each in world.status.conditions if each.type == "Reconciling")
    return found.reason, found.message


def running() -> World:
    """Return a task at its first step."""
    world = World(a_mended_task())
    world.run()
    return world


def waiting() -> World:
    """Return a task in line."""
    world = World(a_task())
    world.in_the_way = (a_blocker("freeze"),)
    world.run()
    return world


def rolling_back() -> World:
    """Return a task that is being undone."""
    world = running()
    world.fail("check")
    world.command("rollback")
    return world


@pytest.mark.parametrize("made", [running, waiting, rolling_back])
def test_the_message_says_why_and_then_again_what_it_said(made: Callable[[], World]) -> None:
    """What is not worth a write by itself is not left standing either."""
    world = made()
    before = world.status

    hinder(world)
    assert (world.status.message, world.phase, world.status.reason) == (WHY, before.phase, before.reason)
    assert reconciling(world) == ("HeldUp", WHY)

    world.run()
    assert world.status == before


def test_why_it_failed_is_not_overwritten() -> None:
    """Of a failed task a person has to know that; the condition says the other."""
    world = running()
    world.fail("check")
    before = world.status

    hinder(world)
    assert world.status.message == before.message
    assert reconciling(world) == ("HeldUp", WHY)

    world.run()
    assert world.status == before


def test_a_task_that_has_not_begun_goes_on_as_if_nothing_had_been() -> None:
    """Its next phase has a message of its own."""
    world = World(a_task())
    hinder(world)
    assert (world.phase, world.status.message) == (Phase.PENDING, WHY)

    world.run()

    assert (world.phase, world.status.message) == (Phase.RUNNING, 'step 1/1 "only"')
    assert not held_up.is_marked(world.status)


def test_what_is_told_again_changes_nothing() -> None:
    """No write follows from hearing the same twice."""
    world = running()
    hinder(world)

    assert world.record_of(Hindered(WHY)).status == world.status
    assert not isinstance(world.decide(), Rest)
