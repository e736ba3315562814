"""Which finished tasks are remembered no more: nothing is left to do for them."""

from typing import Any

import pytest

from obtask import names
from obtask.cache.tasks import at_rest

NOTE = '{"id":"7","verb":"retry","requestedAt":"2026-01-01T00:00:00Z"}'


def task(metadata: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """Return a task that has succeeded."""
    return {"metadata": metadata or {}, "spec": spec or {}, "status": {"phase": "Succeeded"} | status}


def noted(note: str = NOTE) -> dict[str, Any]:
    """Return metadata with the note of a command."""
    return {"annotations": {names.ACCEPTED_COMMAND_ANNOTATION: note}}


@pytest.mark.parametrize(
    "body",
    [
        task(),
        task(spec={"ttlSecondsAfterFinished": 5}),
        task(noted(), lastAction={"id": "7"}),
        task(noted("no note")),
        task(noted("{}")),
    ],
)
def test_what_nothing_is_owed_to_is_forgotten(body: dict[str, Any]) -> None:
    """Also one with a time of its own: the cleaner knows of that."""
    assert at_rest(body)


@pytest.mark.parametrize(
    "body",
    [
        task({"finalizers": [names.FINALIZER]}),
        task({"annotations": {names.ACTION_ANNOTATION: "retry"}}),
        task({"annotations": {names.GROUP_ACTION_ANNOTATION: "retry"}}),
        task(noted()),
        task(noted(), lastAction={"id": "6"}),
        task(noted(), lastAction="odd"),
        task(phase="Failed"),
    ],
)
def test_what_something_is_owed_to_stays(body: dict[str, Any]) -> None:
    """Its lock, or an answer: also one that was noted by an operator which died before it answered."""
    assert not at_rest(body)
