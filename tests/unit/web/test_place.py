"""Which attempt of a task the page shows."""

from collections.abc import Mapping

import pytest

from obtask.model.contract import Direction
from obtask.model.status import TaskStatus
from obtask.web.detail.place import Place, chosen, is_asked, located

WHEN = "2026-11-28T14:24:58Z"
DONE = {"name": "check", "phase": "Succeeded", "subtasks": [{"name": "check", "phase": "Succeeded", "attempts": 1}]}


def status(zone1: Mapping[str, object], zone2: Mapping[str, object], **more: object) -> TaskStatus:
    """Return the status of a task at its second step, which has two subtasks."""
    step = {"name": "window", "phase": "Running", "subtasks": [{"name": "zone1", **zone1}, {"name": "zone2", **zone2}]}
    return TaskStatus.model_validate({"phase": "Running", "currentStep": "window", "steps": [DONE, step], **more})


FAILED = {
    "step": "window",
    "subtask": "zone1",
    "attempt": 2,
    "direction": "Forward",
    "reason": "SqlError",
    "message": "no",
    "failedAt": WHEN,
}
RUNNING = status({"phase": "Succeeded", "attempts": 1}, {"phase": "Running", "attempts": 3})
STOPPED = status({"phase": "Failed", "attempts": 2}, {"phase": "Succeeded", "attempts": 1}, phase="Failed", failedSubtask=FAILED)
UNDOING = status(
    {"phase": "RollingBack", "attempts": 2, "rollbackAttempts": 1}, {"phase": "RolledBack", "attempts": 1}, direction="Rollback"
)


@pytest.mark.parametrize(
    ("task", "place"),
    [
        (RUNNING, Place("window", "zone2", Direction.FORWARD, 3)),
        (STOPPED, Place("window", "zone1", Direction.FORWARD, 2)),
        (UNDOING, Place("window", "zone1", Direction.ROLLBACK, 1)),
        (TaskStatus(), None),
        (TaskStatus.model_validate({"phase": "Succeeded", "steps": [DONE]}), Place("check", "check", Direction.FORWARD, 1)),
    ],
)
def test_the_page_opens_at_the_current_progress(task: TaskStatus, place: Place | None) -> None:
    """What runs, else what failed, else what was done last."""
    assert located(task) == place
    assert chosen({}, task) == place


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"step": "check"}, Place("check", "check", Direction.FORWARD, 1)),
        ({"step": "window", "subtask": "zone1", "direction": "Forward", "attempt": "1"}, Place("window", "zone1", Direction.FORWARD, 1)),
        ({"step": "window", "subtask": "zone1", "direction": "Forward", "attempt": "9"}, Place("window", "zone1", Direction.FORWARD, 2)),
        ({"step": "window", "subtask": "zone1", "direction": "Forward"}, Place("window", "zone1", Direction.FORWARD, 2)),
        ({"step": "window", "subtask": "zone1"}, Place("window", "zone1", Direction.ROLLBACK, 1)),
        ({"step": "window", "subtask": "nobody"}, Place("window", "zone1", Direction.ROLLBACK, 1)),
        ({"step": "../../etc"}, Place("window", "zone1", Direction.ROLLBACK, 1)),
        ({"step": "window", "attempt": "-1", "direction": "<b>"}, Place("window", "zone1", Direction.ROLLBACK, 1)),
        ({"step": "window", "attempt": "9" * 5000}, Place("window", "zone1", Direction.ROLLBACK, 1)),
    ],
)
def test_an_address_chooses_as_far_as_it_can(asked: Mapping[str, str], place: Place) -> None:
    """Whatever does not exist, or is no number, is left to the page."""
    assert chosen(asked, UNDOING) == place


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, True),
        ({"step": "window"}, True),
        ({"step": "window", "subtask": "zone1", "direction": "Forward", "attempt": "2"}, True),
        ({"step": "window", "subtask": "zone1", "direction": "Forward", "attempt": "3"}, False),
        ({"step": "window", "subtask": "zone1", "direction": "Backward", "attempt": "1"}, False),
        ({"step": "window", "subtask": "zone3"}, False),
        ({"step": "nowhere"}, False),
        ({"subtask": "zone2"}, False),
    ],
)
def test_what_is_near_what_is_asked_for_is_not_it(asked: Mapping[str, str], found: bool) -> None:
    """Each part of an address that is given has to be so."""
    assert is_asked(asked, chosen(asked, UNDOING)) is found
    assert is_asked(asked, None) is (not asked)


def test_a_place_leads_back_to_itself() -> None:
    """The address that a page writes for an attempt is read as that attempt."""
    place = Place("window", "zone1", Direction.FORWARD, 1)

    assert chosen(dict(part.split("=") for part in place.query.split("&")), STOPPED) == place
