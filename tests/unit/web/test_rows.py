"""A row is what a list knows of a task."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import START, a_task

from obtask.model.contract import Maintenance, Phase, TaskType
from obtask.web.views.rows import LONGEST, row_of

AT = START.isoformat()


def test_a_row_has_what_a_list_shows() -> None:
    """Names, target, phase, progress, blockers and times come from where the API keeps them."""
    body = a_task().named("resize").tenant("orders").body()
    body["spec"]["displayName"] = "Resize orders"
    body["status"] = {
        "phase": "Failed",
        "progress": "1/3",
        "currentStep": "resize",
        "startedAt": AT,
        "lock": {"lease": "l", "scope": "Tenant", "acquiredAt": AT, "token": 7},
        "failedSubtask": {"step": "resize", "subtask": "zone2", "reason": "NonZeroExit", "code": "3", "message": "no", "failedAt": AT},
        "blockedBy": [{"name": "tune", "uid": "u", "phase": "Failed", "scope": "Global", "since": AT}],
        "blockedByCount": 1,
    }

    row = row_of(body)

    assert (row.name, row.display_name, row.target, row.tenant) == ("resize", "Resize orders", "demo", "orders")
    assert (row.type, row.maintenance, row.phase) == (TaskType.CLUSTER, Maintenance.TENANT, Phase.FAILED)
    assert (row.progress, row.step, row.token, row.started) == ("1/3", "resize", 7, START)
    assert row.failed is not None
    assert (row.failed.subtask, row.failed.code, row.since) == ("zone2", "3", START)
    assert [(each.name, each.phase) for each in row.blockers] == [("tune", Phase.FAILED)]
    assert row.seconds(START + timedelta(minutes=5)) == 300


@pytest.mark.parametrize(
    "change",
    [
        {"status": []},
        {"status": {"phase": 3, "blockedBy": [1, {}], "conditions": [0], "lock": "x"}},
        {"spec": None},
        {"spec": {"$text": "{"}},
    ],
)
def test_what_is_written_otherwise_is_still_a_row(change: dict[str, Any]) -> None:
    """Nothing that somebody wrote into an object keeps the others out of the list."""
    row = row_of(a_task().body() | change)

    assert row.phase is Phase.PENDING


def test_texts_are_cut() -> None:
    """However long a text is, a row stays small."""
    body = a_task().body() | {"status": {"phase": "Running", "message": "x" * 300_000}}

    assert len(row_of(body).message) == LONGEST


def test_what_has_no_identity_is_no_row() -> None:
    """Without a uid and a version nothing can be kept up to date."""
    with pytest.raises(ValueError, match="no uid"):
        row_of({"metadata": {"name": "x"}})
