"""A task whose status cannot be read is left as it is; people are told what to type, and may skip or delete it. API.md 2.2."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import START as NOW

from obtask import names
from obtask.model.status import TaskStatus
from obtask.model.task import Unreadable, read_object
from obtask.rules.decision import RemoveFinalizer, Rest, TakeCommand
from obtask.rules.unreadable import Amend, care

NOTE = '{"id":"7","verb":"%s","requestedAt":"2026-01-01T00:00:00Z"}'


def unreadable(status: dict[str, Any], **metadata: Any) -> Unreadable:
    """Return a task with a status that this version cannot read."""
    meta = {"name": "t", "namespace": "ns", "uid": "u", "resourceVersion": "1", "creationTimestamp": NOW.isoformat()}
    task = read_object({"metadata": meta | metadata, "spec": {}, "status": status})
    assert isinstance(task, Unreadable)
    return task


STRANGE = {"phase": "Hibernating", "message": "asleep", "lock": {"lease": "x"}, "lastAction": {"id": "6"}}


def test_nothing_but_the_message_changes_and_only_once() -> None:
    """What it said stays in the message; told once, it rests."""
    intent = care(unreadable(STRANGE), NOW)

    assert isinstance(intent, Amend)
    assert list(intent.change) == ["message"]
    assert "kubectl annotate obtask t -n ns action=skip; before, it said: asleep" in intent.change["message"]
    assert intent.instead is None
    assert care(unreadable(STRANGE | intent.change), NOW) == Rest()


def test_skip_ends_it() -> None:
    """What else the status says stays, as far as the API server lets it; else a status of our own takes its place."""
    given = unreadable(STRANGE, annotations={"action": "skip"})
    noted = unreadable(STRANGE, annotations={names.ACCEPTED_COMMAND_ANNOTATION: NOTE % "skip"})

    assert isinstance(care(given, NOW), TakeCommand)
    intent = care(noted, NOW)
    assert isinstance(intent, Amend)
    assert (intent.change["phase"], intent.change["lock"]) == ("Skipped", None)
    assert "steps" not in intent.change
    assert intent.instead is not None
    stored = TaskStatus.model_validate({key: value for key, value in intent.change.items() if value is not None})
    assert stored.phase.finished
    assert stored.last_action is not None
    assert stored.last_action.id == "7"


@pytest.mark.parametrize("verb", ["retry", "cancel", "rollback", "bake"])
def test_any_other_command_is_refused(verb: str) -> None:
    """It needs a status that can be read; nothing but the answer changes."""
    intent = care(unreadable(STRANGE, annotations={names.ACCEPTED_COMMAND_ANNOTATION: NOTE % verb}), NOW)

    assert isinstance(intent, Amend)
    assert list(intent.change) == ["lastAction"]
    assert intent.change["lastAction"]["result"] == "Rejected"
    assert intent.said.warning


def test_a_command_that_was_answered_is_not_answered_again() -> None:
    """Its id is in the status, readable or not."""
    done = STRANGE | {"lastAction": {"id": "7", "result": "Perhaps"}}

    intent = care(unreadable(done, annotations={names.ACCEPTED_COMMAND_ANNOTATION: NOTE % "skip"}), NOW)

    assert isinstance(intent, Amend)
    assert list(intent.change) == ["message"]


@pytest.mark.parametrize(
    "body",
    [
        ({"phase": "Skipped", "steps": 1}, {}),
        (STRANGE, {"deletionTimestamp": (NOW + timedelta(seconds=1)).isoformat()}),
    ],
    ids=["finished", "deleted"],
)
def test_what_is_over_is_let_go(body: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A finished or deleted task keeps no finalizer; without one there is nothing to do."""
    status, metadata = body

    assert care(unreadable(status, finalizers=[names.FINALIZER], **metadata), NOW) == RemoveFinalizer()
    assert care(unreadable(status, **metadata), NOW) == Rest()


HELD = {"finalizers": [names.FINALIZER, "x/y"], "deletionTimestamp": NOW.isoformat()}


def test_a_deleted_one_that_others_hold_is_ended_and_then_let_go() -> None:
    """Its lock does not wait for the finalizers of others."""
    intent = care(unreadable(STRANGE, **HELD), NOW)

    assert isinstance(intent, Amend)
    assert (intent.change["phase"], intent.change["lock"]) == ("Skipped", None)
    assert "x/y" in intent.change["message"]
    assert "lastAction" not in intent.change
    assert care(unreadable(STRANGE | {"phase": "Skipped", "progress": 1}, **HELD), NOW) == RemoveFinalizer()


@pytest.mark.parametrize("verb", ["skip", "retry"])
def test_a_command_on_one_that_has_ended_is_refused(verb: str) -> None:
    """It stays as it ended, whoever holds it."""
    left = {"finalizers": ["x/y"], "deletionTimestamp": NOW.isoformat(), "annotations": {names.ACCEPTED_COMMAND_ANNOTATION: NOTE % verb}}

    intent = care(unreadable(STRANGE | {"phase": "Skipped"}, **left), NOW)

    assert isinstance(intent, Amend)
    assert list(intent.change) == ["lastAction"]
    assert intent.change["lastAction"]["result"] == "Rejected"
