"""A status that was edited into nonsense is left alone: nothing is started by it, people are told, and may skip or delete the task."""

from typing import Any

import pytest
from tests.support.builders import a_mended_task
from tests.support.world import World

from obtask.model.task import Task, Unreadable, read_object
from obtask.rules.unreadable import Amend, care


def running() -> World:
    """Return a task with two running subtasks."""
    world = World(a_mended_task())
    world.run()
    world.succeed("check")
    return world


EDITS: dict[str, dict[str, Any]] = {
    "no steps": {"steps": []},
    "no such step": {"currentStep": "nope"},
    "no step at all": {"currentStep": None},
    "other steps": {"steps": [{"name": "resize", "phase": "Running", "subtasks": []}], "currentStep": "resize"},
    "no lock": {"lock": None},
}


@pytest.mark.parametrize("what", EDITS)
def test_nothing_follows_from_nonsense(what: str) -> None:
    """The message names the field and what to type."""
    world = running()
    body = world.api.body
    edited = {key: value for key, value in (body["status"] | EDITS[what]).items() if value is not None}

    task = read_object(body | {"status": edited})

    assert isinstance(task, Unreadable)
    told = care(task, world.now)
    assert isinstance(told, Amend)
    assert "status." in told.change["message"]
    assert "action=skip" in told.change["message"]


def test_subtasks_that_the_spec_does_not_have_are_nonsense() -> None:
    """The attempts that they stand for cannot be found."""
    world = running()
    body = world.api.body
    steps = [step | {"subtasks": step["subtasks"][:1]} for step in body["status"]["steps"]]

    assert isinstance(read_object(body | {"status": body["status"] | {"steps": steps}}), Unreadable)


def test_what_the_operator_writes_makes_sense() -> None:
    """In every phase, and without a lock where it was lost or none is needed."""
    for builder in (a_mended_task(), a_mended_task().none(), a_mended_task().tenant("t")):
        world = World(builder)
        assert isinstance(read_object(world.api.body), Task)
        world.run()
        assert isinstance(read_object(world.api.body), Task)
        world.lease.holder = "stranger/uid"
        world.fail("check")
        assert isinstance(read_object(world.api.body), Task)
